# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn off the services that a server does not need, and make sure that something keeps its clock.

Sockets go with their services, and what listens goes by the unit it belongs to, whatever that is called. What belongs to no unit of
the system is told, and stopped on request only. Packages stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Set

from ansible_collections.nself.prod.plugins.module_utils.audit.tables.unwanted_services import UNWANTED
from ansible_collections.nself.prod.plugins.module_utils.change import where
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.services_found import (
    Listener,
    Unit,
    listeners,
    protected,
    show,
)
from ansible_collections.nself.prod.plugins.module_utils.change.services_inetd import disabled, without
from ansible_collections.nself.prod.plugins.module_utils.change.tables.services import (
    CLOCK_PACKAGE,
    CLOCKS,
    INETD_NAMES,
)
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound

INETD, XINETD = "/etc/inetd.conf", "/etc/xinetd.d"
SPEC: Dict[str, Any] = {
    "disabled": {"type": "list", "elements": "str", "default": []},
    "keep": {"type": "list", "elements": "str", "default": []},
    "mask": {"type": "bool", "default": False},
    "stop_strays": {"type": "bool", "default": False},
    "clock": {"type": "bool", "default": True},
}


@dataclass(frozen=True)
class Wish:
    """units: what must neither run nor start; processes: the names of what must not listen; kinds: what is unwanted of the table;
    keep: what was asked to be kept, units with their full names too.
    """

    units: Sequence[str]
    processes: Set[str]
    kinds: Set[str]
    keep: Set[str]


def wish(more: Sequence[str], keep: Sequence[str], needed: Mapping[str, str]) -> Wish:
    """Return what must not run. needed: kinds that something on the host needs. Raises ChangeError for a unit that is protected."""
    kept = set(keep) | {full_name(name) for name in keep} | set(needed)
    units: List[str] = []
    processes: Set[str] = set()
    kinds: Set[str] = set()
    for kind, of_kind, called, _ports in UNWANTED:
        if kind not in kept:
            kinds.add(kind)
            units += [unit for unit in of_kind if unit not in kept]
            if not kept & set(of_kind):
                processes |= set(called) - kept
    for name in more:
        unit = full_name(name)
        if protected(unit):
            raise ChangeError("services_disabled: %s is never turned off by this role; take it out of the list" % unit)
        units.append(unit)
        if unit == name + ".service":
            units.append(name + ".socket")
    return Wish([unit for unit in dict.fromkeys(units) if unit not in kept], processes, kinds, kept)


def full_name(name: str) -> str:
    """Return a unit's name with its kind."""
    known = (".service", ".socket", ".timer", ".path", ".mount", ".target")
    return name if name.endswith(known) else name + ".service"


def work(host: Any, changes: Changes, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Make the changes and return what the module returns besides."""
    needed = _needed(host)
    wanted = wish(params["disabled"] or [], params["keep"] or [], needed)
    clocks = CLOCKS if params["clock"] else ()
    shown = show(host, list(wanted.units) + list(clocks))
    found = [unit for unit in shown if unit.name not in clocks and not protected(unit.name)]
    heard = [item for item in listeners(host, wanted.processes) if item.unit not in wanted.keep]
    others = sorted({item.unit for item in heard if item.unit} - {unit.name for unit in found})
    found += show(host, others)
    strays = [item for item in heard if item.unit is None]

    edited = _inetd(host, changes, wanted.kinds)
    stopped, off = _turn_off(host, changes, found)
    if edited:
        _reload_inetd(host, changes, wanted.keep)
    masked = _mask(host, changes, found) if params["mask"] else []
    killed = _stop(host, changes, strays) if params["stop_strays"] else []
    clock = (
        _clock(host, changes, [unit for unit in shown if unit.name in clocks])
        if params["clock"]
        else {"state": "not_asked"}
    )
    left = [item for item in strays if str(item) not in killed]
    return {
        "stopped": stopped,
        "disabled": off,
        "masked": masked,
        "killed": killed,
        "strays": ["%s: %s" % (item, item.why) for item in left],
        "needed": needed,
        "clock": clock,
        "install": [CLOCK_PACKAGE] if clock["state"] == "absent" else [],
        "warnings": ["%s is not stopped: %s" % (item, item.why) for item in left]
        + ["%s is not turned off: %s" % pair for pair in sorted(needed.items())],
    }


def _needed(host: Any) -> Dict[str, str]:
    """Return the kinds of services that something on this host rightly needs."""
    try:
        mounts = [line.split() for line in host.read("/proc/mounts").splitlines()]
    except NotFound:
        mounts = []
    old = [row[1] for row in mounts if len(row) > 3 and row[2] == "nfs" and "vers=4" not in row[3]]
    return {"rpc": "%s is mounted by NFS 3, which needs rpcbind" % old[0]} if old else {}


def _turn_off(host: Any, changes: Changes, units: List[Unit]) -> Any:
    off = [unit.name for unit in units if unit.enabled]
    running = [unit.name for unit in units if unit.active]
    if off:
        changes.run(["systemctl", "disable", "--"] + off, "%s: no longer started at boot" % ", ".join(off))
    if running:
        # In one go, or a socket would start its service again.
        changes.run(["systemctl", "stop", "--"] + running, "%s: stopped" % ", ".join(running), timeout=120.0)
    if (off or running) and not changes.check:
        rest = [
            "%s is %s" % (unit.name, "active" if unit.active else "enabled")
            for unit in show(host, off + running)
            if unit.active or unit.enabled
        ]
        if rest:
            raise ChangeError("%s still; see `systemctl status` for what starts it" % ", ".join(rest))
    return running, off


def _mask(host: Any, changes: Changes, units: List[Unit]) -> List[str]:
    # A unit whose file stands in /etc cannot be masked: the mask would have to take the file's place.
    names = [unit.name for unit in units if not unit.masked and not unit.own]
    if names:
        changes.run(["systemctl", "mask", "--"] + names, "%s: masked" % ", ".join(names))
    return names


def _stop(host: Any, changes: Changes, strays: List[Listener]) -> List[str]:
    """End the processes that belong to no unit; those in containers are the containers' business."""
    out = []
    for item in strays:
        if "container" not in item.why:
            changes.run(["kill", "--", item.pid], "%s: ended" % item)
            out.append(str(item))
    return out


def _inetd(host: Any, changes: Changes, kinds: Set[str]) -> bool:
    """Turn the unwanted services off in the files of inetd and xinetd; return whether that is a change."""
    names = [name for kind in sorted(kinds) for name in INETD_NAMES.get(kind, ())]
    edited = False
    text = changes.read(INETD)
    if text is not None:
        edited = changes.file(INETD, without(text, names), mode=None, uid=None, gid=None)
    try:
        # xinetd passes over names with a dot and backups.
        files = [name for name in host.listdir(XINETD) if "." not in name and not name.endswith("~")]
    except NotFound:
        files = []
    for name in files:
        path = XINETD + "/" + name
        text = changes.read(path)
        if text is not None:
            edited |= changes.file(path, disabled(text, names), mode=None, uid=None, gid=None)
    return edited


def _reload_inetd(host: Any, changes: Changes, kept: Set[str]) -> None:
    """Let an inetd that is kept know of its new files."""
    of_inetd = [unit for kind, units, _processes, _ports in UNWANTED if kind == "inetd" for unit in units]
    for unit in show(host, of_inetd if "inetd" in kept else [unit for unit in of_inetd if unit in kept]):
        if unit.active:
            changes.run(["systemctl", "reload-or-restart", "--", unit.name], "%s: reads its files again" % unit.name)


def _clock(host: Any, changes: Changes, units: List[Unit]) -> Dict[str, str]:
    """Make sure that a daemon keeps the clock; return {"state", "reason"}."""
    kind = where.container(host)
    if kind is not None:
        return {"state": "not_applicable", "reason": "the clock of a container (%s) is its host's" % kind}
    running = [unit for unit in units if unit.active]
    usable = running or [unit for unit in units if not unit.masked]
    if not usable:
        if units:
            return {"state": "masked", "reason": "%s is masked, and nothing else keeps the clock" % units[0].name}
        return {"state": "absent", "reason": "nothing keeps the clock"}
    chosen = min(usable, key=lambda unit: CLOCKS.index(unit.name))
    if not chosen.active or not chosen.enabled:
        changes.run(["systemctl", "enable", "--now", "--", chosen.name], "%s: started, now and at boot" % chosen.name)
        if not changes.check and not all(unit.active for unit in show(host, [chosen.name])):
            raise ChangeError("%s does not start; see `systemctl status %s`" % (chosen.name, chosen.name))
    return {"state": "present", "reason": "%s keeps the clock" % chosen.name}

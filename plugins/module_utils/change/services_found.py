# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the services of a host that it does not need: by their units, and by what listens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import ports
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.services import ACTIVE, ENABLED
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.tables.services import PROTECTED
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse.systemd import parse_show

_SHOWN = "Id,LoadState,ActiveState,UnitFileState,FragmentPath"
_CONTAINER = re.compile(r"docker|libpod|containerd|kubepods|crio|lxc\.payload|machine\.slice")
_UNIT = re.compile(r"\.(service|socket|scope)\Z")


@dataclass(frozen=True)
class Unit:
    """A unit that exists. enabled: it starts at boot; own: its file is the administrator's, in /etc."""

    name: str
    active: bool
    enabled: bool
    masked: bool
    own: bool


@dataclass(frozen=True)
class Listener:
    """A process that waits on ports. unit: what it belongs to, None for nothing that may be stopped; why: then the reason."""

    pid: str
    name: str
    ports: Tuple[str, ...]
    unit: Optional[str]
    why: str = ""

    def __str__(self) -> str:
        return "%s (process %s, %s)" % (self.name, self.pid, ", ".join(self.ports))


def protected(unit: str) -> bool:
    """Tell whether a unit must never be stopped."""
    return unit.startswith(PROTECTED)


def show(host: Any, names: Iterable[str]) -> List[Unit]:
    """Return those of the units that exist, each once. Raises ChangeError where systemd does not answer."""
    wanted = list(names)
    if not wanted:
        return []
    try:
        done = host.run(["systemctl", "show", "--no-pager", "--property=" + _SHOWN, "--"] + wanted, timeout=20)
    except HostError as error:
        raise ChangeError("systemctl: %s; this role needs systemd" % (error.detail or error.reason)) from error
    shown = parse_show(done.out)
    if not shown:
        raise ChangeError("systemctl: %s; this role needs systemd" % (first_line(done.err) or "gave no answer"))
    out: Dict[str, Unit] = {}
    for item in shown:
        name, state = item.get("Id", ""), item.get("UnitFileState", "")
        active = item.get("ActiveState") in ACTIVE
        if item.get("LoadState") != "not-found" or active:
            out[name] = Unit(
                name,
                active,
                state in ENABLED or (state == "generated" and _starts_by_script(host, name)),
                item.get("LoadState") == "masked",
                item.get("FragmentPath", "").startswith("/etc/"),
            )
    return list(out.values())


def _starts_by_script(host: Any, unit: str) -> bool:
    """Tell whether a unit that systemd made of a script in /etc/init.d starts at boot."""
    script = re.compile(r"^S\d\d%s\Z" % re.escape(unit.rpartition(".")[0]))
    try:
        return any(script.match(name) for name in host.listdir("/etc/rc3.d"))
    except NotFound:
        return False


def listeners(host: Any, names: Iterable[str]) -> List[Listener]:
    """Return the processes of these names that wait on ports of the host, busybox by what it was called as. Raises HostError."""
    unwanted = set(names)
    found: Dict[Tuple[str, str], List[str]] = {}
    for protocol in ("tcp", "udp"):
        waiting = ports.sockets(host, protocol)
        owners = ports.holders(host, {socket.inode for socket in waiting})
        for socket in waiting:
            pid, name = owners.get(socket.inode, ("", ""))
            if name == "busybox":
                name = _applet(host, pid)
            port = "%s %d" % (protocol, socket.port)
            if name in unwanted and port not in found.setdefault((pid, name), []):
                found[(pid, name)].append(port)
    return [Listener(pid, name, tuple(where), *_owner(host, pid)) for (pid, name), where in sorted(found.items())]


def _applet(host: Any, pid: str) -> str:
    try:
        words = host.read("/proc/%s/cmdline" % pid).split("\0")
    except HostError:
        return ""
    return words[1] if len(words) > 1 else ""


def _owner(host: Any, pid: str) -> Tuple[Optional[str], str]:
    """Return the unit that a process belongs to, or None and why nothing may be stopped."""
    try:
        text = host.read("/proc/%s/cgroup" % pid)
    except HostError as error:
        return None, "its control group cannot be read: %s" % error
    return owner_in(text)


def owner_in(text: str) -> Tuple[Optional[str], str]:
    """Return what /proc/PID/cgroup says: a unit of the system that may be stopped, or None and the reason."""
    paths = {}
    for line in text.splitlines():
        _number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        paths[controllers] = path
    # systemd keeps its units in the one hierarchy or in the other; the controllers' own may know nothing of them.
    places = [paths.get("name=systemd") or "", paths.get("") or ""]
    if any(_CONTAINER.search(place) for place in places):
        return None, "it runs in a container"
    units = [part for place in places for part in place.split("/") if _UNIT.search(part)]
    if not units:
        return None, "no unit started it"
    if any(unit.startswith("user@") for unit in units):
        return None, "%s of a user started it" % units[-1]
    if protected(units[-1]) or not units[-1].endswith(".service"):
        return None, "it runs in %s" % units[-1]
    return units[-1], ""

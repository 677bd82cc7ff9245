# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the kernel's settings: one file that wins at boot, and the values that run.

A setting that this kernel lacks or does not let this host set is told, and is no failure. Only what differs is written.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.sysctl import is_bridge_port
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.kernel import Kernel
from ansible_collections.nself.prod.plugins.module_utils.change.sysctl_files import (
    conflicts,
    name_for,
    read_files,
    render,
    stricter,
)
from ansible_collections.nself.prod.plugins.module_utils.change.sysctl_machine import look
from ansible_collections.nself.prod.plugins.module_utils.change.sysctl_wish import Setting, wish
from ansible_collections.nself.prod.plugins.module_utils.change.tables.sysctl import DROP_IN, FORWARDING
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, names_in
from ansible_collections.nself.prod.plugins.module_utils.parse.sysctl import comment_out, dotted, is_pattern

FOLDER = "/etc/sysctl.d"
ROOT = "/proc/sys/"
MOST_NAMED = 3
SPEC: Dict[str, Any] = {
    "settings": {"type": "dict", "default": {}},
    "rp_filter": {"type": "str", "choices": ["auto", "1", "2", "keep"], "default": "auto"},
    "forwarding": {"type": "str", "choices": ["keep", "off"], "default": "keep"},
    "kernel": {"type": "bool", "default": True},
}


@dataclass
class Running:
    """What runs. values: path -> value of each setting that is there; absent: wishes that the kernel lacks."""

    values: Dict[str, str] = field(default_factory=dict)
    wanted: Dict[str, Setting] = field(default_factory=dict)
    absent: Set[str] = field(default_factory=set)
    refused: Dict[str, str] = field(default_factory=dict)


def work(host: Any, changes: Changes, params: Mapping[str, Any], kernel: Optional[Kernel] = None) -> Dict[str, Any]:
    """Make the changes and return what the module returns besides."""
    kernel = kernel or Kernel()
    host.stat(ROOT + "kernel")  # without it everything would seem to be absent
    files, ours = read_files(host, changes)
    machine = look(host, "".join(changes.read(path) or "" for path in ours))
    asked = wish(params, machine)
    wanted = stricter(files, asked.settings)
    against = conflicts(files, wanted, DROP_IN)
    name = name_for(against.later)
    wanted.update(against.named)

    running = _running(host, wanted, kernel)
    path = posixpath.join(FOLDER, name)
    try:
        host.stat(FOLDER)
    except NotFound:
        changes.directory(FOLDER)
    changes.file(path, render(wanted, running.absent))
    for old in ours:
        if old != path and old.startswith("/etc/"):
            changes.absent(old)
    texts = {file.real: file.text for file in files}
    for real, numbers in sorted(against.weaker.items()):
        why = "nself.prod: weaker than %s" % path
        changes.file(real, comment_out(texts[real], numbers, why), mode=None, uid=None, gid=None)
    written = _apply(host, changes, kernel, running)
    if not changes.check:
        _verify(host, changes, wanted, name)
    return {
        "file": path,
        "written": written,
        "refused": {dotted(key): why for key, why in sorted(running.refused.items())},
        "absent": sorted(dotted(key) for key in running.absent),
        "outside": sorted(asked.outside),
        "left": asked.left,
        "weaker": {
            real: [texts[real].splitlines()[number].strip() for number in sorted(numbers)]
            for real, numbers in sorted(against.weaker.items())
        },
        "warnings": _warnings(running.refused),
        "rp_filter": {
            "value": wanted["net/ipv4/conf/all/rp_filter"].value if "net/ipv4/conf/all/rp_filter" in wanted else None,
            "reason": machine.loose or "one way in, and the same way out",
        },
    }


def _running(host: Any, wanted: Mapping[str, Setting], kernel: Kernel) -> Running:
    """Return what runs of a wish, patterns taken apart into the interfaces that are there."""
    out = Running()
    for key, setting in wanted.items():
        names = [key]
        if is_pattern(key):
            before, _star, after = key.partition("*")
            found = [name for name in names_in(host, (ROOT + before).rstrip("/")) if not is_bridge_port(host, name)]
            names = ["%s%s%s" % (before, name, after) for name in found]
            names = [name for name in names if name not in wanted]
        for name in names:
            try:
                out.values[name] = " ".join(host.read(ROOT + name).split())
            except NotFound:
                if name == key:
                    out.absent.add(key)
                continue
            except HostError as error:
                out.refused[name] = error.detail or error.reason
                continue
            out.wanted[name] = setting
            if not setting.accepts(out.values[name]):
                why = kernel.refusal(name)
                if why is not None:
                    out.refused[name] = why
        if is_pattern(key) and not names:
            out.absent.add(key)
    return out


def _warnings(refused: Mapping[str, str]) -> List[str]:
    """Return one line for each reason for which settings are refused."""
    by_reason: Dict[str, List[str]] = {}
    for key, why in sorted(refused.items()):
        by_reason.setdefault(why, []).append(dotted(key))
    return [
        "kernel settings that are not as they should be, and were not set (%s): %s" % (why, _some(keys))
        for why, keys in sorted(by_reason.items())
    ]


def _some(keys: List[str]) -> str:
    rest = len(keys) - MOST_NAMED
    return ", ".join(keys[:MOST_NAMED]) + (" and %d more" % rest if rest > 0 else "")


def _apply(host: Any, changes: Changes, kernel: Kernel, running: Running) -> List[str]:
    """Write each value that differs and may be written; return their names."""
    written = []
    for key in sorted(running.wanted, key=_turn):
        setting, value = running.wanted[key], running.values[key]
        if setting.accepts(value) or key in running.refused:
            continue
        if not changes.check:
            why = kernel.set(key, setting.value)
            now = None if why else _now(host, key)
            if why is None and now is not None and not setting.accepts(now):
                why = "the kernel keeps %s" % now
            if why is not None:
                running.refused[key] = why
                continue
        changes.note("%s: %s, now %s" % (dotted(key), value, setting.value))
        written.append(dotted(key))
    return written


def _turn(key: str) -> Tuple[bool, str]:
    # A change of forwarding sets others back to what suits a router or a host, so it comes first.
    return key not in FORWARDING, key


def _now(host: Any, key: str) -> Optional[str]:
    try:
        return str(host.read(ROOT + key))
    except NotFound:
        return None  # an interface that has gone


def _verify(host: Any, changes: Changes, wanted: Mapping[str, Setting], name: str) -> None:
    """Make sure that what the disk says now is the wish. Raises ChangeError where another file still wins."""
    files, _ours = read_files(host, changes)
    rest = conflicts(files, wanted, name)
    if rest.weaker or rest.later:
        places = sorted(rest.weaker) + sorted(rest.later)
        raise ChangeError("%s still sets weaker values than %s/%s" % (", ".join(places), FOLDER, name))

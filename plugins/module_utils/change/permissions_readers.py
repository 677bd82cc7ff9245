# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reads a host's file from within a container, and by which of its permission bits: those must not be taken away.

A process of a container is to the host's files what its uid, groups and capabilities make of it. A key of uid 1000 with 0644 that an
nginx of uid 101 reads would be closed to it by 0600, and the deployment down at its next start.
"""

from __future__ import annotations

import posixpath
from typing import Any, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo, HostError

# Capabilities by number: either opens a file whatever its mode.
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2
# Programs that are a container's first process only to start the real one.
INITS = ("tini", "docker-init", "dumb-init", "s6-svscan", "runsvdir", "catatonit", "supervisord")
GROUP, OTHERS = 0o070, 0o007


class Reader(NamedTuple):
    """A container. uid: None where it is not known; free: it opens every file of the host that it is given; sources: those it is given."""

    name: str
    uid: Optional[int]
    gids: FrozenSet[int]
    free: bool
    sources: Tuple[str, ...]

    def has(self, path: str) -> bool:
        return any(path == source or path.startswith(source.rstrip("/") + "/") for source in self.sources)


def used(reader: Reader, info: FileInfo) -> int:
    """Return the bits of group and others by which a reader comes at a file or folder."""
    if reader.free or reader.uid == info.uid:
        return 0
    if reader.uid is None:
        return info.mode & (GROUP | OTHERS)
    return info.mode & (GROUP if info.gid in reader.gids else OTHERS)


def readers(host: Any, containers: Iterable[Dict[str, Any]]) -> List[Reader]:
    """Return the readers among the containers. containers: docker inspect of all of them."""
    out: List[Reader] = []
    own_map = _text(host, "/proc/self/uid_map")
    for item in containers:
        sources = tuple(
            sorted(str(host.realpath(str(mount["Source"]))) for mount in item.get("Mounts") or [] if _is_bind(mount))
        )
        if not sources:
            continue
        name = str(item.get("Name", "")).lstrip("/")
        state = item.get("State") or {}
        if state.get("Running") and not state.get("Restarting") and state.get("Pid"):
            for pid in _processes(host, str(state["Pid"])):
                out.append(_of_process(host, name, pid, sources, own_map))
        else:
            out.append(_of_settings(name, item, sources))
    return out


def _is_bind(mount: Dict[str, Any]) -> bool:
    """Tell whether a mount gives files of the host by name. Who is given the whole disk, or a whole folder of its root, looks at its size."""
    return mount.get("Type") == "bind" and str(mount.get("Source") or "").rstrip("/").count("/") > 1


def _processes(host: Any, pid: str) -> List[str]:
    """Return the process that reads: the first one, or what a mere init started."""
    if _text(host, "/proc/%s/comm" % pid).strip() in INITS:
        return _text(host, "/proc/%s/task/%s/children" % (pid, pid)).split() or [pid]
    return [pid]


def _of_process(host: Any, name: str, pid: str, sources: Tuple[str, ...], own_map: str) -> Reader:
    status = {}
    for line in _text(host, "/proc/%s/status" % pid).splitlines():
        key, _colon, value = line.partition(":")
        status[key] = value.split()
    try:
        uid, gids = int(status["Uid"][1]), {int(gid) for gid in [status["Gid"][1]] + status.get("Groups", [])}
        mask = int(status["CapEff"][0], 16)
    except (KeyError, IndexError, ValueError):
        return Reader(name, None, frozenset(), False, sources)
    # In a user namespace of its own a capability opens no file of the host.
    same = _text(host, "/proc/%s/uid_map" % pid) == own_map
    free = same and bool(mask >> DAC_OVERRIDE & 1 or mask >> DAC_READ_SEARCH & 1)
    return Reader(name, uid, frozenset(gids), free, sources)


def _of_settings(name: str, item: Dict[str, Any], sources: Tuple[str, ...]) -> Reader:
    """Return a container that does not run as it would start."""
    applied = item.get("HostConfig") or {}
    user, _colon, group = str((item.get("Config") or {}).get("User") or "0").partition(":")
    uid = 0 if user == "root" else int(user) if user.isdigit() else None
    gids = {int(group)} if group.isdigit() else {0} if uid == 0 else set()
    dropped = {str(cap).upper().replace("CAP_", "") for cap in applied.get("CapDrop") or []}
    added = {str(cap).upper().replace("CAP_", "") for cap in applied.get("CapAdd") or []}
    kept = not dropped & {"ALL", "DAC_OVERRIDE"} or bool(added & {"ALL", "DAC_OVERRIDE", "DAC_READ_SEARCH"})
    return Reader(name, uid, frozenset(gids), uid == 0 and (kept or bool(applied.get("Privileged"))), sources)


def _text(host: Any, path: str) -> str:
    try:
        return str(host.read(path))
    except HostError:
        return ""  # it has ended, or is closed to us


def real_path(host: Any, path: str) -> str:
    return posixpath.normpath(str(host.realpath(path)))

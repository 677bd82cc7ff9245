# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment's containers do: as whom they run, what they have written into their own layer, who owns what they mount, what they use."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.containers import processes_of
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line

IdMap = List[Tuple[int, int, int]]
_SAME: IdMap = [(0, 0, 1 << 32)]
OVERFLOW = 65534
_UNLIMITED = 1 << 60


@dataclass(frozen=True)
class Mount:
    """A mount of a container. owner: (uid, gid) of what is mounted, None where it cannot be seen; empty: nothing is in it but the
    places of other mounts; hidden: it holds something on top that not everybody may read."""

    source: str
    target: str
    rw: bool
    bind: bool
    owner: Optional[Tuple[int, int]] = None
    empty: bool = False
    hidden: bool = False


@dataclass(frozen=True)
class Seen:
    """One service's container. there, running: whether there is one, and whether it runs.

    main: (uid, gid) of its main process; uids: of all its processes; user: what the container was made to run as; image_user: what its
    image says; written: paths changed in its own layer; read_only, tmpfs: whether that can be changed at all, and what stands in for it;
    memory: bytes in use; limit: bytes it may use, 0 without; log: the log's driver.
    """

    there: bool = False
    running: bool = False
    main: Optional[Tuple[int, int]] = None
    uids: FrozenSet[int] = frozenset()
    user: str = ""
    image_user: str = ""
    written: Tuple[str, ...] = ()
    mounts: Tuple[Mount, ...] = ()
    memory: int = 0
    limit: int = 0
    read_only: bool = False
    tmpfs: Tuple[str, ...] = ()
    log: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def look(stack: Any, services: Sequence[str], unknown: Sequence[str]) -> Dict[str, Seen]:
    """Return {service: what its container does}. unknown: those whose writing has to be looked up. Raises ChangeError."""
    items = {name: stack.inspect(name) for name in services}
    ids = [str(item["Id"]) for name, item in items.items() if item and stack.running(name)]
    members = processes_of(stack.host, ids) if ids else {}
    return {name: _seen(stack, name, item, members, name in unknown) for name, item in items.items()}


def _seen(
    stack: Any, service: str, item: Optional[Mapping[str, Any]], members: Mapping[str, List[str]], unknown: bool
) -> Seen:
    image_user = str((stack.image(service).get("Config") or {}).get("User") or "")
    if item is None:
        return Seen(image_user=image_user)
    config, applied, identity = item.get("Config") or {}, item.get("HostConfig") or {}, str(item["Id"])
    running = stack.running(service)
    pid = str((item.get("State") or {}).get("Pid") or 0)
    # With userns-remap the host counts users otherwise than the container, and `user:` is the container's word.
    users, groups = (id_map(stack.host, pid, name) if running else _SAME for name in ("uid_map", "gid_map"))
    mounts = _mounts(stack.host, item, users, groups)
    statuses = [_status(stack.host, member) for member in [pid] + members.get(identity, [])] if running else []
    main = [
        (_inside(int(status["Uid"].split()[1]), users), _inside(int(status["Gid"].split()[1]), groups))
        for status in statuses[:1]
        if "Uid" in status and "Gid" in status
    ]
    return Seen(
        there=True,
        running=running,
        main=main[0] if main else None,
        uids=frozenset(_inside(int(status["Uid"].split()[1]), users) for status in statuses if "Uid" in status),
        user=str(config.get("User") or ""),
        image_user=image_user,
        written=written(_diff(stack.host, service, identity), _places(item, mounts)) if unknown else (),
        mounts=mounts,
        memory=_usage(stack.host, pid) if running else 0,
        limit=int(applied.get("Memory") or 0),
        read_only=bool(applied.get("ReadonlyRootfs")),
        tmpfs=tuple(sorted(str(path) for path in applied.get("Tmpfs") or {})),
        log=str((applied.get("LogConfig") or {}).get("Type") or ""),
        labels=config.get("Labels") or {},
    )


# -- what it has written ---------------------------------------------------------------------------------------------------


def _diff(host: Any, service: str, identity: str) -> str:
    try:
        done = host.run(["docker", "diff", identity], timeout=30)
    except HostError as error:
        raise ChangeError("docker diff of %s: %s" % (service, error.detail or error.reason)) from error
    if done.rc:
        raise ChangeError("docker diff of %s: %s" % (service, first_line(done.err)))
    return str(done.out)


def _places(item: Mapping[str, Any], mounts: Sequence[Mount]) -> List[str]:
    tmpfs = ((item.get("HostConfig") or {}).get("Tmpfs") or {}).keys()
    return [mount.target for mount in mounts] + [str(path) for path in tmpfs]


def written(diff: str, places: Sequence[str]) -> Tuple[str, ...]:
    """Return the changed paths of `docker diff` that hold no other changed one; places of mounts, and folders made for them, left out."""
    # /var/run is a link to /run in most images: a mount is told by the one name, its place by the other.
    places = list(places) + [re.sub(r"\A/var/run\b", "/run", place) for place in places]
    paths = [line[2:] for line in diff.splitlines() if re.match(r"[ACD] /", line)]
    paths = [path for path in paths if not any((place + "/").startswith(path + "/") for place in places)]
    parents = {path.rpartition("/")[0] for path in paths}
    return tuple(sorted(path for path in paths if path not in parents))


# -- what it mounts --------------------------------------------------------------------------------------------------------


def _mounts(host: Any, item: Mapping[str, Any], users: IdMap, groups: IdMap) -> Tuple[Mount, ...]:
    entries = [entry for entry in item.get("Mounts") or [] if entry.get("Type") in ("bind", "volume")]
    targets = [str(entry.get("Destination")) for entry in entries]
    return tuple(
        _mount(host, entry, targets, users, groups)
        for entry in sorted(entries, key=lambda entry: str(entry.get("Destination")))
    )


def _mount(host: Any, entry: Mapping[str, Any], targets: Sequence[str], users: IdMap, groups: IdMap) -> Mount:
    source, target = str(entry.get("Source")), str(entry.get("Destination"))
    rw, bind = bool(entry.get("RW")), entry.get("Type") == "bind"
    try:
        info = host.stat(source)
        names = host.listdir(source) if info.kind == "dir" else []
        places = {place[len(target) :].strip("/").split("/")[0] for place in targets if place.startswith(target + "/")}
        inside = [name for name in names if name not in places]
        bits = [(0o5 if info.kind == "dir" else 0o4, info.mode)]
        # The first level is enough to tell a folder of keys from one of programs; a whole tree is never walked.
        for name in inside[:100] if not rw else ():
            below = host.stat(source + "/" + name, False)
            bits += [(0o5 if below.kind == "dir" else 0o4, below.mode)] if below.kind in ("dir", "file") else []
    except HostError:
        return Mount(source, target, rw, bind, hidden=True)
    hidden = any(mode & wanted != wanted for wanted, mode in bits)
    owner = (_inside(info.uid, users), _inside(info.gid, groups))
    return Mount(source, target, rw, bind, owner, info.kind == "dir" and not inside, hidden)


# -- what it uses ----------------------------------------------------------------------------------------------------------


def _status(host: Any, pid: str) -> Dict[str, str]:
    try:
        text = host.read("/proc/%s/status" % pid)
    except HostError:
        return {}  # it has ended meanwhile
    return {key: value.strip() for key, _colon, value in (line.partition(":") for line in text.splitlines())}


def id_map(host: Any, pid: str, name: str) -> IdMap:
    """Return [(first id inside, first outside, how many)] of a process' user namespace."""
    try:
        rows = [
            tuple(int(word) for word in line.split()) for line in host.read("/proc/%s/%s" % (pid, name)).splitlines()
        ]
    except (HostError, ValueError):
        return _SAME
    return [(row[0], row[1], row[2]) for row in rows if len(row) == 3] or _SAME


def _inside(outside: int, ids: IdMap) -> int:
    """Return what a container calls an id of the host; one that it has no name for is the kernel's nobody."""
    return next((first + outside - host for first, host, count in ids if host <= outside < host + count), OVERFLOW)


def outside(inside: int, ids: IdMap) -> Optional[int]:
    """Return what the host calls an id of a container, None where the container has no such id."""
    return next((host + inside - first for first, host, count in ids if first <= inside < first + count), None)


def _usage(host: Any, pid: str) -> int:
    """Return the bytes that a container's control group holds and could not give back, 0 where that cannot be seen."""
    try:
        lines = [line.split(":", 2) for line in host.read("/proc/%s/cgroup" % pid).splitlines() if line.count(":") >= 2]
    except HostError:
        return 0
    groups = {name: path for _number_, names, path in lines for name in names.split(",")}
    if "memory" in groups:
        folder, current, cache = (
            "/sys/fs/cgroup/memory" + groups["memory"],
            "memory.usage_in_bytes",
            "total_inactive_file",
        )
    else:
        folder, current, cache = "/sys/fs/cgroup" + groups.get("", ""), "memory.current", "inactive_file"
    try:
        total = int(host.read("%s/%s" % (folder, current)))
        rest = re.search(r"^%s (\d+)$" % cache, host.read(folder + "/memory.stat"), re.M)
    except (HostError, ValueError):
        return 0
    return max(0, total - (int(rest.group(1)) if rest else 0)) if total < _UNLIMITED else 0


def machine(host: Any) -> Tuple[int, int]:
    """Return the host's (MiB of memory, processors). Raises ChangeError."""
    try:
        memory = re.search(r"^MemTotal:\s+(\d+) kB", host.read("/proc/meminfo"), re.M)
        processors = re.findall(r"^cpu\d+ ", host.read("/proc/stat"), re.M)
    except (HostError, NotFound) as error:
        raise ChangeError(str(error)) from error
    if not memory or not processors:
        raise ChangeError("/proc/meminfo or /proc/stat does not say how large this host is")
    return int(memory.group(1)) >> 10, len(processors)


def knows_start_interval(host: Any) -> bool:
    """Tell whether the engine takes a health check's start_interval: version 25 does, with the API 1.44."""
    try:
        done = host.run(["docker", "version", "--format", "{{.Server.APIVersion}}"], timeout=20)
        return tuple(int(part) for part in done.out.strip().split(".")) >= (1, 44)
    except (HostError, ValueError):
        return False

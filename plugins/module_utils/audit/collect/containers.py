# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn running containers into units: what their processes really have, and what the engine applied where a process cannot be read.

Hidden `container_units`: a list of units as deployment/compose.py shapes them, with `environment` and `argv` in clear.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.docker import ports_of
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Level, Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.container_capabilities import from_mask
from ansible_collections.nself.prod.plugins.module_utils.deployment.compose import (
    bound_device,
    capability_set,
    no_new_privileges,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import role_of
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

UNLIMITED = 1 << 60  # the kernel's "no limit" of cgroup v1 is a page below 2^63


def collect(host: Any, need: Any) -> List[Dict[str, Any]]:
    """Return a unit for every running container, those of other projects included, with the compose labels."""
    containers = [item for item in need("docker_containers") if _has_process(item)]
    members = processes_of(host, [str(item["Id"]) for item in containers])
    volumes = attempt(lambda: need("docker_volumes"))
    return [_unit(host, item, members.get(str(item["Id"]), []), volumes) for item in containers]


def _has_process(item: Dict[str, Any]) -> bool:
    """Tell whether a container runs: the engine says so too of one that keeps failing and waits for its next start."""
    state = item.get("State") or {}
    return bool(state.get("Running")) and not state.get("Restarting")


def processes_of(host: Any, ids: List[str]) -> Dict[str, List[str]]:
    """Return {container id: pids}, by the control group that each process is in."""
    out: Dict[str, List[str]] = {}
    if not ids:
        return out
    wanted = set(ids)
    for pid in host.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            text = host.read("/proc/%s/cgroup" % pid)
        except HostError:
            continue  # it has ended, or is hidden: the main process is read for itself
        for found in set(re.findall(r"[0-9a-f]{64}", text)) & wanted:
            out.setdefault(found, []).append(pid)
    return out


def _unit(host: Any, item: Dict[str, Any], pids: List[str], volumes: Any) -> Dict[str, Any]:
    config, applied = item.get("Config") or {}, item.get("HostConfig") or {}
    labels = config.get("Labels") or {}
    name = str(item.get("Name", "")).lstrip("/")
    service = str(labels.get("com.docker.compose.service") or name)
    image = str(config.get("Image") or "")
    pid = str(item["State"].get("Pid"))
    status = attempt(lambda: _status(host, pid))
    environment = dict(pair.split("=", 1) for pair in config.get("Env") or [] if "=" in pair)
    security = applied.get("SecurityOpt") or []
    privileged = bool(applied.get("Privileged"))
    return {
        "service": service,
        "name": name,
        "role": role_of(service, image),
        "level": Level.RUNNING,
        "image": image,
        "image_id": str(item.get("Image")),
        "id": str(item["Id"]),
        "pid": pid,
        "addresses": _addresses(item),
        "labels": labels,
        "environment": _environment(host, pid, environment),
        "uids": attempt(lambda: _uids(host, pid, pids)),
        "privileged": privileged,
        "host_namespaces": [key for key, option in _NAMESPACES if applied.get(option) == "host"],
        "devices": [str(device.get("PathOnHost")) for device in applied.get("Devices") or []]
        + ["rule %s" % rule for rule in applied.get("DeviceCgroupRules") or []],
        "capabilities": ["ALL"] if privileged else _capabilities(status, applied),
        "no_new_privileges": _flag(status, "NoNewPrivs", no_new_privileges(security)),
        "readonly_rootfs": _readonly(host, pid, applied),
        "limits": _limits(host, pid, applied),
        # The engine lists them in no order.
        "mounts": sorted(
            (_mount(mount, volumes) for mount in item.get("Mounts") or []), key=lambda mount: mount["target"]
        ),
        "ports": ports_of(item),
        "mac": _mac(host, pid, item, status),
        "argv": [str(item.get("Path") or "")]
        + [str(part) for part in item.get("Args") or []]
        + (config.get("Healthcheck") or {}).get("Test", []),
        "pids": pids,
    }


def _mount(mount: Dict[str, Any], volumes: Any) -> Dict[str, Any]:
    """Return a mount. A volume goes by its name, unless it is another folder of the host under a volume's name."""
    source: Any = str(mount.get("Source") or "")
    if mount.get("Type") == "volume":
        name = str(mount.get("Name") or "")
        source = volumes if isinstance(volumes, Unread) else bound_device(volumes.get(name)) or name
    return {
        "source": source,
        "target": str(mount.get("Destination")),
        "rw": bool(mount.get("RW")),
        "bind": mount.get("Type") == "bind",
    }


def _addresses(item: Dict[str, Any]) -> List[str]:
    """Return the container's own addresses, which the host can reach."""
    networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
    return [str(entry["IPAddress"]) for entry in networks.values() if entry.get("IPAddress")]


_NAMESPACES = (
    ("network", "NetworkMode"),
    ("pid", "PidMode"),
    ("ipc", "IpcMode"),
    ("uts", "UTSMode"),
    ("user", "UsernsMode"),
)


def _status(host: Any, pid: str) -> Dict[str, str]:
    pairs = (line.split(":", 1) for line in host.read("/proc/%s/status" % pid).splitlines() if ":" in line)
    return {key: value.strip() for key, value in pairs}


def _environment(host: Any, pid: str, configured: Dict[str, str]) -> Dict[str, str]:
    """Return the main process' environment where it can be read and is still one, else what the container was given.

    PostgreSQL and nginx overwrite their environment with a process title, so a process that knows none of the names it
    was started with is not believed.
    """
    try:
        live = dict(part.split("=", 1) for part in host.read("/proc/%s/environ" % pid).split("\0") if "=" in part)
    except HostError:
        return configured
    return live if configured and all(name in live for name in configured) else configured


def _uids(host: Any, pid: str, pids: List[str]) -> List[int]:
    """Return the effective user ids of the container's main process and of all that it started.

    What was sent into the container from outside, a health check or somebody's `docker exec`, has its parent outside and
    is no part of the service: as root it may be there for a moment and gone with the next look.
    """
    statuses: Dict[str, Dict[str, str]] = {}
    for member in pids or [pid]:
        try:
            statuses[member] = _status(host, member)
        except HostError:
            continue
    found = {int(status["Uid"].split()[1]) for member, status in statuses.items() if _own(member, pid, statuses)}
    if not found:
        raise Missing("uids", Reason.ERROR, "its processes ended while they were read")
    return sorted(found)


def _own(member: str, main: str, statuses: Dict[str, Dict[str, str]]) -> bool:
    """Tell whether a process descends from the main one. Without a word on its parent it does."""
    seen = set()
    while member != main and member not in seen:
        seen.add(member)
        if "PPid" not in statuses[member]:
            return True
        member = statuses[member]["PPid"]
        if member not in statuses and member != main:
            return False
    return True


def _capabilities(status: Any, applied: Dict[str, Any]) -> List[str]:
    if isinstance(status, dict) and "CapBnd" in status:
        return from_mask(status["CapBnd"])
    return capability_set(applied.get("CapDrop") or [], applied.get("CapAdd") or [])


def _flag(status: Any, key: str, otherwise: bool) -> bool:
    return status[key] == "1" if isinstance(status, dict) and key in status else otherwise


def _readonly(host: Any, pid: str, applied: Dict[str, Any]) -> bool:
    try:
        text = host.read("/proc/%s/mountinfo" % pid)
    except HostError:
        return bool(applied.get("ReadonlyRootfs"))
    roots = [line.split() for line in text.splitlines() if len(line.split()) > 5 and line.split()[4] == "/"]
    return bool(roots) and "ro" in roots[-1][5].split(",")


def _limits(host: Any, pid: str, applied: Dict[str, Any]) -> Dict[str, Any]:
    """Return the limits in force: the control group's where it is visible, else what the engine applied."""
    try:
        groups = _groups(host.read("/proc/%s/cgroup" % pid))
        return {
            "memory": _group_value(host, groups, "memory", ("memory.max", "memory.limit_in_bytes")),
            "cpu": _group_cpu(host, groups),
            "pids": _group_value(host, groups, "pids", ("pids.max", "pids.max")),
        }
    except HostError:
        nano, quota = applied.get("NanoCpus") or 0, applied.get("CpuQuota") or 0
        pids = applied.get("PidsLimit") or 0
        return {
            "memory": applied.get("Memory") or None,
            "cpu": nano / 1e9 if nano else quota / float(applied.get("CpuPeriod") or 100000) if quota > 0 else None,
            "pids": pids if pids > 0 else None,
        }


def _groups(text: str) -> Dict[str, str]:
    """Return {controller: path} of /proc/<pid>/cgroup; version 2 stands under ""."""
    out = {}
    for line in text.splitlines():
        _number, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            out[controller] = path
    return out


def _group_file(host: Any, groups: Dict[str, str], controller: str, names: Any) -> Optional[str]:
    if controller in groups:
        return host.read("/sys/fs/cgroup/%s%s/%s" % (controller, groups[controller], names[1])).strip()
    return host.read("/sys/fs/cgroup%s/%s" % (groups.get("", ""), names[0])).strip()


def _group_value(host: Any, groups: Dict[str, str], controller: str, names: Any) -> Optional[int]:
    text = _group_file(host, groups, controller, names)
    return None if text == "max" or int(text or 0) >= UNLIMITED else int(text or 0)


def _group_cpu(host: Any, groups: Dict[str, str]) -> Optional[float]:
    if "cpu" in groups:
        quota = int(_group_file(host, groups, "cpu", (None, "cpu.cfs_quota_us")) or -1)
        period = int(_group_file(host, groups, "cpu", (None, "cpu.cfs_period_us")) or 100000)
        return quota / float(period) if quota > 0 else None
    quota_text, _space, period_text = (_group_file(host, groups, "cpu", ("cpu.max", None)) or "max 100000").partition(
        " "
    )
    return None if quota_text == "max" else int(quota_text) / float(period_text or 100000)


def _mac(host: Any, pid: str, item: Dict[str, Any], status: Any) -> Dict[str, Any]:
    """Return confinement: the process' own label and seccomp mode, or what the engine was told where /proc does not say."""
    security = (item.get("HostConfig") or {}).get("SecurityOpt") or []

    def label() -> str:
        try:
            return host.read("/proc/%s/attr/current" % pid).strip("\0\n ")
        except HostError:
            return str(item.get("AppArmorProfile") or "")

    seccomp = {"0": "unconfined", "1": "strict", "2": "filter"}
    told = (
        "unconfined" if any(entry in ("seccomp=unconfined", "seccomp:unconfined") for entry in security) else "filter"
    )
    return {
        "apparmor": label(),
        "selinux": str(item.get("ProcessLabel") or ""),
        "seccomp": seccomp.get(status["Seccomp"], "") if isinstance(status, dict) and "Seccomp" in status else told,
    }


COLLECTORS = (Collector("container_units", collect, deadline=16.0, hidden=True),)

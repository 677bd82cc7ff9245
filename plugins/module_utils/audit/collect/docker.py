# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the Docker engine: what it is, how it is guarded, and every container in two commands.

Facts `docker`: state (absent, stopped or present), version, live_restore, insecure_registries, iptables, backend, log_limit,
published[], arguments, socket, group.
"""

from __future__ import annotations

import json
import shlex
from typing import Any, Dict, List, Optional, Set

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line

DAEMON_CONFIG = "/etc/docker/daemon.json"
SOCKET = "/var/run/docker.sock"


def collect_engine(host: Any, need: Any) -> Dict[str, Any]:
    """Return {"state", "info"}: the engine's own account of itself; info is None where no engine runs."""
    if host.which("docker") is None:
        return {"state": "absent", "info": None}
    try:
        done = host.run(["docker", "info", "--format", "{{json .}}"], timeout=6)
    except HostError as error:
        raise error.missing("docker") from error
    if done.rc == 0 or done.out.lstrip().startswith("{"):
        info = _json(done.out, "docker info")
        if not isinstance(info, dict):
            raise Missing("docker", Reason.PARSE_ERROR, "docker info printed no JSON object")
        if info.get("ServerVersion"):
            return {"state": "present", "info": info}
        problem = " ".join(str(item) for item in info.get("ServerErrors") or []) or done.err
    else:
        problem = done.err or done.out
    if "permission denied" in problem.lower():
        raise Missing("docker", Reason.NEEDS_ROOT, "docker: permission denied on its socket")
    if "cannot connect to the docker daemon" in problem.lower() or "no such file" in problem.lower():
        return {"state": "stopped", "info": None}
    raise Missing("docker", Reason.ERROR, "docker info: " + first_line(problem))


def collect_containers(host: Any, need: Any) -> List[Dict[str, Any]]:
    """Return `docker inspect` of every container, running or not. Hidden: it holds every environment in clear."""
    # Asked beside docker info, which then says what an error means.
    printed = attempt(lambda: _run(host, ["docker", "ps", "--all", "--quiet", "--no-trunc"]))
    if need("docker_engine")["state"] != "present":
        return []
    if isinstance(printed, Unread):
        raise Missing("docker", printed.reason, printed.detail)
    ids = printed.split()
    if not ids:
        return []
    # A container that goes between the two commands makes inspect exit 1 and print the others.
    done = host.run(["docker", "inspect", "--type", "container"] + ids, timeout=10)
    found = _json(done.out, "docker inspect")
    if not isinstance(found, list) or (not found and done.rc):
        raise Missing("docker", Reason.ERROR, "docker inspect: " + first_line(done.err))
    return found


def collect_images(host: Any, need: Any) -> Dict[str, Dict[str, Any]]:
    """Return `docker image inspect` of the containers' images, by image id."""
    ids = sorted({str(item.get("Image")) for item in need("docker_containers") if item.get("Image")})
    if not ids:
        return {}
    done = host.run(["docker", "image", "inspect"] + ids, timeout=10)
    return {str(item.get("Id")): item for item in _json(done.out, "docker image inspect")}


def collect_volumes(host: Any, need: Any) -> Dict[str, Any]:
    """Return the driver options of the running containers' named volumes, by name."""
    running = [item for item in need("docker_containers") if (item.get("State") or {}).get("Running")]
    mounts = [mount for item in running for mount in item.get("Mounts") or [] if mount.get("Type") == "volume"]
    names = sorted({str(mount.get("Name")) for mount in mounts})
    if not names:
        return {}
    done = host.run(["docker", "volume", "inspect"] + names, timeout=8)
    return {str(item.get("Name")): item.get("Options") for item in _json(done.out, "docker volume inspect")}


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the public facts of the engine."""
    engine = need("docker_engine")
    if engine["state"] != "present":
        return {"state": engine["state"], "published": []}
    info = engine["info"]
    arguments = attempt(lambda: _daemon_arguments(host))
    config = attempt(lambda: _daemon_config(host))
    return {
        "state": "present",
        "version": str(info["ServerVersion"]),
        "live_restore": info.get("LiveRestoreEnabled"),
        "insecure_registries": insecure_registries(info),
        "log_driver": info.get("LoggingDriver"),
        "backend": str((info.get("FirewallBackend") or {}).get("Driver") or "iptables").partition("+")[0],
        "published": attempt(lambda: published(need("docker_containers"))),
        "arguments": arguments,
        "config": config,
        "iptables": attempt(lambda: _iptables(_daemon_arguments(host), _daemon_config(host))),
        "socket": attempt(lambda: _socket(host)),
        "group": attempt(lambda: group_of(host)),
    }


def published(containers: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return every published port of the running containers, as the engine bound it."""
    out = []
    for item in containers:
        if (item.get("State") or {}).get("Running"):
            labels = (item.get("Config") or {}).get("Labels") or {}
            names = {
                "container": str(item.get("Name", "")).lstrip("/"),
                "service": labels.get("com.docker.compose.service", ""),
            }
            out += [dict(names, **port) for port in ports_of(item)]
    return out


def ports_of(item: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the published ports of one inspected container: ip, port, proto, target."""
    return [
        {
            "ip": binding.get("HostIp") or "0.0.0.0",
            "port": int(binding.get("HostPort") or 0),
            "proto": target.partition("/")[2] or "tcp",
            "target": target.partition("/")[0],
        }
        for target, bindings in sorted(((item.get("NetworkSettings") or {}).get("Ports") or {}).items())
        for binding in bindings or []
    ]


def _run(host: Any, argv: List[str]) -> str:
    done = host.run(argv, timeout=8)
    if done.rc:
        raise Missing("docker", Reason.ERROR, " ".join(argv[:2]) + ": " + first_line(done.err))
    return done.out


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Missing("docker", Reason.PARSE_ERROR, what + " printed no JSON") from None


def insecure_registries(info: Dict[str, Any]) -> List[str]:
    """Return registries that are trusted without TLS. The engine always lists the loopback range."""
    config = info.get("RegistryConfig") or {}
    ranges = [item for item in config.get("InsecureRegistryCIDRs") or [] if item not in ("127.0.0.0/8", "::1/128")]
    names = [name for name, item in (config.get("IndexConfigs") or {}).items() if not item.get("Secure")]
    return sorted(ranges + names)


def _daemon_arguments(host: Any) -> Optional[List[str]]:
    """Return the running daemon's arguments; None where no process of that name is seen (a rootless or remote engine)."""
    for pid in host.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            if host.read("/proc/%s/comm" % pid).strip() == "dockerd":
                return host.read("/proc/%s/cmdline" % pid).split("\0")[1:-1]
        except NotFound:
            continue
    return None


def _daemon_config(host: Any) -> Dict[str, Any]:
    try:
        config = _json(host.read(DAEMON_CONFIG), DAEMON_CONFIG)
    except NotFound:
        return {}
    if not isinstance(config, dict):
        raise Missing("docker.config", Reason.PARSE_ERROR, DAEMON_CONFIG + " is not a JSON object")
    keys = (
        "hosts",
        "tlsverify",
        "tls",
        "iptables",
        "ip6tables",
        "log-driver",
        "log-opts",
        "live-restore",
        "userland-proxy",
        "icc",
    )
    return {key: config[key] for key in keys if key in config}


def _iptables(arguments: Optional[List[str]], config: Dict[str, Any]) -> bool:
    """Tell whether the daemon writes firewall rules: an argument and the file may not both say it, so either counts."""
    line = shlex.join(arguments or [])
    return "--iptables=false" not in line and config.get("iptables") is not False


def _socket(host: Any) -> Dict[str, Any]:
    info = host.stat(SOCKET)
    return {"path": SOCKET, "mode": info.mode, "uid": info.uid, "gid": info.gid}


def group_of(host: Any) -> Dict[str, Any]:
    """Return the group docker: its gid and members, by its member list or as a primary group."""
    gid: Optional[int] = None
    members: Set[str] = set()
    for line in host.read("/etc/group").splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and fields[0] == "docker":
            gid = int(fields[2])
            members.update(name for name in fields[3].split(",") if name)
    for line in host.read("/etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and gid is not None and fields[3] == str(gid):
            members.add(fields[0])
    return {"gid": gid, "members": sorted(members)}


COLLECTORS = (
    Collector("docker_engine", collect_engine, deadline=8.0, hidden=True),
    Collector("docker_containers", collect_containers, deadline=14.0, hidden=True),
    Collector("docker_images", collect_images, deadline=16.0, hidden=True),
    Collector("docker_volumes", collect_volumes, deadline=15.0, hidden=True),
    Collector("docker", collect, deadline=15.0),
)

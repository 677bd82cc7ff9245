# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a compose model, in its short or long syntax, into the units that the audit judges.

A unit has the same keys whether it stands for a running container or for a service as compose would start it, so a check is written
once. What only a running container can tell is an Unread leaf here.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any, Dict, Iterable, List, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Level, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.container_capabilities import DOCKER_DEFAULT
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import role_of

FILE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDE_NAMES = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
# Sequences that a second compose file replaces; every other sequence it extends.
REPLACED = ("command", "entrypoint")
_SIZES = {"": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30}


class ComposeError(ValueError):
    """A compose model cannot be read. The message names the place, never a value."""


def merge(base: Any, over: Any, key: str = "") -> Any:
    """Merge an override file's model over a base: mappings by key, sequences extended, the rest replaced."""
    if isinstance(base, dict) and isinstance(over, dict):
        out = dict(base)
        for name, value in over.items():
            out[name] = merge(base[name], value, name) if name in base else value
        return out
    if key in ("environment", "labels") and (isinstance(base, list) or isinstance(over, list)):
        return merge(_mapping(base), _mapping(over))
    if isinstance(base, list) and isinstance(over, list) and key not in REPLACED:
        return base + [item for item in over if item not in base]
    return over


def units(model: Any, directory: str, profiles: Sequence[str] = ()) -> List[Dict[str, Any]]:
    """Return a unit for each service that `compose up` would start. Raises ComposeError for what is no compose model."""
    services = model.get("services") if isinstance(model, dict) else None
    if not isinstance(services, dict):
        raise ComposeError("has no services")
    out = []
    for name, service in sorted(services.items()):
        if not isinstance(service, dict):
            raise ComposeError("service %s is not a mapping" % name)
        try:
            wanted = [str(item) for item in service.get("profiles") or []]
            if wanted and "*" not in profiles and not set(wanted).intersection(profiles):
                continue
            out.append(_unit(str(name), service, directory, model.get("volumes") or {}))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # Compose's schema is wide; whatever does not fit it ends here, by name and without its values.
            detail = str(error) if isinstance(error, ComposeError) else "is not as compose wants a service"
            raise ComposeError("service %s %s" % (name, detail)) from None
    return out


def truthy(value: Any) -> bool:
    """Tell whether compose takes a value for true: YAML's words may come as text out of a variable."""
    return value is True or str(value).strip().lower() in ("true", "yes", "on", "y", "1")


def _unit(name: str, service: Dict[str, Any], directory: str, volumes: Dict[str, Any]) -> Dict[str, Any]:
    image = str(service.get("image") or "")
    privileged = truthy(service.get("privileged"))
    security = [str(item) for item in service.get("security_opt") or []]
    return {
        "service": name,
        "name": str(service.get("container_name") or name),
        "role": role_of(name, image),
        "level": Level.RENDERED,
        "image": image or "built here",
        "profiles": [str(item) for item in service.get("profiles") or []],
        "environment": _mapping(service.get("environment")),
        "uids": _uids(service.get("user")),
        "privileged": privileged,
        "host_namespaces": [key for key, option in _NAMESPACES if str(service.get(option) or "") == "host"],
        "devices": [_device(item) for item in service.get("devices") or []]
        + ["rule %s" % rule for rule in service.get("device_cgroup_rules") or []],
        "capabilities": _capabilities(service, privileged),
        "no_new_privileges": no_new_privileges(security),
        "readonly_rootfs": truthy(service.get("read_only")),
        "limits": _limits(service),
        "mounts": [
            mount for mount in (_mount(item, directory, volumes) for item in service.get("volumes") or []) if mount
        ],
        "ports": [port for item in service.get("ports") or [] for port in _ports(item)],
        "mac": {
            "apparmor": "unconfined"
            if any(re.match(r"apparmor[:=]unconfined", item) for item in security)
            else "default",
            "selinux": "unconfined" if any(re.match(r"label[:=]disable", item) for item in security) else "default",
            "seccomp": "unconfined"
            if privileged or any(re.match(r"seccomp[:=]unconfined", item) for item in security)
            else "filter",
        },
        "argv": [
            _argv(service.get("entrypoint")),
            _argv(service.get("command")),
            _argv((service.get("healthcheck") or {}).get("test")),
        ],
    }


_NAMESPACES = (("network", "network_mode"), ("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"), ("user", "userns_mode"))


def _uids(user: Any) -> Any:
    """Return the uid of a `user:` value in a list; Unread where only the image knows it."""
    first = str("" if user is None else user).partition(":")[0]
    if first == "root":
        return [0]
    if first.isdigit():
        return [int(first)]
    return Unread(
        Reason.ERROR, "user: %s, so the image decides" % first if first else "no user: is set, so the image decides"
    )


def _device(item: Any) -> str:
    return str(item.get("source")) if isinstance(item, dict) else str(item).split(":", 1)[0]


def _argv(value: Any) -> str:
    """Return a command as one text: it is only searched, never run."""
    return " ".join(str(part) for part in value) if isinstance(value, list) else str(value or "")


def _mapping(value: Any) -> Dict[str, str]:
    """Return an environment or labels section as a mapping. A name without a value is left out: compose would ask its shell."""
    if isinstance(value, dict):
        return {str(key): scalar(item) for key, item in value.items() if item is not None}
    pairs = (str(item).split("=", 1) for item in value or [])
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def scalar(value: Any) -> str:
    """Return a YAML scalar as a process would see it in its environment."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def no_new_privileges(security: Iterable[str]) -> bool:
    """Tell whether security options forbid new privileges: the last word counts."""
    words = [item.lower() for item in security if item.lower().startswith("no-new-privileges")]
    return bool(words) and not words[-1].endswith("false")


def capability_set(drop: Iterable[str], add: Iterable[str]) -> List[str]:
    """Return the capabilities that Docker grants, without CAP_, sorted, for a container's drop and add lists."""
    dropped = {_capability(item) for item in drop}
    added = {_capability(item) for item in add}
    granted = set() if "ALL" in dropped else set(DOCKER_DEFAULT) - dropped
    return sorted(granted | added)


def _capability(name: Any) -> str:
    name = str(name).upper()
    return name[4:] if name.startswith("CAP_") else name


def _capabilities(service: Dict[str, Any], privileged: bool) -> List[str]:
    return ["ALL"] if privileged else capability_set(service.get("cap_drop") or [], service.get("cap_add") or [])


def _limits(service: Dict[str, Any]) -> Dict[str, Any]:
    """Return memory in bytes, cpu in cores and pids; None where there is no limit."""
    limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    quota, period = service.get("cpu_quota"), service.get("cpu_period") or 100000
    cpu = _number(limits.get("cpus") or service.get("cpus"))
    if cpu is None and _number(quota):
        cpu = (_number(quota) or 0.0) / (_number(period) or 100000.0)
    pids = _number(limits.get("pids") or service.get("pids_limit"))
    return {
        "memory": _bytes(limits.get("memory") or service.get("mem_limit")),
        "cpu": cpu if cpu and cpu > 0 else None,
        "pids": int(pids) if pids and pids > 0 else None,
    }


def _number(value: Any) -> Optional[float]:
    try:
        return float(str(value)) if value not in (None, "") else None
    except ValueError:
        raise ComposeError("has a limit that is no number") from None


def _bytes(value: Any) -> Optional[int]:
    if value in (None, "", 0, "0"):
        return None
    found = re.match(r"^([0-9.]+)\s*([a-z]*)$", str(value).lower())
    if not found or found.group(2) not in _SIZES:
        raise ComposeError("has a memory limit that is no size")
    return int(float(found.group(1)) * _SIZES[found.group(2)])


def bound_device(options: Any) -> str:
    """Return what a volume of the local driver really binds, "" where it is a volume of its own."""
    options = options if isinstance(options, dict) else {}
    return str(options.get("device") or "") if "bind" in str(options.get("o") or "").split(",") else ""


def _mount(item: Any, directory: str, volumes: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """Return a bind or volume mount; None for an anonymous volume or a tmpfs."""
    if isinstance(item, dict):
        if item.get("type") == "tmpfs" or not item.get("source"):
            return None
        bind = item.get("type") == "bind"
        source, target, rw = str(item["source"]), str(item.get("target")), not truthy(item.get("read_only"))
    else:
        parts = str(item).split(":")
        if len(parts) < 2:
            return None
        source, target = parts[0], parts[1]
        options = parts[2].split(",") if len(parts) > 2 else []
        bind, rw = source[:1] in ("/", ".", "~"), "ro" not in options
    device = "" if bind else bound_device((volumes.get(source) or {}).get("driver_opts"))
    if device:
        source, bind = device, True
    if bind and source.startswith("."):
        source = posixpath.normpath(posixpath.join(directory, source))
    return {"source": source, "target": target, "rw": rw, "bind": bind}


def _ports(item: Any) -> List[Dict[str, Any]]:
    """Return the published ports of one `ports:` entry; a range is one entry a port."""
    if isinstance(item, dict):
        published, target = str(item.get("published") or ""), str(item.get("target") or "")
        address, protocol = str(item.get("host_ip") or "0.0.0.0"), str(item.get("protocol") or "tcp")
    else:
        text, _slash, protocol = str(item).partition("/")
        head, _colon, target = text.rpartition(":")
        address, published = "0.0.0.0", head
        if head.startswith("["):
            address, _bracket, published = head[1:].partition("]:")
        elif ":" in head:
            address, _colon, published = head.rpartition(":")
        protocol = protocol or "tcp"
    if not published:
        # A port without a host port is published on a random one.
        published = "0" if target else ""
    return [
        {"ip": address or "0.0.0.0", "port": port, "proto": protocol, "target": target} for port in _range(published)
    ]


def _range(text: str) -> Iterable[int]:
    found = re.match(r"^(\d+)(?:-(\d+))?$", text)
    if not found:
        raise ComposeError("has a published port that is no number")
    first, last = int(found.group(1)), int(found.group(2) or found.group(1))
    if not first <= last <= 65535:
        raise ComposeError("has a published port beyond 65535")
    return range(first, last + 1)

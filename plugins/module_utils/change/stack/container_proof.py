# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a container's processes have what was wanted of them, as the kernel tells it."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import containers
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.deployment.compose import no_new_privileges
from ansible_collections.nself.prod.plugins.module_utils.parse.proc_net import is_loopback

_LIMITS = {"mem_limit": "memory", "cpus": "cpu", "pids_limit": "pids"}


def units(stack: Any, services: Sequence[str]) -> Dict[str, Dict[str, Any]]:
    """Return {service: what the audit would find} of those that run."""
    items = {name: stack.inspect(name) for name in services if stack.running(name)}
    sources = {"docker_containers": list(items.values()), "docker_volumes": Unread(Reason.ERROR, "not asked for")}
    found = {unit["id"]: unit for unit in containers.collect(stack.host, sources.__getitem__)}
    return {name: found[str(item["Id"])] for name, item in items.items() if item and str(item["Id"]) in found}


def differs(wanted: Mapping[str, Any], unit: Mapping[str, Any]) -> str:
    """Return what a running container has that its fragment does not grant, "" where nothing. A unit as the audit shapes it."""
    user = str(wanted.get("user") or "").partition(":")[0]
    if user.isdigit() and isinstance(unit["uids"], list) and set(unit["uids"]) - {int(user)}:
        return "runs with the uids %s, not as %s" % (", ".join(map(str, unit["uids"])), user)
    if "cap_drop" in wanted:
        more = sorted(set(unit["capabilities"]) - set(wanted.get("cap_add") or []))
        if more:
            return "still has the capabilities %s" % ", ".join(more)
    if no_new_privileges(wanted.get("security_opt") or []) and unit["no_new_privileges"] is not True:
        return "can still gain privileges"
    if wanted.get("read_only") and unit["readonly_rootfs"] is not True:
        return "can still change its own files"
    limits = ((wanted.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    told = {_LIMITS[key] for key in wanted if key in _LIMITS} | {"cpu" if key == "cpus" else key for key in limits}
    absent = sorted(kind for kind in told if isinstance(unit["limits"], dict) and unit["limits"].get(kind) is None)
    if absent:
        return "has no limit of %s" % ", ".join(absent)
    if "ports" in wanted and not wanted["ports"]:
        return ""
    return _public(wanted, unit)


def _public(wanted: Mapping[str, Any], unit: Mapping[str, Any]) -> str:
    """Return which port is public although the fragment binds all of them to loopback."""
    entries = [entry if isinstance(entry, str) else str(entry.get("host_ip")) for entry in wanted.get("ports") or []]
    if not entries or not all(entry.startswith("127.") for entry in entries):
        return ""
    bad = [str(port.get("port")) for port in unit["ports"] if not is_loopback(str(port.get("ip") or "0.0.0.0"))]
    return "still publishes the ports %s on every address" % ", ".join(bad) if bad else ""

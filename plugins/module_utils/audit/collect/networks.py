# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which networks of the engine the project's containers are on, and who else is.

Facts `networks`: services[] of {service, role, host, networks[] of {name, internal, default, strangers}} for every running unit that
holds data. host: it shares the host's own network; default: the bridge that every container without a network of its own is on;
strangers: containers on it that are not of the project.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.project import belongs
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Level, Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import NONE
from ansible_collections.nself.prod.plugins.module_utils.host import first_line

DATA_ROLES = ("postgres", "redis", "minio", "meilisearch")
DEFAULT = "bridge"  # the engine's own name for it, which no other network may have


def collect_inspected(host: Any, need: Any) -> Dict[str, Dict[str, Any]]:
    """Return `docker network inspect` of every network that a container is on, by id. Hidden: raw."""
    ids = {
        str(entry["NetworkID"])
        for item in need("docker_containers")
        for entry in _networks_of(item).values()
        if entry.get("NetworkID")
    }
    if not ids:
        return {}
    # A network that a stopped container was on may be gone: inspect then exits 1 and prints the others.
    done = host.run(["docker", "network", "inspect"] + sorted(ids), timeout=8)
    try:
        found = json.loads(done.out)
    except (ValueError, RecursionError):
        raise Missing("networks", Reason.PARSE_ERROR, "docker network inspect printed no JSON") from None
    if not isinstance(found, list) or (not found and done.rc):
        raise Missing("networks", Reason.ERROR, "docker network inspect: " + first_line(done.err))
    return {str(item.get("Id")): item for item in found if isinstance(item, dict)}


def _networks_of(container: Mapping[str, Any]) -> Dict[str, Dict[str, Any]]:
    found = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return {str(name): entry for name, entry in found.items() if isinstance(entry, dict)}


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts. Raises Missing where it is not known what runs."""
    project = need("project")
    if project.state == NONE:
        return {"services": []}
    if isinstance(project.units, Unread):
        raise Missing("networks", project.units.reason, project.units.detail)
    running = [unit for unit in project.units if unit["level"] == Level.RUNNING]
    # One that just restarts is no running unit, and no stranger either.
    ours = {str(item["Id"]) for item in need("docker_containers") if belongs(_labels(item), project.found)}
    ours |= {unit["id"] for unit in running}
    containers = {str(item["Id"]): item for item in need("docker_containers")}
    inspected = attempt(lambda: need("docker_networks"))
    services = []
    for unit in running:
        if unit["role"] in DATA_ROLES:
            services.append(
                {
                    "service": unit["service"],
                    "role": unit["role"],
                    "host": "network" in unit["host_namespaces"],
                    "networks": _networks(_home(unit["id"], containers), containers, ours, inspected),
                }
            )
    return {"services": services}


def _labels(item: Mapping[str, Any]) -> Dict[str, str]:
    return (item.get("Config") or {}).get("Labels") or {}


def _home(identity: str, containers: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return the container whose networks a container is on: another's, where it was told to share them."""
    item = containers.get(identity)
    for _turn in range(len(containers)):
        mode = str(((item or {}).get("HostConfig") or {}).get("NetworkMode") or "")
        if not mode.startswith("container:"):
            break
        wanted = mode.partition(":")[2]
        item = next(
            (other for key, other in containers.items() if key.startswith(wanted) or _called(other) == wanted), None
        )
    return item


def _called(container: Mapping[str, Any]) -> str:
    return str(container.get("Name", "")).lstrip("/")


def _networks(home: Any, containers: Mapping[str, Mapping[str, Any]], ours: "set[str]", inspected: Any) -> Any:
    if home is None:
        return Unread(Reason.ERROR, "the container whose network it shares is not known")
    out: List[Dict[str, Any]] = []
    for name, entry in sorted(_networks_of(home).items()):
        if name in ("host", "none"):
            continue
        identity = str(entry.get("NetworkID") or "")
        details = inspected.get(identity) if isinstance(inspected, dict) else None
        lost = Unread(Reason.ERROR, "docker network inspect said nothing of it")
        if isinstance(inspected, Unread):
            lost = inspected
        out.append(
            {
                "name": name,
                "internal": lost if details is None else bool(details.get("Internal")),
                "default": name == DEFAULT,
                "strangers": sorted(
                    _called(other)
                    for key, other in containers.items()
                    if key not in ours and (other.get("State") or {}).get("Running") and _on(other, identity)
                ),
            }
        )
    return out


def _on(container: Mapping[str, Any], identity: str) -> bool:
    return any(entry.get("NetworkID") == identity for entry in _networks_of(container).values())


COLLECTORS = (
    Collector("docker_networks", collect_inspected, deadline=16.0, hidden=True),
    Collector("networks", collect, deadline=18.0),
)

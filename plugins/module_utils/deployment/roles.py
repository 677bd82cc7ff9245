# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each service of an nself project is for, by its service name or, where that was changed, its image."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Mapping, Set

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

# role: (service names that nself generates, last parts of image names)
ROLES = {
    "postgres": (("postgres",), ("postgres", "postgis", "timescaledb", "pgvector", "timescaledb-ha")),
    "hasura": (("hasura",), ("graphql-engine",)),
    "auth": (("auth",), ("hasura-auth",)),
    "nginx": (("nginx",), ("nginx", "nginx-unprivileged")),
    "minio": (("minio",), ("minio",)),
    "redis": (("redis",), ("redis", "valkey")),
    "admin": (("nself-admin",), ("nself-admin",)),
    "grafana": (("grafana",), ("grafana", "grafana-oss")),
    "prometheus": (("prometheus",), ("prometheus",)),
    "alertmanager": (("alertmanager",), ("alertmanager",)),
    "promtail": (("promtail",), ("promtail",)),
    "cadvisor": (("cadvisor",), ("cadvisor",)),
    "mlflow": (("mlflow",), ("mlflow",)),
    "meilisearch": (("meilisearch",), ("meilisearch",)),
    "mailpit": (("mailpit",), ("mailpit",)),
    "mailhog": (("mailhog",), ("mailhog",)),
    "adminer": (("adminer",), ("adminer",)),
    "pgadmin": (("pgadmin",), ("pgadmin4", "pgadmin")),
    "bull-board": (("bull-board", "bullboard"), ("bull-board",)),
    "maildev": (("maildev",), ("maildev",)),
    "mailcatcher": (("mailcatcher",), ("mailcatcher",)),
    "phpmyadmin": (("phpmyadmin",), ("phpmyadmin",)),
    "pgweb": (("pgweb",), ("pgweb",)),
    "dbgate": (("dbgate",), ("dbgate",)),
    "redis-commander": (("redis-commander",), ("redis-commander",)),
}

# Services of nself that have no role of their own.
OTHERS = (
    "functions",
    "loki",
    "minio-client",
    "node-exporter",
    "postgres-exporter",
    "redis-exporter",
    "tempo",
    "typesense",
)


def known_words() -> Set[str]:
    """Return what nself's settings call the services that nself knows: REDIS_MEMORY_LIMIT is of redis."""
    names = {name for services, _images in ROLES.values() for name in services} | set(ROLES) | set(OTHERS)
    return {name.replace("-", "_") for name in names}


def role_of(service: str, image: str) -> str:
    """Return a service's role, "" where it has none of its own. image: a reference such as registry/name:tag@digest."""
    for role, (services, _images) in ROLES.items():
        if service in services:
            return role
    name = re.split(r"[:@]", (image or "").rsplit("/", 1)[-1])[0].lower()
    for role, (_services, images) in ROLES.items():
        if name in images:
            return role
    return ""


def roles_of_hosts(units: Any, containers: Any) -> Callable[[str], str]:
    """Return a function that tells the role of a host that something is passed on to: a service, container or address.

    units, containers: those of the deployment in clear and those of the engine, each Unread where they are not known. A container
    is also known by what its networks call it, which compose lets everybody choose.
    """
    aliases = {} if isinstance(containers, Unread) else {str(item.get("Id")): _aliases(item) for item in containers}
    known: Dict[str, str] = {}
    for unit in [] if isinstance(units, Unread) else units:
        names = [unit.get("service"), unit.get("name")] + list(unit.get("addresses") or [])
        for name in names + aliases.get(str(unit.get("id")), []):
            if name:
                known[str(name).lower()] = unit["role"]
    return lambda host: known.get(host.lower()) or role_of(host, "")


def _aliases(container: Mapping[str, Any]) -> List[str]:
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return [str(name) for entry in networks.values() for name in (entry or {}).get("Aliases") or []]


def is_nself(services: Mapping[str, str]) -> bool:
    """Tell whether a compose project, given as {service: image}, is an nself deployment.

    It runs Hasura or its auth service beside PostgreSQL or nginx; any other project on the host is none of our business.
    """
    roles = {role_of(service, image) for service, image in services.items()}
    return bool(roles & {"hasura", "auth"}) and bool(roles & {"postgres", "nginx"})

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment whose PostgreSQL runs on the host itself: by which names its services reach it, and who vouches for its certificate."""

from __future__ import annotations

import ipaddress
import os
from typing import Any, List, Sequence, Set

from ansible_collections.nself.prod.plugins.module_utils.change.changes import text_of
from ansible_collections.nself.prod.plugins.module_utils.change.postgres_cluster import CLIENTS_AUTHORITY, clusters
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_clients import Client


def names_of_host(stack: Any) -> Set[str]:
    """Return the names and addresses by which the project's containers reach this host."""
    names = {"host.docker.internal", os.uname().nodename.lower()} | set(gateways(stack.subnets()))
    for model in stack.services.values():
        extra = model.get("extra_hosts") or []
        pairs = (
            extra.items()
            if isinstance(extra, dict)
            else (str(item).replace("=", ":", 1).split(":", 1) for item in extra)
        )
        names |= {str(name).lower() for name, address in pairs if str(address) == "host-gateway"}
    return names


def gateways(subnets: Sequence[str]) -> List[str]:
    """Return the addresses that Docker gives the host itself in these networks."""
    return [str(next(ipaddress.ip_network(subnet).hosts())) for subnet in subnets]


def authority(host: Any, clients: Sequence[Client]) -> str:
    """Return who vouches for the cluster that the clients use; "" where it has no certificate of ours."""
    ports = {url.port for client in clients for url in list(client.urls.values()) + list(client.words.values())} or {
        5432
    }
    for cluster in clusters(host):
        if cluster.running and cluster.port in ports:
            return text_of(host, cluster.config + CLIENTS_AUTHORITY) or ""
    return ""

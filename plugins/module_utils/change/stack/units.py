# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's running container as the audit's collectors take it, so that what a role proves is what the audit asks."""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.docker import ports_of
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.stack import reach


def running_unit(stack: Any, service: str) -> Dict[str, Any]:
    """Return what collectors read of a running container, its environment in clear. Raises ChangeError where it does not run."""
    item = stack.inspect(service)
    if item is None or not stack.running(service):
        raise ChangeError(
            "%s does not run, so it cannot be asked; start it with `docker compose up -d %s`" % ((service,) * 2)
        )
    config, applied = item.get("Config") or {}, item.get("HostConfig") or {}
    return {
        "service": service,
        "pid": str((item.get("State") or {}).get("Pid")),
        "argv": command_lines(item),
        "environment": stack.environment(service),
        "ports": ports_of(item),
        "addresses": reach.own(item),
        "host_namespaces": ["network"] if applied.get("NetworkMode") == "host" else [],
        "labels": config.get("Labels") or {},
    }


def command_lines(item: Dict[str, Any]) -> "list[str]":
    """Return the words of a container's command line, then those of its health check."""
    out = [str(item.get("Path") or "")] + [str(word) for word in item.get("Args") or []]
    return out + [str(word) for word in ((item.get("Config") or {}).get("Healthcheck") or {}).get("Test") or []]

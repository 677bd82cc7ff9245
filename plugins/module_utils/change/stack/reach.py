# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which address of this host's a service's container is reached: one answer for all that ask a service something."""

from __future__ import annotations

from typing import Any, List, Mapping

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError

HERE = "127.0.0.1"
_OF_ANOTHER = "container:"


def own(item: Mapping[str, Any]) -> List[str]:
    """Return a container's own addresses, those of IPv4 first: a network may have only one of the two."""
    networks = ((item.get("NetworkSettings") or {}).get("Networks") or {}).values()
    entries = [entry or {} for entry in networks]
    return [str(entry[key]) for key in ("IPAddress", "GlobalIPv6Address") for entry in entries if entry.get(key)]


def address(stack: Any, service: str) -> str:
    """Return where a service is asked from this host, also where it has its network from the host or another service. Raises ChangeError."""
    mode = _mode(stack, service)
    if mode == "host":
        return HERE
    if mode.startswith(_OF_ANOTHER):
        for other in stack.services:
            if other != service and (stack.inspect(other) or {}).get("Id") == mode[len(_OF_ANOTHER) :]:
                return address(stack, other) if not _mode(stack, other).startswith(_OF_ANOTHER) else _no(service)
    return str(stack.address(service))


def named(text: str, port: int) -> str:
    """Return an address with its port as a Host header or URL has it."""
    return "%s:%d" % ("[%s]" % text if ":" in text else text, port)


def _mode(stack: Any, service: str) -> str:
    return str(((stack.inspect(service) or {}).get("HostConfig") or {}).get("NetworkMode") or "")


def _no(service: str) -> str:
    raise ChangeError("the container of %s has no address; look at `docker ps`" % service)

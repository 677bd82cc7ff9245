# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services ask a Redis, and whether they will get in with a password. Pure functions over a compose model."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Set

from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import family_of, is_secret_name
from ansible_collections.nself.prod.plugins.module_utils.change.stack import raw
from ansible_collections.nself.prod.plugins.module_utils.deployment.interpolate import InterpolationError, interpolate

_URL = re.compile(r"(rediss?://)(?:([^@/]*)@)?((?:\$\{[^}]*\}|[^:/?#@])+)(.*)\Z", re.S)
_HOST = re.compile(r"(REDIS|VALKEY|CACHE|QUEUE|BULL)\w*_HOST(NAME)?\Z|(REDIS|VALKEY)_ADDR\Z")
SAFE = re.compile(r"[A-Za-z0-9._~-]+\Z")  # stands in a URL as it is


@dataclass
class Clients:
    """urls: {service: {variable: its URL with the password}}; inside: services whose URL holds it; without: those that hold none at all."""

    urls: Dict[str, Dict[str, str]] = field(default_factory=dict)
    inside: List[str] = field(default_factory=list)
    without: List[str] = field(default_factory=list)


def names_of(name: str, service: Mapping[str, Any]) -> Set[str]:
    """Return what the others may call a service."""
    out = {name, str(service.get("container_name") or name), str(service.get("hostname") or name)}
    networks = service.get("networks")
    for network in networks.values() if isinstance(networks, Mapping) else ():
        out |= {str(alias) for alias in (network or {}).get("aliases") or []}
    return {item.lower() for item in out}


def clients_of(
    services: Mapping[str, Mapping[str, Any]], hosts: Set[str], variables: Mapping[str, str], name: str
) -> Clients:
    """Return who asks the Redis that goes by these hosts. services: not filled in; name: the variable that holds its password."""
    out = Clients()
    for service, item in sorted(services.items()):
        environment = raw.environment(item)
        found = {key: _URL.match(text) for key, text in environment.items()}
        urls = {key: url for key, url in found.items() if url and _plain(url.group(3), variables) in hosts}
        for key, url in urls.items():
            scheme, user, host, rest = url.groups()  # type: ignore[union-attr]
            account, colon, password = (user or "").partition(":")
            if colon and password:
                out.inside.append(service)
            else:
                out.urls.setdefault(service, {})[key] = "%s%s:${%s}@%s%s" % (scheme, account, name, host, rest)
        asks = any(
            _HOST.match(key) and _plain(text, variables).split(":")[0] in hosts for key, text in environment.items()
        )
        holds = urls or any(is_secret_name(key) and family_of(key) == "redis" for key in environment)
        if asks and not holds:
            out.without.append(service)
    out.inside = sorted(set(out.inside))
    return out


def _plain(text: str, variables: Mapping[str, str]) -> str:
    try:
        return str(interpolate(text, variables)).lower()
    except InterpolationError:
        return text.lower()

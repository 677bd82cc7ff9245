# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What concerns the services together: who is taken out, which mode they run in, and which network the data is on."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.stack import DEVELOPMENT_ROLES, MODES
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.networks import DATA_ROLES
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Replace, ReplaceMap, literal
from ansible_collections.nself.prod.plugins.module_utils.change.stack.stack import FIXED

OFF = "nself-prod-off"  # the profile of what is taken out: nobody switches it on
INTERNAL = "nself-prod-internal"  # the network that leads nowhere
_PRODUCTION = {"ENV": "prod", "LOG_LEVEL": "info", "HASURA_GRAPHQL_LOG_LEVEL": "info", "AUTH_LOG_LEVEL": "info"}
_MODE = ("NODE_ENV", "APP_ENV", "ENVIRONMENT", "MEILI_ENV")
MEILI_KEY = 16  # bytes of its key without which MeiliSearch does not start in production


def were_out(document: str) -> Set[str]:
    """Return the services that an earlier run took out. document: what it wrote of this role."""
    found = re.finditer(r'^  "?([^\s"]+)"?:\n    profiles: !override\n      - %s$' % OFF, document, re.M)
    return {match.group(1) for match in found}


def taken_out(
    services: Mapping[str, Mapping[str, Any]],
    roles: Mapping[str, str],
    panel: str,
    development: str,
    before: Set[str] = frozenset(),  # type: ignore[assignment]
) -> Tuple[Set[str], List[str]]:
    """Return (the services to take out, what is left to say). panel: absent or keep; development: unused, absent or keep.

    before: those that are out already. Who names one of them does without it by now.
    """
    out: Set[str] = set()
    left: List[str] = []
    for name in services:
        if roles[name] == "admin" and panel == "absent":
            out.add(name)
        if roles[name] in DEVELOPMENT_ROLES and development != "keep":
            users = _users_of(name, services) if name not in before else []
            if users and development == "unused":
                left.append(
                    "%s stays, since %s names it: give that service another host first (AUTH_SMTP_HOST for mail), or set "
                    "containers_dev_services: absent" % (name, ", ".join(users))
                )
            else:
                out.add(name)
    for name in sorted(out):
        needing = [
            other for other, item in services.items() if other not in out and name in (item.get("depends_on") or {})
        ]
        if needing:
            out.discard(name)
            left.append(
                "%s stays, since %s depends on it: take that out of depends_on first" % (name, ", ".join(needing))
            )
    return out, left


def _users_of(name: str, services: Mapping[str, Mapping[str, Any]]) -> List[str]:
    """Return the services in whose environment a service is named as a host."""
    host = re.compile(r"(?:\A|[/@,;\s])%s(?:\Z|[:/,;\s?])" % re.escape(name))
    return [
        other
        for other, item in services.items()
        if other != name and any(host.search(str(value)) for value in (item.get("environment") or {}).values())
    ]


def production(environment: Mapping[str, Any]) -> Tuple[Dict[str, str], List[str]]:
    """Return (the settings of an environment that are to change so that it is production's, names that have to stay)."""
    out: Dict[str, str] = {}
    stay: List[str] = []
    for names, wrong in MODES:
        for name in names:
            value = environment.get(name)
            if value in (None, "") or not wrong(str(value)):
                continue
            if name == "MEILI_ENV" and len(str(environment.get("MEILI_MASTER_KEY") or "").encode()) < MEILI_KEY:
                stay.append(name)
            else:
                out[name] = _PRODUCTION.get(name, "production" if name in _MODE else "false")
    return out, stay


def without_arguments(
    command: Any, environment: Mapping[str, Any], arguments: Mapping[str, str]
) -> Optional[List[str]]:
    """Return a command without the arguments whose value stands in the environment too, None where it has none of them."""
    if not isinstance(command, list):
        return None
    gone = {name for name, variable in arguments.items() if name in command[:-1] and environment.get(variable)}
    places = {place + step for place, word in enumerate(command) if word in gone for step in (0, 1)}
    return [str(word) for place, word in enumerate(command) if place not in places] if gone else None


def networks(
    services: Mapping[str, Mapping[str, Any]], roles: Mapping[str, str], out: Sequence[str]
) -> Tuple[Dict[str, Any], List[str]]:
    """Return (a fragment that puts what holds data on an internal network only, and everybody else there too; what is left to say).

    The network there is stays as it is, for an internal one publishes no port and lets nobody out: nginx and who sends mail need it.
    """
    found: Dict[str, Any] = {}
    left: List[str] = []
    for name, item in services.items():
        if item.get("network_mode") or name in out:
            continue
        given = [entry or {} for entry in (item.get("networks") or {}).values()]
        fixed = sorted({str(entry[key]) for entry in given for key in FIXED if entry.get(key)})
        if roles[name] not in DATA_ROLES or fixed:
            found[name] = {"networks": [INTERNAL]}
            if roles[name] in DATA_ROLES:
                left.append(
                    "%s stays on its network, since it has a fixed address there (%s): others may know it by that. Take the address out "
                    "of the compose file and name the service instead" % (name, ", ".join(fixed))
                )
            continue
        # Whoever knows it by another name goes on finding it.
        aliases = sorted({literal(str(alias)) for entry in given for alias in entry.get("aliases") or []})
        only: Any = ReplaceMap({INTERNAL: {"aliases": aliases}}) if aliases else Replace([INTERNAL])
        found[name] = {"networks": only}
    return {"services": found, "networks": {INTERNAL: {"internal": True}}}, left

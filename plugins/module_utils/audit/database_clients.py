# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which roles the deployment's services use in PostgreSQL."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.database import is_network, logins
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Level,
    Missing,
    Reason,
    Resource,
    Status,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import all_units, level_of, name_of
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each


def clients(facts: Any, postgres: Record) -> Tuple[Dict[str, str], List[Resource]]:
    """Return {role: level} of those who connect: the sessions over a network now, and what services are told to log in as.

    And an unknown resource for each place where a role may hide. Raises Missing where nobody is known to connect.
    """
    roles: Dict[str, str] = {}
    unknown: List[Resource] = []

    def sessions(_name: str) -> Tuple[bool, str]:
        if not postgres.read("server.sees_sessions"):
            raise Missing("postgres.sessions", Reason.NEEDS_ROOT, "POSTGRES_USER may not see the sessions of others")
        for item in postgres.records("sessions"):
            if is_network(item.read("client")):
                roles[str(item.read("user"))] = Level.RUNNING
        return True, ""

    def service(unit: Record) -> Tuple[bool, str]:
        if unit.read("role") == "postgres":
            return True, ""
        for login in logins(unit):
            if login.user is None:
                raise Missing("env", Reason.ERROR, "as whom it logs in is not said")
            roles.setdefault(login.user, level_of(unit))
        return True, ""

    unknown += each(("sessions",), str, sessions)
    unknown += each(all_units(facts), name_of, service, level_of)
    unknown = [item for item in unknown if item.status == Status.UNKNOWN]
    if not roles and not unknown:
        raise Missing("postgres.sessions", Reason.ERROR, "no service is connected, and none is told of the database")
    return roles, unknown

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""INFRA-27: no service that a server does not need."""

from __future__ import annotations

from typing import Any

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Fix, Severity, check
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.unwanted_services import UNWANTED
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, resource, summed

EXPECTED = "none of the unneeded services is active or enabled"
KIND = {name: kind for kind, names in UNWANTED for name in names}


@check(
    id="INFRA-27",
    slug="services-minimal",
    title="No unneeded service runs",
    severity=Severity.WARNING,
    why="Each service is one more door, and the old ones send passwords in the clear.",
    reads="systemd's units of a table of services that a server does not need: running, or enabled at boot",
    passes="none of them is active or enabled",
    fix=Fix("services", "Remove the package, or run `systemctl disable --now` for each unit that is named."),
    refs=("s:harden", "U:2.1"),
)
def services_minimal(facts: Any, policy: Any) -> Any:
    found = []
    for unit in facts.records("services.units"):
        states = [state for state in ("active", "enabled") if unit.read(state) is not False]
        if states:
            name = unit.read("name")
            found.append(resource(name, False, "%s, %s" % (KIND.get(name, "unneeded"), " and ".join(states))))
    return summed(EXPECTED, found) if found else decide(True, EXPECTED, "none is")


CHECKS = (services_minimal,)

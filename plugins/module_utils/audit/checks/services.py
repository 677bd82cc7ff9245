# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""INFRA-27: no service that a server does not need."""

from __future__ import annotations

from typing import Any, Dict, List

from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    Reason,
    Resource,
    Severity,
    Status,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.unwanted_services import UNWANTED
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, resource, summed

EXPECTED = "none of the unneeded services is active, enabled or listening"
OF_UNIT = {unit: kind for kind, units, _processes, _ports in UNWANTED for unit in units}
OF_PROCESS = {process: kind for kind, _units, processes, _ports in UNWANTED for process in processes}
OF_PORT = {port: kind for kind, _units, _processes, ports in UNWANTED for port in ports}


@check(
    id="INFRA-27",
    slug="services-minimal",
    title="No unneeded service runs",
    severity=Severity.WARNING,
    why="Each service is one more door, and the old ones send passwords in the clear.",
    reads="systemd's units of a table of services that a server does not need, and which processes have open ports",
    passes="none of them is active, enabled at boot or listening",
    fix=Fix("services", "Remove the package, or run `systemctl disable --now` for each unit that is named."),
    refs=("s:harden", "U:2.1"),
)
def services_minimal(facts: Any, policy: Any) -> Any:
    found = _part("units", lambda: _units(facts))
    kinds = {OF_UNIT.get(item.name) for item in found if "active" in item.actual}
    # A unit that is named is not named once more for the ports that it opened.
    found += [
        item for item in _part("ports", lambda: _listening(facts)) if OF_PROCESS.get(item.name, item) not in kinds
    ]
    return summed(EXPECTED, found) if found else decide(True, EXPECTED, "none is")


def _part(name: str, judge: Any) -> List[Resource]:
    try:
        return list(judge())
    except Missing as missing:
        return [Resource(name, Status.UNKNOWN, missing.detail or str(missing), reason=missing.reason)]


def _units(facts: Any) -> List[Resource]:
    found = []
    for unit in facts.records("services.units"):
        name = unit.read("name")
        states = [state for state in ("active", "enabled") if unit.read(state) is not False]
        if states:
            found.append(resource(name, False, "%s, %s" % (OF_UNIT.get(name, "unneeded"), " and ".join(states))))
    return found


def _listening(facts: Any) -> List[Resource]:
    ports: Dict[str, List[str]] = {}
    hidden = []
    for protocol in ("tcp", "udp"):
        for item in facts.records("ports." + protocol):
            port, process = "%s %s" % (protocol, item.read("port")), item.read("process")
            if process in OF_PROCESS and port not in ports.setdefault(process, []):
                ports[process].append(port)
            elif process is None and port in OF_PORT and port not in hidden:
                hidden.append(port)
    found = [resource(name, False, "%s, listens on %s" % (OF_PROCESS[name], ", ".join(ports[name]))) for name in ports]
    about = "%s may be what listens here: its process could not be seen"
    return found + [Resource(port, Status.UNKNOWN, about % OF_PORT[port], reason=Reason.NEEDS_ROOT) for port in hidden]


CHECKS = (services_minimal,)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller sees of the host."""

from __future__ import annotations

from typing import Any, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

# What stands behind each port that the controller tries, for the reader.
NAMES = {
    "5432": "PostgreSQL",
    "6379": "Redis",
    "8080": "Hasura",
    "4000": "auth",
    "9000": "MinIO",
    "9001": "MinIO's console",
    "3000": "Grafana",
    "9090": "Prometheus",
    "2375": "Docker's API",
    "2376": "Docker's API with TLS",
}
CLOSED = {"refused": "refused", "timeout": "no answer"}


@check(
    "NET-26",
    "unreachable-from-outside",
    "Inner services do not answer from outside",
    Severity.CRITICAL,
    "Docker publishes ports around the host's firewall: only a connection from another machine shows what really is reachable.",
    "TCP connections from the controller to the host's address on the ports of databases, consoles and Docker's API",
    "each is refused or gets no answer; unknown where the controller is the host or does not reach its ssh port directly",
    Fix(
        "ufw",
        "Publish the port on 127.0.0.1 only, or not at all, and recreate the container; let nginx be the only way in.",
    ),
    refs=("s:firewall",),
)
def unreachable_from_outside(facts: Any, policy: Any) -> Verdict:
    if facts.read("outside.same_host") is not False:
        detail = "the controller is the host, or reaches it by no network address of its own"
        raise Missing("outside.same_host", Reason.ERROR, detail)
    address, ports, control = facts.read("outside.address"), facts.read("outside.ports"), facts.read("outside.control")
    allowed = policy["public_ports"]

    def judge(port: str) -> Tuple[bool, str]:
        state = ports.get(port)
        if state == "open":
            return port in allowed, "open at %s" % address
        if control != "open":
            detail = "%s is not reached from the controller directly, so its silence proves nothing" % address
            raise Missing("outside.control", Reason.ERROR, detail)
        if state not in CLOSED:
            raise Missing("outside.ports", Reason.ERROR, "the controller could not try %s" % address)
        return True, CLOSED[state]

    return summed(
        "refused or no answer", each(sorted(NAMES, key=int), lambda port: "%s (%s)" % (port, NAMES[port]), judge)
    )


CHECKS = (unreachable_from_outside,)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports of the host are public."""

from __future__ import annotations

from typing import Dict, FrozenSet, List

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts, Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    Reason,
    Resource,
    Severity,
    Status,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import resource, summed
from ansible_collections.nself.prod.plugins.module_utils.parse.proc_net import is_loopback

# What must not stand behind a public port, whatever its number outside: databases, caches and the Docker engine.
NEVER_PUBLIC = frozenset((2375, 2376, 3306, 5432, 6379, 6432, 9200, 11211, 27017))
NEVER_PUBLIC_TEXT = frozenset(str(port) for port in NEVER_PUBLIC)


def wanted_ports(facts: Facts, policy: Policy) -> FrozenSet[int]:
    """Return the ports that may be public: sshd's own and the policy's. Raises Missing."""
    try:
        allowed = [int(port) for port in policy["public_ports"]]
    except ValueError:
        raise Missing("policy.public_ports", Reason.PARSE_ERROR, "policy public_ports takes port numbers") from None
    return frozenset(allowed) | frozenset(int(port) for port in facts.read("ssh.ports"))


def _host_name(ip: str, port: object, proto: str) -> str:
    return "%s:%s/%s" % ("[%s]" % ip if ":" in ip else ip, port, proto)


def _listening(facts: Facts, wanted: FrozenSet[int]) -> List[Resource]:
    out = []
    for item in facts.records("ports.tcp"):
        ip, port = item.read("ip"), item.read("port")
        if not is_loopback(ip):
            out.append(resource(_host_name(ip, port, "tcp"), port in wanted, _process(item)))
    return out


def _process(item: Record) -> str:
    try:
        return item.read("process") or "a process that could not be seen"
    except Missing:
        return "a process that could not be seen"


def _published(facts: Facts, wanted: FrozenSet[int]) -> List[Resource]:
    out = []
    for item in facts.records("docker.published"):
        ip, port = item.read("ip") or "0.0.0.0", item.read("port")
        name, container = _host_name(ip, port, item.read("proto")), item.read("container")
        inner = item.read("target")
        if not is_loopback(ip):
            good = port in wanted and inner not in NEVER_PUBLIC_TEXT
            out.append(resource(name, good, "container %s, port %s" % (container, inner)))
    return out


def _rendered(facts: Facts, wanted: FrozenSet[int]) -> List[Resource]:
    """Judge what compose would publish for the services that do not run: the next start opens it."""
    if facts.read("deployment.state") == "none":
        return []
    out = []
    for unit in facts.records("deployment.units"):
        if unit.read("level") != Level.RENDERED:
            continue
        for item in unit.records("ports"):
            ip, port, inner = item.read("ip"), item.read("port"), item.read("target")
            if not is_loopback(ip):
                name = _host_name(ip, port, item.read("proto"))
                good = port in wanted and inner not in NEVER_PUBLIC_TEXT
                out.append(resource(name, good, "service %s, port %s" % (unit.read("service"), inner), Level.RENDERED))
    return out


def _translated(facts: Facts, family: str, wanted: FrozenSet[int]) -> List[Resource]:
    out = []
    for item in facts.records("firewall.%s.dnat" % family):
        first, last, proto = item.read("first"), item.read("last"), item.read("proto")
        text = "%d" % first if first == last else "%d-%d" % (first, last)
        # None: the same port behind it.
        inner = item.read("inner") or [first, last]
        hidden = any(low in NEVER_PUBLIC for low in range(inner[0], inner[1] + 1))
        good = all(port in wanted for port in range(first, last + 1)) and not hidden
        out.append(
            resource(
                _host_name("0.0.0.0" if family == "v4" else "::", text, proto), good, "sent on to " + item.read("to")
            )
        )
    return out


@check(
    "NET-25",
    "only-public-ports",
    "Only ssh and the web are public",
    Severity.CRITICAL,
    "A database or console that listens on every address is one missing firewall rule away from the internet.",
    "listening TCP sockets, the ports that Docker publishes (IPv6 too) or compose would, and the packet filter's port forwardings",
    "beyond loopback only the ssh port(s) and the policy's public_ports listen, are published or forwarded",
    Fix(
        "containers",
        'Publish the port on 127.0.0.1 ("127.0.0.1:5432:5432" in docker-compose.override.yml), or let the service listen on loopback only.',
        ("containers_published_ports",),
        ("the container",),
    ),
    refs=("s:firewall", "D:5.14"),
)
def only_public_ports(facts: Facts, policy: Policy) -> Verdict:
    wanted = wanted_ports(facts, policy)
    found: Dict[str, Resource] = {}
    sources = (
        ("published ports", lambda: _published(facts, wanted)),
        ("listening sockets", lambda: _listening(facts, wanted)),
        ("IPv4 port forwardings", lambda: _translated(facts, "v4", wanted)),
        ("IPv6 port forwardings", lambda: _translated(facts, "v6", wanted)),
        ("ports that compose would publish", lambda: _rendered(facts, wanted)),
    )
    for name, read in sources:
        try:
            resources = read()
        except Missing as missing:
            # What is known already decides where it fails; otherwise this leaves the verdict open.
            resources = [Resource(name, Status.UNKNOWN, missing.detail or str(missing), reason=missing.reason)]
        for item in resources:
            # A published port is listened on and forwarded as well: said once, by its container.
            found.setdefault(item.name, item)
    expected = "only " + ", ".join(str(port) for port in sorted(wanted))
    if not found:
        return Verdict(Status.PASS, expected, "no public port at all")
    return summed(expected, list(found.values()))


CHECKS = (only_public_ports,)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's packet filter lets in."""

from __future__ import annotations

from typing import Any, FrozenSet, Iterable, List, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.ports import wanted_ports
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts, Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    NotApplicable,
    Reason,
    Resource,
    Severity,
    Status,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, resource, summed

Port = Tuple[str, int]


def _ports(items: Iterable[Record]) -> Set[Port]:
    return {(item.read("proto"), port) for item in items for port in range(item.read("first"), item.read("last") + 1)}


def _text(ports: Iterable[Port]) -> str:
    """Return ports as a short list, neighbours joined."""
    runs: List[List[Any]] = []
    for proto, port in sorted(ports):
        if runs and runs[-1][0] == proto and runs[-1][2] == port - 1:
            runs[-1][2] = port
        else:
            runs.append([proto, port, port])
    shown = [_run(*run) for run in runs]
    return ", ".join(shown[:8]) + (" and %d more" % (len(shown) - 8) if len(shown) > 8 else "") or "nothing"


def _run(proto: Any, first: Any, last: Any) -> str:
    return "%s/%s" % (first if first == last else "%s-%s" % (first, last), proto)


def _holds(item: Record, port: Port) -> bool:
    return item.read("proto") == port[0] and item.read("first") <= port[1] <= item.read("last")


def _families(facts: Facts) -> List[str]:
    return ["v4", "v6"] if facts.read("firewall.global_v6") else ["v4"]


@check(
    "INFRA-01",
    "firewall-default-deny",
    "The firewall denies incoming traffic by default",
    Severity.CRITICAL,
    "Without a default of deny every port that anything opens, now or later, is open to the internet.",
    "the kernel's IPv4 packet filter (iptables-save and nft), and which firewall service is enabled at boot",
    "new connections that no rule names are dropped or rejected, and an enabled service brings that back at boot",
    Fix("ufw", "Allow the ssh port, then run `ufw default deny incoming` and `ufw enable`.", ("ufw_allow",)),
    refs=("s:firewall", "L:FIRE-4590"),
)
def default_deny(facts: Facts, policy: Policy) -> Verdict:
    expected = "incoming traffic denied by default, now and after a reboot"
    if facts.read("firewall.v4.default") != "deny":
        return decide(False, expected, "incoming traffic is accepted by default")
    boot = facts.read("firewall.boot")
    if not isinstance(boot, list) or not boot:
        return decide(False, expected, "denied now, but nothing that is enabled at boot denies it again")
    return decide(True, expected, "denied by default; at boot by %s" % ", ".join(boot))


@check(
    "INFRA-02",
    "firewall-rules-minimal",
    "The firewall opens only the ports that are wanted",
    Severity.WARNING,
    "Each port that is open without need is one more service to attack, and a closed ssh port locks the operator out.",
    "the ports that the rules of the input hook really let in, following every jump, for IPv6 too where it is used",
    "open to everybody are only the ssh port(s) and the policy's public_ports, and every ssh port is open; ports that are open to "
    "named source addresses only are reported and allowed",
    Fix(
        "ufw",
        "Delete the rule of each port that is not wanted (`ufw status numbered`, `ufw delete N`), and allow the ssh port.",
        ("ufw_allow",),
    ),
    refs=("s:firewall",),
)
def rules_minimal(facts: Facts, policy: Policy) -> Verdict:
    wanted = wanted_ports(facts, policy)
    ssh = frozenset(("tcp", port) for port in facts.read("ssh.ports"))
    expected = "open to everybody: at most %s; ssh reachable" % ", ".join(str(port) for port in sorted(wanted))
    resources = [_family_minimal(facts, family, wanted, ssh) for family in _families(facts)]
    return summed(expected, resources)


def _family_minimal(facts: Facts, family: str, wanted: FrozenSet[int], ssh: FrozenSet[Port]) -> Resource:
    name = "IP" + family
    filtered = facts.record("firewall." + family)
    if filtered.read("default") != "deny":
        return resource(name, False, "every port is open, since incoming traffic is accepted by default")
    opened, unsure = _ports(filtered.records("open")), _ports(filtered.records("unsure"))
    restricted = filtered.records("restricted")
    excess = {port for port in opened if port[1] not in wanted}
    if excess:
        return resource(name, False, "%s open to everybody" % _text(excess))
    closed = {port for port in ssh - opened - unsure if not any(_holds(item, port) for item in restricted)}
    if closed and family == "v4":
        return resource(name, False, "ssh listens on %s, which is not open" % _text(closed))
    doubtful = {port for port in unsure if port[1] not in wanted}
    if doubtful:
        return Resource(
            name,
            Status.UNKNOWN,
            "a rule that is not understood may open %s" % _text(doubtful),
            reason=Reason.PARSE_ERROR,
        )
    limited = [
        "%s from %s" % (_run(item.read("proto"), item.read("first"), item.read("last")), item.read("from"))
        for item in restricted
    ]
    more = " and %d more" % (len(limited) - 3) if len(limited) > 3 else ""
    return resource(
        name, True, "%s open" % _text(opened) + ("; limited: %s" % ", ".join(limited[:3]) + more if limited else "")
    )


@check(
    "INFRA-03",
    "firewall-ipv6",
    "IPv6 is filtered like IPv4",
    Severity.WARNING,
    "A firewall for IPv4 alone leaves every service open to whoever uses the host's IPv6 address.",
    "the host's IPv6 addresses and the kernel's IPv6 packet filter",
    "the host has no global IPv6 address, or IPv6 is denied by default and opens no port that IPv4 does not",
    Fix("ufw", "Set IPV6=yes in /etc/default/ufw and run `ufw reload`.", ("ufw_ipv6",)),
    refs=("s:firewall", "U:4.4.3.1"),
)
def ipv6_filtered(facts: Facts, policy: Policy) -> Verdict:
    expected = "no global IPv6 address, or the same policy as for IPv4"
    has_address = facts.read("firewall.global_v6")
    if has_address is False:
        return decide(True, expected, "no global IPv6 address")
    if facts.read("firewall.v6.default") != "deny":
        return decide(False, expected, "incoming IPv6 traffic is accepted by default")
    opened = _ports(facts.records("firewall.v6.open")) | _ports(facts.records("firewall.v6.unsure"))
    extra = opened - _ports(facts.records("firewall.v4.open"))
    return decide(
        not extra,
        expected,
        "%s open over IPv6 only" % _text(extra) if extra else "denied by default, the same ports open",
    )


@check(
    "INFRA-04",
    "docker-respects-firewall",
    "Docker's published ports do not bypass the firewall",
    Severity.WARNING,
    "Docker forwards published ports before the input rules are asked, so `ufw deny` does not close them.",
    "the ports that Docker publishes beyond loopback, followed through port forwarding and the forward hook (DOCKER-USER)",
    "the packet filter lets a stranger reach published ports only where they are among the ssh port(s) and the policy's public_ports",
    Fix(
        "ufw",
        "Publish the port on 127.0.0.1, or drop new connections to it in the chain DOCKER-USER.",
        ("ufw_docker_user",),
    ),
    refs=("s:firewall", "D:2.4"),
)
def docker_respects_firewall(facts: Facts, policy: Policy) -> Verdict:
    state = facts.read("docker.state")
    if state != "present":
        raise NotApplicable("Docker is %s" % state)
    wanted = wanted_ports(facts, policy)
    notes = []
    if not facts.read("docker.iptables"):
        notes.append("dockerd runs with iptables=false")
    if facts.read("docker.backend") == "nftables":
        notes.append("Docker's nftables backend has no chain DOCKER-USER")
    expected = "reachable from outside: at most %s" % ", ".join(str(port) for port in sorted(wanted))
    resources = []
    for item in facts.records("exposure.published"):
        port, proto, ip, container = (item.read(key) for key in ("port", "proto", "ip", "container"))
        if ":" in ip and facts.read("firewall.global_v6") is False:
            continue
        name = "%s:%d/%s" % ("[%s]" % ip if ":" in ip else ip, port, proto)
        if port in wanted:
            resources.append(resource(name, True, "wanted (container %s)" % container))
            continue
        reachable = item.read("reachable")
        words = (
            "container %s is reachable past the firewall" if reachable else "container %s is held back by the firewall"
        )
        resources.append(resource(name, reachable is False, "; ".join([words % container] + notes)))
    if not resources:
        return decide(True, expected, "; ".join(["nothing is published beyond loopback"] + notes))
    return summed(expected, resources)


CHECKS = (default_deny, rules_minimal, ipv6_filtered, docker_respects_firewall)

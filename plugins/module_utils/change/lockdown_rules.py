# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lockdown as text: the rules of its own nftables table, and the units that keep them in force. No I/O."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Iterable, List, Optional, Tuple

TABLE = "nself_prod_lockdown"
RULES = "/etc/nself-prod/lockdown.nft"
UNIT = "nself-prod-lockdown.service"
UNIT_FILE = "/etc/systemd/system/" + UNIT
# Drop-ins instead of a link in sysinit.target.wants: every trace of a lockdown is a plain file, which a rollback can put back.
BOOT_FILE = "/etc/systemd/system/sysinit.target.d/nself-prod-lockdown.conf"
NFTABLES_FILE = "/etc/systemd/system/nftables.service.d/nself-prod-lockdown.conf"
RECORD = "/var/lib/nself-prod/lockdown.json"
CONTAINERS = "/var/lib/nself-prod/lockdown-containers.json"
NFT = "/usr/sbin/nft"

# One transaction: the table is there afterwards, or gone, and never is a packet seen by half of it.
REMOVE = "add table inet %s; delete table inet %s" % (TABLE, TABLE)
# After defragmentation (-400), before raw (-300), connection tracking (-200) and Docker's DNAT (-100): what is open already, and what
# is published by a container, is judged like everything else.
PRIORITY = "-350"

Network = Any  # ipaddress.IPv4Network or IPv6Network, which have no common type


class Unusable(ValueError):
    """An address that cannot be used. The message names it."""


@dataclass(frozen=True)
class Wish:
    """Who may still reach the host. sources: for ssh; ports: of ssh; peers: for everything; inside: bridges of containers only."""

    sources: Tuple[Network, ...]
    ports: Tuple[int, ...]
    inside: Tuple[str, ...] = ()
    peers: Tuple[Network, ...] = ()


def address(text: str) -> Any:
    """Return an address as it stands in a packet: without a zone, and as IPv4 where it is IPv4 written as IPv6. Raises Unusable."""
    try:
        found = ipaddress.ip_address(text.strip().partition("%")[0].strip("[]"))
    except ValueError:
        raise Unusable("%s is no IP address" % text) from None
    return getattr(found, "ipv4_mapped", None) or found


def networks(texts: Iterable[str]) -> Tuple[Network, ...]:
    """Return addresses and networks as networks, sorted and each once. Raises Unusable."""
    found: List[Network] = []
    for text in texts:
        word = str(text).strip()
        try:
            found.append(
                ipaddress.ip_network(word) if "/" in word else ipaddress.ip_network(str(address(word)), strict=True)
            )
        except ValueError as error:
            hint = "" if isinstance(error, Unusable) else _meant(word)
            raise Unusable("%s is no address and no network%s" % (word or "an empty word", hint)) from None
    merged = [
        network
        for version in (4, 6)
        for network in ipaddress.collapse_addresses([each for each in found if each.version == version])
    ]
    return tuple(merged)


def _meant(word: str) -> str:
    try:
        return " (its network is %s)" % ipaddress.ip_network(word, strict=False)
    except ValueError:
        return ""


def within(networks_: Iterable[Network], given: Any) -> bool:
    """Return whether an address lies in one of the networks."""
    return any(given.version == network.version and given in network for network in networks_)


def rules(wish: Wish) -> str:
    """Return what `nft -f` reads. Loading it replaces an earlier lockdown in one transaction."""
    return "\n".join(
        [
            "# Written by nself.prod. Lift it with: ansible-playbook lockdown.yml -e nself_lockdown_state=absent",
            "# Without Ansible: rm %s; nft delete table inet %s" % (RULES, TABLE),
            "add table inet %s" % TABLE,
            "delete table inet %s" % TABLE,
            "table inet %s {" % TABLE,
        ]
        + _chain("arriving", "prerouting", _arriving(wish))
        + _chain("passing", "forward", _passing(wish))
        + _chain("between", None, ['oifname "%s" accept' % name for name in wish.inside])
        + _chain("leaving", "output", _leaving(wish))
        + ["}", ""]
    )


def _chain(name: str, hook: Optional[str], lines: List[str]) -> List[str]:
    head = ["type filter hook %s priority %s; policy drop;" % (hook, PRIORITY)] if hook else []
    return ["\tchain %s {" % name] + ["\t\t" + line for line in head + lines] + ["\t}"]


def _family(network: Network) -> str:
    return "ip" if network.version == 4 else "ip6"


def plain(network: Network) -> str:
    """Return a network as people write it."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _arriving(wish: Wish) -> List[str]:
    # One rule each, no sets: what nft lists is then in the order in which it was written.
    return (
        ['iifname "lo" accept']
        + ['iifname "%s" accept' % name for name in wish.inside]
        + [
            "%s saddr %s tcp dport %d accept" % (_family(source), plain(source), port)
            for source in wish.sources
            for port in wish.ports
        ]
        + ["%s saddr %s accept" % (_family(peer), plain(peer)) for peer in wish.peers]
        + [
            # Without these a login hangs where the way to the operator takes smaller packets only.
            "icmp type destination-unreachable icmp code frag-needed accept",
            "icmpv6 type packet-too-big accept",
            # Without these the host loses its neighbours, its router and its address.
            "ip6 hoplimit 255 icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
            "ip6 hoplimit 1 icmpv6 type mld-listener-query accept",
            "meta nfproto ipv4 udp sport 67 udp dport 68 accept",
            "meta nfproto ipv6 udp sport 547 udp dport 546 accept",
        ]
    )


def _passing(wish: Wish) -> List[str]:
    return ['iifname "%s" jump between' % name for name in wish.inside] + _refuse()


def _leaving(wish: Wish) -> List[str]:
    return (
        ['oifname "lo" accept']
        + ['oifname "%s" accept' % name for name in wish.inside]
        + [
            "%s daddr %s tcp sport %d accept" % (_family(source), plain(source), port)
            for source in wish.sources
            for port in wish.ports
        ]
        + ["%s daddr %s accept" % (_family(peer), plain(peer)) for peer in wish.peers]
        + [
            "ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept",
            "icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } accept",
            "meta nfproto ipv4 udp sport 68 udp dport 67 accept",
            "meta nfproto ipv6 udp sport 546 udp dport 547 accept",
        ]
        + _refuse()
    )


def _refuse() -> List[str]:
    # An answer, so that a program on the host gives up at once (a DNS lookup at a login) and an open connection ends there.
    return ["meta l4proto tcp reject with tcp reset", "reject with icmpx type admin-prohibited"]


SERVICE = """\
# Written by nself.prod: keeps the lockdown of this host over a reboot.
[Unit]
Description=Lockdown by nself.prod: nothing but ssh from the management addresses
DefaultDependencies=no
ConditionPathExists={rules}
After=local-fs.target nftables.service
Wants=network-pre.target
Before=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={nft} -f {rules}
ExecReload={nft} -f {rules}
""".format(nft=NFT, rules=RULES)

BOOT = (
    """\
# Written by nself.prod: the lockdown of this host comes before the network.
[Unit]
Wants=%s
"""
    % UNIT
)

# nftables.service empties the whole ruleset when it starts, reloads and stops.
NFTABLES = """\
# Written by nself.prod: the lockdown of this host outlives a restart of this service.
[Service]
ExecStartPost={again}
ExecReload={again}
ExecStopPost={again}
""".format(again="/bin/sh -c 'test ! -e {0} || exec {1} -f {0}'".format(RULES, NFT))

# (path, text, mode) of everything but the rules.
UNITS = ((UNIT_FILE, SERVICE, 0o644), (BOOT_FILE, BOOT, 0o644), (NFTABLES_FILE, NFTABLES, 0o644))

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a packet filter lets a stranger reach: one model for iptables and nftables, and a walk through it.

A stranger is a host of the internet that no rule names as a source, who opens a new connection through an outside interface. The walk
errs to one side only: a condition that cannot be decided never closes a port, and what it might open is kept apart as `unsure`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Tuple

BOTH = frozenset(("tcp", "udp"))
FAMILIES = frozenset(("v4", "v6"))
HALF = 32768  # a filter that accepts more ports than this does not deny by default
DEEPEST = 64  # nested chains; the kernel allows fewer
MOST_STEPS = 500000

# A set of ports is a number whose bit p stands for port p: intersections and differences of 65535 ports cost a microsecond.
EVERY = (1 << 65536) - 2


def ports(first: int, last: int) -> int:
    """Return the set of ports from first to last. Raises ValueError for what is no range of ports."""
    if not 0 <= first <= last <= 65535:
        raise ValueError("not a range of ports")
    return ((1 << (last - first + 1)) - 1) << first & EVERY


def ranges(mask: int) -> List[Tuple[int, int]]:
    """Return a set of ports as (first, last) pairs, in order."""
    return [(found.start(), found.end() - 1) for found in re.finditer("1+", bin(mask)[:1:-1])]


def count(mask: int) -> int:
    return bin(mask).count("1")


class Rule(NamedTuple):
    """One rule, cut down to what matters for a stranger's new connection.

    verdict: accept, drop, return, jump, goto or nat; target: chain of a jump, or where nat sends to. original: the port
    before address translation. interfaces: conditions on the incoming one, each (names, wanted). source: only from there;
    exempt: from anywhere but there; share: how much of the internet that is, as share() says, None where unknown.
    translated: only what nat sent here, or only what it did not. Where `sometimes` the rule matches some packets only (a
    rate, one of the host's addresses), where `unsure` nobody here can tell which.
    """

    verdict: str
    target: str = ""
    families: FrozenSet[str] = FAMILIES
    protocols: FrozenSet[str] = BOTH
    ports: int = EVERY
    original: int = EVERY
    interfaces: Tuple[Tuple[Tuple[str, ...], bool], ...] = ()
    source: str = ""
    exempt: str = ""
    share: Optional[float] = 0.0
    translated: Optional[bool] = None
    sometimes: bool = False
    unsure: bool = False


class Chain:
    """A chain. hook is "" for one that is only jumped to; kind is filter, nat or route; policy accept or drop."""

    def __init__(self, hook: str = "", policy: str = "accept", kind: str = "filter") -> None:
        self.hook = hook
        self.policy = policy
        self.kind = kind
        self.rules: List[Rule] = []


class Table(NamedTuple):
    name: str
    families: FrozenSet[str]
    chains: Dict[str, Chain]


class Packet(NamedTuple):
    """The stranger's first packet. original: the port it was sent to, where that is no longer the one it has."""

    family: str
    protocol: str
    interface: str
    original: Optional[int] = None


class Reach:
    """What came through: open to everybody, unsure, open to a named source only, and what nat sends elsewhere."""

    def __init__(self, opened: int = 0) -> None:
        self.open = opened
        self.unsure = 0
        self.restricted: Dict[str, int] = {}
        self.shares: Dict[str, Optional[float]] = {}
        self.sent: List[Tuple[int, str]] = []

    def any(self) -> int:
        mask = self.open | self.unsure
        for extra in self.restricted.values():
            mask |= extra
        return mask

    def limit(self, other: "Reach") -> None:
        """Keep what the other chain lets through as well: every base chain of a hook has its say."""
        mask = other.any()
        opened = self.open & other.open
        self.unsure = (self.open | self.unsure) & (other.open | other.unsure) & ~opened
        restricted = {name: ports & mask for name, ports in self.restricted.items()}
        for name, extra in other.restricted.items():
            restricted[name] = restricted.get(name, 0) | extra & self.any()
        self.restricted = restricted
        self.open = opened

    def add(self, other: "Reach") -> None:
        """Join what is reachable another way, through another interface say."""
        self.open |= other.open
        self.unsure |= other.unsure
        for name, extra in other.restricted.items():
            self.restricted[name] = self.restricted.get(name, 0) | extra
        self.sent += [item for item in other.sent if item not in self.sent]

    def widen(self) -> None:
        """Call open what many places reach together, and unsure what a place of unknown size does."""
        parts = [(EVERY, 0.0)]
        for source, mask in self.restricted.items():
            size = self.shares.get(source, 0.0)
            if size is None:
                self.unsure |= mask
            elif size:
                split = [(known & mask, sum_ + size) for known, sum_ in parts] + [
                    (known & ~mask, sum_) for known, sum_ in parts
                ]
                # What is too wide already need not be told apart any more.
                self.open |= _union(known for known, sum_ in split if sum_ > 1)
                parts = [(known, sum_) for known, sum_ in split if known and sum_ <= 1]
        self.unsure &= ~self.open
        left = {source: mask & ~(self.open | self.unsure) for source, mask in self.restricted.items()}
        self.restricted = {source: mask for source, mask in left.items() if mask}


def _union(masks: Iterable[int]) -> int:
    out = 0
    for mask in masks:
        out |= mask
    return out


class _Walk:
    """One packet's way through one table."""

    def __init__(self, chains: Dict[str, Chain], packet: Packet) -> None:
        self.chains = chains
        self.packet = packet
        self.reach = Reach()
        self.steps = 0

    def chain(self, name: str, alive: int, source: str = "", unsure: bool = False, depth: int = 0) -> int:
        """Walk a chain with the ports still undecided; return those that come out at its end."""
        if depth > DEEPEST:
            raise ValueError("chains are nested in a loop")
        returned = 0
        for rule in self.chains[name].rules:
            if not alive:
                break
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise ValueError("too many rules")
            hit = self.hit(rule, alive)
            if not hit:
                continue
            place = rule.source or rule.exempt
            if place:
                self.reach.shares[place] = rule.share
            if rule.source and not source:
                # The stranger is not there: such a rule decides nothing for him.
                if rule.verdict in ("jump", "goto"):
                    self.chain(rule.target, hit, rule.source, unsure, depth + 1)
                elif rule.verdict in ("accept", "return"):
                    self.restrict(rule.source, hit)
                continue
            certain = not (rule.sometimes or rule.unsure)
            doubt = unsure or rule.unsure
            if rule.verdict in ("jump", "goto"):
                back = self.chain(rule.target, hit, source, doubt, depth + 1)
                if rule.verdict == "goto":
                    returned |= back
                    back = 0
                if certain:
                    alive = alive & ~hit | back
                continue
            if rule.verdict == "accept":
                self.accept(hit, source, doubt)
            elif rule.verdict == "return":
                returned |= hit
            elif rule.verdict == "nat":
                if not source:
                    self.reach.sent.append((hit, rule.target))
            elif rule.exempt:
                self.restrict(rule.exempt, hit)
            if certain:
                alive &= ~hit
        return alive | returned

    def hit(self, rule: Rule, alive: int) -> int:
        packet = self.packet
        if packet.protocol not in rule.protocols or packet.family not in rule.families:
            return 0
        for names, wanted in rule.interfaces:
            if any(_named(packet.interface, name) for name in names) != wanted:
                return 0
        if rule.translated is not None and rule.translated != (packet.original is not None):
            return 0
        if packet.original is None:
            return alive & rule.ports & rule.original
        return alive & rule.ports if rule.original >> packet.original & 1 else 0

    def accept(self, hit: int, source: str, unsure: bool) -> None:
        if source:
            self.restrict(source, hit)
        elif unsure:
            self.reach.unsure |= hit
        else:
            self.reach.open |= hit

    def restrict(self, source: str, hit: int) -> None:
        self.reach.restricted[source] = self.reach.restricted.get(source, 0) | hit


def _named(interface: str, pattern: str) -> bool:
    if pattern[-1:] in ("+", "*"):
        return interface.startswith(pattern[:-1])
    return interface == pattern


def reach(tables: Iterable[Table], hook: str, packet: Packet, alive: int = EVERY, kind: str = "filter") -> Reach:
    """Return what a packet reaches past a hook. Raises ValueError where the chains make no sense."""
    out = Reach(alive)
    for table in tables:
        if packet.family not in table.families:
            continue
        for name, chain in table.chains.items():
            if chain.hook == hook and chain.kind == kind:
                walk = _Walk(table.chains, packet)
                left = walk.chain(name, alive)
                if chain.policy == "accept":
                    walk.reach.open |= left
                walk.reach.widen()
                out.limit(walk.reach)
                out.sent += walk.reach.sent
    return out


def check_jumps(tables: Iterable[Table]) -> None:
    """Raise ValueError where a rule jumps to a chain that is not there."""
    for table in tables:
        for chain in table.chains.values():
            for rule in chain.rules:
                if rule.verdict in ("jump", "goto") and rule.target not in table.chains:
                    raise ValueError("a rule jumps to a chain that does not exist")


# Networks that a rule may name, and what that says of a stranger.
ANYWHERE, NOWHERE, THERE = "anywhere", "nowhere", "there"


# By name and not by is_private: that changed its mind about wide networks between versions of Python.
LOCAL_V6 = (ipaddress.IPv6Network("fc00::/7"), ipaddress.IPv6Network("fe80::/10"))


def network(text: str) -> str:
    """Return whether a stranger may be in a source network: anywhere, nowhere (loopback), or only if he is there."""
    net = ipaddress.ip_network(text, strict=False)
    if net.is_loopback:
        return NOWHERE
    # Half of the internet is no restriction; the local networks of IPv6 are one, however wide.
    wide = net.prefixlen < (8 if net.version == 4 else 20)
    return ANYWHERE if wide and not any(net.version == 6 and net.subnet_of(local) for local in LOCAL_V6) else THERE


# A place that holds more of the internet is no place any more: addresses of a /8 of IPv4, of a /20 of IPv6.
MOST = {4: 1 << 24, 6: 1 << 108}
NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "::1/128")
) + LOCAL_V6  # fmt: skip


def networks(text: str) -> List[Any]:
    """Return the networks that an address, a network or a range `first-last` comes to. Raises ValueError."""
    first, dash, last = text.partition("-")
    if not dash:
        return [ipaddress.ip_network(text, strict=False)]
    return list(ipaddress.summarize_address_range(ipaddress.ip_address(first), ipaddress.ip_address(last)))


def share(texts: Iterable[str]) -> float:
    """Return how much of the internet networks and ranges hold, where 1 is the most that still counts as a place.

    Private networks hold nothing of it, and what is named twice counts once.
    """
    out = 0.0
    every = [net for text in texts for net in networks(text)]
    for version, most in MOST.items():
        for net in ipaddress.collapse_addresses(net for net in every if net.version == version):
            if not any(net.version == local.version and net.subnet_of(local) for local in NOT_PUBLIC):
                out += net.num_addresses / most
    return out


def limit(found: Dict[str, Any], negated: bool, place: str, texts: Optional[Iterable[str]]) -> bool:
    """Add a place as a source, or as the one exempted. texts: its networks; None: unknown. Return whether a stranger can meet it."""
    size = None if texts is None else share(texts)
    if size is not None and size > 1:
        return not negated
    if found.get("source") and not negated:
        # Two conditions on one source: he has to be in the smaller of both places.
        known = found["share"]
        if known is not None and (size is None or known <= size):
            return True
    found["exempt" if negated else "source"] = place
    found["share"] = size
    return True


def unicast(text: str) -> bool:
    """Return whether a destination network may hold an address of this host that a stranger can reach."""
    net = ipaddress.ip_network(text, strict=False)
    return not (net.is_loopback or net.is_multicast or text.split("/")[0] == "255.255.255.255")


def everything(text: str) -> bool:
    return ipaddress.ip_network(text, strict=False).prefixlen == 0

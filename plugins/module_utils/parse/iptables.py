# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the output of iptables-save and ip6tables-save into the model of packet_filter."""

from __future__ import annotations

import shlex
from typing import Any, Callable, Dict, List

from ansible_collections.nself.prod.plugins.module_utils.parse import packet_filter
from ansible_collections.nself.prod.plugins.module_utils.parse.packet_filter import (
    BOTH,
    EVERY,
    NOWHERE,
    THERE,
    Chain,
    Rule,
    Table,
)

HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
POLICIES = {"ACCEPT": "accept", "DROP": "drop"}
VERDICTS = {
    "ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "TARPIT": "drop", "RETURN": "return",
    "DNAT": "nat", "REDIRECT": "nat",
}  # fmt: skip
# What user space decides there is not to be seen here.
ASKS_ELSEWHERE = ("NFQUEUE", "QUEUE")
PROTOCOLS = {"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp"}

# Options that say nothing about which packets match: option -> number of its arguments.
SILENT = {
    "--comment": 1, "--icmp-type": 1, "--icmpv6-type": 1, "--limit-burst": 1, "--set": 0, "--name": 1, "--mask": 1,
    "--rsource": 0, "--rdest": 0, "--limit-iface-in": 0, "--connlimit-mask": 1, "--connlimit-saddr": 0, "-c": 2,
}  # fmt: skip
# Options that let a rule match only now and then, or at one of the host's addresses only: option -> arguments. The
# source port belongs here since the stranger chooses it.
SOMETIMES = {
    "--limit": 1, "--update": 0, "--rcheck": 0, "--seconds": 1, "--hitcount": 1, "--connlimit-above": 1, "--connlimit-upto": 1,
    "--hashlimit-above": 1, "--hashlimit-upto": 1, "--hashlimit-burst": 1, "--hashlimit-mode": 1, "--hashlimit-name": 1,
    "--hashlimit-srcmask": 1, "--hashlimit-htable-expire": 1, "--sport": 1, "--sports": 1, "--tcp-option": 1, "--probability": 1,
}  # fmt: skip
# Matches whose whole meaning is in options that are looked at.
MODULES = {
    "tcp", "udp", "icmp", "icmp6", "ipv6-icmp", "conntrack", "state", "comment", "multiport", "addrtype", "limit", "recent",
    "hashlimit", "connlimit", "set", "iprange", "mac", "statistic",
}  # fmt: skip


def parse(text: str, family: str) -> List[Table]:
    """Return the tables of iptables-save's output. Raises ValueError for anything else, and for half of one."""
    tables: List[Table] = []
    chains: Any = None
    name = ""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("*"):
            if chains is not None:
                raise ValueError("a table has no end")
            chains = {}
            name = line[1:]
        elif chains is None:
            raise ValueError("not the output of iptables-save")
        elif line == "COMMIT":
            tables.append(Table(name, frozenset((family,)), chains))
            chains = None
        elif line.startswith(":"):
            chain, policy = (line[1:].split() + ["", ""])[:2]
            if policy == "-":
                chains[chain] = Chain()
            elif chain in HOOKS:
                chains[chain] = Chain(
                    chain.lower(), POLICIES[policy] if policy in POLICIES else _bad(line), _kind(name)
                )
            else:
                _bad(line)
        else:
            tokens = shlex.split(line) if '"' in line or "'" in line or "\\" in line else line.split()
            if tokens[0].startswith("["):  # counters, where iptables-save was asked for them
                tokens = tokens[1:]
            if len(tokens) < 2 or tokens[0] != "-A" or tokens[1] not in chains:
                _bad(line)
            chains[tokens[1]].rules += _rule(tokens[2:], chains)
    if chains is not None:
        raise ValueError("a table has no end")
    packet_filter.check_jumps(tables)
    return tables


def _kind(table: str) -> str:
    return "nat" if table == "nat" else "filter"


def _bad(line: str) -> Any:
    raise ValueError("not a line of iptables-save: %s" % line[:60])


def _rule(tokens: List[str], chains: Dict[str, Chain]) -> List[Rule]:
    """Return a rule as a list of one, or of none where it can have no effect on a stranger's new connection."""
    reader = _Reader(tokens)
    found: Dict[str, Any] = {"verdict": ""}
    negated = False
    while reader.left():
        option = reader.next()
        if option == "!":
            negated = True
            continue
        if option in ("-j", "-g"):
            _target(option, reader, found, chains)
            break
        if not _condition(option, negated, reader, found):
            return []
        negated = False
    return [Rule(**found)] if found["verdict"] else []


def _target(option: str, reader: "_Reader", found: Dict[str, Any], chains: Dict[str, Chain]) -> None:
    name = reader.next()
    if name in chains:
        found["verdict"], found["target"] = "goto" if option == "-g" else "jump", name
    elif option == "-g":
        raise ValueError("a rule jumps to a chain that does not exist")
    elif name in ASKS_ELSEWHERE:
        found["verdict"], found["unsure"] = "accept", True
    elif name in VERDICTS:
        found["verdict"] = VERDICTS[name]
        if found["verdict"] == "nat":
            found["target"] = _option(reader.rest(), ("--to-destination", "--to-ports"))
    elif not name.isupper():
        raise ValueError("a rule jumps to a chain that does not exist")


def _option(tokens: List[str], names: Any) -> str:
    for at, token in enumerate(tokens[:-1]):
        if token in names:
            return tokens[at + 1]
    return ""


def _condition(option: str, negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    """Add one condition to what was found. Return whether a stranger's new connection can meet it."""
    if option in CONDITIONS:
        return CONDITIONS[option](negated, reader, found)
    if option in SILENT:
        reader.skip(SILENT[option])
        if negated:
            found["unsure"] = True
    elif option in SOMETIMES:
        reader.skip(SOMETIMES[option])
        found["sometimes"] = True
    elif option == "-m":
        if reader.next() not in MODULES:
            found["unsure"] = True
    else:
        if not option.startswith("-"):
            raise ValueError("not a rule")
        reader.skip_arguments()
        found["unsure"] = True
    return True


def _protocol(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    name = reader.next()
    if name in ("all", "0"):
        return not negated
    one = frozenset((PROTOCOLS[name],)) if name in PROTOCOLS else frozenset()
    found["protocols"] = BOTH - one if negated else one
    return bool(found["protocols"])


def _source(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    text = reader.next()
    place = packet_filter.network(text)
    if place == THERE:
        return packet_filter.limit(found, negated, text, [text])
    return (place == NOWHERE) == negated


def _destination(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    text = reader.next()
    if packet_filter.everything(text):
        return not negated
    if not packet_filter.unicast(text):
        return negated
    found["sometimes"] = True
    return True


def _interface(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    found["interfaces"] = found.get("interfaces", ()) + (((reader.next(),), not negated),)
    return True


def _outgoing(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    loopback = reader.next() == "lo"
    found["sometimes"] = True
    return negated or not loopback


def _port_set(text: str) -> int:
    mask = 0
    for part in text.split(","):
        first, colon, last = part.partition(":")
        mask |= packet_filter.ports(int(first or 0), int(last or 65535) if colon else int(first))
    return mask


def _ports(key: str) -> Callable[[bool, "_Reader", Dict[str, Any]], bool]:
    def condition(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
        mask = _port_set(reader.next())
        found[key] = found.get(key, EVERY) & (EVERY & ~mask if negated else mask)
        return bool(found[key])

    return condition


def _state(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    states = reader.next().split(",")
    if states == ["DNAT"]:
        found["translated"] = not negated
        return True
    if set(states) - {"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"}:
        found["unsure"] = True  # SNAT, DNAT: a new connection may have been translated
        return True
    return ("NEW" in states) != negated


def _direction(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    return (reader.next() == "ORIGINAL") != negated


def _type_of_destination(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    types = reader.next().split(",")
    if "UNICAST" in types:
        found["sometimes"] = True
        return True
    return ("LOCAL" in types) != negated


def _named_set(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    name, dimensions = reader.next(), reader.next()
    if "src" in dimensions.split(","):
        return packet_filter.limit(found, negated, "set " + name, None)
    found["unsure"] = True
    return True


def _range(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    text = reader.next()
    return packet_filter.limit(found, negated, text, [text])


def _hardware(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    return packet_filter.limit(found, negated, "mac " + reader.next(), ())  # a neighbour's, so nobody's of the internet


def _flags(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    mask, wanted = set(reader.next().split(",")), set(reader.next().split(","))
    # The stranger's first packet carries SYN alone.
    seen = {"SYN"} if mask & {"SYN", "ALL"} else {"NONE"}
    return (seen == wanted) != negated if "udp" not in found.get("protocols", BOTH) else True


def _first_packet(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    return not negated


def _never(negated: bool, reader: "_Reader", found: Dict[str, Any]) -> bool:
    return negated


CONDITIONS = {
    "-p": _protocol,
    "-s": _source,
    "-d": _destination,
    "-i": _interface,
    "-o": _outgoing,
    "-f": _never,
    "--dport": _ports("ports"),
    "--dports": _ports("ports"),
    "--ctorigdstport": _ports("original"),
    "--ctstate": _state,
    "--state": _state,
    "--ctstatus": _state,
    "--ctdir": _direction,
    "--dst-type": _type_of_destination,
    "--match-set": _named_set,
    "--src-range": _range,
    "--mac-source": _hardware,
    "--tcp-flags": _flags,
    "--syn": _first_packet,
}


class _Reader:
    """The words of a rule, one after the other."""

    def __init__(self, tokens: List[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def left(self) -> bool:
        return self._at < len(self._tokens)

    def next(self) -> str:
        if not self.left():
            raise ValueError("a rule ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def skip(self, number: int) -> None:
        for _unused in range(number):
            self.next()

    def skip_arguments(self) -> None:
        while self.left() and self._tokens[self._at] != "!" and not self._tokens[self._at].startswith("-"):
            self._at += 1

    def rest(self) -> List[str]:
        return self._tokens[self._at :]

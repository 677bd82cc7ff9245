# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the output of `nft -j list ruleset` into the model of packet_filter."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.parse import packet_filter
from ansible_collections.nself.prod.plugins.module_utils.parse.packet_filter import (
    BOTH,
    EVERY,
    FAMILIES,
    NOWHERE,
    Chain,
    Rule,
    Table,
)

FAMILY = {"ip": frozenset(("v4",)), "ip6": frozenset(("v6",)), "inet": FAMILIES}
VERDICTS = {"accept": "accept", "drop": "drop", "reject": "drop", "return": "return"}
# Statements that let every packet go on to the next statement of the rule.
SILENT = {
    "counter", "log", "comment", "mangle", "masquerade", "snat", "notrack", "dup", "flow", "ct helper", "ct timeout",
    "ct expectation", "secmark", "last", "continue", "map",
}  # fmt: skip
# Statements that let some packets go on.
SOMETIMES = {"limit", "quota", "ct count", "meter", "set"}
PROTOCOLS = {"tcp": "tcp", 6: "tcp", "6": "tcp", "udp": "udp", 17: "udp", "17": "udp"}
NETWORK_PROTOCOLS = {"ipv4": "v4", "ip": "v4", 2: "v4", "ipv6": "v6", "ip6": "v6", 10: "v6"}


def parse(text: str, skip: FrozenSet[Tuple[str, str]] = frozenset()) -> List[Table]:
    """Return the tables of nft's JSON but those of skip, as (family, name).

    Raises ValueError for anything that is not such a listing.
    """
    try:
        return _parse(text, skip)
    except (AttributeError, IndexError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("not the output of nft -j list ruleset") from error


def _parse(text: str, skip: FrozenSet[Tuple[str, str]]) -> List[Table]:
    objects = [_one(entry) for entry in json.loads(text)["nftables"]]
    if not objects or objects[0][0] != "metainfo":
        raise ValueError("not the output of nft -j list ruleset")
    tables: Dict[Tuple[str, str], Table] = {}
    named: Dict[Tuple[str, str, str], List[Any]] = {}
    for kind, item in objects:
        if kind == "table" and item["family"] in FAMILY and "dormant" not in item.get("flags", ()):
            key = item["family"], item["name"]
            if key not in skip:
                tables[key] = Table(item["name"], FAMILY[item["family"]], {})
        elif kind in ("set", "map"):
            named[item["family"], item["table"], item["name"]] = item.get("elem", [])
    for kind, item in objects:
        if kind == "chain" and (item["family"], item["table"]) in tables:
            chain = Chain(item.get("hook", ""), item.get("policy", "accept"), item.get("type", "filter"))
            if chain.policy not in ("accept", "drop"):
                raise ValueError("a chain has no such policy")
            tables[item["family"], item["table"]].chains[item["name"]] = chain
    for kind, item in objects:
        key = (item["family"], item["table"]) if kind == "rule" else ("", "")
        if key in tables:
            sets = {name: elements for (family, table, name), elements in named.items() if (family, table) == key}
            tables[key].chains[item["chain"]].rules += _rules(item["expr"], sets)
    packet_filter.check_jumps(tables.values())
    return list(tables.values())


def _one(value: Any) -> Tuple[str, Any]:
    """Return the only entry of what nft writes as an object with one key."""
    if not isinstance(value, dict) or not value:
        raise ValueError("not the output of nft -j list ruleset")
    return next(iter(value.items()))


Sets = Dict[str, List[Any]]
Conditions = Dict[str, Any]


def _rules(statements: List[Any], sets: Sets) -> List[Rule]:
    """Return the rules that one rule of nft comes to: a verdict map is several."""
    found: Conditions = {"families": FAMILIES, "protocols": BOTH, "ports": EVERY, "original": EVERY, "interfaces": ()}
    out: List[Rule] = []
    for statement in statements:
        kind, detail = _one(statement)
        if kind == "match":
            if not _match(detail["left"], detail["op"], detail["right"], sets, found):
                return out
        elif kind == "vmap":
            for value, verdict in _elements(detail["data"], sets):
                one = dict(found)
                rule = _verdict(verdict)
                if rule and (value == "*" or _match(detail["key"], "==", value, sets, one)):
                    out.append(Rule(**dict(one, **rule)))
        elif kind in SOMETIMES:
            found["sometimes"] = True
        elif kind not in SILENT:
            rule = _verdict(statement)
            if rule is None:
                found["unsure"] = True
            else:
                out.append(Rule(**dict(found, **rule)))
                break
    return out


def _verdict(statement: Any) -> Optional[Dict[str, Any]]:
    kind, detail = _one(statement)
    if kind in VERDICTS:
        return {"verdict": VERDICTS[kind]}
    if kind in ("jump", "goto"):
        return {"verdict": kind, "target": detail["target"]}
    if kind in ("dnat", "redirect"):
        detail = detail or {}
        parts = [
            detail[name] if isinstance(detail[name], (str, int)) else "?" for name in ("addr", "port") if name in detail
        ]
        return {
            "verdict": "nat",
            "target": ":".join("[%s]" % part if ":" in str(part) else str(part) for part in parts),
        }
    if kind == "queue":  # what user space decides there is not to be seen here
        return {"verdict": "accept", "unsure": True}
    return None


def _elements(value: Any, sets: Sets) -> List[Any]:
    """Return the elements of a set or map that is named, written out, or one single value."""
    if isinstance(value, str) and value.startswith("@"):
        value = {"set": sets[value[1:]]}
    if isinstance(value, dict) and "set" in value:
        items = value["set"] if isinstance(value["set"], list) else [value["set"]]
    else:
        items = value if isinstance(value, list) else [value]
    return [item["elem"]["val"] if isinstance(item, dict) and "elem" in item else item for item in items]


def _match(left: Any, op: str, right: Any, sets: Sets, found: Conditions) -> bool:
    """Add one condition to what was found. Return whether a stranger's new connection can meet it."""
    kind, detail = _one(left)
    if kind == "payload" and "protocol" in detail:
        name = detail["protocol"] + " " + detail["field"]
        if not _layer(detail["protocol"], found):
            return False
    elif kind in ("meta", "ct", "fib"):
        name = kind + " " + str(detail.get("key") or detail.get("result"))
        if kind == "fib" and "daddr" not in detail.get("flags", ()):
            name = "fib other"
    elif kind == "concat" and op in ("==", "!=", "in"):
        return _together(detail, op, right, sets, found)
    else:
        name = kind
    if op not in ("==", "!=", "in") and not (name in PORTS and op in COMPARISONS):
        found["unsure"] = True
        return True
    known = CONDITIONS.get(name)
    if known is None:
        found["unsure"] = True
        return True
    return known(right, op, sets, found)


def _layer(protocol: str, found: Conditions) -> bool:
    """A field of a header is there only where the packet has that header."""
    if protocol in NETWORK_PROTOCOLS:
        found["families"] &= {NETWORK_PROTOCOLS[protocol]}
        return bool(found["families"])
    if protocol in BOTH:
        found["protocols"] &= {protocol}
    elif protocol not in ("th", "ether", "vlan"):
        found["protocols"] = frozenset()
    return bool(found["protocols"])


COMPARISONS = {
    "<": lambda port: packet_filter.ports(0, max(0, port - 1)),
    "<=": lambda port: packet_filter.ports(0, port),
    ">": lambda port: packet_filter.ports(min(65535, port + 1), 65535),
    ">=": lambda port: packet_filter.ports(port, 65535),
}


def _ports(key: str) -> Callable[[Any, str, Sets, Conditions], bool]:
    def condition(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
        if op in COMPARISONS:
            mask = COMPARISONS[op](int(right))
        else:
            mask = 0
            for item in _elements(right, sets):
                first, last = item["range"] if isinstance(item, dict) else (item, item)
                mask |= packet_filter.ports(int(first), int(last))
        found[key] &= EVERY & ~mask if op == "!=" else mask
        return bool(found[key])

    return condition


def _protocol(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
    named = frozenset(PROTOCOLS[item] for item in _elements(right, sets) if item in PROTOCOLS)
    found["protocols"] = found["protocols"] - named if op == "!=" else found["protocols"] & named
    return bool(found["protocols"])


def _family(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
    named = frozenset(NETWORK_PROTOCOLS[item] for item in _elements(right, sets) if item in NETWORK_PROTOCOLS)
    found["families"] = found["families"] - named if op == "!=" else found["families"] & named
    return bool(found["families"])


def _interface(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
    names = tuple(str(item) for item in _elements(right, sets))
    found["interfaces"] += ((names, op != "!="),)
    return True


def _networks(right: Any, sets: Sets) -> Iterator[str]:
    for item in _elements(right, sets):
        if isinstance(item, dict) and "prefix" in item:
            yield "%s/%d" % (item["prefix"]["addr"], item["prefix"]["len"])
        elif isinstance(item, dict):
            first, last = item["range"]
            yield "%s-%s" % (first, last)
        else:
            yield str(item)


def _source(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
    negated = op == "!="
    named = isinstance(right, str) and right.startswith("@")
    if named and right[1:] not in sets:
        return packet_filter.limit(found, negated, "set " + right[1:], None)
    names = list(_networks(right, sets))
    if not named and all("-" not in name and packet_filter.network(name) == NOWHERE for name in names):
        return negated
    return packet_filter.limit(found, negated, "set " + right[1:] if named else ", ".join(names[:3]), names)


def _together(parts: Any, op: str, right: Any, sets: Sets, found: Conditions) -> bool:
    """Take each part of a concatenation for itself. That is more than it matches, so it opens ports and never closes any."""
    unknown = isinstance(right, str) and right[1:] not in sets
    elements = [] if unknown else _elements(right, sets)
    if op == "!=" or not elements or not all(isinstance(item, dict) and "concat" in item for item in elements):
        if any(part.get("payload", {}).get("field") == "saddr" for part in parts):
            return packet_filter.limit(found, op == "!=", "a set with addresses", None if unknown or elements else ())
        found["unsure"] = True
        return True
    found["sometimes"] = True
    return all(
        _match(part, "==", {"set": [item["concat"][at] for item in elements]}, sets, found)
        for at, part in enumerate(parts)
    )


def _destination(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
    if isinstance(right, str) and right.startswith("@"):
        found["sometimes"] = True
        return True
    names = list(_networks(right, sets))
    if any("-" not in name and packet_filter.everything(name) for name in names):
        return op != "!="
    if not any("-" in name or packet_filter.unicast(name) for name in names):
        return op == "!="
    found["sometimes"] = True
    return True


def _state(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
    return ("new" in _elements(right, sets)) != (op == "!=")


def _status(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
    if set(_elements(right, sets)) == {"dnat"}:
        found["translated"] = op != "!="
    else:
        found["unsure"] = True
    return True


def _direction(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
    return (right in ("original", 0)) != (op == "!=")


def _kind_of_destination(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
    kinds = _elements(right, sets)
    if "unicast" in kinds:
        found["sometimes"] = True
        return True
    return ("local" in kinds) != (op == "!=")


def _kind_of_packet(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
    return bool({"host", "unicast"} & set(_elements(right, sets))) != (op == "!=")


def _sometimes(right: Any, op: str, sets: Sets, found: Conditions) -> bool:
    found["sometimes"] = True
    return True


PORTS = {
    "tcp dport": _ports("ports"),
    "udp dport": _ports("ports"),
    "th dport": _ports("ports"),
    "ct proto-dst": _ports("original"),
}
CONDITIONS = {
    "meta l4proto": _protocol,
    "ip protocol": _protocol,
    "ip6 nexthdr": _protocol,
    "meta nfproto": _family,
    "meta protocol": _family,
    "ether type": _family,
    "meta iif": _interface,
    "meta iifname": _interface,
    "meta oif": _sometimes,
    "meta oifname": _sometimes,
    "meta pkttype": _kind_of_packet,
    "ip saddr": _source,
    "ip6 saddr": _source,
    "ip daddr": _destination,
    "ip6 daddr": _destination,
    "ct state": _state,
    "ct direction": _direction,
    "ct status": _status,
    "fib type": _kind_of_destination,
    # The stranger chooses these.
    "tcp sport": _sometimes,
    "udp sport": _sometimes,
    "th sport": _sometimes,
}
CONDITIONS.update(PORTS)

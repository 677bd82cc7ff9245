# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel holds of ufw, compared with what ufw's files say. Works on the text of iptables-save; no I/O."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import firewall
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.firewall_rules import PREFIX
from ansible_collections.nself.prod.plugins.module_utils.parse import iptables, packet_filter

# How much has to be done, from nothing to taking ufw's chains out and putting them in again.
NOTHING, USER_RULES, RELOAD, REBUILD = range(4)
BUILTIN = ("INPUT", "FORWARD", "OUTPUT")
KINDS = ("before-logging", "before", "after", "after-logging", "reject", "track")
POLICIES = {"INPUT": "DROP", "FORWARD": "DROP", "OUTPUT": "ACCEPT"}
EMPTY = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"

Opened = Dict[str, int]  # protocol -> ports, as packet_filter's sets of bits


class Drift(NamedTuple):
    """How far the kernel is from ufw's files. level: what mends it; why: a line for people, "" where nothing is to do."""

    level: int = NOTHING
    why: str = ""


def filter_table(save: str) -> str:
    """Return the filter table of iptables-save's output."""
    found = re.search(r"^\*filter\n.*?^COMMIT\n", save, re.MULTILINE | re.DOTALL)
    return found.group(0) if found else EMPTY


def appended(table: str, chain: str) -> List[str]:
    """Return the rules of a chain, without the words `-A CHAIN`."""
    start = "-A %s " % chain
    return [line[len(start) :] for line in table.splitlines() if line.startswith(start)]


def policies(table: str) -> Dict[str, str]:
    return dict(re.findall(r"^:(\w+) (ACCEPT|DROP)\b", table, re.MULTILINE))


# -- is what ufw's files say in force? -------------------------------------------------------------------------------


def drift(table: str, family: str, files: Mapping[str, str]) -> Drift:
    """Compare a filter table with ufw's files. files: the texts of before, after and user rules."""
    prefix = PREFIX[family]
    name = "IP%s" % family
    chains = set(re.findall(r"^:(\S+)", table, re.MULTILINE))
    primary = ["%s-%s-%s" % (prefix, kind, builtin.lower()) for builtin in BUILTIN for kind in KINDS]
    jumps = {
        "%s-%s-%s" % (prefix, kind, builtin.lower()): "-j %s-%s-%s" % (prefix, kind, builtin.lower())
        in appended(table, builtin)
        for builtin in BUILTIN
        for kind in KINDS
    }
    if not any(chain in chains for chain in primary):
        return Drift(RELOAD, "ufw is not in force for %s" % name)
    lost = [chain for chain in primary if chain not in chains or not jumps[chain]]
    if lost:
        return Drift(REBUILD, "%s: nothing leads to the chain %s any more" % (name, lost[0]))
    wrong = [builtin for builtin in BUILTIN if policies(table).get(builtin) != POLICIES[builtin]]
    if wrong:
        return Drift(RELOAD, "%s: the default of %s is not %s" % (name, wrong[0], POLICIES[wrong[0]]))
    written = _written(files["before"] + files["after"])
    held = _held(table, prefix)
    if not all(
        "-j %s-user-%s" % (prefix, builtin.lower()) in appended(table, "%s-before-%s" % (prefix, builtin.lower()))
        for builtin in BUILTIN
    ):
        return Drift(RELOAD, "%s: nothing leads to the rules of ufw's file any more" % name)
    fewer = [chain for chain, number in sorted(written.items()) if held[chain] < number]
    if fewer:
        return Drift(RELOAD, "%s: rules are missing from the chain %s" % (name, fewer[0]))
    if _model(table, prefix) != _model(_user_table(files["user"], prefix), prefix):
        return Drift(USER_RULES, "%s: the rules in force are not those of ufw's file" % name)
    return Drift()


def tampered(table: str, family: str, files: Mapping[str, str]) -> Optional[str]:
    """Return a chain of ufw that holds more than ufw's files say, so that loading them again takes it out."""
    prefix = PREFIX[family]
    written = _written(files["before"] + files["after"])
    held = _held(table, prefix)
    for chain in ("%s-%s-input" % (prefix, kind) for kind in ("before", "after", "reject", "track", "skip-to-policy")):
        own = 1 if chain.endswith("skip-to-policy-input") else written[chain]
        if held[chain] > own:
            return chain
    logging = [chain for chain in held if re.match(r"%s-\S*logging-input$" % prefix, chain)]
    return next((chain for chain in logging if any("-j ACCEPT" in rule for rule in appended(table, chain))), None)


def _held(table: str, prefix: str) -> "Counter[str]":
    """Return how many rules each chain has, but for the way to the user rules, which ufw's start adds by itself."""
    held = Counter(re.findall(r"^-A (\S+)", table, re.MULTILINE))
    held.subtract(re.findall(r"^-A (\S+) -j %s-user-(?:input|output|forward)$" % prefix, table, re.MULTILINE))
    return held


def _written(text: str) -> "Counter[str]":
    return Counter(re.findall(r"^-[AI] (\S+)", text, re.MULTILINE))


def _user_table(text: str, prefix: str) -> str:
    """Return what a file of user rules comes to in the form of iptables-save: the chains of rules, not those of logging."""
    body = text.split("\n### END RULES ###\n")[0]
    lines = re.findall(r"^-A .*$", body, re.MULTILINE)
    rest = ("limit", "limit-accept", "logging-input", "logging-output", "logging-forward")
    names = set(re.findall(r"^:(\S+)", text, re.MULTILINE)) | {"%s-user-%s" % (prefix, each) for each in rest}
    head = "".join(":%s - [0:0]\n" % chain for chain in sorted(names))
    accept = "-A %s-user-limit-accept -j ACCEPT\n" % prefix
    lines = [line for line in lines if not re.match(r"-A \S+-user-limit(-accept)? ", line)]
    return "*filter\n" + head + accept + "".join(_canonical(line) + "\n" for line in lines) + "COMMIT\n"


def _canonical(line: str) -> str:
    """Return a rule with its networks as iptables-save prints them."""

    def network(found: Any) -> str:
        try:
            return "%s%s" % (found.group(1), ipaddress.ip_network(found.group(2), strict=False))
        except ValueError:
            return str(found.group(0))

    return re.sub(r"( -[sd] )(\S+)", network, line)


def _model(table: str, prefix: str) -> List[Any]:
    chains = parsed(table, "v6" if prefix.endswith("6") else "v4")[0].chains
    names = ["%s-user-%s" % (prefix, kind) for kind in ("input", "output", "forward")]
    return [chains[name].rules if name in chains else None for name in names]


def parsed(table: str, family: str) -> List[packet_filter.Table]:
    """Return a filter table in the model of packet_filter. Raises ChangeError."""
    try:
        return iptables.parse(table, family)
    except (ValueError, IndexError, KeyError) as error:
        raise ChangeError("the rules of the packet filter (IP%s) are not understood: %s" % (family, error)) from error


# -- what is open ----------------------------------------------------------------------------------------------------


def reach(tables: Sequence[packet_filter.Table], family: str, interfaces: List[str]) -> Dict[str, Any]:
    """Return what strangers reach through the input hook, as the audit sees it."""
    return firewall.summary(family, firewall.Filter(list(tables), None), interfaces)


def opened(summary: Mapping[str, Any], doubtful: bool = True) -> Opened:
    """Return the ports that are open to everybody. doubtful: those too of which that cannot be told."""
    out = {"tcp": 0, "udp": 0}
    for item in list(summary["open"]) + (list(summary["unsure"]) if doubtful else []):
        out[item["proto"]] |= packet_filter.ports(item["first"], item["last"])
    return out


def beyond(more: Opened, less: Opened) -> Opened:
    return {proto: mask & ~less.get(proto, 0) for proto, mask in more.items() if mask & ~less.get(proto, 0)}


def ports_text(ports: Opened) -> str:
    """Return sets of ports in words."""
    runs = [(first, last, proto) for proto, mask in sorted(ports.items()) for first, last in packet_filter.ranges(mask)]
    words = ["%s/%s" % (first if first == last else "%d-%d" % (first, last), proto) for first, last, proto in runs]
    return ", ".join(words[:6]) + (" and %d more" % (len(words) - 6) if len(words) > 6 else "")


def lets_in(summary: Mapping[str, Any], address: str, port: int) -> bool:
    """Return whether a TCP port is open to everybody, or to a network that holds the address."""
    if any(item["proto"] == "tcp" and item["first"] <= port <= item["last"] for item in summary["open"]):
        return True
    return any(
        item["proto"] == "tcp" and item["first"] <= port <= item["last"] and _holds(item["from"], address)
        for item in summary["restricted"]
    )


def _holds(source: str, address: str) -> bool:
    try:
        return any(ipaddress.ip_address(address) in net for net in packet_filter.networks(source))
    except (ValueError, TypeError):
        return False  # a set, or a hardware address: not known to hold it


def wished(user_file: str, family: str, interfaces: List[str]) -> Dict[str, Any]:
    """Return what strangers are to reach: what the user rules alone open behind a default of deny."""
    return reach(parsed(planned(EMPTY, user_file, family, ()), family), family, interfaces)


def planned(table: str, user_file: str, family: str, removed: Iterable[str], loaded: bool = False) -> str:
    """Return the filter table as it will be with these user rules, and without the removed lines.

    loaded: ufw's other chains are in force and stay; otherwise its user rules stand for all of them.
    """
    prefix = PREFIX[family]
    own = "%s-user-" % prefix if loaded else "%s-" % prefix
    chains, gone, head, rules = set(), set(removed), [], []
    for line in table.splitlines():
        if line.startswith(":") and not line.startswith(":" + own):
            head.append(":INPUT DROP [0:0]" if line.startswith(":INPUT ") else line)
            chains.add(line[1:].split()[0])
        elif line.startswith("-A ") and not line.startswith("-A " + own) and line not in gone:
            if loaded or not re.search(r"-[jg] %s-" % prefix, line):
                rules.append(line)
    user = _user_table(user_file, prefix).splitlines()
    head += [line for line in user if line.startswith(":") and line[1:].split()[0] not in chains]
    rules += [line for line in user if line.startswith("-A ")]
    if not loaded:
        rules.append("-A INPUT -j %s-user-input" % prefix)
    return "\n".join(["*filter"] + head + rules + ["COMMIT", ""])


def foreign_accepts(table: str, family: str, interfaces: List[str], wanted: Opened) -> List[str]:
    """Return the rules of INPUT itself that open to everybody what is not wanted.

    Rules that other software keeps in chains of its own are not among them, nor those for an inner interface or a named source.
    """
    out = []
    for rule in appended(table, "INPUT"):
        line = "-A INPUT " + rule
        if not re.search(r"(^| )-j ACCEPT\b", rule):
            continue
        alone = "*filter\n:INPUT DROP [0:0]\n%s\nCOMMIT\n" % line
        if beyond(opened(reach(parsed(alone, family), family, interfaces), doubtful=False), wanted):
            out.append(line)
    return out


def testable(text: str) -> str:
    """Return a file of ufw with the chains declared that only ufw's start makes, so that iptables-restore can test it alone."""
    names = set(re.findall(r" -[jg] (ufw6?-\S+)", text)) | set(re.findall(r"^-[AI] (ufw6?-\S+)", text, re.MULTILINE))
    names -= set(re.findall(r"^:(\S+)", text, re.MULTILINE))
    chains = "".join(":%s - [0:0]\n" % name for name in sorted(names))
    return re.sub(r"^\*filter[ \t]*\n", lambda found: found.group(0) + chains, text, count=1, flags=re.MULTILINE)


# -- batches for iptables-restore --noflush ----------------------------------------------------------------------------


def batch(lines: Iterable[str]) -> str:
    return "*filter\n%s\nCOMMIT\n" % "\n".join(lines)


def removal(rules: Iterable[str]) -> str:
    return batch("-D" + rule[2:] for rule in rules)


def teardown(table: str, family: str) -> str:
    """Return the batch that takes every chain of ufw out in one step; the policies stay, so nothing opens meanwhile."""
    prefix = PREFIX[family]
    chains = [chain for chain in re.findall(r"^:(\S+)", table, re.MULTILINE) if chain.startswith(prefix + "-")]
    jumps = [line for line in table.splitlines() if re.match(r"-A (?!%s-)\S+ .*-[jg] %s-" % (prefix, prefix), line)]
    lines = ["-D" + line[2:] for line in jumps]
    return batch(lines + ["-F " + chain for chain in chains] + ["-X " + chain for chain in chains])

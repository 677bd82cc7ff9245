# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of ufw: those that are wished for, those in its files, and what they decide about one connection. No I/O.

ufw keeps each rule as a tuple in a comment, followed by the lines of iptables-restore that it comes to. Both are written here just as
ufw writes them, so that ufw itself finds nothing to do in them.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError

EVERYWHERE = {"v4": "0.0.0.0/0", "v6": "::/0"}
PREFIX = {"v4": "ufw", "v6": "ufw6"}
FAMILIES = ("v4", "v6")
TARGETS = {"allow": "ACCEPT", "deny": "DROP"}
# How fail2ban's action for ufw marks its bans: they are no rules of the operator, and come and go by themselves.
BAN = "by Fail2Ban"
RULES, END = "### RULES ###\n", "\n### END RULES ###\n"
MARK = "\n### tuple ### "

# What the package installs, for a host that does not have it yet.
STOCK = {
    "v4": "*filter\n:ufw-user-input - [0:0]\n:ufw-user-output - [0:0]\n:ufw-user-forward - [0:0]\n:ufw-user-limit - [0:0]\n"
    ":ufw-user-limit-accept - [0:0]\n### RULES ###\n"
    '-A ufw-user-limit -m limit --limit 3/minute -j LOG --log-prefix "[UFW LIMIT BLOCK] "\n'
    "-A ufw-user-limit -j REJECT\n-A ufw-user-limit-accept -j ACCEPT\nCOMMIT\n",
    "v6": "*filter\n:ufw6-user-input - [0:0]\n:ufw6-user-output - [0:0]\n:ufw6-user-forward - [0:0]\n### RULES ###\nCOMMIT\n",
}


class Rule(NamedTuple):
    """A rule that is wished for. action: allow, deny or limit; proto: tcp, udp or any; port: N, N:M or any; source: None is everybody."""

    action: str
    proto: str
    port: str
    source: Any
    comment: str

    def families(self) -> Tuple[str, ...]:
        return FAMILIES if self.source is None else ("v%d" % self.source.version,)


class Block(NamedTuple):
    """A rule in a file of ufw. fields: of its tuple, without the comment; text: all of it, as it stands there."""

    fields: Tuple[str, ...]
    comment: str
    text: str


class RulesFile(NamedTuple):
    """A file of user rules, which head + the blocks + tail make up again."""

    head: str
    blocks: Tuple[Block, ...]
    tail: str

    def text(self, blocks: Sequence[Block]) -> str:
        return self.head + "".join(block.text for block in blocks) + self.tail


# -- what is wished for ----------------------------------------------------------------------------------------------


def rules(action: str, items: Sequence[Mapping[str, Any]], option: str) -> List[Rule]:
    """Return the rules of an option's items. Raises ChangeError that names the item."""
    out: List[Rule] = []
    for number, item in enumerate(items):
        name = "%s[%d]" % (option, number)
        port, comment = _port(item["port"], name), item.get("comment") or ""
        if "'" in comment or not comment.isprintable():
            raise ChangeError("%s.comment: ufw takes no quotes and no line breaks" % name)
        source = network(item.get("from") or "any", name + ".from")
        if action != "deny" and port == "any" and source is None:
            raise ChangeError("%s: every port from everywhere would be no firewall; name a port or an address" % name)
        proto = item.get("proto") or "tcp"
        # ufw wants one protocol for a range of ports, and shows two rules where any is meant for one.
        for each in ("tcp", "udp") if proto == "any" and port != "any" else (proto,):
            rule = Rule(action, each, port, source, comment)
            if not any(rule[:4] == known[:4] for known in out):
                out.append(rule)
    return out


def ssh_rules(ports: Sequence[int], sources: Sequence[str], option: str) -> List[Rule]:
    """Return the rules that open the ports of ssh. Raises ChangeError."""
    items = [{"port": port, "from": source, "comment": "ssh"} for port in ports for source in sources or ["any"]]
    return rules("allow", items, option)


def _port(value: Any, name: str) -> str:
    text = str(value).strip()
    if text == "any":
        return text
    found = re.match(r"(\d{1,5})(?::(\d{1,5}))?\Z", text)
    first, last = (int(found.group(1)), int(found.group(2) or found.group(1))) if found else (0, 0)
    if not 1 <= first <= last <= 65535:
        raise ChangeError("%s.port takes a port, a range such as 8000:8010, or any, not %r" % (name, text))
    return "%d" % first if first == last else "%d:%d" % (first, last)


def network(text: str, name: str) -> Any:
    """Return the network, None for any. Raises ChangeError."""
    if text.strip().lower() in ("any", ""):
        return None
    try:
        found = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ChangeError("%s takes an address, a network or any, not %r" % (name, text)) from None
    return None if found.prefixlen == 0 else found


def block(rule: Rule, family: str) -> Block:
    """Return a rule as ufw writes it for a family."""
    prefix = PREFIX[family]
    source = EVERYWHERE[family] if rule.source is None else _short(rule.source)
    fields = (rule.action, rule.proto, rule.port, EVERYWHERE[family], "any", source, "in")
    words = ["-A %s-user-input" % prefix]
    if rule.proto != "any":
        words.append("-p %s" % rule.proto)
    if ":" in rule.port:
        words.append("-m multiport --dports %s" % rule.port)
    elif rule.port != "any":
        words.append("--dport %s" % rule.port)
    if rule.source is not None:
        words.append("-s %s" % source)
    if rule.action == "limit":
        new = words + ["-m conntrack --ctstate NEW -m recent"]
        lines = [
            new + ["--set"],
            new + ["--update --seconds 30 --hitcount 6 -j %s-user-limit" % prefix],
            words + ["-j %s-user-limit-accept" % prefix],
        ]
    else:
        lines = [words + ["-j %s" % TARGETS[rule.action]]]
    comment = " comment=%s" % rule.comment.encode("utf-8").hex() if rule.comment else ""
    text = MARK + " ".join(fields) + comment + "\n" + "".join(" ".join(line) + "\n" for line in lines)
    return Block(fields, rule.comment, text)


def _short(net: Any) -> str:
    return str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net)


# -- what is there ---------------------------------------------------------------------------------------------------


def parse(text: str, path: str) -> RulesFile:
    """Return a file of user rules. Raises ChangeError where it is none: ufw would drop what it does not understand."""
    start = text.find(RULES)
    if not text.startswith("*filter\n") or start < 0 or not text.endswith("COMMIT\n"):
        raise ChangeError("%s is no file of ufw's rules any more; put it in order, or back from /usr/share/ufw" % path)
    start += len(RULES)
    end = text.find(END, start)
    if end < 0:
        # As the package installs it: no rule yet. ufw writes the rest by itself.
        if MARK in text:
            raise ChangeError("%s has rules but no line `%s`; put it in order" % (path, END.strip()))
        return RulesFile(text[:start], (), END + "\n" + text[start:])
    body = text[start:end]
    first, *parts = body.split(MARK)
    if first.strip():
        raise ChangeError("%s has a line that is no rule of ufw: %s" % (path, first.strip().splitlines()[0][:80]))
    return RulesFile(text[:start], tuple(_block(part, path) for part in parts), text[end:])


def _block(part: str, path: str) -> Block:
    line = part.partition("\n")[0]
    fields, _mark, comment = line.partition(" comment=")
    words = tuple(fields.split())
    if not 6 <= len(words) <= 9:
        raise ChangeError("%s has a rule that ufw would drop: %s" % (path, line[:80]))
    try:
        shown = bytes.fromhex(comment.strip()).decode("utf-8", "replace")
    except ValueError:
        raise ChangeError("%s has a rule with a broken comment: %s" % (path, line[:80])) from None
    return Block(words, shown, MARK + part)


def reconcile(found: Sequence[Block], wanted: Sequence[Block], purge: bool) -> List[Block]:
    """Return the blocks that the file is to have.

    With purge they are the bans of fail2ban, then the wanted ones in their order, then those for outgoing and routed traffic, which
    nobody can wish for here; without, what is wanted and not there is added to what is there, as `ufw` does it.
    """
    if purge:
        others = [each for each in found if not _is_incoming(each)]
        return [each for each in found if _is_ban(each)] + list(wanted) + others
    by_fields = {each.fields: each for each in wanted}
    kept = [by_fields.get(each.fields, each) for each in found]
    there = {each.fields for each in found}
    return kept + [each for each in wanted if each.fields not in there]


def _direction(found: Block) -> str:
    return found.fields[-1] if len(found.fields) in (7, 9) else "in"


def _is_incoming(found: Block) -> bool:
    return ":" not in found.fields[0] and _direction(found).startswith("in")


def _is_ban(found: Block) -> bool:
    return found.fields[0] in ("deny", "reject") and _is_incoming(found) and found.comment.startswith(BAN)


def shown(found: Block) -> str:
    """Return a block as a short line for people."""
    action, proto, port, target, _sport, source = found.fields[:6]
    text = "%s %s" % (action, port if proto == "any" else "%s/%s" % (port, proto))
    if target not in EVERYWHERE.values():
        text += " to %s" % target
    text += "" if source in EVERYWHERE.values() else " from %s" % source
    where = _direction(found)
    if where != "in":
        text += " " + where.replace("_", " on ").replace("!", " ")
    return text + (" (v6)" if target == EVERYWHERE["v6"] else "")


# -- what they decide ------------------------------------------------------------------------------------------------


def decision(blocks: Sequence[Block], address: str, port: int) -> Tuple[str, Optional[Block]]:
    """Return what the rules do with a new TCP connection from an address to a port: allow, limit or deny, and by which block.

    What cannot be told, which address of this host or which interface it comes to, counts against it.
    """
    for each in blocks:
        action, proto, ports, target, source_port, source = each.fields[:6]
        where = _direction(each)
        if not _is_incoming(each) or proto not in ("any", "tcp"):
            continue
        if not covers(ports, port) or not _contains(source, address):
            continue
        action = action.partition("_")[0]
        partial = source_port != "any" or where != "in" or target not in EVERYWHERE.values()
        if partial and action == "allow":
            continue
        return ("deny" if action == "reject" else action), each
    return "deny", None


def covers(ports: str, port: int) -> bool:
    if ports == "any":
        return True
    for part in ports.split(","):
        first, _colon, last = part.partition(":")
        if first.isdigit() and int(first) <= port <= int(last or first):
            return True
    return False


def _contains(source: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(source, strict=False)
    except ValueError:
        return True  # what is not understood counts, for whoever it may concern


# -- settings in files of the shell ----------------------------------------------------------------------------------


def setting(text: str, name: str) -> str:
    """Return the value that the shell would read, without quotes; "" where there is none."""
    found = re.findall(r"^[ \t]*%s=[\"']?([^\"'\s#]*)" % name, text, re.MULTILINE)
    return found[-1] if found else ""


def settings(text: str, wanted: Mapping[str, str]) -> str:
    """Return the text with these settings, every other byte as it was."""
    for name, value in wanted.items():
        if setting(text, name) == value.strip('"'):
            continue
        line = "%s=%s" % (name, value)
        pattern = r"^[ \t]*%s=.*$" % name
        if re.search(pattern, text, re.MULTILINE):
            text = re.sub(pattern, line.replace("\\", "\\\\"), text, flags=re.MULTILINE)
        else:
            text += ("" if text.endswith("\n") or not text else "\n") + line + "\n"
    return text


def options() -> Dict[str, Any]:
    """Return the specification of one rule, for the module's own."""
    return {
        "port": {"type": "str", "required": True},
        "proto": {"type": "str", "choices": ["tcp", "udp", "any"], "default": "tcp"},
        "from": {"type": "str", "default": "any"},
        "comment": {"type": "str", "default": ""},
    }

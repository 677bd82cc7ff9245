# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what fail2ban-client prints."""

from __future__ import annotations

import re
from typing import Dict, List, Sequence

PROMPT = "fail2ban> "
_JAIL = re.compile(r"^\['add', '([^']+)', ")
_ACTION = re.compile(r"^\['set', '([^']+)', 'addaction', '([^']+)'")
_CHAIN = re.compile(r"(?:-[IA]|--insert|--append)\s+([A-Za-z][\w-]*)")
_HOOK = re.compile(r"\bhook\s+(\w+)")


def configured(text: str) -> Dict[str, List[str]]:
    """Return the jails and their actions in the output of `fail2ban-client -d`, which tells what to ask the server for."""
    out: Dict[str, List[str]] = {}
    for line in text.splitlines():
        jail, action = _JAIL.match(line), _ACTION.match(line)
        if jail:
            out.setdefault(jail.group(1), [])
        elif action:
            out.setdefault(action.group(1), []).append(action.group(2))
    return out


def answers(text: str, number: int) -> List[str]:
    """Return the answers to so many commands, as `fail2ban-client -i` prints them. Raises ValueError."""
    parts = text.split(PROMPT)
    if len(parts) != number + 2:
        raise ValueError("fail2ban-client gave %d answers to %d questions" % (len(parts) - 2, number))
    return [part.strip() for part in parts[1:-1]]


def jails(status: str) -> List[str]:
    """Return the names in the answer to `status`. Raises ValueError."""
    found = re.search(r"Jail list:(.*)", status)
    if not status.startswith("Status") or not found:
        raise ValueError("fail2ban-client did not list its jails")
    return [name.strip() for name in found.group(1).split(",") if name.strip()]


def kind(status: str) -> str:
    """Return where a jail reads, file or journal, from the answer to `status JAIL`. Raises ValueError."""
    for label, name in (("File list:", "file"), ("Journal matches:", "journal")):
        if label in status:
            return name
    raise ValueError("fail2ban-client did not say what the jail reads")


def banned(status: str) -> int:
    """Return how many addresses a jail bans now. Raises ValueError."""
    found = re.search(r"Currently banned:\s*(\d+)", status)
    if not found:
        raise ValueError("fail2ban-client did not say how many are banned")
    return int(found.group(1))


def files(answer: str) -> List[str]:
    """Return the paths in the answer to `get JAIL logpath`."""
    return re.findall(r"^[|`]- (.*\S)", answer, re.MULTILINE)


def matches(answer: str) -> List[str]:
    """Return the words of the answer to `get JAIL journalmatch`, as journalctl takes them."""
    head, _newline, rest = answer.partition("\n")
    return rest.split() if head.startswith("Current match filter") else []


def ignored(answer: str) -> List[str]:
    """Return the words of the answer to `get JAIL ignoreip`. Raises ValueError. A network of all addresses loses its /0 there."""
    if answer.startswith("No IP address/network is ignored"):
        return []
    if not answer.startswith("These IP addresses/networks are ignored"):
        raise ValueError("fail2ban-client did not say what the jail ignores")
    return [word + "/0" if word in ("0.0.0.0", "::") else word for word in files(answer)]


def ports(scripts: Sequence[str]) -> List[str]:
    """Return the ports that an action bans, as they are written; none where it bans all."""
    found = re.findall(r"--dports?\s+([\w,:-]+)|\bdport\s+[\\{\s]*\$\(echo '([^']*)'", "\n".join(scripts))
    return sorted({word for pair in found for word in ",".join(pair).replace(":", "-").split(",") if word})


def places(scripts: Sequence[str]) -> List[str]:
    """Return where an action puts its bans: chains of iptables, hooks of nftables, or the routing table."""
    text = "\n".join(scripts)
    found = [name for name in _CHAIN.findall(text) if not name.startswith("f2b")] + _HOOK.findall(text)
    if re.search(r"\bip(?: -\d)? route\b", text):
        found.append("route")
    if re.search(r"^\s*(?:ufw|firewall-cmd)\b|\bthen ufw\b|<?\bufw\b.* from <ip>", text, re.MULTILINE):
        found.append("input")
    return sorted(set(found))

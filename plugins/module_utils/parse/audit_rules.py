# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux audit rules, as they stand in rules.d and as `auditctl -l` prints them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Optional, Set, Tuple

_FIELD = re.compile(r"^([a-z_0-9]+)(!=|<=|>=|&=|=|<|>|&)(.*)$")
_CONTROL = "Dbfesrci"  # options that set something instead of adding a rule
ALL_ACCESS = frozenset("rwxa")


@dataclass(frozen=True)
class AuditRule:
    """One rule in the form that both spellings share. path is set where it watches a file or a directory.

    when: list and action, sorted; others: further fields that narrow the rule; calls: system calls, empty for all.
    """

    when: Tuple[str, ...]
    path: str = ""
    access: FrozenSet[str] = frozenset()
    arch: str = ""
    others: Tuple[str, ...] = ()
    calls: FrozenSet[str] = frozenset()

    @property
    def is_plain_watch(self) -> bool:
        """Whether it records every such access by anyone."""
        return bool(self.path) and self.when == ("always", "exit") and not self.others and not self.calls

    @property
    def stops_everything(self) -> bool:
        """Whether it keeps every process from being audited at all."""
        return self.when == ("never", "task") and not self.others


def parse_rules(text: str) -> List[AuditRule]:
    """Return the rules in a rules file or a listing. Raises ValueError for a line that is none."""
    out = []
    for line in text.splitlines():
        line = line.strip()
        if line and not line.startswith("#") and line != "No rules":
            rule = _rule(line.split())
            if rule is not None:
                out.append(rule)
    return out


def _rule(words: List[str]) -> Optional[AuditRule]:
    """Return the rule of one line, None for a line that sets something instead."""
    when: Tuple[str, ...] = ("always", "exit")
    access: FrozenSet[str] = frozenset()
    others: List[str] = []
    calls: Set[str] = set()
    path, arch, chosen = "", "", False
    position = 0
    while position < len(words):
        option = words[position]
        value = words[position + 1] if position + 1 < len(words) else ""
        if option.startswith("--") or (len(option) == 2 and option[0] == "-" and option[1] in _CONTROL):
            return None
        if option not in ("-w", "-p", "-k", "-a", "-A", "-F", "-C", "-S") or not value:
            raise ValueError("not an audit rule")
        position += 2
        if option == "-w":
            path, access = value, access or ALL_ACCESS
        elif option == "-p":
            access, chosen = frozenset(value), True
        elif option in ("-a", "-A"):
            when = tuple(sorted(value.split(",")))
        elif option == "-S":
            calls.update(value.split(","))
        elif option == "-C":
            sign = "!=" if "!=" in value else "="
            others.append(sign.join(sorted(value.split(sign))))
        elif option == "-F":
            name, sign, operand = _field(value)
            if name in ("path", "dir") and sign == "=":
                path, access = operand, access or ALL_ACCESS
            elif name == "perm" and sign == "=":
                access, chosen = frozenset(operand), True
            elif name == "arch" and sign == "=":
                arch = operand
            elif name != "key":
                others.append(name + sign + operand)
    if path and chosen:
        # With perm= the kernel chooses the calls itself; newer tools print them all, older ones "all".
        calls.clear()
    return AuditRule(when, path.rstrip("/") or path, access, arch, tuple(sorted(others)), frozenset(calls - {"all"}))


def _field(text: str) -> Tuple[str, str, str]:
    match = _FIELD.match(text)
    if not match:
        raise ValueError("not a field of an audit rule")
    name, sign, operand = match.groups()
    if name.endswith("id"):
        operand = {"unset": "-1", "4294967295": "-1", "root": "0"}.get(operand, operand)
    return name, sign, operand


def parse_status(text: str) -> Dict[str, str]:
    """Return what `auditctl -s` prints as {name: first word of the value}."""
    pairs = (line.split() for line in text.splitlines())
    return {words[0]: words[1] for words in pairs if len(words) > 1}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts: who is root by number, who has no password, who becomes root without one.

Of passwords only whether there is one is kept.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound, exists
from ansible_collections.nself.prod.plugins.module_utils.parse.sudoers import include_of, numbered_lines, passwordless

SUDOERS = "/etc/sudoers"
DEEPEST = 16  # includes within includes


def collect(host: Any, need: Any) -> Dict[str, Any]:
    users = _table(host, "/etc/passwd", 7)
    return {
        "uid0": [user[0] for user in users if user[2].lstrip("0") == ""],
        "empty_passwords": attempt(lambda: _empty(host, users)),
        "passwordless_root": attempt(lambda: _passwordless(host)),
    }


def _table(host: Any, path: str, fields: int) -> List[List[str]]:
    rows = [line.split(":") for line in host.read(path).splitlines() if line.strip() and not line.startswith("#")]
    if not rows or any(len(row) < fields and not row[0].startswith(("+", "-")) for row in rows):
        raise Missing(path, Reason.PARSE_ERROR, "%s has a line that is no account" % path)
    # A line of NIS (`+`) may be short; what it leaves out is empty.
    return [
        row + [""] * (fields - len(row)) if not row[0].startswith(("+", "-")) else row + ["x"] * (fields - len(row))
        for row in rows
    ]


def _empty(host: Any, users: List[List[str]]) -> List[str]:
    shadow = {row[0]: row[1] for row in _table(host, "/etc/shadow", 2)}
    return [user[0] for user in users if (shadow.get(user[0], "*") if user[1] == "x" else user[1]) == ""]


def _passwordless(host: Any) -> List[str]:
    if not exists(host, SUDOERS) and host.which("sudo") is None:
        return []
    lines = [rule.text for rule in rules_of(host)]
    try:
        return passwordless(lines)
    except ValueError as error:
        raise Missing("accounts.passwordless_root", Reason.PARSE_ERROR, "sudoers: %s" % error) from None


class Rule(NamedTuple):
    """A logical line of sudoers, and where it stands: a file, and its first and last line there, from 0."""

    path: str
    first: int
    last: int
    text: str


def rules_of(host: Any, path: str = SUDOERS, depth: int = 0) -> List[Rule]:
    """Return the logical lines of a sudoers file and all that it includes, in the order in which sudo reads them."""
    if depth > DEEPEST:
        raise Missing("accounts.passwordless_root", Reason.PARSE_ERROR, "sudoers: too many includes")
    out: List[Rule] = []
    for first, last, line in numbered_lines(host.read(path)):
        include = include_of(line)
        if include is None:
            out.append(Rule(path, first, last, line))
            continue
        kind, target = include
        if "%" in target:
            raise Missing("accounts.passwordless_root", Reason.PARSE_ERROR, "sudoers: an include by host name")
        if not target.startswith("/"):
            target = path.rpartition("/")[0] + "/" + target
        for name in [target] if kind == "include" else _directory(host, target):
            out.extend(rules_of(host, name, depth + 1))
    return out


def _directory(host: Any, path: str) -> List[str]:
    try:
        names = host.listdir(path)
    except NotFound:
        return []
    # sudo passes over packages' leftovers (.dpkg-old) and editors' copies.
    return [path.rstrip("/") + "/" + name for name in names if "." not in name and not name.endswith("~")]


COLLECTORS = (Collector("accounts", collect),)

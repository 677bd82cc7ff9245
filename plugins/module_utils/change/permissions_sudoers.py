# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""sudoers without free ways to root: which lines go, what stands in their place, and why the operator keeps his own.

Pure: from the rules as they are read to the texts as they should be. Judged by the parser that the audit judges by.
"""

from __future__ import annotations

import re
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.accounts import Rule
from ansible_collections.nself.prod.plugins.module_utils.parse import sudoers

REPORT, PASSWORD, DISABLE = "report", "password", "disable"
MARK = "# nself.prod permissions: "
_NOPASSWD = re.compile(r"\bNOPASSWD\s*:\s*")
_FREEING = re.compile(r"^(?:!\s*authenticate$|exempt_group\b)")
_PLAIN = re.compile(r"^[%#]?[\w.@-]+\$?$")


class Person(NamedTuple):
    """An account whose rights stay as they are. groups: names and gids, those of the primary group too."""

    name: str
    uid: int
    groups: FrozenSet[str]
    gids: FrozenSet[int]

    def is_meant(self, who: str) -> bool:
        """Tell whether a name of sudoers stands for this account."""
        if who in ("ALL", self.name, "#%d" % self.uid):
            return True
        if who.startswith("%#"):
            return who[2:] in {str(gid) for gid in self.gids}
        return who[:1] == "%" and who[1:].lstrip(":") in self.groups


class Edit(NamedTuple):
    """What becomes of one logical line. lines: what stands in its place, below the old one as a comment."""

    rule: Rule
    names: Tuple[str, ...]
    lines: Tuple[str, ...]


class Plan(NamedTuple):
    """edits; left: what was found and stays, a line for people each."""

    edits: Tuple[Edit, ...]
    left: Tuple[str, ...]


def place_of(rule: Rule) -> str:
    return "%s line %d" % (rule.path, rule.first + 1)


def plan(rules: Sequence[Rule], keep: Iterable[str], people: Sequence[Person], how: str) -> Plan:
    """Return what to do. keep: names that may become root without a password; people: accounts that keep what they have."""
    allowed = set(keep) | {person.name for person in people} | {"#%d" % person.uid for person in people}
    aliases = [rule.text for rule in rules if sudoers.is_alias(rule.text)]
    edits: List[Edit] = []
    left: List[str] = []
    for rule in rules:
        if rule.text in aliases:
            continue
        try:
            names = sudoers.passwordless(aliases + [rule.text])
        except ValueError as error:
            left.append("%s: %s, so it stays as it is" % (place_of(rule), error))
            continue
        extra = [name for name in names if name not in allowed]
        if not extra:
            continue
        if how == REPORT:
            left.append(
                "%s gives %s root without a password: take NOPASSWD out, set permissions_sudoers to password or disable, or name "
                "them in permissions_nopasswd_users" % (place_of(rule), ", ".join(extra))
            )
            continue
        try:
            edits.append(Edit(rule, tuple(extra), _instead(rule.text, aliases, names, allowed, people, how)))
        except ValueError as error:
            left.append("%s gives %s root without a password: %s" % (place_of(rule), ", ".join(extra), error))
    return Plan(tuple(edits), tuple(left))


def _instead(
    text: str, aliases: List[str], names: Sequence[str], allowed: "set[str]", people: Sequence[Person], how: str
) -> Tuple[str, ...]:
    """Return the lines that stand for one that frees too many. Raises ValueError where that cannot be said for sure."""
    staying = [name for name in names if name in allowed]
    staying += [
        person.name
        for person in people
        if person.name not in staying and any(person.is_meant(name) for name in names if name not in staying)
    ]
    for name in staying:
        if not _PLAIN.match(name):
            raise ValueError("the name %r cannot be written down alone" % name)
    if text.startswith("Defaults"):
        return _defaults(text) + tuple("Defaults:%s !authenticate" % name for name in staying)
    users, host, rest = sudoers.parts_of(text)
    if "!" in users and staying:
        raise ValueError("it names exceptions, so it has to be rewritten by hand")
    out: Tuple[str, ...] = ()
    if how == PASSWORD:
        asking = _NOPASSWD.sub("", text)
        if not sudoers.passwordless(aliases + [asking]):
            out = (asking,)
    if staying:
        # After the line for all: of those that match, sudo takes the last.
        out += ("%s %s = %s" % (", ".join(staying), host, rest),)
    return out


def _defaults(text: str) -> Tuple[str, ...]:
    """Return a line of Defaults without what frees, none where nothing is left of it."""
    head, settings = sudoers.defaults_of(text)
    rest = [item for item in settings if not _FREEING.match(item)]
    return (head + " " + ", ".join(rest),) if rest else ()


def applied(texts: Mapping[str, str], edits: Sequence[Edit]) -> Dict[str, str]:
    """Return the new texts of the files that the edits are about. texts: those files as they are."""
    out = {}
    for path in dict.fromkeys(edit.rule.path for edit in edits):
        lines = texts[path].splitlines(keepends=True)
        for edit in sorted((item for item in edits if item.rule.path == path), key=lambda item: -item.rule.first):
            old = lines[edit.rule.first : edit.rule.last + 1]
            # A comment that ends in a backslash would swallow the next line.
            marked = [MARK + line.strip().rstrip("\\").rstrip() + "\n" for line in old]
            lines[edit.rule.first : edit.rule.last + 1] = marked + [line + "\n" for line in edit.lines]
        out[path] = "".join(lines)
    return out


def is_free(person: Person, names: Iterable[str]) -> bool:
    """Tell whether an account is among those that become root without a password."""
    return any(person.is_meant(name) for name in names)


def person_of(name: str, passwd: str, group: str) -> Optional[Person]:
    """Return an account of /etc/passwd with its groups, None where there is none of that name."""
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and fields[0] == name and fields[2].isdigit() and fields[3].isdigit():
            names, gids = set(), {int(fields[3])}
            for row in (item.split(":") for item in group.splitlines()):
                if len(row) >= 4 and row[2].isdigit() and (name in row[3].split(",") or row[2] == fields[3]):
                    names.add(row[0])
                    gids.add(int(row[2]))
            return Person(name, int(fields[2]), frozenset(names), frozenset(gids))
    return None


class Overlay:
    """A host whose files, some of them, already say what they are to say."""

    def __init__(self, host: Any, texts: Mapping[str, str]) -> None:
        self._host = host
        self._texts = texts

    def read(self, path: str) -> str:
        return self._texts[path] if path in self._texts else str(self._host.read(path))

    def listdir(self, path: str) -> List[str]:
        return list(self._host.listdir(path))

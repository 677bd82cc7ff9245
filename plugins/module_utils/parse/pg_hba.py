# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_hba.conf as a file: for where the server itself cannot be asked what it makes of it.

A rule has the shape of pg_hba_file_rules: type, database[], user_name[], address, netmask, auth_method, options[] (names only: their values
may be passwords), broken, line_number. Reads include, include_if_exists and include_dir of PostgreSQL 16.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

TYPES = ("local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc")
METHODS = frozenset(
    "trust reject scram-sha-256 md5 password gss sspi ident peer pam ldap radius cert bsd oauth".split()  # of any version
)
INCLUDES = ("include", "include_if_exists", "include_dir")
DEPTH = 10  # of files that include files: PostgreSQL's own bound
MOST_RULES = 10000

Read = Callable[[str], str]
List_ = Callable[[str], List[str]]


class HbaError(ValueError):
    """A file that is not to be read as rules. The message names the place and never quotes the file."""


class Token(NamedTuple):
    """A word of a line. A quoted one never means a keyword."""

    text: str
    quoted: bool


def lines_of(text: str) -> Iterator[Tuple[int, str]]:
    """Yield (number, line) with continued lines joined: a backslash at a line's very end, also in a comment."""
    held, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        line = line[:-1] if line.endswith("\r") else line
        first = first or number
        if line.endswith("\\"):
            held += line[:-1]
            continue
        yield first, held + line
        held, first = "", 0
    if held:
        yield first, held


def fields_of(line: str) -> List[List[Token]]:
    """Return a line's fields, each a list of the words that commas separate. Raises HbaError for a quote that does not end."""
    fields: List[List[Token]] = []
    field: List[Token] = []
    at, end = 0, len(line)
    comma = False
    while at < end:
        char = line[at]
        if char == "#":
            break
        if char == ",":
            comma, at = True, at + 1
            continue
        if char.isspace():
            at += 1
            continue
        text, quoted, at = _word(line, at)
        # A comma ties words together also across blanks.
        if field and not comma:
            fields.append(field)
            field = []
        field.append(Token(text, quoted))
        comma = False
    return fields + [field] if field else fields


def _word(line: str, at: int) -> Tuple[str, bool, int]:
    out, quoted, inside = [], False, False
    while at < len(line):
        char = line[at]
        if char == '"':
            if inside and line[at + 1 : at + 2] == '"':
                out.append('"')
                at += 2
                continue
            inside, quoted = not inside, True
        elif not inside and (char.isspace() or char in ",#"):
            break
        else:
            out.append(char)
        at += 1
    if inside:
        raise HbaError("a quote does not end")
    return "".join(out), quoted, at


def parse(path: str, read: Read, list_dir: List_) -> List[Dict[str, Any]]:
    """Return the rules of a file and of those that it includes, in order. read and list_dir raise what they like.

    Raises HbaError where the files cannot be what a server has loaded.
    """
    out: List[Dict[str, Any]] = []
    _file(path, read, list_dir, 0, out)
    return out


def _file(path: str, read: Read, list_dir: List_, depth: int, out: List[Dict[str, Any]]) -> None:
    if depth > DEPTH:
        raise HbaError("%s is included too deep" % path)
    for number, line in lines_of(read(path)):
        try:
            fields = fields_of(line)
        except HbaError as error:
            raise HbaError("%s line %d: %s" % (path, number, error)) from None
        if not fields:
            continue
        head = fields[0][0]
        if head.text in INCLUDES and not head.quoted and len(fields) == 2 and len(fields[1]) == 1:
            for name in _included(head.text, posixpath.join(posixpath.dirname(path), fields[1][0].text), list_dir):
                try:
                    _file(name, read, list_dir, depth + 1, out)
                except FileNotFoundError:
                    if head.text != "include_if_exists":
                        raise HbaError("%s line %d includes a file that is not there" % (path, number)) from None
            continue
        out.append(rule_of(fields, path, number))
        if len(out) > MOST_RULES:
            raise HbaError("%s has more than %d rules" % (path, MOST_RULES))


def _included(kind: str, name: str, list_dir: List_) -> List[str]:
    if kind != "include_dir":
        return [name]
    names = sorted(item for item in list_dir(name) if item.endswith(".conf") and not item.startswith("."))
    return [posixpath.join(name, item) for item in names]


def rule_of(fields: List[List[Token]], path: str, number: int) -> Dict[str, Any]:
    """Return one rule; broken where the server would refuse the line."""
    words = [[token.text for token in field] for field in fields]
    kind = words[0][0]
    rule: Dict[str, Any] = {
        "type": kind,
        "database": _names(fields[1]) if len(fields) > 1 else [],
        "user_name": _names(fields[2]) if len(fields) > 2 else [],
        "address": None,
        "netmask": None,
        "auth_method": None,
        "options": [],
        "file_name": path,
        "line_number": number,
        "broken": True,
    }
    rest = words[3:]
    if kind not in TYPES or len(words[0]) != 1 or any(len(item) != 1 for item in rest[:1]):
        return rule
    if kind != "local":
        if not rest:
            return rule
        rule["address"], rest = rest[0][0], rest[1:]
        # An address of its own, without a length, wants its mask as the next word.
        if _is_ip(rule["address"]) and rest:
            rule["netmask"], rest = rest[0][0], rest[1:]
            if not _is_ip(rule["netmask"]):
                return rule
    if not rest or not rule["user_name"]:
        return rule
    rule["auth_method"] = rest[0][0]
    rule["options"] = [item[0].split("=", 1)[0] for item in rest[1:]]
    rule["broken"] = rule["auth_method"] not in METHODS or any("=" not in item[0] for item in rest[1:])
    return rule


def _names(field: List[Token]) -> List[str]:
    """Return names; a keyword in quotes is an ordinary name, which is marked so that nobody takes it for the keyword."""
    return ['"%s"' % token.text if token.quoted and token.text in _KEYWORDS else token.text for token in field]


_KEYWORDS = ("all", "sameuser", "samerole", "samegroup", "replication")


def _is_ip(text: str) -> bool:
    return bool(re.match(r"[0-9]+(\.[0-9]+){3}\Z|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\Z", text))

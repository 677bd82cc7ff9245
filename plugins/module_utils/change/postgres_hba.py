# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules a pg_hba.conf needs so that nobody comes over a network in clear or by a weak method, made out of the rules there are.

Whoever gets in today with a password still does; a rule for the whole world becomes one for the networks that are named.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.database import beyond_local, for_all, worldwide
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.parse import pg_hba

SCRAM = "scram-sha-256"
# Methods that ask for nothing, believe the client, or show the password: what takes their place asks for the same password.
WEAK = ("trust", "ident", "password", "md5")
WITH_PASSWORD = ("password", "md5")
HEADER = (
    "# Written by nself.prod, role postgres_tls, out of %s and of the role's variables.",
    "# What is changed here is gone with the next run; a rule of your own belongs there, or into postgres_tls_hba_rules.",
)
# A suffix of names begins with a dot; PostgreSQL looks names up both ways.
_NAME = re.compile(r"\.?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?\Z")
_KEYWORDS = {"all": "all", "*": "all", "samenet": "samenet", "samehost": "samehost"}
_EVERYBODY = ("all", "0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class Rule:
    """A rule of a file: as parse/pg_hba.py reads it, and its fields as they are written."""

    read: Dict[str, Any]
    words: Tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """What is wanted. required: TLS; networks: who a rule for everybody becomes; keep: the rules there are; extra: lines that go first.

    md5_roles: those whose password is stored as md5 and is not known, so that nothing but md5 lets them in.
    """

    networks: Tuple[str, ...]
    required: bool = True
    keep: bool = True
    extra: Tuple[str, ...] = ()
    md5_roles: Tuple[str, ...] = ()


@dataclass
class Outcome:
    """lines: the rules; secret: whether one of them may hold a password; changed: {what was: what became of it}, for people."""

    lines: List[str] = field(default_factory=list)
    secret: bool = False
    told: List[str] = field(default_factory=list)


def rules_of(path: str, read: pg_hba.Read, list_dir: pg_hba.List_) -> List[Rule]:
    """Return the rules of a file and of what it includes. Raises Refused where PostgreSQL would not take the file, and as read does."""
    texts: Dict[str, Dict[int, str]] = {}

    def keeping(name: str) -> str:
        text = read(name)
        texts[name] = dict(pg_hba.lines_of(text))
        return text

    try:
        found = pg_hba.parse(path, keeping, list_dir)
    except pg_hba.HbaError as error:
        raise Refused("pg_hba.conf: %s; mend it first" % error) from None
    broken = ["%s line %s" % (rule["file_name"], rule["line_number"]) for rule in found if rule["broken"]]
    if broken:
        raise Refused(
            "PostgreSQL does not take %s, so what is in force is not known; mend or remove it first" % ", ".join(broken)
        )
    return [
        Rule(rule, tuple(map(_written, pg_hba.fields_of(texts[rule["file_name"]][rule["line_number"]]))))
        for rule in found
    ]


def _written(tokens: Sequence[pg_hba.Token]) -> str:
    return ",".join('"%s"' % token.text.replace('"', '""') if token.quoted else token.text for token in tokens)


def extra_lines(lines: Sequence[str]) -> Tuple[str, ...]:
    """Return rules that were given, each as one line of the file. Raises Refused for what is no rule."""
    out = []
    for line in lines:
        try:
            fields = pg_hba.fields_of(line)
            good = bool(fields) and "\n" not in line and not pg_hba.rule_of(fields, "", 0)["broken"]
        except pg_hba.HbaError:
            good = False
        if not good:
            raise Refused("hba_rules: `%s` is no rule of pg_hba.conf" % _shown(line))
        out.append(" ".join(map(_written, fields)))
    return tuple(out)


def _shown(line: str) -> str:
    """Return as much of a line as holds no password."""
    return " ".join(line.split()[:5])


def networks(values: Sequence[str]) -> List[str]:
    """Return addresses, networks and names as pg_hba.conf writes them. Raises Refused for what is none of them."""
    out: List[str] = []
    for value in values:
        text = value.strip()
        if not text or text == "localhost":
            continue  # this machine itself is let in anyway
        if text in _KEYWORDS:
            out.append(_KEYWORDS[text])
            continue
        try:
            out.append(str(ipaddress.ip_network(text, strict=False)))
        except ValueError:
            if not _NAME.match(text) or re.match(r"[0-9.:/]+\Z", text):
                raise Refused(
                    "allowed_hosts: `%s` is no address, no network such as 10.0.0.0/8 and no name" % text[:80]
                ) from None
            out.append(text)
    return list(dict.fromkeys(out))


def everybody(values: Sequence[str]) -> List[str]:
    """Return those of networks() that are the whole world."""
    return [value for value in values if value in _EVERYBODY]


def outcome(rules: Sequence[Rule], wish: Wish) -> Outcome:
    """Return the rules that are to be in force, in their order: the first that fits a connection decides."""
    out = Outcome(list(wish.extra))
    kind = "hostssl" if wish.required else "host"
    ours = [
        line
        for network in wish.networks
        for line in _password_lines(kind, ["all", "all", network], ("all",), wish, bool(wish.md5_roles))
    ]
    placed = False
    for rule in rules:
        if rule.read["type"] == "local":
            out.lines.append(" ".join(rule.words))
        elif not wish.keep:
            continue
        elif for_all(rule.read) and worldwide(rule.read) and rule.read["auth_method"] != "reject":
            if not placed:
                out.lines += ours
                out.told.append("`%s` becomes rules for %s" % (_told(rule), ", ".join(wish.networks)))
            placed = True
        else:
            out.lines += _kept(rule, wish, out)
        out.secret = out.secret or (bool(rule.read["options"]) and rule.read["type"] != "local")
    if not placed:
        out.lines += ours
    out.secret = out.secret or any(len(line.split()) > 5 for line in wish.extra)
    out.lines = list(dict.fromkeys(out.lines))
    return out


def _kept(rule: Rule, wish: Wish, out: Outcome) -> List[str]:
    kind, method = rule.read["type"], rule.read["auth_method"]
    if method == "reject" or kind == "hostgssenc":
        return [" ".join(rule.words)]  # it closes a door, or encrypts in another way
    if kind == "hostnossl":
        if not wish.required:
            return [" ".join(rule.words)]
        out.told.append("`%s` is left out: it lets in nothing but connections in clear" % _told(rule))
        return []
    kind = kind if not wish.required else "hostssl"
    if method not in WEAK:
        return [" ".join((kind,) + rule.words[1:])]
    where = list(rule.words[1 : 5 if rule.read["netmask"] else 4])
    if beyond_local(rule.read):
        out.told.append("`%s` asks for %s from now on" % (_told(rule), SCRAM))
    return _password_lines(kind, where, rule.read["user_name"], wish, method in WITH_PASSWORD)


def _password_lines(kind: str, where: Sequence[str], users: Sequence[str], wish: Wish, with_md5: bool) -> List[str]:
    """Return a rule that asks for the password, after those of the roles that SCRAM would lock out."""
    out = []
    for role in wish.md5_roles if with_md5 else ():
        if "all" in users or role in users:
            out.append(" ".join([kind, where[0], quoted(role)] + list(where[2:]) + ["md5"]))
    return out + [" ".join([kind] + list(where) + [SCRAM])]


def quoted(name: str) -> str:
    """Return a role's name as pg_hba.conf takes it."""
    return '"%s"' % name.replace('"', '""')


def _told(rule: Rule) -> str:
    """Return a rule without its options, which may hold a password."""
    return " ".join(rule.words[: len(rule.words) - len(rule.read["options"])])


def text_of(found: Outcome, source: str) -> str:
    """Return the file's text; source: the file that the rules come from."""
    return "\n".join([HEADER[0] % source, HEADER[1]] + found.lines) + "\n"


def lets_in_without_password(rules: Sequence[Rule]) -> bool:
    """Tell whether somebody may come over a network today without a password that fits."""
    return any(rule.read["auth_method"] in ("trust", "ident") and beyond_local(rule.read) for rule in rules)


def plain(lines: Sequence[str]) -> List[str]:
    """Return the rules that let somebody in over a network in clear."""
    found = [(line, pg_hba.rule_of(pg_hba.fields_of(line), "", 0)) for line in lines]
    return [
        line
        for line, rule in found
        if rule["type"] in ("host", "hostnossl", "hostnogssenc") and rule["auth_method"] != "reject"
    ]

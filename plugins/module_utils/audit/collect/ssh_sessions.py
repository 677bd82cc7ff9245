# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that sshd would apply to each login.

`sshd -T` is asked for every kind of user and every origin that the Match blocks tell apart.
"""

from __future__ import annotations

import itertools
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.ssh_config import Criteria
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.ssh_users import User
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse import sshd

MOST_RUNS = 100  # of sshd -T, about 10 ms each
NOBODY = "nself-no-such-user"
# Documentation addresses (RFC 5737, RFC 3849): a client from anywhere, and no address of this host.
CLIENT, CLIENT6, LOCAL, CLIENT_NAME = "203.0.113.7", "2001:db8::7", "192.0.2.1", "client.invalid"
ORIGIN_WORDS = (
    ("host", " named %s"),
    ("addr", " from %s"),
    ("laddr", " to %s"),
    ("lport", " on port %d"),
    ("rdomain", " in routing domain %s"),
)


class Origin(NamedTuple):
    """Where a login comes from and arrives, as sshd's -C wants it."""

    host: str = CLIENT_NAME
    addr: str = CLIENT
    laddr: str = LOCAL
    lport: int = 22
    rdomain: str = ""


class Sshd:
    """sshd asked for its settings with the running daemon's options; never twice the same question."""

    def __init__(self, host: Any, options: Sequence[str]) -> None:
        self._host = host
        self._options = list(options)
        self._known: Dict[str, sshd.Settings] = {}

    def plain(self) -> sshd.Settings:
        """Return root's settings from nowhere in particular: for what no Match block can change. Raises HostError."""
        return self.settings("root", Origin())

    def settings(self, user: str, origin: Origin, invalid: bool = False) -> sshd.Settings:
        """Return all settings for a login. invalid: tell sshd that there is no such user. Raises HostError."""
        # Every criterion is given each time: sshd refuses to answer where a Match line asks for one that is missing.
        spec = "user=%s,host=%s,addr=%s,laddr=%s,lport=%d,rdomain=%s" % ((user,) + origin)
        spec += ",invalid-user" if invalid else ""
        if spec not in self._known:
            done = self._host.run(["sshd", "-T"] + self._options + ["-C", spec])
            try:
                if done.rc != 0:
                    raise ValueError(first_line(done.err) or "exit code %d" % done.rc)
                self._known[spec] = sshd.parse_settings(done.out)
            except ValueError as error:
                raise HostError(Reason.ERROR, "sshd -T", str(error)) from error
        return self._known[spec]


def origins(criteria: Criteria, ports: Sequence[int], operator: str) -> List[Origin]:
    """Return the origins that the Match blocks tell apart, the plain one first. operator: the address of who runs the audit."""

    def asked(name: str, usual: Sequence[str]) -> List[str]:
        patterns = [pattern for kind, given in criteria if kind == name for pattern in given]
        if not patterns:
            return list(usual[:1])
        values = list(usual) + [value for pattern in patterns for value in sshd.samples(name, pattern)]
        for kind, given in criteria:
            if kind == name and name != "rdomain" and not any(sshd.meets(given, value) for value in values):
                raise ValueError("no address or name is known that meets Match %s %s" % (name, ",".join(given)))
        return list(dict.fromkeys(values))

    # A port that nothing listens on is no way in, so LocalPort is asked for the real ones only.
    lports = list(ports) if any(kind == "localport" for kind, _given in criteria) else list(ports)[:1]
    product = itertools.product(
        asked("host", [CLIENT_NAME]),
        asked("address", [CLIENT, CLIENT6] + ([operator] if operator else [])),
        asked("localaddress", [LOCAL]),
        lports or [22],
        asked("rdomain", [""]),
    )
    return [Origin(*combination) for combination in product]


def user_patterns(criteria: Criteria) -> List[Tuple[str, str]]:
    """Return (user or group, pattern) of the Match lines that depend on who logs in."""
    return [(kind, pattern) for kind, given in criteria if kind in ("user", "group") for pattern in given]


def is_named(user: User, patterns: Sequence[Tuple[str, str]]) -> bool:
    """Return whether a Match pattern singles this user out. A bare * names nobody."""
    return any(_hits(user, kind, pattern) for kind, pattern in patterns if pattern.strip("!*"))


def _hits(user: User, kind: str, pattern: str) -> bool:
    return any(sshd.matches(pattern, name) for name in ((user.name,) if kind == "user" else user.groups))


def alike(users: Sequence[User], criteria: Criteria) -> List[List[User]]:
    """Return the users in groups that no Match line can tell apart: each needs to be asked for once.

    Finer than sshd itself: users are apart as soon as one single pattern fits one and not the other.
    """
    patterns = user_patterns(criteria)
    classes: Dict[Tuple[bool, ...], List[User]] = {}
    for user in users:
        invalid = user.name == NOBODY and any(kind == "invalid-user" for kind, _given in criteria)
        mark = (invalid,) + tuple(_hits(user, kind, pattern) for kind, pattern in patterns)
        classes.setdefault(mark, []).append(user)
    return list(classes.values())


class Answers(NamedTuple):
    """records: one a kind of user and origin; by_user: the values of each origin; left: how many questions were not asked."""

    records: List[Dict[str, Any]]
    by_user: Dict[str, List[Dict[str, Any]]]
    left: int


def read_sessions(daemon: Sshd, users: Sequence[User], criteria: Criteria, places: Sequence[Origin]) -> Answers:
    """Return the settings of every kind of login, asking at most MOST_RUNS times. Raises HostError.

    Origins from which a kind of user meets the same settings share a record.
    """
    invalid = any(kind == "invalid-user" for kind, _given in criteria)
    classes = alike(list(users) + [User(NOBODY, -1, "/", "/bin/sh", ())], criteria)
    questions = [(members, place) for place in places for members in classes]
    answers = Answers([], {}, max(0, len(questions) - MOST_RUNS))
    for members, place in questions[:MOST_RUNS]:
        first = members[0].name
        values = sshd.judged_values(daemon.settings(first, place, invalid and first == NOBODY))
        met = answers.by_user.get(first, [])
        if values in met:
            continue
        # The plain origin is asked first, so only settings that differ from it are told with where they apply.
        name = _names(members) + (_from(place, places) if met else "")
        answers.records.append({"name": name, "root": any(user.uid == 0 for user in members), "values": values})
        for user in members:
            answers.by_user.setdefault(user.name, []).append(values)
    return answers


def joined(answers: Sequence[Answers], ports: Sequence[Sequence[int]]) -> Answers:
    """Return the answers of all sshds as one. A login to any but the first is named with the ports that lead there."""
    out = Answers(list(answers[0].records), dict(answers[0].by_user), sum(each.left for each in answers))
    for other, numbers in zip(answers[1:], ports[1:]):
        where = " to the sshd on port %s" % " and ".join(str(number) for number in numbers)
        out.records.extend(dict(record, name=record["name"] + where) for record in other.records)
        for user, values in other.by_user.items():
            out.by_user[user] = out.by_user.get(user, []) + values
    return out


def _names(members: Sequence[User], most: int = 3) -> str:
    shown = ["a user that does not exist" if user.name == NOBODY else user.name for user in members]
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (" and %d more" % rest if rest > 0 else "")


def _from(place: Origin, places: Sequence[Origin]) -> str:
    """Return what sets an origin apart from the others, in words; nothing where there is but one."""
    told = []
    for name, text in ORIGIN_WORDS:
        value = getattr(place, name)
        if value != "" and any(getattr(other, name) != value for other in places):
            told.append(text % value)
    return "".join(told)

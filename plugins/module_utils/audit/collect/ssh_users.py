# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who could log in over SSH: the accounts of this host with a login shell, and those that sshd's configuration speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.host import NotFound

NO_LOGIN = ("nologin", "false", "sync", "shutdown", "halt")
# Sources of accounts in nsswitch.conf that are files of this host, or invent no accounts that could log in.
LOCAL_SOURCES = {"files", "compat", "systemd", "db", "altfiles", "extrausers", "sss"}
SSSD = "/var/lib/sss/pipes/nss"  # Red Hat's nsswitch.conf names sss even where no sssd runs


@dataclass(frozen=True)
class User:
    """An account. groups: names, the primary one included."""

    name: str
    uid: int
    home: str
    shell: str
    groups: Tuple[str, ...]

    @property
    def has_shell(self) -> bool:
        return self.shell.rsplit("/", 1)[-1] not in NO_LOGIN

    @property
    def is_login(self) -> bool:
        return self.uid == 0 or (self.uid >= 1000 and self.name != "nobody" and self.has_shell)


def read_users(host: Any) -> List[User]:
    """Return every account of /etc/passwd. Raises HostError."""
    names, members = {}, {}  # type: Dict[str, str], Dict[str, List[str]]
    for fields in _fields(host.read("/etc/group"), 4):
        names[fields[2]] = fields[0]
        for member in fields[3].split(","):
            members.setdefault(member.strip(), []).append(fields[0])
    users = []
    for fields in _fields(host.read("/etc/passwd"), 7):
        if fields[2].isdigit():
            groups = dict.fromkeys([names.get(fields[3], fields[3])] + members.get(fields[0], []))
            users.append(User(fields[0], int(fields[2]), fields[5], fields[6], tuple(groups)))
    return users


def group_names(host: Any) -> Dict[int, str]:
    """Return {gid: name}. Raises HostError."""
    return {int(fields[2]): fields[0] for fields in _fields(host.read("/etc/group"), 4) if fields[2].isdigit()}


def candidates(users: List[User], has_keys: Callable[[User], bool], named: Callable[[User], bool]) -> List[User]:
    """Return the users that may log in: with a login shell; below uid 1000 only with keys; any that Match blocks single out.

    The last are there because internal-sftp and forwarding need no shell.
    """
    return [
        user
        for user in users
        if user.is_login or named(user) or (user.uid < 1000 and user.has_shell and has_keys(user))
    ]


def directories(host: Any) -> List[str]:
    """Return the sources of accounts beyond this host's own files (ldap, winbind …), which cannot be listed."""
    try:
        text = host.read("/etc/nsswitch.conf")
    except NotFound:
        return []
    found: Set[str] = set()
    for line in text.splitlines():
        database, colon, sources = line.split("#", 1)[0].partition(":")
        if colon and database.strip() in ("passwd", "group"):
            found.update(source for source in sources.split() if not source.startswith("["))
    try:
        host.stat(SSSD)
        local = LOCAL_SOURCES - {"sss"}
    except NotFound:
        local = LOCAL_SOURCES
    return sorted(found - local)


def _fields(text: str, count: int) -> List[List[str]]:
    """Return the colon-separated entries with at least so many fields."""
    rows = (line.split(":") for line in text.splitlines() if not line.startswith("#"))
    return [row for row in rows if len(row) >= count]

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may log in: the allow-list where the user gives none, and whether the operator could come back."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import ssh_keys, ssh_users
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.ssh_users import User
from ansible_collections.nself.prod.plugins.module_utils.change import sshd_keys, sshd_login
from ansible_collections.nself.prod.plugins.module_utils.change.changes import command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.operator import Operator
from ansible_collections.nself.prod.plugins.module_utils.change.sshd_keys import KeyFile
from ansible_collections.nself.prod.plugins.module_utils.change.tables import sshd as table
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import ssh_wire, sshd

SHADOW_LOCK = "!"
Names = List[str]


def allowed(
    host: Any, params: Mapping[str, Any], operator: Optional[str], accounts: Sequence[User], settings: sshd.Settings
) -> Tuple[Names, Names]:
    """Return (users, groups) for the allow-lists; both are empty where others limit logins already. settings: in force now."""
    users, groups = list(params["allow_users"]), list(params["allow_groups"])
    if users or groups:
        return list(dict.fromkeys(users)), list(dict.fromkeys(groups))
    named = ([operator] if operator else []) + sorted(params["authorized_keys"] or {})
    ours = own_words(host, ("allowusers", "allowgroups"))
    if ours["allowgroups"] and not ours["allowusers"]:
        return [], ours["allowgroups"]
    if ours["allowusers"]:
        # Who came later is not let in by itself: that is what the list is for.
        return list(dict.fromkeys(ours["allowusers"] + named)), ours["allowgroups"]
    values = sshd.judged_values(settings)
    if any(values[name] and not sshd.lets_most_in(values[name]) for name in ("allowusers", "allowgroups")):
        return [], []
    patterns = sshd.words(settings, "authorizedkeysfile")
    keyed = [
        user.name
        for user in accounts
        if user.uid != 0
        and user.has_shell
        and sshd.may_log_in(user.name, user.groups, values)
        and sshd_keys.has_key(sshd_keys.user_keys(host, user, patterns))
    ]
    names = sorted(set(keyed + named))
    if not names:
        raise Refused(
            "no account on this host has a key, so nobody could log in any more; name keys in sshd_authorized_keys first"
        )
    return names, []


def own_words(host: Any, keywords: Sequence[str]) -> Dict[str, Names]:
    """Return {keyword: its words} of what our drop-in says now."""
    out: Dict[str, Names] = {keyword: [] for keyword in keywords}
    try:
        text = host.read(table.DROP_IN)
    except NotFound:
        return out
    for line in text.split("\n"):
        keyword, rest = sshd.directive(line)
        if keyword in out:
            out[keyword] += rest.split()
    return out


def check_operator(host: Any, operator: Operator, settings: sshd.Settings, planned: Mapping[str, KeyFile]) -> None:
    """Raise Refused where the operator could not come back. settings: for this login, as they would be."""
    user = next((user for user in sshd_keys.accounts(host) if user.name == operator.user), None)
    user = user or _from_directory(host, operator.user)
    why = sshd_login.refusal(_account(host, user, settings, planned), operator.address, settings)
    if why:
        raise Refused("you came as %s from %s and could not come back: %s" % (operator.user, operator.address, why))


def check_somebody(host: Any, settings: sshd.Settings, planned: Mapping[str, KeyFile]) -> None:
    """Raise Refused where no account at all could log in. settings: for a stranger, as they would be."""
    if ssh_users.directories(host):
        return  # accounts that cannot be listed may well get in
    why: Optional[str] = "there is no account with a shell"
    for user in sshd_keys.accounts(host):
        if user.has_shell:
            why = sshd_login.refusal(_account(host, user, settings, planned), "127.0.0.1", settings)
            if why is None:
                return
    raise Refused("nobody could log in any more: %s" % why)


def _from_directory(host: Any, name: str) -> User:
    """Return an account that comes from elsewhere than /etc/passwd."""
    fields = command(host, ["getent", "passwd", name]).out.strip().split(":")
    groups = command(host, ["id", "-Gn", name]).out.split()
    return User(name, int(fields[2]), fields[5], fields[6], tuple(groups))


def _account(host: Any, user: User, settings: sshd.Settings, planned: Mapping[str, KeyFile]) -> sshd_login.Account:
    """Return an account with its keys as they would be. planned: {path: key files that are to change}."""
    files = []
    for path in ssh_keys.key_paths(user, sshd.words(settings, "authorizedkeysfile")):
        if path not in planned:
            files += ssh_keys.key_files(host, [path], user.home)
            continue
        keys = ssh_wire.parse_authorized_keys(planned[path].text)
        if planned[path].fresh:
            # The file and its directory are put right; what is above them is not.
            inside = path.startswith(user.home.rstrip("/") + "/")
            trail = ssh_keys.trail(host, user.home if inside else os.path.dirname(path), user.home)
        else:
            trail = ssh_keys.trail(host, path, user.home)
        files.append({"path": path, "keys": keys, "trail": trail})
    return sshd_login.Account(user, files, _locked(host, user.name))


def _locked(host: Any, name: str) -> bool:
    try:
        rows = [line.split(":") for line in host.read("/etc/shadow").splitlines()]
    except NotFound:
        return False
    return any(len(row) > 1 and row[0] == name and row[1].startswith(SHADOW_LOCK) for row in rows)

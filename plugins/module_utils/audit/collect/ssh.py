# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of the SSH server: how it runs, what it applies to whom, what it offers on the wire, its keys and its users' keys."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List, Optional, Sequence, Set

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import (
    ssh_config,
    ssh_daemon,
    ssh_keys,
    ssh_offer,
    ssh_sessions,
    ssh_users,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import sshd

MOST_USERS = 500
EVERYWHERE = (("0.0.0.0", 22), ("::", 22))


class Instance:
    """One sshd that listens, or the one that the next connection would start. listens: TCP addresses; None: ask its settings."""

    def __init__(self, host: Any, pid: Optional[int], listens: Any) -> None:
        self.since = attempt(lambda: ssh_daemon.read_since(host, pid))
        options = attempt(lambda: ssh_daemon.read_options(host, pid))
        self.daemon = attempt(lambda: _ask(host, options))
        if not listens or isinstance(listens, Unread):
            listens = attempt(lambda: _listens(self.daemon))
        self.listens = listens
        config = attempt(lambda: ssh_config.read_config(host, ssh_config.config_file(_given(options))))
        self.files = config if isinstance(config, Unread) else [dict(file, since=self.since) for file in config[0]]
        self.criteria = config if isinstance(config, Unread) else config[1]


def collect(host: Any, _need: Any) -> Dict[str, Any]:
    """Return the facts of every sshd; {"state": "absent", "ports": []} where it is not installed."""
    if host.which("sshd") is None:
        return {"state": "absent", "ports": []}
    facts: Dict[str, Any] = {"state": "present"}
    units = attempt(lambda: ssh_daemon.read_units(host))
    listens: Any = ssh_daemon.socket_listens(units)
    if listens:
        # Asked first: with socket activation this connection starts sshd, which makes the directory that sshd -T wants.
        facts["offer"] = attempt(lambda: ssh_offer.read_offer(host, listens))
        units = attempt(lambda: ssh_daemon.read_units(host))
    pid = ssh_daemon.read_pid(host, units)
    if listens is None and pid is not None:
        main_pid = pid
        listens = attempt(lambda: ssh_daemon.read_listens(host, main_pid))
    others: Any = attempt(lambda: ssh_daemon.read_others(host, pid))
    running = {} if isinstance(others, Unread) else others
    instances = [Instance(host, other, running[other]) for other in running]
    if pid is not None or listens or not instances:
        instances.insert(0, Instance(host, pid, listens))
    every = [instance.listens for instance in instances]
    facts["ports"] = _first_unread(every + [others]) or sorted({port for each in every for _address, port in each})
    if "offer" not in facts:
        known = EVERYWHERE if isinstance(every[0], Unread) else every[0]
        facts["offer"] = attempt(lambda: ssh_offer.read_offer(host, known))
    answers = not isinstance(facts["offer"], Unread)
    facts["daemon"] = {
        "mode": ssh_daemon.mode(units, next(iter(running), None) if pid is None else pid, answers),
        "since": instances[0].since,
    }
    files: List[Any] = [instance.files for instance in instances]
    facts["config"] = _first_unread(files) or _oldest_reading([file for each in files for file in each])
    facts.update(_who(host, instances))
    if facts["sessions_complete"] is True:
        facts["sessions_complete"] = attempt(lambda: _loaded(facts["config"], others))
    return facts


def _first_unread(values: Sequence[Any]) -> Any:
    return next((value for value in values if isinstance(value, Unread)), None)


def _oldest_reading(files: Sequence[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return each file once, with when the sshd that has not read it for longest did."""
    found: Dict[str, Dict[str, Any]] = {}
    for file in files:
        known = found.setdefault(file["path"], file)
        since = known["since"], file["since"]
        unread = _first_unread(since)
        times = [time for time in since if time is not None and time is not unread]
        found[file["path"]] = dict(known, since=unread or (min(times) if times else None))
    return list(found.values())


def _given(value: Any) -> Any:
    """Return a value that could be read; raise Missing for one that could not."""
    if isinstance(value, Unread):
        raise Missing("ssh", value.reason, value.detail)
    return value


def _ask(host: Any, options: Any) -> ssh_sessions.Sshd:
    """Return an Sshd that has answered. Raises HostError, Missing."""
    if host.euid() != 0:
        raise HostError(Reason.NEEDS_ROOT, "sshd -T", "only root can ask sshd for its settings")
    daemon = ssh_sessions.Sshd(host, _given(options))
    daemon.plain()
    return daemon


def _listens(daemon: Any) -> ssh_daemon.Listens:
    listens = ssh_daemon.addresses(_given(daemon).plain().get("listenaddress", []))
    if not listens:
        raise Missing("ssh.ports", Reason.PARSE_ERROR, "sshd -T names no address to listen on")
    return listens


def _ports(listens: Any) -> List[int]:
    return [] if isinstance(listens, Unread) else sorted({port for _address, port in listens})


def _who(host: Any, instances: Sequence[Instance]) -> Dict[str, Any]:
    """Return what each sshd applies to whom, the users with their keys, and the host keys."""
    unasked = _first_unread([instance.daemon for instance in instances])
    if unasked:
        return dict.fromkeys(("sessions", "sessions_complete", "users", "users_complete", "host_keys"), unasked)
    # Blocks overlooked in a configuration that cannot be read are told by sessions_complete.
    criteria = [each for one in instances if not isinstance(one.criteria, Unread) for each in one.criteria]
    patterns = ssh_sessions.user_patterns(criteria)

    def words(name: str) -> List[str]:
        return list(dict.fromkeys(word for one in instances for word in sshd.words(one.daemon.plain(), name)))

    key_files = words("authorizedkeysfile")

    def candidates() -> List[ssh_users.User]:
        return ssh_users.candidates(
            ssh_users.read_users(host),
            lambda user: ssh_keys.has_key_file(host, user, key_files),
            lambda user: ssh_sessions.is_named(user, patterns),
        )

    def ask(instance: Instance) -> ssh_sessions.Answers:
        rules = [] if isinstance(instance.criteria, Unread) else instance.criteria
        operator = (host.variable("SSH_CONNECTION") or "").split(" ")[0]
        try:
            origins = ssh_sessions.origins(rules, _ports(instance.listens), operator)
        except ValueError as error:
            raise Missing("ssh.sessions", Reason.PARSE_ERROR, str(error)) from error
        return ssh_sessions.read_sessions(instance.daemon, _given(users)[:MOST_USERS], rules, origins)

    users = attempt(candidates)
    unlisted = attempt(lambda: ssh_users.directories(host))
    answers = [attempt(partial(ask, instance)) for instance in instances]
    told = _first_unread(answers) or ssh_sessions.joined(answers, [_ports(instance.listens) for instance in instances])
    all_users = attempt(lambda: _all_users(users, unlisted))
    unread = _first_unread([instance.criteria for instance in instances])
    return {
        "sessions": told if isinstance(told, Unread) else told.records,
        "sessions_complete": attempt(lambda: _all_sessions(unread or criteria, told, all_users)),
        "users": attempt(lambda: _users(host, _given(users)[:MOST_USERS], _given(told).by_user)),
        "users_complete": all_users,
        "host_keys": attempt(lambda: ssh_keys.host_keys(host, words("hostkey"), ssh_users.group_names(host))),
    }


def _all_sessions(criteria: Any, answers: Any, all_users: Any) -> bool:
    """Return True; raise Missing where a login may have been overlooked."""
    if ssh_sessions.user_patterns(_given(criteria)):
        _given(all_users)
    left = _given(answers).left
    if left:
        raise Missing(
            "ssh.sessions", Reason.ERROR, "the Match blocks need %d more questions to sshd than the audit asks" % left
        )
    return True


def _loaded(files: Any, others: Any) -> bool:
    """Return True; raise Missing where sshd has not read its files since they changed: sshd -T tells what they say now.

    others: the other sshds, which may not have been seen.
    """
    _given(others)
    changed = [file["path"] for file in _given(files) if file["changed"] > (_given(file["since"]) or file["changed"])]
    if changed:
        text = "%s changed since sshd read it, so what sshd -T says is not yet in force" % ", ".join(changed)
        raise Missing("ssh.sessions", Reason.ERROR, text)
    return True


def _all_users(users: Any, unlisted: Any) -> bool:
    """Return True; raise Missing where an account may have been overlooked."""
    if _given(unlisted):
        raise Missing("ssh.users", Reason.ERROR, "accounts that come from %s cannot be listed" % ", ".join(unlisted))
    if len(_given(users)) > MOST_USERS:
        raise Missing(
            "ssh.users", Reason.ERROR, "only the first %d of %d users were looked at" % (MOST_USERS, len(users))
        )
    return True


def _users(
    host: Any, users: Sequence[ssh_users.User], by_user: Dict[str, List[Dict[str, Any]]]
) -> List[Dict[str, Any]]:
    """Return {name, uid, allowed, files} of each user, and of the certificate authorities last."""
    records: List[Dict[str, Any]] = []
    authorities: Set[str] = set()
    for user in users:
        values = by_user.get(user.name, [])
        paths = ssh_keys.key_paths(user, [pattern for each in values for pattern in each["authorizedkeysfile"]])
        authorities.update(each.get("trustedusercakeys", "none") for each in values)
        records.append(
            {
                "name": user.name,
                "uid": user.uid,
                "allowed": any(_allowed(user, each) for each in values),
                "files": attempt(partial(ssh_keys.key_files, host, paths, user.home)),
            }
        )
    authorities.discard("none")
    if authorities:
        files = attempt(lambda: ssh_keys.key_files(host, sorted(authorities), "/"))
        records.append({"name": "certificate authorities", "uid": 0, "allowed": False, "files": files})
    return records


def _allowed(user: ssh_users.User, values: Dict[str, Any]) -> bool:
    may_be_root = user.uid != 0 or values.get("permitrootlogin", "no") != "no"
    return user.has_shell and may_be_root and sshd.may_log_in(user.name, user.groups, values)


COLLECTORS = (Collector("ssh", collect, deadline=8.0),)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guarded change of sshd: a drop-in that is read first, nothing that wins against it, strong keys, and the ports."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import ssh_daemon, ssh_users
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.ssh_sessions import NOBODY
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.ssh_users import User
from ansible_collections.nself.prod.plugins.module_utils.change import (
    sshd_daemon,
    sshd_files,
    sshd_keys,
    sshd_ports,
    sshd_who,
    sshd_wish,
)
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.guarded import Guarded
from ansible_collections.nself.prod.plugins.module_utils.change.sshd_daemon import Daemon, Login
from ansible_collections.nself.prod.plugins.module_utils.change.sshd_keys import KeyFile
from ansible_collections.nself.prod.plugins.module_utils.change.tables import sshd as table
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound, exists
from ansible_collections.nself.prod.plugins.module_utils.parse import sshd


class Work(NamedTuple):
    """All that is to be done, worked out once: what preflight looked at is what is written."""

    daemon: Daemon
    settings: sshd.Settings  # what sshd -T says now
    chosen: sshd_wish.Chosen
    lines: sshd_wish.Directives
    tree: sshd_files.Tree
    new_host_keys: List[str]
    moduli: Optional[Tuple[str, str, int]]  # path, text, groups that go
    key_files: List[KeyFile]
    weak_left: List[str]  # weak keys of users that stay
    ports: sshd_ports.Moves
    stale: List[str]


class SshdChange(Guarded):
    """sshd as the options want it."""

    _work: Optional[Work] = None

    @property
    def work(self) -> Work:
        if self._work is None:
            self._work = self._work_out()
        return self._work

    @property
    def absent(self) -> bool:
        """Whether there is no sshd here, and so nothing to do."""
        return self.host.which("sshd") is None

    # -- working it out ----------------------------------------------------------------------------------------------

    def _work_out(self) -> Work:
        daemon = sshd_daemon.read(self.host)
        other = sshd_daemon.other_file(daemon.options)
        if other:
            raise Refused("sshd was started with the configuration %s; start it with %s first" % (other, table.CONFIG))
        settings = sshd_daemon.ask(self.host, Login(NOBODY), daemon.options)
        known = sshd_daemon.known(self.host, settings)
        accounts = sshd_keys.accounts(self.host)
        key_files, weak_left = self._key_files(accounts, sshd.words(settings, "authorizedkeysfile"))
        operator = self.operator.user if self.operator else None
        users, groups = sshd_who.allowed(self.host, self.params, operator, accounts, settings)
        paths, new = sshd_keys.host_keys(self.host, self.params["host_keys"], settings.get("hostkey", []))
        # Without the option the ports stay, also where an earlier run has moved them.
        ours = [int(word) for word in sshd_who.own_words(self.host, ["port"])["port"] if word.isdigit()]
        ports = sshd_ports.moves(self.host, daemon, self.params["ports"] or ours)
        chosen = sshd_wish.Chosen(ports.wanted, paths, users, groups)
        lines = sshd_wish.directives(self.params, known, chosen)
        disable = self.params["foreign_settings"] == "disable"
        tree = sshd_files.new_tree(self.host, sshd_wish.render(lines), sshd_wish.values(lines), disable)
        moduli = self._moduli((settings.get("modulifile") or ["/etc/ssh/moduli"])[0])
        stale = sshd_daemon.stale(self.host, daemon)
        return Work(daemon, settings, chosen, lines, tree, new, moduli, key_files, weak_left, ports, stale)

    def _key_files(self, accounts: Sequence[User], patterns: Sequence[str]) -> Tuple[List[KeyFile], List[str]]:
        wanted: Mapping[str, Sequence[str]] = self.params["authorized_keys"] or {}
        owners, by_name = sshd_keys.owners(self.host), {user.name: user for user in accounts}
        files = []
        for name, keys in sorted(wanted.items()):
            if name not in by_name or name not in owners:
                raise ChangeError("authorized_keys: there is no user %s in /etc/passwd; create it first" % name)
            if isinstance(keys, str) or not isinstance(keys, list):
                raise ChangeError("authorized_keys: %s needs a list of public keys" % name)
            files.append(sshd_keys.with_keys(self.host, by_name[name], owners[name], keys, patterns))
        left: List[str] = []
        if self.params["weak_user_keys"] == "disable":
            for user in accounts:
                if user.is_login and user.name in owners:
                    planned = [file for file in files if file.user == user]
                    mended, stay = sshd_keys.without_weak(self.host, user, owners[user.name], patterns, planned)
                    files = [file for file in files if file not in planned] + mended
                    left += stay
        return files, left

    def _moduli(self, path: str) -> Optional[Tuple[str, str, int]]:
        least = self.params["moduli_minimum"]
        if not least:
            return None
        try:
            before = self.host.read(path)
        except NotFound:
            return None  # sshd then has groups of its own, which are large
        text, gone = sshd_keys.large_moduli(before, least)
        if gone and not sshd_keys.has_moduli(text):
            raise Refused(
                "%s would hold no group any more: make new ones with `ssh-keygen -M generate`, or set sshd_moduli_minimum"
                % path
            )
        return (path, text, gone) if gone else None

    # -- writing it --------------------------------------------------------------------------------------------------

    def plan(self, changes: Changes) -> None:
        if self.absent:
            return
        work = self.work
        for file in work.key_files:
            _write_keys(changes, file)
        for path in work.new_host_keys:
            changes.run(sshd_keys.making(path), "make the host key %s" % path)
        for path in work.chosen.host_keys:
            if path not in work.new_host_keys:
                self._close_key(changes, path)
        if work.moduli:
            path, text, gone = work.moduli
            # Too large for a diff that anybody reads.
            changes.file(path, text, mode=None, uid=None, gid=None, secret=True)
            changes.note("%d groups of too few bits go from %s" % (gone, path))
        folder = os.path.dirname(table.DROP_IN)
        try:
            self.host.stat(folder)
        except NotFound:
            changes.directory(folder)
        for path, text in work.tree.files.texts.items():
            changes.file(path, text, mode=0o600)
        self._close(changes, work.tree.places)
        work.ports.plan(changes)
        if work.stale:
            changes.note("sshd reads %s, changed since it last did" % ", ".join(work.stale))
        if work.daemon.is_down(self.operator is not None):
            changes.note("%s does not run; it is started" % work.daemon.service)
        if not changes.changed and changes.check:
            # Nothing differs on disk. What is in force is what counts.
            with sshd_files.laid_out(work.tree, {}) as tree:
                self._compare(None, tree, Mismatch)

    def _close_key(self, changes: Changes, path: str) -> None:
        info = self.host.stat(path)
        groups = ssh_users.group_names(self.host)
        allowed = 0o640 if groups.get(info.gid) == "ssh_keys" else 0o600
        if info.uid != 0 or info.mode & ~allowed:
            changes.access(self.host.realpath(path), mode=info.mode & allowed, uid=0)

    def _close(self, changes: Changes, places: Iterable[Mapping[str, Any]]) -> None:
        """Leave the files to root alone, and the directories to root to change."""
        for place in places:
            if place["path"] in self.work.tree.files.texts:
                continue
            path = self.host.realpath(place["path"])
            if place["kind"] == "dir":
                changes.access(path, mode=place["mode"] & ~0o022, uid=0)
            else:
                changes.access(path, mode=0o600, uid=0, gid=0)

    @property
    def keep(self) -> List[str]:
        work = self.work
        paths = [self.host.realpath(place["path"]) for place in work.tree.places if place["kind"] != "dir"]
        paths += [self.host.realpath(path) for path in work.tree.files.texts]
        paths += [work.moduli[0]] if work.moduli else []
        paths += [name for path in work.chosen.host_keys for name in (path, path + ".pub")]
        for file in work.key_files:
            folder = os.path.dirname(file.path)
            paths.append(file.path if exists(self.host, folder, follow=False) else folder)
        return list(dict.fromkeys(paths + work.ports.keep))

    # -- before and after --------------------------------------------------------------------------------------------

    def preflight(self) -> None:
        work = self.work
        work.ports.preflight(self.host)
        replaced: Dict[str, str] = {}
        with sshd_files.laid_out(work.tree, replaced) as tree:
            for number, path in enumerate(work.new_host_keys):
                replaced[path] = "%s/new_key_%d" % (tree, number)
                command(self.host, sshd_keys.making(replaced[path]))
            if replaced:
                sshd_files.lay_out(work.tree, replaced, tree)
            answers = self._compare(tree, tree, Refused)
        self._check_logins(answers)

    def _logins(self) -> List[Login]:
        ports = self.work.chosen.ports or self.work.daemon.ports or [22]
        logins = [Login("root", port=ports[0]), Login(NOBODY, port=ports[0])]
        if self.operator:
            where = self.operator
            logins.insert(
                0, Login(where.user, where.address, where.server_address, self.login_port or where.server_port)
            )
        return logins

    def _compare(self, candidate: Optional[str], tree: str, error: Any) -> Dict[Login, sshd.Settings]:
        """Return what sshd says of each login, by a laid out tree or (None) by its own files. Raises error where it is not the wish."""
        work = self.work
        wish = self._ask(Login(NOBODY), [], tree + table.DROP_IN, tree)
        managed = [name for name in sshd_wish.values(work.lines) if name in wish]
        answers = {}
        for login in self._logins():
            config = candidate + table.CONFIG if candidate else None
            answers[login] = self._ask(login, work.daemon.options, config, tree)
            self._check_listening(answers[login], error)
            for keyword, wished, found in sshd_wish.differences(wish, answers[login], managed):
                raise error(
                    "%s is %s instead of %s for %s: %s"
                    % (keyword, found, wished, login, self._sources(keyword) or "nothing here says so")
                )
        return answers

    def _check_listening(self, answer: sshd.Settings, error: Any) -> None:
        """Raise error where a ListenAddress names a port of its own: it is the user's, and binds sshd to an address on purpose."""
        named = {port for _address, port in ssh_daemon.addresses(answer.get("listenaddress", []))}
        wanted = self.work.chosen.ports
        if wanted and named - set(wanted):
            places = " and ".join(self.work.tree.sources("listenaddress")) or "sshd's command line"
            raise error(
                "%s lets sshd listen on port %d besides: name an address without a port there"
                % (places, min(named - set(wanted)))
            )

    def _ask(self, login: Login, options: Sequence[str], config: Optional[str], tree: str) -> sshd.Settings:
        try:
            return sshd_daemon.ask(self.host, login, options, config)
        except ChangeError as error:
            # Files are told of by where they would be, not by where they were tried out.
            raise Refused(str(error).replace(tree, "")) from error

    def _sources(self, keyword: str) -> str:
        places = self.work.tree.sources(keyword)
        if places:
            return "%s says so; take it away, or set sshd_foreign_settings to disable" % " and ".join(places)
        options = " ".join(self.work.daemon.options)
        return "sshd was started with %s; take it out of /etc/default/ssh" % options if options else ""

    def _check_logins(self, answers: Mapping[Login, sshd.Settings]) -> None:
        """Raise Refused where the operator, or where there is none where nobody at all, could log in."""
        planned = {file.path: file for file in self.work.key_files}
        if self.operator:
            answer = answers[self._logins()[0]]
            sshd_who.check_operator(self.host, self.operator, answer, planned)
            self._check_unread(self.operator.user, answer)
        else:
            sshd_who.check_somebody(self.host, answers[self._logins()[-1]], planned)

    def _check_unread(self, user: str, answer: sshd.Settings) -> None:
        """Raise Refused for what ends every login of the operator and is not in force yet: the rollback's reload would not take it back."""
        for keyword in ("forcecommand", "chrootdirectory") if self.work.stale else ():
            value = " ".join(answer.get(keyword, [])) or "none"
            if value.lower() != "none":
                raise Refused(
                    "sshd has not read %s yet, and would put %s %s in force for %s: take it away, or reload sshd and see whether you get in"
                    % (" and ".join(self.work.stale), keyword, value, user)
                )

    # -- in force ----------------------------------------------------------------------------------------------------

    @property
    def undo(self) -> List[List[str]]:
        return self.work.ports.undo + self.work.daemon.apply(self.work.ports.socket_differs, self.operator is not None)

    def enforce(self) -> None:
        for argv in self.work.daemon.apply(self.work.ports.socket_differs, self.operator is not None):
            command(self.host, argv, timeout=60.0)

    def verify(self) -> None:
        work = self.work
        if work.daemon.listens or work.daemon.is_down(self.operator is not None):
            # Well before the timer strikes: who fails here can still say why.
            seconds = min(sshd_daemon.RELOAD_SECONDS, self.params["guard_seconds"] / 3.0)
            sshd_daemon.await_answers(self.host, list(work.chosen.ports) or work.daemon.ports, seconds)
        with sshd_files.laid_out(work.tree, {}) as tree:
            self._compare(None, tree, Mismatch)

    @property
    def login_port(self) -> Optional[int]:
        wanted = self.work.chosen.ports
        return wanted[0] if wanted and self.operator and self.operator.server_port not in wanted else None

    def extra(self) -> Dict[str, Any]:
        if self.absent:
            return {"applicable": False, "login_port": None}
        work = self.work
        return {
            "applicable": True,
            "ports": list(work.chosen.ports) or work.daemon.ports,
            "login_port": self.login_port,
            "allow_users": list(work.chosen.allow_users),
            "allow_groups": list(work.chosen.allow_groups),
            "host_keys": list(work.chosen.host_keys),
            "foreign": [
                {"place": entry.place, "setting": "%s %s" % (entry.keyword, entry.value)} for entry in work.tree.foreign
            ],
            "weak_user_keys_left": work.weak_left,
        }


def _write_keys(changes: Changes, file: KeyFile) -> None:
    """Write a user's key file as sshd's StrictModes wants it; one that is only mended keeps its access rights."""
    inside = sshd_keys.is_inside(file.path, file.user.home)
    # The user may put a link in the place of whatever is in his home, at any time.
    path = sshd_keys.real_place(changes.host, file.path, file.user.home)
    # Options of keys may hold secrets, as environment="TOKEN=...".
    secret = '="' in file.text
    if not file.fresh:
        if changes.file(path, file.text, mode=None, uid=None, gid=None, secret=secret, strict=inside) and secret:
            changes.note("weak keys are taken out of force in %s" % path)
        return
    uid, gid = file.owner
    folder = os.path.dirname(file.path)
    if inside and folder != file.user.home.rstrip("/"):
        changes.directory(os.path.dirname(path), 0o700, uid, gid, strict=True)
    if inside:
        changes.file(path, file.text, 0o600, uid, gid, secret, strict=True)
    else:
        # Not in the home: sshd reads it as the user, who need not be able to write it.
        changes.file(file.path, file.text, 0o644, secret=secret)

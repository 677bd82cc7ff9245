# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access that is too wide, taken away: files with secrets, the system's own files, free ways to root, accounts without a password.

Nothing is ever given, no volume is walked, and the account that runs this keeps what it has.
"""

from __future__ import annotations

import posixpath
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import (
    accounts,
    backups,
    containers,
    docker,
    nginx,
    project,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.ssh_users import NO_LOGIN
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Options
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.change import docker_daemon_unit as units
from ansible_collections.nself.prod.plugins.module_utils.change import operator
from ansible_collections.nself.prod.plugins.module_utils.change import permissions_files as found_files
from ansible_collections.nself.prod.plugins.module_utils.change import permissions_sudoers as rules
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.permissions_readers import Reader, readers
from ansible_collections.nself.prod.plugins.module_utils.change.sources import Sources
from ansible_collections.nself.prod.plugins.module_utils.change.tables import permissions_paths as places
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import FOUND, NONE
from ansible_collections.nself.prod.plugins.module_utils.host import Host, HostError, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse.sudoers import passwordless

REPORT, LOCK = "report", "lock"
SECONDS = 90.0  # for all that is read
SPEC = {
    "project_dir": {"type": "str"},
    "system_files": {"type": "bool", "default": True},
    "sudoers": {"type": "str", "choices": [rules.REPORT, rules.PASSWORD, rules.DISABLE], "default": rules.PASSWORD},
    "nopasswd_users": {"type": "list", "elements": "str", "default": [], "no_log": False},  # names of accounts
    "empty_passwords": {"type": "str", "choices": [REPORT, LOCK], "default": LOCK},
    "extra_root": {"type": "str", "choices": [REPORT, LOCK], "default": REPORT},
}
COLLECTORS = tuple(
    collector for module in (docker, containers, project, nginx, backups) for collector in module.COLLECTORS
)


def work(host: Host, changes: Changes, params: Dict[str, Any]) -> Dict[str, Any]:
    """Do all of it. Returns {"project", "left"}: the project that was found, and what stays as it is, a line each."""
    if host.euid() != 0:
        raise ChangeError("only root can change permissions; run with become")
    told = params["project_dir"] or None
    if told and not told.startswith("/"):
        raise ChangeError("permissions_project_dir has to be an absolute path, and is %s" % told)
    people = _people(host)
    left: List[str] = []
    directory = _project(host.within(SECONDS), changes, told, left)
    if params["system_files"]:
        _system(host, changes)
    _accounts(host, changes, params, people, left)
    _sudoers(host, changes, params, people, left)
    return {"project": directory, "left": sorted(dict.fromkeys(left))}


def _people(host: Any) -> List[rules.Person]:
    """Return the accounts that keep what they have: who is logged in for this, and who became root for it."""
    who = operator.find(host)
    names = [who.user if who else None, host.variable("SUDO_USER"), host.variable("DOAS_USER")]
    passwd, group = host.read("/etc/passwd"), host.read("/etc/group")
    known = [rules.person_of(name, passwd, group) for name in dict.fromkeys(names) if name and name != "root"]
    return [person for person in known if person is not None]


# -- the deployment ------------------------------------------------------------------------------------------------------


def _project(host: Any, changes: Changes, told: Optional[str], left: List[str]) -> Optional[str]:
    need = Sources(host, Options(told, "0" * 64), COLLECTORS, units.STOPPED if units.sleeps(host) else None)
    try:
        found = need("project_place").found
    except Missing as missing:
        left.append("which project is on this host is not known: %s" % (missing.detail or missing.reason))
        return None
    if found.state != FOUND or not found.directory:
        if found.state != NONE:
            left.append(found.message)
        return None
    finder = found_files.Finder(host, found.directory)
    who, closed = _readers(host, need, finder.base, left)
    steps = (
        ("the project's files", lambda: finder.project(found.directory)),
        ("the keys of nginx", lambda: finder.named_keys(_keys(host, need))),
        ("keys of certificates", lambda: finder.stored_keys(found.directory)),
        ("backups", lambda: finder.backups(need("backups"))),
    )
    for what, step in steps:
        try:
            step()
        except (HostError, Missing) as error:
            left.append("%s could not be looked at: %s" % (what, getattr(error, "detail", "") or error))
    result = finder.result()
    left += result.left
    for wish in result.wishes:
        _close(host, changes, wish, who, closed, left)
    return str(found.directory)


def _readers(host: Any, need: Sources, base: str, left: List[str]) -> Tuple[List[Reader], bool]:
    """Return the containers that read files of the host, and whether it is known that these are all."""
    try:
        if need("docker_engine")["state"] == "stopped":
            left.append(
                "Docker's engine is stopped, so who reads them is not known: keys and secrets/ stay as they are"
            )
            return [], True
        return readers(host, need("docker_containers")), False
    except Missing as missing:
        left.append(
            "Docker could not be asked, so keys and secrets/ stay as they are: %s" % (missing.detail or missing.reason)
        )
        return [], True


def _keys(host: Any, need: Sources) -> Any:
    started = need("project").started
    # Where nothing runs no nginx names a key, and what compose would start need not be worked out.
    return found_files.keys_of(host, need("nginx"), need("project").running("nginx")) if started else []


def _close(
    host: Any, changes: Changes, wish: found_files.Wish, who: Sequence[Reader], closed: bool, left: List[str]
) -> None:
    try:
        info = host.stat(wish.path, follow=False)
    except NotFound:
        return  # it was rotated away meanwhile
    if info.kind not in ("file", "dir"):
        left.append("%s is neither a file nor a folder, so it stays as it is" % wish.path)
        return
    if wish.owners is not None and info.uid not in wish.owners:
        left.append("%s belongs to uid %d, neither root's nor the project's owner's: look why" % (wish.path, info.uid))
    if info.kind == "file" and info.links > 1:
        if info.mode & wish.take:
            left.append("%s has another name somewhere (a hard link), so it stays at %04o" % (wish.path, info.mode))
        return
    mode, why = found_files.narrowed(wish, info, who)
    if closed and wish.what in (found_files.SECRET, found_files.PRIVATE_KEY):
        mode = info.mode
    if why:
        left.append(found_files.reason_to_keep(wish, mode, why))
    if mode != info.mode:
        changes.access(wish.path, mode, strict=True)


# -- the system ----------------------------------------------------------------------------------------------------------


def _system(host: Any, changes: Changes) -> None:
    shadow = _gid(host, "shadow")
    for path, ceiling in _ceilings(host):
        try:
            info = host.stat(path, follow=False)
        except NotFound:
            continue
        if info.kind not in ("file", "dir"):
            continue  # what a link leads to is not the system's own file
        mode = info.mode & (ceiling.mode | ~0o777)
        gid = info.gid
        if ceiling.shadow and gid not in (0, shadow):
            gid = 0
        changes.access(path, mode, 0, gid)


def _ceilings(host: Any) -> Iterator[Tuple[str, places.Ceiling]]:
    yield from places.SYSTEM.items()
    for folder, names, ceiling in places.SYSTEM_NAMES:
        try:
            found = host.listdir(folder)
        except NotFound:
            continue
        for name in found:
            if names.search(name):
                yield posixpath.join(folder, name), ceiling


def _gid(host: Any, group: str) -> Optional[int]:
    for line in host.read("/etc/group").splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and fields[0] == group and fields[2].isdigit():
            return int(fields[2])
    return None


# -- accounts ------------------------------------------------------------------------------------------------------------


def _accounts(
    host: Any, changes: Changes, params: Dict[str, Any], people: Sequence[rules.Person], left: List[str]
) -> None:
    facts = accounts.collect(host, None)
    own = {person.name for person in people}
    empty = facts["empty_passwords"]
    if not isinstance(empty, list):
        raise ChangeError("whether a password is empty is not known: %s" % empty.detail)
    for name in empty:
        if name in own:
            left.append("%s, who runs this, has an empty password: set one with `passwd`" % name)
        elif params["empty_passwords"] == LOCK:
            changes.run(["usermod", "--lock", name], "%s has an empty password: it is locked" % name)
        else:
            left.append("%s has an empty password: lock it with `passwd -l %s`" % (name, name))
    for name in facts["uid0"]:
        if name == "root":
            continue
        if params["extra_root"] == LOCK and name not in own and not _is_shut(host, name):
            # Its number stays: the system's own files would be its, and nobody can say what runs by that name.
            changes.run(
                ["usermod", "--lock", "--expiredate", "1", "--shell", "/usr/sbin/nologin", name],
                "%s is root by its number: nobody logs in by it any more" % name,
            )
        left.append(
            "%s has uid 0 as root has: when nothing needs it, take its line out of /etc/passwd and /etc/shadow (vipw, vipw -s)%s"
            % (name, "" if params["extra_root"] == LOCK else ", or set permissions_extra_root to lock")
        )


def _is_shut(host: Any, name: str) -> bool:
    """Tell whether an account is locked, expired and without a shell already."""
    shadow = _row(host, "/etc/shadow", name)
    passwd = _row(host, "/etc/passwd", name)
    return len(shadow) > 7 and shadow[1].startswith("!") and shadow[7] == "1" and passwd[6:] == ["/usr/sbin/nologin"]


def _row(host: Any, path: str, name: str) -> List[str]:
    return next((line.split(":") for line in host.read(path).splitlines() if line.startswith(name + ":")), [])


# -- sudoers -------------------------------------------------------------------------------------------------------------


def _sudoers(
    host: Any, changes: Changes, params: Dict[str, Any], people: Sequence[rules.Person], left: List[str]
) -> None:
    if host.which("sudo") is None:
        return
    try:
        found = accounts.rules_of(host)
    except (Missing, HostError) as error:
        left.append("sudoers could not be read, so it stays as it is: %s" % (getattr(error, "detail", "") or error))
        return
    how = params["sudoers"]
    if not people and not params["nopasswd_users"]:
        # Root himself, or nobody that is known: the one account that becomes root from afar may be among those that would lose it.
        how = rules.REPORT
    plan = rules.plan(found, params["nopasswd_users"], people, how)
    left += plan.left
    free = _free([rule.text for rule in found])
    left += [
        "%s, who runs this, becomes root without a password and keeps that: the audit allows it when its policy nopasswd_users names %s"
        % (person.name, person.name)
        for person in people
        if person.name not in params["nopasswd_users"] and rules.is_free(person, free)
    ]
    if plan.left and how != params["sudoers"]:
        left.append(
            "sudoers stays as it is, since who administers this host is not known: say so in permissions_nopasswd_users"
        )
    edits = []
    kept = {person.name for person in people}.union(params["nopasswd_users"])
    for edit in plan.edits:
        # Whoever has no password to give would be cut off from root: that is for people to decide.
        stuck = [name for name in _without_password(host, edit.names) if how == rules.PASSWORD and name not in kept]
        if stuck:
            left.append(
                "%s stays: %s has no password that sudo could ask for; set one with `passwd %s` and run again, name it in "
                "permissions_nopasswd_users, or set permissions_sudoers to disable"
                % (rules.place_of(edit.rule), stuck[0], stuck[0])
            )
        else:
            edits.append(edit)
    if not edits:
        return
    texts = {edit.rule.path: changes.read(edit.rule.path) or "" for edit in edits}
    wanted = rules.applied(texts, edits)
    before, after = (
        [rule.text for rule in found],
        [rule.text for rule in accounts.rules_of(rules.Overlay(host, wanted))],
    )
    for person in people:
        if rules.is_free(person, _free(before)) and not rules.is_free(person, _free(after)):
            raise ChangeError(
                "sudoers stays as it is: without the named lines %s could not sudo any more" % person.name
            )
    for path, text in wanted.items():
        _validate(host, path, text)
    works = [person for person in people if not changes.check and _may_sudo(host, person)]
    for path, text in wanted.items():
        # The mode is none of this step's business, apart from what nobody may have.
        changes.file(path, text, mode=None, uid=0, gid=None)
    if changes.check:
        return
    problem = _problem(host, works)
    if problem:
        for path, text in texts.items():
            Changes(host, False).file(path, text, mode=None, uid=None, gid=None)
        raise ChangeError("sudoers was put back as it was: %s" % problem)


def _without_password(host: Any, names: Sequence[str]) -> List[str]:
    """Return the accounts, of these and of these groups' members, that have a shell and no password to give."""
    members: List[str] = []
    for name in names:
        row = _row(host, "/etc/group", name[1:]) if name.startswith("%") else []
        members += row[3].strip().split(",") if len(row) > 3 else [name]
    rows = [_row(host, "/etc/passwd", name) for name in dict.fromkeys(members)]
    known = [row[0] for row in rows if row and posixpath.basename(row[-1]) not in NO_LOGIN]
    # A password that is locked begins with "!", and what stands behind it is none that sudo would take.
    return [name for name in known if (_row(host, "/etc/shadow", name) + ["", ""])[1][:1] in ("*", "!")]


def _free(lines: List[str]) -> List[str]:
    """Return who becomes root without a password, as far as the lines are understood."""
    try:
        return passwordless(lines)
    except ValueError:
        return []


def _validate(host: Any, path: str, text: str) -> None:
    try:
        command(host, ["visudo", "-c", "-f", "-"], stdin=text)
    except ChangeError as error:
        raise ChangeError("%s stays as it is, sudo would not take the new one: %s" % (path, error)) from error


def _problem(host: Any, works: Sequence[rules.Person]) -> str:
    """Return what is wrong with sudoers as it now stands, "" where nothing is."""
    try:
        command(host, ["visudo", "-c", "-f", accounts.SUDOERS])
    except ChangeError as error:
        return str(error)
    lost = [person.name for person in works if not _may_sudo(host, person)]
    return "%s could not sudo any more" % ", ".join(lost) if lost else ""


def _may_sudo(host: Any, person: rules.Person) -> bool:
    """Tell whether an account becomes root without being asked, by doing it."""
    try:
        return bool(host.run(["runuser", "-u", person.name, "--", "sudo", "-n", "true"], timeout=15).rc == 0)
    except HostError:
        return False

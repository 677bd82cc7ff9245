# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fail2ban's server does: its jails, what they read, where they ban.

Facts: fail2ban.state is running, stopped or absent; fail2ban.jails maps a jail's name to maxretry, bantime and findtime (seconds, -1 is
for ever), ignoreip, ignorecommand, banned, source {kind: file or journal, files, matches, age: seconds since it last grew, or None where
it never did}, source_live, and actions [{name, places: chains of iptables, hooks of nftables, or route, ports: as written, [] for all}].
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, List, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse import fail2ban as parse

CLIENT = "fail2ban-client"
# A log that has not grown for so long is taken for dead: sessions and timers write to the system's logs every day.
LIVE_SECONDS = 2 * 86400
NOT_RUNNING = ("Is fail2ban running?", "Failed to access socket")
REFUSED = ("Sorry", "'Invalid", "Invalid")
PER_JAIL = (
    "status %s",
    "get %s maxretry",
    "get %s bantime",
    "get %s findtime",
    "get %s logpath",
    "get %s journalmatch",
    "get %s ignoreip",
    "get %s ignorecommand",
)
PER_ACTION = ("get %s action %s actionstart", "get %s action %s actionban")


def collect(host: Any, need: Any) -> Dict[str, Any]:
    if host.which(CLIENT) is None:
        return {"state": "absent", "jails": {}}
    if host.euid() != 0:
        raise HostError(Reason.NEEDS_ROOT, CLIENT, "only root may ask fail2ban")
    known = parse.configured(_run(host, ["-d"]).out)
    answers = _ask(host, known)
    if answers is None:
        return {"state": "stopped", "jails": {}}
    running = _read(lambda: parse.jails(answers["status"]))
    unasked = [name for name in running if name not in known]
    if unasked:
        # The server was not reloaded since its configuration lost these jails.
        answers.update(_ask(host, dict.fromkeys(unasked, [])) or {})
    return {"state": "running", "jails": {name: _jail(host, name, known.get(name), answers) for name in running}}


def _run(host: Any, arguments: List[str], stdin: str = "") -> Any:
    return host.run([CLIENT] + arguments, timeout=5.0, stdin=stdin)


def _ask(host: Any, jails: Dict[str, List[str]]) -> Optional[Dict[str, str]]:
    """Ask the server everything in one go, since each client is a Python program to start. None where it does not run."""
    questions = ["status"]
    for jail, actions in jails.items():
        questions += [question % jail for question in PER_JAIL]
        questions += [question % (jail, action) for action in actions for question in PER_ACTION]
    done = _run(host, ["-i"], "\n".join(questions) + "\n")
    if any(text in done.err for text in NOT_RUNNING):
        return None
    try:
        return dict(zip(questions, parse.answers(done.out, len(questions))))
    except ValueError as error:
        raise HostError(Reason.PARSE_ERROR, CLIENT, first_line(done.err) or str(error)) from None


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (ValueError, KeyError) as error:
        raise Missing(CLIENT, Reason.PARSE_ERROR, "the answer of fail2ban-client is not understood") from error


def _jail(host: Any, name: str, actions: Optional[List[str]], answers: Dict[str, str]) -> Dict[str, Any]:
    status, maxretry, bantime, findtime, logpath, journalmatch, ignoreip, ignorecommand = (
        answers.get(question % name, "") for question in PER_JAIL
    )

    def leaf(read: Callable[[], Any]) -> Any:
        return attempt(lambda: _read(read))

    kind = leaf(lambda: parse.kind(status))
    files, matches = parse.files(logpath), parse.matches(journalmatch)
    age = kind if isinstance(kind, Unread) else attempt(lambda: AGE[kind](host, files, matches))
    return {
        "maxretry": leaf(lambda: int(maxretry)),
        "bantime": leaf(lambda: int(bantime)),
        "findtime": leaf(lambda: int(findtime)),
        "ignoreip": leaf(lambda: parse.ignored(ignoreip)),
        "ignorecommand": leaf(lambda: _plain(answers["get %s ignorecommand" % name])),
        "banned": leaf(lambda: parse.banned(status)),
        "source": {"kind": kind, "files": files, "matches": matches, "age": age},
        "source_live": age
        if isinstance(age, Unread)
        else age is not None and (kind == "journal" or age <= LIVE_SECONDS),
        "actions": Unread(Reason.ERROR, "the jail is not in the configuration any more")
        if actions is None
        else [
            {
                "name": action,
                "places": leaf(partial(_scripts, parse.places, name, action, answers)),
                "ports": leaf(partial(_scripts, parse.ports, name, action, answers)),
            }
            for action in actions
        ],
    }


def _plain(answer: str) -> str:
    if answer.startswith(REFUSED):
        raise ValueError("the server refused to say")
    return answer


def _scripts(read: Callable[[List[str]], List[str]], jail: str, action: str, answers: Dict[str, str]) -> List[str]:
    scripts = [answers[question % (jail, action)] for question in PER_ACTION]
    if any(script.startswith(REFUSED) for script in scripts):
        raise ValueError("the server does not have this action")
    return read(scripts)


def _file_age(host: Any, files: List[str], matches: List[str]) -> Optional[int]:
    """Return the seconds since one of the files last grew, or None where none exists."""
    times = [info.mtime for info in (_stat(host, path) for path in files) if info is not None]
    return int(host.now() - max(times)) if times else None


def _journal_age(host: Any, files: List[str], matches: List[str]) -> Optional[int]:
    """Return the seconds since the newest entry that a jail reads, or None where it never had one."""
    done = host.run(["journalctl", "-q", "--no-pager", "-n", "1", "-o", "short-unix"] + matches, timeout=3.0)
    words = done.out.split()
    if done.rc != 0 and not words:
        raise HostError(Reason.ERROR, "journalctl", first_line(done.err) or "failed")
    return int(host.now() - _read(lambda: float(words[0]))) if words else None


AGE = {"file": _file_age, "journal": _journal_age}


def _stat(host: Any, path: str) -> Any:
    try:
        return host.stat(path)
    except NotFound:
        return None


COLLECTORS = (Collector("fail2ban", collect, deadline=8.0),)

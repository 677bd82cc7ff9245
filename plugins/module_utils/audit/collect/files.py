# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the deployment that hold secrets: who may read them, and whether git would carry them away.

Facts `files`: entries[], folders[], git (None outside a work tree, else tracked[] and not_ignored[]).
"""

from __future__ import annotations

import posixpath
import re
from functools import partial
from typing import Any, Dict, List, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import is_secret_name
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, exists, first_line

# Templates are meant to be read and committed.
TEMPLATES = re.compile(r"\.(example|sample|template|dist)$")
ENV_NAMES = re.compile(r"^\.env|[._-]env$|^env[._-]|\.env[._-]")
ANY_NAME = re.compile(r"")
COMPOSE_NAMES = re.compile(r"^(docker-)?compose([.-].*)?\.ya?ml$")
# NAME: value and NAME=value wherever they stand on a line; a value ends where YAML's flow syntax goes on.
ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[\"']?\s*[:=]\s*[\"']?(\$\{[^}]*\}|[^\s\"'#,}{]+)")
# ${NAME} and ${NAME:?message} hold no value; ${NAME:-value} does.
REFERENCE = re.compile(r"^\$\{?[A-Za-z_][A-Za-z0-9_]*(:?[?][^}]*|:?-(\$\{[^}]*)?)?\}?\}?$")
URL_PASSWORD = re.compile(r"://[^:/@\s\"']+:([^@/\s\"'$][^@/\s\"']*)@")
# A work tree's configuration can make git run programs and fetch, so it is asked as the work tree's owner and kept off the network.
GIT = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false"]
GIT_ENVIRONMENT = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts of the project's folder. Not collected (Missing) where there is no one project."""
    directory = need("deployment")["directory"]
    if not directory:
        return {"entries": [], "folders": [], "git": None}
    env_files = _env_files(host, directory)
    return {
        "entries": [
            {"path": path, "kind": kind, "info": attempt(partial(read, host, path))}
            for kind, read, paths in (
                ("env", _info, env_files),
                ("compose", _compose_info, _compose_files(host, directory)),
            )
            for path in paths
        ],
        "folders": attempt(lambda: _folders(host, directory)),
        "git": attempt(lambda: git_of(host, directory, env_files)),
    }


def _env_files(host: Any, directory: str) -> List[str]:
    """Return the files that hold secrets by their names: env files and their copies, and everything in secrets/."""
    inner = posixpath.join(directory, ".environments")
    try:
        folders = [posixpath.join(inner, name) for name in host.listdir(inner)]
    except NotFound:
        folders = []
    out = []
    for folder, wanted in (
        [(directory, ENV_NAMES)]
        + [(place, ENV_NAMES) for place in folders]
        + [(posixpath.join(directory, "secrets"), ANY_NAME)]
    ):
        try:
            names = host.listdir(folder)
        except NotFound:
            continue
        out += [posixpath.join(folder, name) for name in names if wanted.search(name) and not TEMPLATES.search(name)]
    return [path for path in out if host.stat(path, follow=False).kind in ("file", "link")]


def _info(host: Any, path: str) -> Dict[str, Any]:
    info = host.stat(path)
    return {"mode": info.mode, "uid": info.uid, "gid": info.gid}


def _compose_files(host: Any, directory: str) -> List[str]:
    try:
        names = host.listdir(directory)
    except NotFound:
        return []
    return [posixpath.join(directory, name) for name in names if COMPOSE_NAMES.match(name)]


def _compose_info(host: Any, path: str) -> Dict[str, Any]:
    return dict(_info(host, path), inline=inline_secrets(host.read(path)))


def inline_secrets(text: str) -> List[str]:
    """Return the names of secrets whose value stands in a compose file itself, not as a ${VARIABLE}."""
    found = set()
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        for match in ASSIGNMENT.finditer(line):
            if is_secret_name(match.group(1)) and not REFERENCE.match(match.group(2)):
                found.add(match.group(1))
        if URL_PASSWORD.search(line):
            found.add("a URL's password")
    return sorted(found)


def _folders(host: Any, directory: str) -> List[Dict[str, Any]]:
    """Return the project's folder and everything above it, nearest first."""
    out = []
    path = host.realpath(directory)
    while True:
        out.append(dict(_info(host, path), path=path))
        if path == "/":
            return out
        path = posixpath.dirname(path)


def git_of(host: Any, directory: str, paths: List[str]) -> Optional[Dict[str, Any]]:
    """Return which of a folder's files git has {tracked} and would take {not_ignored}; None outside a work tree."""
    if not any(exists(host, posixpath.join(folder["path"], ".git")) for folder in _folders(host, directory)):
        return None
    names = [posixpath.relpath(path, directory) for path in paths]
    if not names:
        return {"tracked": [], "not_ignored": []}
    info = host.stat(directory)

    def git(*words: str, stdin: str = "") -> Any:
        return host.run(GIT + list(words), cwd=directory, env=GIT_ENVIRONMENT, owner=(info.uid, info.gid), stdin=stdin)

    try:
        tracked = git("ls-files", "-z", "--cached", "--", *names)
        # It takes -z for names on its standard input only.
        ignored = git("check-ignore", "--no-index", "-z", "--stdin", stdin="\0".join(names) + "\0")
    except HostError as error:
        raise error.missing("files.git") from error
    # check-ignore exits 1 where nothing is ignored.
    if tracked.rc or ignored.rc not in (0, 1):
        raise Missing("files.git", Reason.ERROR, "git: " + first_line(tracked.err or ignored.err))
    known, hidden = set(tracked.out.split("\0")), set(ignored.out.split("\0"))
    return {
        "tracked": [name for name in names if name in known],
        "not_ignored": [name for name in names if name not in known and name not in hidden],
    }


COLLECTORS = (Collector("files", collect, deadline=20.0),)

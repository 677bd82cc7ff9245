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
from ansible_collections.nself.prod.plugins.module_utils.deployment.compose import FILE_NAMES, OVERRIDE_NAMES
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line

# Templates are meant to be read and committed.
TEMPLATES = re.compile(r"\.(example|sample|template|dist)$")
ASSIGNMENT = re.compile(r"^\s*-?\s*[\"']?([A-Za-z_][A-Za-z0-9_]*)[\"']?\s*[:=]\s*[\"']?([^\s\"'#][^\"'#]*)")
# Git reads configuration of the work tree, which is not root's: these entries could make it run something.
GIT = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]


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
        "git": attempt(lambda: _git(host, directory, env_files)),
    }


def _env_files(host: Any, directory: str) -> List[str]:
    folders = [directory]
    inner = posixpath.join(directory, ".environments")
    try:
        folders += [posixpath.join(inner, name) for name in host.listdir(inner)]
    except NotFound:
        pass
    out = []
    for folder in folders:
        try:
            names = host.listdir(folder)
        except NotFound:
            continue
        out += [
            posixpath.join(folder, name) for name in names if name.startswith(".env") and not TEMPLATES.search(name)
        ]
    return [path for path in out if host.stat(path, follow=False).kind in ("file", "link")]


def _info(host: Any, path: str) -> Dict[str, Any]:
    info = host.stat(path)
    return {"mode": info.mode, "uid": info.uid, "gid": info.gid}


def _compose_files(host: Any, directory: str) -> List[str]:
    try:
        names = host.listdir(directory)
    except NotFound:
        return []
    return [posixpath.join(directory, name) for name in names if name in FILE_NAMES + OVERRIDE_NAMES]


def _compose_info(host: Any, path: str) -> Dict[str, Any]:
    return dict(_info(host, path), inline=inline_secrets(host.read(path)))


def inline_secrets(text: str) -> List[str]:
    """Return the names of secrets whose value stands in a compose file itself, not as a ${VARIABLE}."""
    found = (ASSIGNMENT.match(line) for line in text.splitlines())
    return sorted(
        {match.group(1) for match in found if match and is_secret_name(match.group(1)) and "$" not in match.group(2)}
    )


def _folders(host: Any, directory: str) -> List[Dict[str, Any]]:
    """Return the project's folder and everything above it, nearest first."""
    out = []
    path = host.realpath(directory)
    while True:
        out.append(dict(_info(host, path), path=path))
        if path == "/":
            return out
        path = posixpath.dirname(path)


def _git(host: Any, directory: str, paths: List[str]) -> Optional[Dict[str, Any]]:
    if not any(_exists(host, posixpath.join(folder["path"], ".git")) for folder in _folders(host, directory)):
        return None
    names = [posixpath.relpath(path, directory) for path in paths]
    if not names:
        return {"tracked": [], "not_ignored": []}
    try:
        tracked = host.run(GIT + ["ls-files", "-z", "--cached", "--"] + names, cwd=directory)
        ignored = host.run(GIT + ["check-ignore", "--no-index", "-z", "--"] + names, cwd=directory)
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


def _exists(host: Any, path: str) -> bool:
    try:
        host.stat(path)
    except NotFound:
        return False
    return True


COLLECTORS = (Collector("files", collect, deadline=20.0),)

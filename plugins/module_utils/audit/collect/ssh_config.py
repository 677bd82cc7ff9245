# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that sshd reads: which there are, who may change them, and what their Match blocks depend on."""

from __future__ import annotations

import fnmatch
import os
from typing import Any, Dict, List, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound, exists
from ansible_collections.nself.prod.plugins.module_utils.parse import sshd

CONFIG = "/etc/ssh/sshd_config"
DEPTH = 16  # sshd's own limit of nested Include lines

Criteria = List[Tuple[str, List[str]]]


def config_file(options: Sequence[str]) -> str:
    """Return the configuration file that a daemon with these options reads."""
    path = CONFIG
    for option, after in zip(options, list(options[1:]) + [""]):
        if option[:2] == "-f":
            path = option[2:] or after
    return path


def read_config(host: Any, path: str) -> Tuple[List[Dict[str, Any]], Criteria]:
    """Return (files and drop-in directories with owner, mode, time of the last change; criteria of all Match lines).

    Raises HostError or Missing where a file cannot be read or understood: a Match block may then be overlooked.
    """
    files, criteria = [], []  # type: List[Dict[str, Any]], Criteria
    _read(host, path, files, criteria, 0)
    return files, criteria


def _read(host: Any, path: str, files: List[Dict[str, Any]], criteria: Criteria, depth: int) -> None:
    if depth > DEPTH:
        raise Missing("ssh.config", Reason.PARSE_ERROR, "%s: too many nested Include lines" % path)
    note(host, path, files)
    try:
        includes, found = sshd.parse_config(host.read(path))
    except ValueError as error:
        raise Missing("ssh.config", Reason.PARSE_ERROR, "%s: %s" % (path, error)) from error
    criteria += found
    for pattern in includes:
        for included in expand(host, os.path.join("/etc/ssh", pattern), files):
            _read(host, included, files, criteria, depth + 1)


def note(host: Any, path: str, files: List[Dict[str, Any]]) -> None:
    if all(file["path"] != path for file in files):
        info = host.stat(path)
        # An old file that was copied or moved here keeps its mtime; its ctime tells.
        changed = max(info.mtime, info.ctime)
        files.append({"path": path, "kind": info.kind, "mode": info.mode, "uid": info.uid, "changed": changed})


def expand(host: Any, pattern: str, files: List[Dict[str, Any]]) -> List[str]:
    """Return what glob(3) would, and note the directories: one that changed may have lost a file that the daemon still obeys."""
    paths = ["/"]
    for part in pattern.strip("/").split("/"):
        if not any(char in part for char in "*?["):
            paths = [os.path.join(path, part) for path in paths]
            continue
        found = []
        for path in paths:
            try:
                names = host.listdir(path)
            except NotFound:
                continue
            note(host, path, files)
            # glob(3) leaves hidden files out, and does not match a leading dot with a wildcard.
            found += [os.path.join(path, name) for name in names if fnmatch.fnmatchcase(name, part) and name[0] != "."]
        paths = found
    return [path for path in paths if exists(host, path)]

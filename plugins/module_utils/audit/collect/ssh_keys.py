# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys around sshd: its host keys and the authorized_keys of users, with who may touch the files.

Only types and sizes leave here.
"""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Any, Dict, List, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.ssh_users import User
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import ssh_wire

FILE_LIMIT = 1024 * 1024


def host_keys(host: Any, paths: Sequence[str], groups: Dict[int, str]) -> List[Dict[str, Any]]:
    """Return {path, mode, uid, group, key {type, bits}} of each host key that exists; sshd leaves the others out too."""
    found = []
    for path in paths:
        try:
            info = host.stat(path)
        except NotFound:
            continue
        found.append(
            {
                "path": path,
                "mode": info.mode,
                "uid": info.uid,
                "group": groups.get(info.gid, str(info.gid)),
                "key": attempt(partial(_host_key, host, path)),
            }
        )
    return found


def _host_key(host: Any, path: str) -> Dict[str, Any]:
    """Return {type, bits}: from the private file, which cannot be stale, or from the .pub beside it for older formats."""
    try:
        found = ssh_wire.key_of_private_file(host.read(path, FILE_LIMIT))
        if found is None:
            found = ssh_wire.key_of_line(host.read(path + ".pub", FILE_LIMIT))
    except ValueError as error:
        raise Missing("ssh.host_keys", Reason.PARSE_ERROR, "%s: %s" % (path, error)) from error
    return {"type": found[0], "bits": found[1]}


def key_paths(user: User, patterns: Sequence[str]) -> List[str]:
    """Return the files that AuthorizedKeysFile means for a user."""
    tokens = {"%h": user.home, "%u": user.name, "%U": str(user.uid), "%%": "%"}
    wanted = [pattern for pattern in dict.fromkeys(patterns) if pattern.lower() != "none"]
    return [
        os.path.join(user.home, re.sub(r"%[huU%]", lambda found: tokens[found.group(0)], pattern)) for pattern in wanted
    ]


def has_key_file(host: Any, user: User, patterns: Sequence[str]) -> bool:
    """Return whether a user has any authorized_keys file. Raises HostError where that cannot be seen."""
    for path in key_paths(user, patterns):
        try:
            host.stat(path)
            return True
        except NotFound:
            continue
    return False


def key_files(host: Any, paths: Sequence[str], home: str) -> List[Dict[str, Any]]:
    """Return {path, keys [{line, type, bits}], trail} of the files that exist. Raises HostError."""
    files = []
    for path in paths:
        try:
            text = host.read(path, FILE_LIMIT)
        except NotFound:
            continue
        files.append({"path": path, "keys": ssh_wire.parse_authorized_keys(text), "trail": trail(host, path, home)})
    return files


def trail(host: Any, path: str, home: str) -> List[Dict[str, Any]]:
    """Return {path, uid, mode} of a file and its directories up to the home, else to the root: what StrictModes looks at."""
    place, stop, trail = host.realpath(path), host.realpath(home), []
    while True:
        info = host.stat(place)
        trail.append({"path": place, "uid": info.uid, "mode": info.mode})
        if place in (stop, "/") or place == os.path.dirname(place):
            return trail
        place = os.path.dirname(place)

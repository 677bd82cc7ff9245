# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a container does not see what is mounted into it any more.

A mount holds to the very file that was there when the container was started. Whoever puts another file in its place, as rsync, tar, git and
most editors do, leaves the container with the old one; and where it is the place below the mount that gets another file, as when a file of
ours is mounted over one in a mounted folder, the kernel takes the mount away and the container sees that other file.
"""

from __future__ import annotations

import os
import stat as stat_module
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional

from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import FOLDER
from ansible_collections.nself.prod.plugins.module_utils.host import READ_LIMIT, open_strictly


@dataclass(frozen=True)
class Seen:
    """What stands at a path. content: of a regular file, up to what is read of one."""

    device: int
    inode: int
    content: Optional[bytes]


def stale(stack: Any, service: str, texts: Mapping[str, str]) -> List[str]:
    """Return the paths in a service's container at which it does not see what is mounted there. Starting it again mends them.

    texts: {path in the project: what it will hold}. Only mounts of ours count, and of nginx all that come from the project: by the project's
    files it is judged what nginx reads.
    """
    item = stack.inspect(service)
    if item is None or not stack.running(service):
        return []
    root = stack.root(service)
    if not os.path.isdir(root):
        return []  # it has ended, or is just being started again
    every = service in stack.of("nginx")
    out = []
    for mount in item.get("Mounts") or []:
        source = _in_project(stack, str(mount.get("Source") or "")) if mount.get("Type") == "bind" else ""
        if source and (every or source.startswith(FOLDER + "/")):
            target = str(mount.get("Destination"))
            if _differs(stack, target, root, source, texts.get(source)):
                out.append(target)
    return sorted(out)


def look(path: str, root: str = "/") -> Optional[Seen]:
    """Return what stands at a path below a root, None where nothing does. Raises OSError, also for a link on the way."""
    # What is no regular file is never opened for reading.
    try:
        place = open_strictly(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, root)
    except FileNotFoundError:
        return None
    try:
        info = os.fstat(place)
        content = None
        if stat_module.S_ISREG(info.st_mode):
            with open("/proc/self/fd/%d" % place, "rb") as stream:
                content = stream.read(READ_LIMIT)
        return Seen(info.st_dev, info.st_ino, content)
    finally:
        os.close(place)


def _differs(stack: Any, target: str, root: str, source: str, text: Optional[str]) -> bool:
    try:
        there = look(target, root)
        meant = look(os.path.realpath(stack.path(source)))
    except OSError:
        return False  # a link on the way: that is nothing to start it again for
    if text is not None:
        return there is None or there.content != text.encode("utf-8")
    if meant is None:
        # What is ours is made by the run; what is somebody's own would not be there after a start either.
        return source.startswith(FOLDER + "/")
    if there is None or (there.device, there.inode) == (meant.device, meant.inode):
        return there is None
    return meant.content is None or there.content != meant.content


def _in_project(stack: Any, source: str) -> str:
    """Return a path relative to the project's folder, "" where it is not in it."""
    for folder in (stack.directory, os.path.realpath(stack.directory)):
        inside = folder.rstrip("/") + "/"
        if source.startswith(inside):
            return source[len(inside) :]
    return ""

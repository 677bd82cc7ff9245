# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a container from outside, through /proc/<pid>/root: the kernel follows an absolute link there from this process' own root.

So links are followed by hand, and never lead out of the container.
"""

from __future__ import annotations

from typing import Any, List

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

MOST_LINKS = 40  # as in the kernel: more is a cycle


def root_of(pid: Any) -> str:
    """Return the root that a process sees."""
    return "/proc/%s/root" % pid


def inside(host: Any, root: str, path: str) -> str:
    """Return where a path of a root is for us, without links. Raises HostError for links in a circle."""
    left, links = path.split("/"), 0
    done: List[str] = []
    while left:
        part = left.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            done = done[:-1]
            continue
        try:
            target = host.readlink("/".join([root] + done + [part]))
        except HostError:
            done.append(part)  # no link; what is not there, or closed to us, is for the caller to meet
            continue
        links += 1
        if links > MOST_LINKS:
            raise HostError(Reason.ERROR, path, "too many symbolic links")
        done = [] if target.startswith("/") else done
        left = target.split("/") + left
    return "/".join([root] + done)

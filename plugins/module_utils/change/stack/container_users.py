# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""As whom a service is to run. Read from what runs and from who owns its data: no data is handed to anybody for it."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.tables.host_paths import SOCKET_FOLDERS, SOCKETS
from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_facts import Mount, Seen
from ansible_collections.nself.prod.plugins.module_utils.change.tables import container_needs as table
from ansible_collections.nself.prod.plugins.module_utils.change.tables.container_needs import Needs

ROOTS = ("root", "0")


@dataclass(frozen=True)
class Identity:
    """user: what to set, "" leaves what is there; root: whether its main process stays root; drops: it gives root up by itself for others.

    folders: empty folders of the project that are to be that user's; left: why it stays root and what to do about it, "" where it is well.
    """

    user: str = ""
    root: bool = False
    drops: bool = False
    folders: Tuple[str, ...] = ()
    left: str = ""

    def numbers(self, seen: Seen) -> Optional[Tuple[int, int]]:
        """Return its (uid, gid) where they are known."""
        words = self.user.split(":")
        if self.user and all(word.isdigit() for word in words):
            return int(words[0]), int(words[-1])
        if self.user:
            return None
        return (0, 0) if self.root else seen.main


def is_root(user: str) -> bool:
    """Tell whether a `user:` value, or an image's, is root."""
    return user.partition(":")[0] in ("",) + ROOTS


def decide(
    service: str,
    model: Mapping[str, Any],
    needs: Needs,
    seen: Seen,
    given: Optional[str],
    project: Tuple[str, Tuple[int, int]],
) -> Identity:
    """Return as whom a service is to run. given: what the operator says; project: its folder and who owns it."""
    if given is not None:
        return Identity(user=given, root=is_root(given))
    said = str(model.get("user") or "")
    if said and not is_root(said):
        return Identity()
    if needs is table.INIT:
        return Identity(root=True)
    if said:
        return Identity(root=True, left="%s runs as root, as its file says (user: %s)" % (service, said))
    if not is_root(seen.image_user) and seen.user in ("", seen.image_user):
        return Identity()
    if seen.main is not None and seen.main[0] != 0:
        return Identity(user="%d:%d" % seen.main)
    if not is_root(seen.user) and not seen.running:
        return Identity(user=seen.user)
    if needs.root:
        return Identity(root=True, left="" if needs.workers else "%s stays root: %s" % (service, needs.root))
    if needs.data:
        data = [mount for mount in seen.mounts if mount.target == needs.data]
        if data and (needs.user == "" or data[0].owner != (0, 0)):
            return _owner(service, data, project, seen)
    if needs.user:
        return Identity(user=needs.user)
    return _unknown(service, seen, project)


def _unknown(service: str, seen: Seen, project: Tuple[str, Tuple[int, int]]) -> Identity:
    advice = "; name what it can run as in containers_users"
    if not seen.running:
        return Identity(root=True, left="%s does not run, so it is not known as whom it could%s" % (service, advice))
    if len(seen.uids) > 1:
        return Identity(
            root=True,
            drops=True,
            left="%s stays root: it begins as root and starts others as somebody else%s" % (service, advice),
        )
    for mount in seen.mounts:
        if mount.source in SOCKETS or mount.source in SOCKET_FOLDERS:
            return Identity(root=True, left="%s stays root: it speaks to Docker's socket" % service)
        if not mount.rw and mount.hidden:
            return Identity(
                root=True,
                left="%s stays root: only root may read what it mounts at %s%s" % (service, mount.target, advice),
            )
    writable = [mount for mount in seen.mounts if mount.rw]
    return _owner(service, writable, project, seen) if writable else Identity(user=table.NOBODY)


def _owner(service: str, mounts: List[Mount], project: Tuple[str, Tuple[int, int]], seen: Seen) -> Identity:
    """Return whoever owns all that a service may write. Docker makes a bound folder that is not there as root's: one that is still
    empty goes to the project's owner, who was to have it anyway."""
    free = [mount for mount in mounts if mount.bind and mount.empty and _inside(mount.source, project[0])]
    owners = {mount.owner for mount in mounts if mount not in free or (mount.owner or (0, 0))[0] != 0}
    if not owners and project[1][0] != 0:
        owners = {project[1]}
    known = [owner for owner in owners if owner is not None and owner[0] != 0]
    if len(owners) == 1 and known:
        mine = tuple(mount.source for mount in free if mount.owner != known[0])
        return Identity(user="%d:%d" % known[0], folders=mine)
    rooted = [mount.target for mount in mounts if (mount.owner or (0, 0))[0] == 0 and mount not in free]
    what = (
        "what it writes at %s belongs to root" % ", ".join(rooted)
        if rooted
        else "what it writes belongs to several users"
    )
    return Identity(
        root=True,
        left="%s stays root: %s; give it to one user while the service is stopped, and name that user in containers_users"
        % (service, what),
    )


def _inside(path: str, folder: str) -> bool:
    return posixpath.normpath(path).startswith(posixpath.normpath(folder) + "/")

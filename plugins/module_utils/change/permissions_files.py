# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment's files that only their owner should read: found as the audit finds them, and how far each can be closed.

Nothing is walked: env files, secrets, overrides and keys stand in known places, and what containers keep in volumes is theirs.
"""

from __future__ import annotations

import posixpath
from typing import Any, Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import files, tls_files
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.change.permissions_readers import Reader, real_path, used
from ansible_collections.nself.prod.plugins.module_utils.change.tables import permissions_paths as places
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo, HostError, NotFound, names_in

ALL_OTHERS, READING, ANYTHING = 0o077, 0o044, 0o077
OTHERS_WRITE, OTHERS = 0o002, 0o007
MOST = 400  # names of one folder that are looked at
# What containers are given as a file, so that who reads it has to be known.
SECRET, PRIVATE_KEY = "secret", "private key"
KEY_START = b"PRIVATE KEY-----"


class Wish(NamedTuple):
    """A file or folder that is to be closed.

    take: bits that should go; readable: those of them that a container may go on using; owners: uids it may belong to (None: any);
    what: what it is, for people.
    """

    path: str
    what: str
    take: int
    readable: int = READING
    owners: Optional[FrozenSet[int]] = None


class Found(NamedTuple):
    """What was found: wishes, and a line for people for each thing that is not touched."""

    wishes: Tuple[Wish, ...]
    left: Tuple[str, ...]


def narrowed(wish: Wish, info: FileInfo, readers: Sequence[Reader]) -> Tuple[int, List[Reader]]:
    """Return the mode that a file is to have, and the readers for which some bits stay that should go."""
    kept, why = 0, []
    for reader in readers:
        bits = used(reader, info) & wish.readable & wish.take if reader.has(wish.path) else 0
        if bits:
            kept |= bits
            why.append(reader)
    return info.mode & ~(wish.take & ~kept), why


class Finder:
    """Collects wishes for one project. Every path of one is without links, and stands where it may be touched."""

    def __init__(self, host: Any, directory: str) -> None:
        self._host = host
        self.base = real_path(host, directory)
        self.owners = frozenset((0, host.stat(directory).uid))
        self.wishes: Dict[str, Wish] = {}
        self.left: List[str] = []

    def add(self, path: str, what: str, take: int, anywhere: bool = False, **others: Any) -> None:
        """Wish for a path. anywhere: it may lie outside of the project."""
        real = real_path(self._host, path)
        if not anywhere and not inside(real, self.base):
            self.left.append("%s is a link that leaves the project, to %s: look at that yourself" % (path, real))
            return
        known = self.wishes.get(real)
        # What is wished twice is closed as far as both say.
        self.wishes[real] = Wish(real, what, take | (known.take if known else 0), **others)

    def result(self) -> Found:
        return Found(tuple(self.wishes.values()), tuple(self.left))

    # -- the project's folder ----------------------------------------------------------------------------------------

    def project(self, directory: str) -> None:
        """Env files, compose files with secrets in them, and the folders above. Raises HostError, Missing."""
        facts = files.collect(self._host, lambda _name: {"directory": directory})
        for entry in facts["entries"]:
            info = entry["info"]
            if isinstance(info, Unread):
                self.left.append("%s could not be read: %s" % (entry["path"], info.detail or info.reason))
            elif entry["kind"] == "env":
                secret = posixpath.dirname(entry["path"]).endswith("/secrets")
                self.add(entry["path"], SECRET if secret else "env file", ALL_OTHERS, owners=self.owners)
            elif info["inline"]:
                self.add(entry["path"], "compose file with secrets", ALL_OTHERS, owners=self.owners)
        for folder in _known(facts["folders"], self.left, "the folders above the project"):
            if not folder["mode"] & 0o1000:
                self.add(folder["path"], "folder", OTHERS_WRITE, True, readable=0, owners=self.owners)
        for name in (".environments", "secrets", ".nself-prod"):
            for path in _folders(self._host, posixpath.join(directory, name), name == ".environments"):
                self.add(path, "folder", OTHERS if name == "secrets" else OTHERS_WRITE, readable=ANYTHING)
        git = facts["git"]
        if isinstance(git, Unread):
            self.left.append("git could not be asked which secrets it has: %s" % (git.detail or git.reason))
        elif git:
            for word, names, remedy in (
                ("has", git["tracked"], "take it out with `git rm --cached`, ignore it, and replace the secrets in it"),
                ("would take", git["not_ignored"], "add it to .gitignore"),
            ):
                self.left += ["git %s %s: %s" % (word, posixpath.join(directory, name), remedy) for name in names]

    # -- keys of certificates ----------------------------------------------------------------------------------------

    def named_keys(self, keys: Any) -> None:
        """The keys that nginx names. keys: as tls_files.keys() returns them."""
        for key in _known(keys, self.left, "the keys of nginx"):
            file = key["file"]
            where = ": ".join(part for part in (key["service"], key["path"]) if part)
            if isinstance(file, Unread):
                self.left.append("%s could not be found: %s" % (where, file.detail or file.reason))
            elif file["host_path"] is None:
                if file["mode"] & ALL_OTHERS:
                    self.left.append("%s lies in the container itself, with mode %04o" % (where, file["mode"]))
            else:
                self.key(file["host_path"])
                if file["git"] == "tracked":
                    self.left.append("git has %s: take it out, and replace key and certificate" % file["host_path"])

    def stored_keys(self, directory: str) -> None:
        """Keys that lie where nself and certbot keep them, whether an nginx runs or not."""
        for top in [posixpath.join(directory, name) for name in places.KEY_FOLDERS] + list(places.KEY_STORES):
            for path in _below(self._host, top, places.KEY_DEPTH):
                if places.KEY_NAMES.search(posixpath.basename(path)):
                    self.key(path)

    def key(self, path: str) -> None:
        real = real_path(self._host, path)
        try:
            info, start = self._host.stat(real, follow=False), self._host.read_start(real, 4096)
        except HostError as error:
            self.left.append("%s could not be read: %s" % (path, error.detail or error.reason))
            return
        # Whoever may write nginx's configuration must not have any file of the host closed.
        if KEY_START not in start:
            return
        # A key of root may be read by the group that was made for its reader.
        shared = info.uid == 0 and info.gid != 0
        self.add(real, PRIVATE_KEY, 0o037 if shared else ALL_OTHERS, True)

    # -- backups -----------------------------------------------------------------------------------------------------

    def backups(self, facts: Dict[str, Any]) -> None:
        """The folders of backups, the backups that the audit looks at, and the files of their keys."""
        foreign = set()
        for folder in _known(facts.get("folders", []), self.left, "backups"):
            if not self._is_for_backups(folder["path"], folder["uid"]):
                foreign.add(folder["path"])
                self.left.append(
                    "%s holds backups, but is no folder of their own: run `chmod` there yourself" % folder["path"]
                )
                continue
            self.add(folder["path"], "folder of backups", ALL_OTHERS, True, readable=ANYTHING, owners=self.owners)
        for item in _known(facts.get("files", []), self.left, "backups"):
            if isinstance(item, dict) and posixpath.dirname(item["path"]) not in foreign:
                self.add(item["path"], "backup", ALL_OTHERS, True, owners=self.owners)
        for key in _known(facts.get("keys", []), self.left, "the keys of backups"):
            if key["path"] and key["mode"] & ALL_OTHERS:
                if inside(key["path"], self.base) or places.KEY_OF_BACKUPS.search(posixpath.basename(key["path"])):
                    self.add(key["path"], "key of backups", ALL_OTHERS, True)
                else:
                    self.left.append("%s is named as a key of backups: close it yourself" % key["path"])

    def _is_for_backups(self, path: str, uid: int) -> bool:
        """Tell whether a folder may be closed: a setting may name any, /home and /etc too."""
        if inside(path, self.base):
            return True
        parts = path.strip("/").split("/")
        return (
            len(parts) > 1
            and uid in self.owners
            and not any(inside(path, tree) for tree in places.SYSTEM_TREES)
            and any(places.BACKUP_WORD.search(part) for part in parts)
        )


def inside(path: str, base: str) -> bool:
    return path == base or path.startswith(base.rstrip("/") + "/")


def _known(value: Any, left: List[str], what: str) -> List[Any]:
    if isinstance(value, Unread):
        left.append("%s could not be looked at: %s" % (what, value.detail or value.reason))
        return []
    return list(value)


def _kind(host: Any, path: str) -> str:
    try:
        return str(host.stat(path, follow=False).kind)
    except NotFound:
        return ""


def _folders(host: Any, top: str, inner: bool) -> Iterator[str]:
    if _kind(host, top) == "dir":
        yield top
        for name in names_in(host, top)[:MOST] if inner else ():
            if _kind(host, posixpath.join(top, name)) == "dir":
                yield posixpath.join(top, name)


def _below(host: Any, top: str, depth: int) -> Iterator[str]:
    """Yield the files below a folder, so many levels deep, through no link."""
    if _kind(host, top) != "dir":
        return
    for name in names_in(host, top)[:MOST]:
        path = posixpath.join(top, name)
        kind = _kind(host, path)
        if kind == "file":
            yield path
        elif kind == "dir" and depth > 1:
            yield from _below(host, path, depth - 1)


def keys_of(host: Any, nginxes: Sequence[Any], units: Sequence[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return tls_files.keys() of the running nginxes, each with the mounts of its container."""
    mounts = {unit["service"]: unit["mounts"] for unit in units}
    return tls_files.keys(host, [(nginx, mounts.get(nginx.service, ())) for nginx in nginxes])


def reason_to_keep(wish: Wish, mode: int, why: Sequence[Reader]) -> str:
    """Return a line for people: what stays open, for whom, and what to do."""
    told = ", ".join(
        "container %s as %s" % (reader.name, "an unknown user" if reader.uid is None else "uid %d" % reader.uid)
        for reader in why
    )
    gids = sorted({gid for reader in why for gid in reader.gids})
    remedy = (
        "`chown root:%d` and `chmod 0640` close it to all others" % gids[0] if len(gids) == 1 else "give it one owner"
    )
    return "%s stays at %04o, since it is read by %s: %s" % (wish.path, mode, told, remedy)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys around sshd: which host keys it shows, which keys let users in, and the groups of its Diffie-Hellman exchange."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import ssh_keys, ssh_users
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.ssh_users import User
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import ssh_algorithms
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.tables import sshd as table
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import ssh_wire

Key = Tuple[Optional[str], Optional[int]]


class KeyFile(NamedTuple):
    """A file of keys as it is to be. owner: (uid, gid) of the user; fresh: it and its directory are made or put right."""

    path: str
    text: str
    user: User
    owner: Tuple[int, int]
    fresh: bool


def is_strong(key: Key, least: int = table.RSA_MIN_BITS) -> bool:
    kind, bits = key
    return kind in ssh_algorithms.STRONG_KEYS or (kind == ssh_algorithms.RSA_KEY and (bits or 0) >= least)


# -- host keys -----------------------------------------------------------------------------------------------------------


def host_keys(host: Any, given: Sequence[str], used: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Return (paths for HostKey lines, those of them that have to be made).

    given: by the user; else the strong ones among those that sshd uses. Raises ChangeError for a given one that is weak.
    """
    asked = list(dict.fromkeys(list(given) + list(used) + [table.ED25519_KEY]))
    found = {record["path"]: _key(record["key"]) for record in ssh_keys.host_keys(host, asked, {})}
    for path in given:
        if not os.path.isabs(path) or any(char.isspace() for char in path):
            raise ChangeError("host_keys: %r is no absolute path" % path)
        if path in found and not is_strong(found[path]):
            shown = "%s %s" % found[path] if found[path][0] else "a key that cannot be read"
            raise ChangeError("host_keys: %s holds %s; sshd is to show strong keys only" % (path, shown))
    if given:
        return list(dict.fromkeys(given)), [path for path in dict.fromkeys(given) if path not in found]
    strong = [path for path in found if is_strong(found[path])]
    # One that lies there unused is taken where there is no other.
    strong = [path for path in strong if path in used] or strong
    if strong:
        return sorted(strong, key=lambda path: (found[path][0] == ssh_algorithms.RSA_KEY, path)), []
    if table.ED25519_KEY in found:
        raise ChangeError("%s holds no key that can be read; move it away, so that one is made" % table.ED25519_KEY)
    return [table.ED25519_KEY], [table.ED25519_KEY]


def _key(read: Any) -> Key:
    return (None, None) if isinstance(read, Unread) else (read["type"], read["bits"])


def making(path: str) -> List[str]:
    """Return the command that makes a host key."""
    kind = ["rsa", "-b", str(table.RSA_MIN_BITS)] if "rsa" in os.path.basename(path) else ["ed25519"]
    return ["ssh-keygen", "-q", "-N", "", "-C", "", "-f", path, "-t"] + kind


# -- groups for the key exchange -------------------------------------------------------------------------------------------


def large_moduli(text: str, least: int) -> Tuple[str, int]:
    """Return (the text of a moduli file without groups below so many bits, how many went). The file says one bit less."""
    kept, gone = [], 0
    for line in text.split("\n"):
        fields = line.split()
        small = len(fields) >= 7 and not line.startswith("#") and fields[4].isdigit() and int(fields[4]) < least
        gone += small
        if not small:
            kept.append(line)
    return "\n".join(kept), gone


def has_moduli(text: str) -> bool:
    return any(len(line.split()) >= 7 and not line.startswith("#") for line in text.split("\n"))


# -- keys of users ----------------------------------------------------------------------------------------------------------


def user_keys(host: Any, user: User, patterns: Sequence[str]) -> List[Dict[str, Any]]:
    """Return {path, keys, trail} of a user's key files that exist. Raises HostError."""
    return ssh_keys.key_files(host, ssh_keys.key_paths(user, patterns), user.home)


def has_key(files: Iterable[Mapping[str, Any]]) -> bool:
    return any(key["type"] is not None for file in files for key in file["keys"])


def owners(host: Any) -> Dict[str, Tuple[int, int]]:
    """Return {user: (uid, gid)} of /etc/passwd."""
    rows = [line.split(":") for line in host.read("/etc/passwd").splitlines() if line.count(":") >= 6]
    return {row[0]: (int(row[2]), int(row[3])) for row in rows if row[2].isdigit() and row[3].isdigit()}


def with_keys(host: Any, user: User, owner: Tuple[int, int], wanted: Sequence[str], patterns: Sequence[str]) -> KeyFile:
    """Return a user's key file with the wanted keys in it. Raises ChangeError where one is none, or the file is not safe to write."""
    paths = ssh_keys.key_paths(user, patterns)
    if not paths:
        raise ChangeError("authorized_keys: sshd reads no key files (AuthorizedKeysFile none)")
    path = paths[0]
    try:
        text = read_own(host, path, user.home)
    except NotFound:
        text = ""
    if "\ufffd" in text:
        raise ChangeError("%s is not UTF-8 text; look at it and mend it by hand first" % path)
    there = {_identity(line) for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")}
    for line in wanted:
        line = line.strip()
        if "\n" in line or _identity(line) is None:
            raise ChangeError("authorized_keys: %s: %.40r is no public key" % (user.name, line))
        if _identity(line) not in there:
            text += ("" if not text or text.endswith("\n") else "\n") + line + "\n"
            there.add(_identity(line))
    return KeyFile(path, text, user, owner, True)


def _identity(line: str) -> Optional[str]:
    """Return what makes a key of an authorized_keys file the same key, whatever its options and comment."""
    try:
        ssh_wire.key_of_line(line)
    except ValueError:
        return None
    fields = line.split()
    return next((field for field in fields if field.startswith("AAAA") and len(field) > 30), None)


def without_weak(
    host: Any, user: User, owner: Tuple[int, int], patterns: Sequence[str], planned: Sequence[KeyFile]
) -> Tuple[List[KeyFile], List[str]]:
    """Return (a user's key files with the weak keys out of force, the weak keys that stay since there would be no other).

    planned: files of this user that change anyway; they are among those returned.
    """
    texts = {file.path: file.text for file in planned}
    for path in ssh_keys.key_paths(user, patterns):
        try:
            texts.setdefault(path, host.read(path))
        except NotFound:
            continue
    keys = [(path, key) for path, text in texts.items() for key in ssh_wire.parse_authorized_keys(text) if key["type"]]
    weak = [(path, key["line"]) for path, key in keys if not is_strong((key["type"], key["bits"]))]
    if len(weak) == len(keys):
        return list(planned), ["%s:%d" % place for place in weak]
    out = {file.path: file for file in planned}
    for path in dict.fromkeys(path for path, _line in weak):
        check_place(host, path, user.home)
        if path not in out and read_own(host, path, user.home) != texts[path]:
            raise ChangeError("%s was changed by somebody else while it was looked at; run again" % path)
        lines = texts[path].splitlines(True)
        for _path, number in [place for place in weak if place[0] == path]:
            lines[number - 1] = table.MARKER + lines[number - 1]
        known = out.get(path, KeyFile(path, "", user, owner, False))
        out[path] = known._replace(text="".join(lines))
    return list(out.values()), []


def is_inside(path: str, home: str) -> bool:
    return path.startswith(home.rstrip("/") + "/")


def real_place(host: Any, path: str, home: str) -> str:
    """Return a path in a home by where that home really is: a link to it is the administrator's, one in it is the user's."""
    return os.path.join(host.realpath(home), path[len(home.rstrip("/")) + 1 :]) if is_inside(path, home) else path


def read_own(host: Any, path: str, home: str) -> str:
    """Return the text of a user's key file. What is read is written to a file of his, so it has to be his own to begin with."""
    check_place(host, path, home)
    return str(host.read_strictly(real_place(host, path, home)) if is_inside(path, home) else host.read(path))


def check_place(host: Any, path: str, home: str) -> None:
    """Raise ChangeError where a file in a user's home is or lies behind a link: root would write where the user points."""
    place = path
    while place not in ("/", home.rstrip("/")) and len(place) > 1:
        try:
            if host.stat(place, follow=False).kind == "link":
                raise ChangeError("%s is a link; root does not write through it. Replace it by a real one" % place)
        except NotFound:
            pass
        place = os.path.dirname(place)


def accounts(host: Any) -> List[User]:
    """Return the accounts of this host's own files."""
    return ssh_users.read_users(host)

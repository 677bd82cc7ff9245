# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's backups: where they lie, how old, how large, who may read them, and whether their bytes are encrypted.

Facts `backups`: owner (uid of the project's folder), folders[], files[] (newest first), keys[], offsite[], synced, drilled. No file is read
beyond its first bytes, and no folder deeper than one below the known ones.
"""

from __future__ import annotations

import json
import posixpath
from functools import partial
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import backup_places as places
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import NONE
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import magic
from ansible_collections.nself.prod.plugins.module_utils.parse.rotation_ledger import LedgerError, seconds

HOUR = 3600
NEWEST = 50  # files of a sort that are told of
MOST = 4000  # files that are looked at in all
KEY_LIMIT = 16384  # bytes of a key's file
RCLONE_CONFIGS = ("/root/.config/rclone/rclone.conf", "/etc/rclone.conf")


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts of the one project; empty where there is none."""
    project = need("project")
    directory = project.found.directory
    if not directory:
        if project.state == NONE:
            return {}
        raise Missing("backups", Reason.ERROR, project.found.message or "which project to look at is not known")
    if isinstance(project.chain, Unread):  # it may name the folder
        raise Missing("backups", project.chain.reason, project.chain.detail)
    settings = {name: item.value for name, item in project.settings.items() if item.value.strip()}
    uid = host.stat(directory).uid
    home = attempt(partial(_home, host, uid))
    found = attempt(partial(_look, host, _folders(host, directory, settings, home)))
    return {
        "owner": uid,
        "folders": found if isinstance(found, Unread) else found[0],
        "files": found if isinstance(found, Unread) else found[1],
        "keys": attempt(lambda: _keys(host, directory, settings, need.options.fingerprint_key)),
        "offsite": attempt(lambda: _offsite(host, settings, home)),
        "synced": attempt(lambda: _marker(host, posixpath.join(directory, places.SYNCED), "to")),
        "drilled": attempt(lambda: _marker(host, posixpath.join(directory, places.DRILLED), "file")),
    }


def _home(host: Any, uid: int) -> str:
    for line in host.read("/etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) >= 6 and fields[2] == str(uid):
            return str(fields[5])
    return ""


def _absolute(path: str, directory: str, home: Any) -> str:
    """Return a setting's path as nself, which runs in the project's folder as its owner, takes it."""
    for start in ("~/", "$HOME/", "${HOME}/"):
        if path.startswith(start) and isinstance(home, str) and home:
            path = posixpath.join(home, path[len(start) :])
    return posixpath.normpath(posixpath.join(directory, path))


def _folders(host: Any, directory: str, settings: Dict[str, str], home: Any) -> List[str]:
    """Return the folders that there are, each once."""
    wanted = [posixpath.join(directory, name) for name in places.FOLDERS]
    wanted += [
        _absolute(settings[name], directory, home)
        for name in places.FOLDER_SETTINGS
        if name in settings and "://" not in settings[name]
    ]
    if isinstance(home, str) and home:
        wanted.append(posixpath.join(home, places.HOME_FOLDER))
    out: List[str] = []
    for path in wanted:
        real = host.realpath(path)
        # A setting may be anything: neither the root nor the project itself is a folder of backups.
        if real not in out and real not in ("/", host.realpath(directory)) and _kind(host, real) == "dir":
            out.append(real)
    return out


def _kind(host: Any, path: str) -> str:
    try:
        return str(host.stat(path).kind)
    except NotFound:
        return ""


def _look(host: Any, folders: List[str]) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
    """Return the folders with the ones in them, and the newest backups. Raises HostError, Missing for too many files."""
    seen_folders: List[Dict[str, Any]] = []
    found: List[Tuple[str, FileInfo]] = []
    whole: List[Dict[str, Any]] = []
    waiting = [(path, 0) for path in folders]
    while waiting:
        path, depth = waiting.pop(0)
        info, names = host.stat(path), host.listdir(path)
        if path in [item["path"] for item in seen_folders]:
            continue
        seen_folders.append({"path": path, "mode": info.mode, "uid": info.uid})
        kind = _repository(names)
        if kind is not None:
            whole.append(_whole(host, path, kind, info))
            continue
        for name in names:
            inner = posixpath.join(path, name)
            try:
                entry = host.stat(inner, follow=False)
            except NotFound:
                continue  # it was rotated away meanwhile
            if entry.kind == "dir" and depth == 0:
                waiting.append((inner, 1))
            elif entry.kind == "file" and (_is_copy(inner) or not places.BESIDE.search(name)):
                found.append((inner, entry))
        if len(found) > MOST:
            raise Missing("backups.files", Reason.ERROR, "%s holds more than %d files" % (path, MOST))
    files = [attempt(partial(_file, host, path, info)) for path, info in _newest(found)]
    return seen_folders, sorted(whole, key=lambda item: str(item["path"])) + [item for item in files if item != {}]


def _newest(found: List[Tuple[str, FileInfo]]) -> List[Tuple[str, FileInfo]]:
    """Return the newest files of each sort, newest first: many copies of one sort must not hide the dumps."""
    found = sorted(found, key=lambda item: (-item[1].mtime, item[0]))
    counted: Dict[Tuple[bool, bool], int] = {}
    out = []
    for path, info in found:
        sort = (_is_copy(path), bool(places.OTHER_THAN_DATABASE.search(posixpath.basename(path))))
        counted[sort] = counted.get(sort, 0) + 1
        if counted[sort] <= NEWEST:
            out.append((path, info))
    return out


def _file(host: Any, path: str, info: FileInfo) -> Dict[str, Any]:
    """Return one file; empty for what is no backup."""
    try:
        kind = magic.kind_of(host.read_start(path, magic.SIZE))
    except NotFound:
        return {}
    if kind == magic.TEXT and info.size <= places.NOTE_SIZE and not _is_copy(path):
        return {}
    return {
        "path": path,
        "kind": kind,
        "encrypted": True if kind in magic.ENCRYPTED else False if kind in magic.PLAIN else None,
        "data": kind != magic.KEY and not _is_copy(path),
        "size": info.size,
        "age": _hours(host, info.mtime),
        "mode": info.mode,
        "uid": info.uid,
    }


def _is_copy(path: str) -> bool:
    """Tell whether nself itself put it aside before it wrote a new one: configuration, and no backup of data."""
    return "/_backup/" in path


def _hours(host: Any, when: float) -> int:
    return int((host.now() - when) // HOUR)


def _repository(names: List[str]) -> Optional[Tuple[str, str, Optional[bool]]]:
    for kind, markers, newest, encrypted in places.REPOSITORIES:
        if all(marker in names for marker in markers):
            return kind, newest, encrypted
    return None


def _whole(host: Any, path: str, found: Tuple[str, str, Optional[bool]], info: FileInfo) -> Dict[str, Any]:
    """Return a repository as one backup, as old as the newest in it."""
    kind, newest, encrypted = found
    inside = posixpath.join(path, newest) if newest else path
    when = [host.stat(posixpath.join(inside, name)).mtime for name in host.listdir(inside)[-MOST:]]
    if encrypted is None:
        encrypted = _borg_or_pgbackrest(host, path, kind)
    return {
        "path": path,
        "kind": kind,
        "encrypted": encrypted,
        "data": True,
        "size": None,
        "age": _hours(host, max(when)) if when else None,
        "mode": info.mode,
        "uid": info.uid,
    }


def _borg_or_pgbackrest(host: Any, path: str, kind: str) -> Optional[bool]:
    """Return whether a repository is encrypted, None where it does not tell."""
    if kind.startswith("borg"):
        # Without a key in the repository it is elsewhere, or there is none.
        return True if "\nkey = " in host.read(posixpath.join(path, "config"), 65536) else None
    told: List[Optional[bool]] = []
    for stanza in host.listdir(posixpath.join(path, "backup"))[:8]:
        try:
            start = host.read_start(posixpath.join(path, "backup", stanza, "backup.info"), magic.SIZE)
        except NotFound:
            continue
        kind = magic.kind_of(start)
        told.append(True if kind in magic.ENCRYPTED else False if kind in magic.PLAIN else None)
    return False if False in told else None if None in told or not told else True


# -- keys, the way off the host, markers -------------------------------------------------------------------------------


def _keys(host: Any, directory: str, settings: Dict[str, str], key: str) -> List[Dict[str, Any]]:
    """Return the keys that the env files give or point at: their properties, and the file they stand in (None: the env file)."""
    reducer = Reducer(key)
    out: List[Dict[str, Any]] = [
        {"name": name, "path": None, "mode": None, "secret": reducer.secret(settings[name], name)}
        for name in places.KEY_SETTINGS
        if name in settings
    ]
    for name in places.KEY_FILE_SETTINGS:
        if name in settings:
            path = _absolute(settings[name], directory, "")
            try:
                text, mode = host.read(path, KEY_LIMIT).strip(), host.stat(path).mode
            except NotFound:
                raise Missing(
                    "backups.keys", Reason.ERROR, "%s names %s, which does not exist" % (name, path)
                ) from None
            out.append({"name": name, "path": host.realpath(path), "mode": mode, "secret": reducer.secret(text, name)})
    return out


def _offsite(host: Any, settings: Dict[str, str], home: Any) -> List[str]:
    """Return what is set up to copy off this host, by the names of the settings and files, never by their values."""
    out = [name for name in places.OFFSITE_SETTINGS if name in settings and not _is_local(settings[name])]
    own = [posixpath.join(home, ".config/rclone/rclone.conf")] if isinstance(home, str) and home else []
    for path in sorted(set(own) | set(RCLONE_CONFIGS)):
        try:
            if "\n[" in "\n" + host.read(path):
                out.append(path)
        except NotFound:
            continue
    return out


def _is_local(value: str) -> bool:
    """Tell whether a place is on this host; true and false are no places at all."""
    value = value.strip().lower()
    return value.startswith(("/", "./", "../", "~", "file:")) or value in (
        "true",
        "false",
        "0",
        "1",
        "yes",
        "no",
        "on",
        "off",
        "none",
    )


def _marker(host: Any, path: str, what: str) -> Optional[Dict[str, Any]]:
    """Return a marker's {hours since, what}; None where there is none. Raises Missing for one that says nothing."""
    try:
        text = host.read(path, 65536)
    except NotFound:
        return None
    try:
        found = json.loads(text)
        if not isinstance(found, dict) or not isinstance(found.get(what), str) or not found[what].strip():
            raise LedgerError("it has no %s" % what)
        hours = _hours(host, seconds(found.get("date")))
    except LedgerError as error:
        raise Missing(path, Reason.PARSE_ERROR, "%s: %s" % (path, error)) from None
    except (ValueError, RecursionError):
        raise Missing(path, Reason.PARSE_ERROR, "%s: it is no JSON" % path) from None
    return {"hours": hours}


COLLECTORS = (Collector("backups", collect, deadline=20.0),)

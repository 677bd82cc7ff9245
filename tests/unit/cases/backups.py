# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of backups and of the disks that data is written to."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer

from cases.units import NO_DEPLOYMENT, RANDOM, UNREADABLE, deployment, unit

FOLDER = "/opt/nself/backups"
CLOSED = Unread("needs_root", "permission denied")
NAME = "BACKUP_ENCRYPTION_KEY"
OTHER = RANDOM[::-1]


def has(**backups):
    """Return the facts of a deployment whose backups are so."""
    return {"deployment": {"state": "found"}, "backups": backups}


# -- DATA-20 ---------------------------------------------------------------------------------------------------------


def dump(age=3, size=200000, name="app-20261125.sql.gz", **more):
    return dict({"path": "%s/%s" % (FOLDER, name), "data": True, "kind": "gzip", "age": age, "size": size}, **more)


def dumps(*sizes, age=3):
    """Return dumps of a day each, the newest first."""
    return has(files=[dump(age + 24 * day, size, "app-%d.sql.gz" % day) for day, size in enumerate(sizes)])


def none(offsite=()):
    return has(files=[], offsite=list(offsite))


# -- DATA-21, DATA-22 ------------------------------------------------------------------------------------------------


def kinds(*found, flag=None):
    """Return backups of (kind, encrypted), and what the env file says."""
    facts = has(
        files=[
            {"path": "%s/%d" % (FOLDER, number), "data": True, "kind": kind, "encrypted": encrypted}
            for number, (kind, encrypted) in enumerate(found)
        ]
    )
    flags = {} if flag is None else {"BACKUP_ENCRYPTION": {"value": flag, "file": ".env"}}
    facts["deployment"]["settings"] = flags
    return facts


def key(value=RANDOM, name=NAME, path=None, mode=None):
    return {"name": name, "path": path, "mode": mode, "secret": Reducer("a key").secret(value, name)}


def key_file(path="/root/backup.key", mode=0o600, value=RANDOM):
    return key(value, "BACKUP_ENCRYPTION_KEY_FILE", path, mode)


def private(folder=0o700, file=0o600, uid=1000, kind="age", keys=(), settings=None, env=None):
    facts = has(
        owner=1000,
        folders=[{"path": FOLDER, "mode": folder, "uid": 1000}],
        files=[{"path": FOLDER + "/a", "mode": file, "uid": uid, "kind": kind}],
        keys=list(keys),
    )
    facts["deployment"]["units"] = [{"env": Reducer("a key").environment(env or {})}]
    reduced = Reducer("a key").environment(settings or {})
    facts["deployment"]["settings"] = {name: {"value": value, "file": ".env"} for name, value in reduced.items()}
    return facts


def unkeyed(**more):
    """Return private backups whose kind needs no key on this host."""
    facts = private(**more)
    del facts["deployment"]["settings"], facts["deployment"]["units"]
    return facts


# -- DATA-25 ---------------------------------------------------------------------------------------------------------


def volume(encrypted=True, service="postgres"):
    return {"service": service, "path": "/var/lib/docker/volumes/x/_data", "on": "/dev/dm-0", "encrypted": encrypted}


def disks(*volumes, swap=(), role="postgres", level="running"):
    facts = deployment(unit(role, role, level))
    areas = (
        swap if isinstance(swap, Unread) else [dict({"path": "/dev/dm-1", "on": "/dev/dm-1"}, **area) for area in swap]
    )
    return dict(facts, disks={"volumes": list(volumes), "swap": areas})


CASES = {
    "DATA-20": {
        "pass": [
            dumps(200000),
            dumps(200000, 210000, 190000, age=26),
            dumps(100000, 200000),
            # the clock of a network storage is a little ahead
            dumps(200000, age=-1),
            has(files=[dump(size=None)]),
            has(files=[dump(name="app.sql", kind="text")]),
        ],
        "fail": [
            none(),
            dumps(200000, age=27),
            dumps(99999, 200000, 200000),
            dumps(20),
            dumps(0, 0),
            # a date in the future would stay recent for ever
            dumps(200000, age=-30),
            # a new copy of the configuration does not make the dump newer
            has(files=[dump(1, name="nself_backup_config_20261125.tar.gz"), dump(90)], offsite=[]),
            has(files=[dump(1, name="minio-20261125.tar")], offsite=[]),
            has(files=[dump(data=False, name="id.key")], offsite=[]),
            has(files=[dump(age=None, size=None)], offsite=[]),
            # a long report of today beside an old dump
            has(files=[dump(1, name="report.txt", kind="text"), dump(90)], offsite=[]),
        ],
        "unknown": [
            none(["RESTIC_REPOSITORY"]),
            has(files=CLOSED),
            has(files=[CLOSED]),
            has(files=[], offsite=CLOSED),
            dict(deployment(), backups=CLOSED),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "DATA-21": {
        "pass": [
            kinds(("age", True)),
            kinds(("openssl enc", True), ("OpenPGP", True), flag="true"),
            kinds(("age", True), flag="false"),
        ],
        "fail": [
            kinds(("gzip", False)),
            kinds(("age", True), ("pg_dump", False)),
            kinds(("gzip", False), flag="true"),
            kinds(("SQL", False), ("unknown", None), flag="aes256"),
        ],
        "unknown": [
            kinds(("unknown", None)),
            kinds(("age", True), ("borg repository", None), flag="true"),
            has(files=CLOSED),
            dict(deployment(settings=CLOSED), backups={"files": []}),
        ],
        "not_applicable": [NO_DEPLOYMENT, kinds()],
    },
    "DATA-22": {
        "pass": [
            unkeyed(),
            unkeyed(folder=0o500, file=0o400, uid=0),
            private(kind="openssl enc", keys=[key()], settings={NAME: RANDOM, "POSTGRES_PASSWORD": OTHER}),
            private(kind="openssl enc", keys=[key_file()], settings={}),
        ],
        "fail": [
            private(folder=0o755),
            private(folder=0o711),
            private(file=0o640),
            private(uid=33),
            private(kind="private key"),
            private(keys=[key("short")]),
            private(keys=[key("change-me-change-me-change-me-change-me")]),
            private(keys=[key("${BACKUP_KEY_FROM_SOMEWHERE_ELSE_NOT_EXPANDED}")]),
            private(keys=[key("")]),
            # the same secret as the database's, in the env file or in a service
            private(keys=[key()], settings={NAME: RANDOM, "POSTGRES_PASSWORD": RANDOM}),
            private(keys=[key_file()], env={"POSTGRES_PASSWORD": RANDOM}),
            private(keys=[key_file(FOLDER + "/backup.key")]),
            private(keys=[key_file(mode=0o644)]),
        ],
        "unknown": [
            private(kind="openssl enc"),
            has(owner=1000, folders=CLOSED, files=CLOSED, keys=[]),
            has(owner=1000, folders=[], files=[], keys=CLOSED),
            dict(UNREADABLE, backups=private(keys=[key()])["backups"]),
        ],
        "not_applicable": [NO_DEPLOYMENT, has(owner=1000, folders=[], files=[], keys=[])],
    },
    "DATA-23": {
        "pass": [has(synced={"hours": 0}), has(synced={"hours": 26})],
        "fail": [has(synced={"hours": 27}), has(synced={"hours": -9}), has(synced=None, offsite=[])],
        "unknown": [
            has(synced=None, offsite=["RCLONE_REMOTE"]),
            has(synced=None, offsite=CLOSED),
            has(synced=Unread("parse_error", "it is no JSON"), offsite=[]),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "DATA-24": {
        "pass": [has(drilled={"hours": 0}), has(drilled={"hours": 30 * 24 + 23})],
        "fail": [has(drilled=None), has(drilled={"hours": 31 * 24}), has(drilled={"hours": -48})],
        "unknown": [has(drilled=Unread("parse_error", "it has a date that is none"))],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "DATA-25": {
        "pass": [
            disks(volume()),
            disks(volume(), swap=[{"encrypted": True}]),
            disks(volume(service="minio"), volume(service="minio"), role="minio"),
        ],
        "fail": [
            disks(volume(False)),
            disks(volume(), volume(False)),
            disks(volume(), swap=[{"encrypted": False}]),
            disks(volume(CLOSED), swap=[{"encrypted": False}]),
        ],
        "unknown": [
            UNREADABLE,
            disks(volume(Unread("error", "/sys does not show the device 252:3"))),
            disks(volume(), swap=CLOSED),
            disks(volume(), swap=[{"encrypted": CLOSED}]),
            disks(),
            disks(volume(), level="rendered"),
            # a service of another name is not the one that was looked at
            disks(volume(service="minio")),
        ],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit("api", "api"))],
    },
}
# A key is judged by its length and by who else has it.
OPTIONAL = {("DATA-22", "backups.keys.secret." + name) for name in ("bits", "family", "named")}

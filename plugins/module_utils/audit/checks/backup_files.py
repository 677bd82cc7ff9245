# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups as files: recent and whole, encrypted, and private with their key."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from statistics import median
from typing import Any, Dict, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.secrets import secrets_of
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import backup_places as places
from ansible_collections.nself.prod.plugins.module_utils.audit.units import NO_DEPLOYMENT, all_units
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, each, summed
from ansible_collections.nself.prod.plugins.module_utils.parse import magic

FUTURE = -1  # hours: the clocks of a host and of its storage may differ a little
# A long text that does not begin as SQL is a report of something, be it ever so new, unless it is called a dump.
DUMP_NAME = re.compile(r"\.(sql|dump|pgdump)\b", re.I)
# The key of such a backup opens it as well, so somebody has it in clear; with age and OpenPGP the host needs no secret.
ONE_KEY = (magic.OPENSSL, "restic repository", "borg repository", "pgbackrest repository")


def backups_of(facts: Any) -> List[Record]:
    """Return the backups of data, newest first. Raises NotApplicable where the host has no deployment."""
    require_deployment(facts)
    return [item for item in facts.records("backups.files") if item.read("data")]


def require_deployment(facts: Any) -> None:
    """Raise NotApplicable where the host has no deployment."""
    if facts.read("deployment.state") == "none":
        raise NotApplicable(NO_DEPLOYMENT)


@check(
    "DATA-20",
    "backup-recent",
    "There is a recent, whole backup of the database",
    Severity.CRITICAL,
    "What was written since the last backup is what a broken disk or a wrong DELETE costs; a dump that failed leaves a file as well, only a small one.",
    "age and size of the newest backup in the project's backups/, the folder that BACKUP_DIR names, and ~/.nself/backups of the project's owner",
    "not older than 26 hours, and at least half as large as the median of those before it",
    Fix(
        "backup",
        "Schedule a dump of the database every day (cron or a systemd timer) that fails loudly, into the project's backups/.",
        ("backup_schedule",),
    ),
    refs=("s:sample",),
)
def backup_recent(facts: Any, policy: Any) -> Verdict:
    most, percent = policy["backup_max_age_hours"], policy["backup_min_percent"]
    expected = "at most %d hours old, at least %d %% of the median size" % (most, percent)
    found = [item for item in backups_of(facts) if item.read("kind") != magic.TEXT or DUMP_NAME.search(_name(item))]
    found = [item for item in found if not places.OTHER_THAN_DATABASE.search(_name(item))]
    dated = [item for item in found if item.read("age") is not None]
    if not dated:
        elsewhere = facts.read("backups.offsite")
        if elsewhere:
            detail = "no backup on this host; those that %s may make elsewhere are not seen" % ", ".join(elsewhere)
            raise Missing("backups.files", Reason.ERROR, detail)
        return decide(False, expected, "no backup of the database")
    newest = min(dated, key=lambda item: item.read("age"))
    # Several may be of one hour: the list has the newest first, and min() takes the first.
    age, size = newest.read("age"), newest.read("size")
    actual = "%s is %d hours old" % (newest.read("path"), age)
    if age > most or age < FUTURE:
        return decide(False, expected, actual)
    if size is None:  # a repository, whose snapshots are no files to compare
        return decide(True, expected, actual)
    others = [item.read("size") for item in found if item is not newest and _series(item) == _series(newest)]
    middle = median(others) if others else size
    actual += ", %d bytes (median %d)" % (size, middle)
    return decide(size >= max(places.SMALLEST, middle * percent / 100.0), expected, actual)


def _name(item: Record) -> str:
    return posixpath.basename(str(item.read("path")))


def _series(item: Record) -> str:
    """Return a backup's name without its date: only what is made alike is compared."""
    return re.sub(r"\d+", "#", _name(item))


@check(
    "DATA-21",
    "backup-encrypted",
    "Backups are encrypted",
    Severity.WARNING,
    "A backup holds every password hash and every private row, and travels further than the database. nself records backups as encrypted that it wrote "
    "in clear.",
    "the first bytes of the newest 50 backups (age, OpenPGP, openssl enc, restic and borg repositories), whatever their names and records say, "
    "and the flag BACKUP_ENCRYPTION",
    "each is encrypted, as the flag says",
    Fix(
        "backup",
        "Encrypt each backup as it is written (`pg_dump … | age -r RECIPIENT`), encrypt or delete the plain ones, and do not trust "
        "BACKUP_ENCRYPTION.",
        ("backup_encryption_recipient",),
    ),
    settings=places.FLAGS,
    refs=("s:encryption",),
)
def backup_encrypted(facts: Any, policy: Any) -> Verdict:
    found = backups_of(facts)
    settings = facts.read("deployment.settings")
    flags = [name for name in places.FLAGS if _on(settings.get(name))]

    def judge(item: Record) -> Tuple[bool, str]:
        encrypted, kind = item.read("encrypted"), str(item.read("kind"))
        if encrypted is None:
            raise Missing(
                "backups.files", Reason.ERROR, "its first bytes do not tell whether it is encrypted (%s)" % kind
            )
        return encrypted, kind if encrypted or not flags else "%s, though %s says that it is encrypted" % (
            kind,
            flags[0],
        )

    verdict = summed("encrypted", each(found, lambda item: str(item.read("path")), judge), "there is no backup")
    effective = {"pass": "true", "fail": "false"}.get(verdict.status)
    return replace(verdict, effective=effective)


def _on(entry: Any) -> bool:
    value = entry["value"] if entry else ""
    return not isinstance(value, str) or value.strip().lower() not in ("", "false", "0", "no", "off", "none", "n", "f")


@check(
    "DATA-22",
    "backup-private",
    "Backups and their key are private",
    Severity.WARNING,
    "A key beside what it opens, or a backup that every account of the host may read, is as good as no encryption.",
    "mode and owner of the folders of backups and of the newest 50 files in them; place, length and reuse of the key that the env files give or name",
    "folders 0700 and files 0600 of root or the project's owner; the key has at least 32 characters, is nowhere beside the backups and "
    "is no other secret",
    Fix(
        "backup",
        "Run `chmod -R go=` on the named folders, make a key of its own (`openssl rand -hex 32`), keep it elsewhere with mode 0600 and name it in "
        "BACKUP_KEY_FILE.",
        ("backup_key_file",),
    ),
    refs=("s:encryption",),
)
def backup_private(facts: Any, policy: Any) -> Verdict:
    require_deployment(facts)
    owner = facts.read("backups.owner")
    folders, files = facts.records("backups.folders"), facts.records("backups.files")

    def private(item: Record) -> Tuple[bool, str]:
        mode, uid = item.read("mode"), item.read("uid")
        if uid not in (0, owner):
            return False, "belongs to uid %d" % uid
        return not mode & 0o077, "mode %04o" % mode

    def beside(item: Record) -> Tuple[bool, str]:
        if item.read("kind") == magic.KEY:
            return False, "a private key beside the backups"
        return private(item)

    def path(item: Record) -> str:
        return str(item.read("path"))

    found = each(folders, path, private) + each(files, path, beside)
    found += _judge_keys(facts, policy, [path(item) for item in folders], files)
    return summed("private, with the key elsewhere", found, "there are neither backups nor a key for them")


def _judge_keys(facts: Any, policy: Any, folders: List[str], files: List[Record]) -> Any:
    keys, least = facts.records("backups.keys"), policy["backup_key_min_length"]
    others = _other_secrets(facts) if keys else {}

    def good(key: Record) -> Tuple[bool, str]:
        secret, where, mode = key.record("secret"), key.read("path"), key.read("mode")
        for flaw in ("empty", "placeholder", "known", "variable"):
            if secret.read(flaw):
                return False, {"known": "a known default", "variable": "a variable that nobody expanded"}.get(
                    flaw, flaw
                )
        length, fingerprint = secret.read("length"), secret.read("print")
        if length < least:
            return False, "%d characters" % length
        if fingerprint in others:
            return False, "the same secret as %s" % others[fingerprint]
        if where is not None:
            if any(where.startswith(folder + "/") for folder in folders):
                return False, "%s is beside the backups" % where
            if mode & 0o077:
                return False, "%s has mode %04o" % (where, mode)
        return True, "%d characters" % length

    def nowhere(kind: str) -> Tuple[bool, str]:
        raise Missing("backups.keys", Reason.ERROR, "where the key of an %s backup is, no env file tells" % kind)

    found = each(keys, lambda key: str(key.read("name")), good)
    locked = sorted({str(item.read("kind")) for item in files} & set(ONE_KEY))
    return found if keys or not locked else found + each(locked[:1], lambda kind: "key", nowhere)


def _other_secrets(facts: Any) -> Dict[str, str]:
    """Return {fingerprint: variable} of every secret that is not a key of backups by its name."""
    settings = {name: entry["value"] for name, entry in facts.read("deployment.settings").items()}
    holders = [Record({"env": settings})] + all_units(facts)
    return {
        secret["print"]: name
        for holder in holders
        for name, secret in secrets_of(holder)
        if name not in places.KEY_SETTINGS
    }


CHECKS = (backup_recent, backup_encrypted, backup_private)

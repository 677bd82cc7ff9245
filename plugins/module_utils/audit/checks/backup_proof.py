# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that outlive the host, and that are known to be good for something."""

from __future__ import annotations

from typing import Any

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.backup_files import FUTURE, require_deployment
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.backup_places import DRILLED, SYNCED
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide


@check(
    "DATA-23",
    "backup-offsite",
    "Backups are copied off the host",
    Severity.WARNING,
    "A backup on the disk, or in the account, of what it backs up goes with it: by fire, by ransom, by a mistyped rm.",
    "the settings and files that set up a copy elsewhere (rclone, restic, borg, S3), and the marker %s that the copying leaves"
    % SYNCED,
    "the marker tells of a copy in the last 26 hours",
    Fix(
        "backup",
        'Copy each backup to another machine or provider (rclone, restic), and after it succeeded write {"date": "…", "to": "…"} to the marker; '
        "where another host fetches them, a waiver with owner, reason and expiry is the attestation.",
        ("backup_offsite_remote",),
    ),
)
def backup_offsite(facts: Any, policy: Any) -> Verdict:
    require_deployment(facts)
    most = policy["offsite_max_age_hours"]
    expected = "copied elsewhere in the last %d hours" % most
    if facts.read("backups.synced") is not None:
        hours = facts.read("backups.synced.hours")
        return decide(FUTURE <= hours <= most, expected, _ago("copied", hours, "hours"))
    ways = facts.read("backups.offsite")
    if ways:
        detail = "%s is set up, but no %s tells when it last copied" % (", ".join(ways), SYNCED)
        raise Missing("backups.synced", Reason.ERROR, detail)
    return decide(False, expected, "no copy off this host is set up")


@check(
    "DATA-24",
    "restore-tested",
    "Restoring a backup is practised",
    Severity.RECOMMENDATION,
    "Nobody needs backups; people need restores. What was never restored fails on the day that it is needed: a lost key, a dump without its roles, "
    "a restore that says that it worked and did not.",
    "the marker %s, which a restore to a scratch database leaves" % DRILLED,
    "a restore in the last 30 days",
    Fix(
        "backup",
        'Restore the newest backup into a scratch database, look at the data, and write {"date": "…", "file": "…"} to the marker; where that is done on '
        "another host, a waiver with owner, reason and expiry is the attestation.",
        ("backup_restore_drill",),
    ),
    refs=("s:incident",),
)
def restore_tested(facts: Any, policy: Any) -> Verdict:
    require_deployment(facts)
    most = policy["restore_drill_max_days"]
    expected = "restored in the last %d days" % most
    if facts.read("backups.drilled") is None:
        return decide(False, expected, "no %s tells of one" % DRILLED)
    hours = facts.read("backups.drilled.hours")
    return decide(FUTURE <= hours < (most + 1) * 24, expected, _ago("restored", hours // 24, "days"))


def _ago(what: str, number: int, unit: str) -> str:
    return "%s %d %s ago" % (what, number, unit) if number >= 0 else "%s, says the marker, in the future" % what


CHECKS = (backup_offsite, restore_tested)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption of the disks that data is written to."""

from __future__ import annotations

from typing import Any, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    Reason,
    Resource,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import all_units, level_of, name_of
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

ROLES = ("postgres", "minio")


@check(
    "DATA-25",
    "volume-encrypted",
    "The volumes of the database and of MinIO are on encrypted disks",
    Severity.WARNING,
    "A disk that is replaced, a snapshot that is copied, a server that is stolen then gives nothing away. Swap holds what the database had in memory.",
    "the device below each writable volume of the postgres and minio containers, and below swap: dm-crypt in /sys, or the encryption of the ZFS "
    "data set",
    "each is encrypted; zram and no swap are fine",
    Fix(
        "disks",
        "Move the Docker volumes to a LUKS volume or an encrypted ZFS data set, and swap to dm-crypt with a random key. Where the provider encrypts "
        "the disk, which no host can see, a waiver with owner, reason and expiry is the attestation.",
    ),
    refs=("s:encryption",),
)
def volume_encrypted(facts: Any, policy: Any) -> Verdict:
    found: List[Resource] = []
    for unit in all_units(facts):
        if unit.read("role") in ROLES:
            found += _of_unit(facts, unit)
    if found:
        found += each(facts.records("disks.swap"), lambda area: "swap %s" % area.read("path"), _encrypted)
    return summed("encrypted below", found, "the deployment has neither a postgres nor a minio service")


def _of_unit(facts: Any, unit: Record) -> List[Resource]:
    name = name_of(unit)

    def unknown(_unit: Record) -> Tuple[bool, str]:
        if level_of(unit) != Level.RUNNING:
            raise Missing("disks.volumes", Reason.ERROR, "it does not run, so it has no volume to look at")
        raise Missing("disks.volumes", Reason.ERROR, "it writes to no volume, so where its data is was not looked at")

    mine = [item for item in facts.records("disks.volumes") if item.read("service") == name]
    if level_of(unit) != Level.RUNNING or not mine:
        return each([unit], name_of, unknown, level_of)
    return each(mine, lambda item: "%s %s" % (name, item.read("path")), _encrypted)


def _encrypted(item: Record) -> Tuple[bool, str]:
    encrypted = item.read("encrypted")
    return encrypted is True, "on %s, %s" % (item.read("on"), "encrypted" if encrypted is True else "not encrypted")


CHECKS = (volume_encrypted,)

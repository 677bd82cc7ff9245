# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers: a known exception, owned, with a reason and an end."""

from __future__ import annotations

import datetime
import fnmatch
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Finding, Status
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import PolicyError

REQUIRED = ("id", "owner", "reason", "expires")
FIELDS = REQUIRED + ("hosts", "resources")


@dataclass(frozen=True)
class Waiver:
    """One exception. expires is the last day it holds (UTC); hosts and resources are shell patterns, empty for all."""

    id: str
    owner: str
    reason: str
    expires: datetime.date
    hosts: Tuple[str, ...] = ()
    resources: Tuple[str, ...] = ()

    def as_dict(self) -> Dict[str, str]:
        return {"id": self.id, "owner": self.owner, "reason": self.reason, "expires": self.expires.isoformat()}


def parse(given: Sequence[Mapping[str, Any]], known_ids: Iterable[str]) -> List[Waiver]:
    """Return the user's waivers. Raises PolicyError that names the entry for anything that is not one."""
    known = set(known_ids)
    return [_parse_one(number, entry, known) for number, entry in enumerate(given, 1)]


def _parse_one(number: int, entry: Any, known: Any) -> Waiver:
    where = "waiver %d" % number
    if not isinstance(entry, Mapping):
        raise PolicyError("%s is not a mapping with %s" % (where, ", ".join(REQUIRED)))
    absent = [name for name in REQUIRED if not str(entry.get(name) or "").strip()]
    unknown = sorted(set(entry) - set(FIELDS))
    if absent:
        raise PolicyError("%s has no %s" % (where, ", ".join(absent)))
    if unknown:
        raise PolicyError("%s has an unknown field %s; known are: %s" % (where, ", ".join(unknown), ", ".join(FIELDS)))
    if entry["id"] not in known:
        raise PolicyError("%s names %r, which is no check of this catalogue" % (where, entry["id"]))
    try:
        expires = datetime.date.fromisoformat(str(entry["expires"])[:10])
    except ValueError:
        raise PolicyError("%s: expires takes a date like 2027-01-31, not %r" % (where, entry["expires"])) from None
    return Waiver(
        str(entry["id"]),
        str(entry["owner"]),
        str(entry["reason"]),
        expires,
        _patterns(where, "hosts", entry),
        _patterns(where, "resources", entry),
    )


def _patterns(where: str, name: str, entry: Mapping[str, Any]) -> Tuple[str, ...]:
    value = entry.get(name) or ()
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise PolicyError("%s: %s takes a list of patterns" % (where, name))
    return tuple(str(item) for item in value)


def apply(
    findings: Sequence[Finding], waivers: Sequence[Waiver], host: str, today: datetime.date
) -> Tuple[List[Finding], Dict[str, List[Dict[str, str]]]]:
    """Return the findings with waivers applied, and the waivers that were used, unused and expired.

    A waiver turns a fail, or an unknown, into waived. One with resources does so only where every resource that does
    not pass is covered. A waiver for other hosts is in none of the lists.
    """
    mine = [waiver for waiver in waivers if _matches(host, waiver.hosts)]
    live = [waiver for waiver in mine if waiver.expires >= today]
    used = set()
    out = []
    for finding in findings:
        waiver = _covering(finding, live)
        if waiver is not None:
            used.add(waiver)
            finding = replace(finding, status=Status.WAIVED, waiver=waiver.as_dict())
        out.append(finding)
    lists = {
        "used": [waiver.as_dict() for waiver in live if waiver in used],
        "unused": [waiver.as_dict() for waiver in live if waiver not in used],
        "expired": [waiver.as_dict() for waiver in mine if waiver.expires < today],
    }
    return out, lists


def _matches(name: str, patterns: Tuple[str, ...]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _covering(finding: Finding, waivers: Sequence[Waiver]) -> Any:
    if finding.status not in (Status.FAIL, Status.UNKNOWN):
        return None
    bad = [item.name for item in finding.verdict.resources if item.status in (Status.FAIL, Status.UNKNOWN)]
    for waiver in waivers:
        if waiver.id != finding.check.id:
            continue
        if not waiver.resources or (bad and all(_matches(name, waiver.resources) for name in bad)):
            return waiver
    return None

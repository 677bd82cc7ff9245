# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a report that `trivy image --format json` wrote."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, List, Tuple

_WHEN = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)\Z", re.A)
_ID = re.compile(r"sha256:[0-9a-f]{64}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:-]{0,60}\Z")
KIND = "container_image"


class TrivyError(ValueError):
    """The text is no report on an image. The message quotes nothing of it."""


@dataclass(frozen=True)
class Scan:
    """A report. image: the reference that was scanned; ids: digests by which its image goes; created: seconds since the epoch;
    fixable: the critical vulnerabilities that an update mends."""

    image: str
    ids: Tuple[str, ...]
    created: float
    fixable: Tuple[str, ...]


def parse(text: str) -> Scan:
    """Return a report. Raises TrivyError, also for one in which nothing was looked at: that is no clean image."""
    try:
        report = json.loads(text)
    except (ValueError, RecursionError):
        raise TrivyError("it is no JSON") from None
    if not isinstance(report, dict):
        raise TrivyError("it is no report of Trivy")
    image, results = report.get("ArtifactName"), report.get("Results")
    if not isinstance(image, str) or not image or not isinstance(report.get("CreatedAt"), str):
        raise TrivyError("it is no report of Trivy")
    if report.get("ArtifactType", KIND) != KIND:
        raise TrivyError("it is a report on something else than an image")
    if not isinstance(results, list) or not results:
        raise TrivyError("Trivy found no packages to look at")
    found: List[str] = []
    for result in results:
        if not isinstance(result, dict):
            raise TrivyError("it is no report of Trivy")
        found += _fixable(result.get("Vulnerabilities"))
    return Scan(image, _ids(report.get("Metadata")), _seconds(report["CreatedAt"]), tuple(dict.fromkeys(found)))


def _fixable(items: Any) -> List[str]:
    if items is None:
        return []
    if not isinstance(items, list):
        raise TrivyError("it is no report of Trivy")
    out = []
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("Severity"), str):
            raise TrivyError("it lists a vulnerability without a severity")
        if item["Severity"].upper() == "CRITICAL" and item.get("FixedVersion"):
            name = item.get("VulnerabilityID")
            out.append(name if isinstance(name, str) and _NAME.match(name) else "one without an id")
    return out


def _ids(metadata: Any) -> Tuple[str, ...]:
    """Return the digests of the image: of its configuration, and those by which registries know it."""
    if not isinstance(metadata, dict):
        return ()
    digests = metadata.get("RepoDigests")
    texts = [metadata.get("ImageID")]
    texts += [str(item).rpartition("@")[2] for item in digests] if isinstance(digests, list) else []
    return tuple(text for text in texts if isinstance(text, str) and _ID.match(text))


def _seconds(text: str) -> float:
    match = _WHEN.match(text)
    if not match:
        raise TrivyError("it does not say when it was made")
    zone = match.group(7)
    offset = timedelta(0)
    if zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:])) * (-1 if zone[0] == "-" else 1)
    try:
        numbers = [int(match.group(number)) for number in range(1, 7)]
        when = datetime(*numbers[:3], *numbers[3:], tzinfo=timezone.utc)  # type: ignore[arg-type,misc]
        return (when - offset).timestamp()
    except (ValueError, OverflowError):
        raise TrivyError("it does not say when it was made") from None

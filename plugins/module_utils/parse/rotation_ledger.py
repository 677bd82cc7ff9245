# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of secret rotations: a JSON object of names and ISO 8601 dates."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import Dict

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?)?\Z", re.A)


class LedgerError(ValueError):
    """The text is no ledger. The message quotes nothing of it."""


def parse(text: str) -> Dict[str, float]:
    """Return {name: when, in seconds since the epoch}. A day without a time is its beginning, a time without a zone UTC.

    Raises LedgerError for what is no JSON object, and for a date that is none: half a ledger is not believed.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise LedgerError("it is no JSON") from None
    if not isinstance(found, dict):
        raise LedgerError("it is no JSON object")
    return {str(name): seconds(value) for name, value in found.items()}


def seconds(value: object) -> float:
    """Return an ISO 8601 date in seconds since the epoch. Raises LedgerError."""
    match = _DATE.match(value) if isinstance(value, str) else None
    if not match:
        raise LedgerError("it has a date that is none")
    year, month, day, hour, minute, second, zone = match.groups()
    offset = timedelta(0)
    if zone and zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:])) * (-1 if zone[0] == "-" else 1)
    try:
        when = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=timezone.utc
        )
        return (when - offset).timestamp()
    except (ValueError, OverflowError):
        raise LedgerError("it has a date that is none") from None

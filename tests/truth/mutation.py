# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One way to break a live host, and what the audit must say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Tuple


@dataclass(frozen=True)
class Mutation:
    """One thing broken on a host in which every check is settled.

    breaks, mends: shell on the host as root, with the words of prelude.sh; flips: {check: the status it turns to}, all of them, so
    that a check which turns unasked is a mistake too; lean: it is among the few that `make test` tries.
    """

    name: str
    breaks: str
    mends: str
    flips: Mapping[str, str]
    lean: bool = False


def fails(*checks: str, **others: str) -> Mapping[str, str]:
    """Return flips: these checks fail; others as CHECK_01="unknown"."""
    flips = dict.fromkeys(checks, "fail")
    flips.update({name.replace("_", "-"): status for name, status in others.items()})
    return flips


def file(path: str, text: str, after: str = "") -> Tuple[str, str]:
    """Return (breaks, mends) that put a file in place and take it away again; after: what puts either in force."""
    return "put %s <<'END'\n%s\nEND\n%s" % (path, text, after), "back %s\n%s" % (path, after)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers that judges build their verdicts with."""

from __future__ import annotations

from typing import Callable, Iterable, List, Optional, Sequence, Tuple, TypeVar

from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Level,
    Missing,
    NotApplicable,
    Resource,
    Status,
    Verdict,
)

T = TypeVar("T")


def decide(
    good: bool, expected: str, actual: str, level: str = Level.RUNNING, effective: Optional[str] = None
) -> Verdict:
    """Return pass or fail for a check of one thing."""
    return Verdict(Status.PASS if good else Status.FAIL, expected, actual, level, effective=effective)


def resource(name: str, good: bool, actual: str = "", level: str = Level.RUNNING) -> Resource:
    """Return a judged resource."""
    return Resource(name, Status.PASS if good else Status.FAIL, actual, level)


def unread(name: str, missing: Missing, level: str = Level.RUNNING) -> Resource:
    """Return a resource that could not be judged."""
    return Resource(name, Status.UNKNOWN, missing.detail or str(missing), level, missing.reason)


def each(
    items: Iterable[T],
    name: Callable[[T], str],
    judge: Callable[[T], Tuple[bool, str]],
    level: Optional[Callable[[T], str]] = None,
) -> List[Resource]:
    """Judge every item for itself: judge(item) returns (good, actual).

    An item whose facts are missing becomes an unknown resource and hides no other; one that raises NotApplicable is
    left out.
    """
    out = []
    for item in items:
        at = level(item) if level else Level.RUNNING
        try:
            good, actual = judge(item)
        except NotApplicable:
            continue
        except Missing as missing:
            out.append(unread(name(item), missing, at))
        else:
            out.append(resource(name(item), good, actual, at))
    return out


def summed(expected: str, resources: Sequence[Resource], nothing: str = "nothing to judge") -> Verdict:
    """Sum resources up: fail if one fails, else unknown if one is unknown, else pass.

    Raises NotApplicable(nothing) where there is no resource at all. The level is the weakest that the deciding
    resources rest on.
    """
    if not resources:
        raise NotApplicable(nothing)
    for status in (Status.FAIL, Status.UNKNOWN, Status.PASS):
        deciding = [item for item in resources if item.status == status]
        if deciding:
            break
    level = max((item.level for item in deciding), key=Level.ALL.index)
    reason = deciding[0].reason if status == Status.UNKNOWN else None
    return Verdict(status, expected, describe(deciding, len(resources)), level, reason, tuple(resources))


def describe(deciding: Sequence[Resource], total: int, most: int = 3) -> str:
    """Return one line that names the deciding resources, at most so many of them."""
    shown = ["%s: %s" % (item.name, item.actual) if item.actual else item.name for item in deciding[:most]]
    rest = len(deciding) - len(shown)
    line = "; ".join(shown) + ("; and %d more" % rest if rest else "")
    return line if total == 1 else "%d of %d: %s" % (len(deciding), total, line)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of an audit: severities, statuses, evidence levels, checks, verdicts and findings.

Everything here is a frozen value without behaviour that touches a host, so that a judge may be run again on stored
facts, anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Optional, Tuple


class Severity:
    """How much a failing check matters; the weights are those of the score (DESIGN: 4, 3, 0)."""

    CRITICAL = "critical"
    WARNING = "warning"
    RECOMMENDATION = "recommendation"
    ALL = (CRITICAL, WARNING, RECOMMENDATION)
    WEIGHT = {CRITICAL: 4, WARNING: 3, RECOMMENDATION: 0}


class Status:
    """What a check came to. Only `pass` is good news; `unknown` never counts as one."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"
    WAIVED = "waived"
    ALL = (PASS, FAIL, UNKNOWN, NOT_APPLICABLE, WAIVED)


class Reason:
    """Why a fact could not be read."""

    NEEDS_ROOT = "needs_root"
    TOOL_ABSENT = "tool_absent"
    TIMEOUT = "timeout"
    PARSE_ERROR = "parse_error"
    ERROR = "error"
    ALL = (NEEDS_ROOT, TOOL_ABSENT, TIMEOUT, PARSE_ERROR, ERROR)


class Level:
    """What a verdict rests on, strongest first: what runs, what compose would start, what the env files say."""

    RUNNING = "running"
    RENDERED = "rendered"
    DECLARED = "declared"
    ALL = (RUNNING, RENDERED, DECLARED)


CATEGORIES = ("authentication", "network", "data", "infrastructure")
CATEGORY_OF_PREFIX = {
    "AUTH": "authentication",
    "NET": "network",
    "DATA": "data",
    "INFRA": "infrastructure",
}


def prefix_of(check_id: str) -> str:
    return check_id.split("-", 1)[0]


class Missing(Exception):
    """A fact that could not be read. Raised inside a judge it makes the verdict `unknown`.

    path: dotted path of the fact; reason: one of Reason.ALL; detail: one line for people, free of secrets.
    """

    def __init__(self, path: str, reason: str = Reason.ERROR, detail: str = "") -> None:
        super().__init__("%s: %s%s" % (path, reason, ": " + detail if detail else ""))
        self.path = path
        self.reason = reason
        self.detail = detail


class NotApplicable(Exception):
    """The thing that the check judges does not exist on this host. The message says which."""


@dataclass(frozen=True)
class Fix:
    """How a failing check is mended: the role and its variables, or by hand where no role does it yet.

    role: name of a role of this collection, which is also its tag; by_hand: one imperative sentence;
    vars: role variables worth setting; restarts: services that the mend restarts.
    """

    role: str
    by_hand: str
    vars: Tuple[str, ...] = ()
    restarts: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Resource:
    """One judged thing of a check with several: a container, a user, a file, a port."""

    name: str
    status: str
    actual: str = ""
    level: str = Level.RUNNING
    reason: Optional[str] = None


@dataclass(frozen=True)
class Verdict:
    """What a judge answers. Texts are for people and carry properties of secrets only, never secrets.

    effective: the raw effective value of the setting named by Check.settings, compared with what is declared.
    """

    status: str
    expected: str = ""
    actual: str = ""
    level: str = Level.RUNNING
    reason: Optional[str] = None
    resources: Tuple[Resource, ...] = ()
    evidence: Tuple[str, ...] = ()
    effective: Optional[str] = None


Judge = Callable[[Any, Any], Verdict]


@dataclass(frozen=True)
class Check:
    """A catalogue entry beside its judge. category: by the id's prefix where it is one of ours, else it must be given.

    reads: what the judge looks at, in the words of the documentation; settings: names in the env files that claim to
    govern it; refs: sections of the guide (s:), CIS benchmarks (D:, U:, PG:), Lynis tests (L:).
    """

    id: str
    slug: str
    title: str
    severity: str
    why: str
    reads: str
    passes: str
    fix: Fix
    judge: Judge = field(compare=False)
    settings: Tuple[str, ...] = ()
    refs: Tuple[str, ...] = ()
    category: str = ""

    def __post_init__(self) -> None:
        if not self.category:
            object.__setattr__(self, "category", CATEGORY_OF_PREFIX.get(prefix_of(self.id), ""))


@dataclass(frozen=True)
class Finding:
    """A check's verdict on one host, ready for the report."""

    check: Check
    verdict: Verdict
    status: str
    declared: Optional[Dict[str, str]] = None
    waiver: Optional[Dict[str, str]] = None
    fingerprint: str = ""

    def as_dict(self) -> Dict[str, Any]:
        """Return the finding as plain data, keys as in the JSON Schema of the report."""
        check, verdict = self.check, self.verdict
        return {
            "id": check.id,
            "slug": check.slug,
            "title": check.title,
            "category": check.category,
            "severity": check.severity,
            "status": self.status,
            "reason": verdict.reason,
            "expected": verdict.expected,
            "actual": verdict.actual,
            "declared": self.declared,
            "level": verdict.level,
            "resources": [
                {
                    "name": r.name,
                    "status": r.status,
                    "actual": r.actual,
                    "level": r.level,
                    "reason": r.reason,
                }
                for r in verdict.resources
            ],
            "evidence": list(verdict.evidence),
            "why": check.why,
            "fix": {
                "role": check.fix.role,
                "vars": list(check.fix.vars),
                "restarts": list(check.fix.restarts),
                "by_hand": check.fix.by_hand,
            },
            "refs": list(check.refs),
            "waiver": self.waiver,
            "fingerprint": self.fingerprint,
        }


def check(
    id: str,
    slug: str,
    title: str,
    severity: str,
    why: str,
    reads: str,
    passes: str,
    fix: Fix,
    settings: Tuple[str, ...] = (),
    refs: Tuple[str, ...] = (),
    category: str = "",
) -> Callable[[Judge], Check]:
    """Turn a judge into a Check: the decorator that keeps a check's metadata beside its code."""

    def wrap(judge: Judge) -> Check:
        return Check(id, slug, title, severity, why, reads, passes, fix, judge, settings, refs, category)

    return wrap

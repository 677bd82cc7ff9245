# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The score and the coverage of a set of findings."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.model import CATEGORIES, Finding, Severity, Status

CAP_WHILE_CRITICAL = 59
JUDGED = (Status.PASS, Status.FAIL, Status.UNKNOWN)


def score(findings: Iterable[Finding], waivers: bool = True) -> Optional[int]:
    """Return floor(100 · Σw(pass) / Σw(pass+fail+unknown)), at most 59 while a critical check fails.

    None where no weighted check was judged. waivers=False counts waived findings as what they are without the waiver.
    """
    passed = judged = 0
    critical = False
    for finding in findings:
        status = finding.status if waivers else finding.verdict.status
        if status not in JUDGED:
            continue
        weight = Severity.WEIGHT[finding.check.severity]
        judged += weight
        passed += weight if status == Status.PASS else 0
        critical = critical or (status == Status.FAIL and finding.check.severity == Severity.CRITICAL)
    if not judged:
        return None
    value = 100 * passed // judged
    return min(value, CAP_WHILE_CRITICAL) if critical else value


def coverage(findings: Iterable[Finding]) -> Dict[str, Any]:
    """Return how much was decided: {"decided", "applicable", "percent"}; percent is None where nothing applies."""
    statuses = [finding.status for finding in findings if finding.status in JUDGED]
    decided = sum(1 for status in statuses if status != Status.UNKNOWN)
    percent = 100 * decided // len(statuses) if statuses else None
    return {"decided": decided, "applicable": len(statuses), "percent": percent}


def counts(findings: Iterable[Finding]) -> Dict[str, int]:
    """Return how many findings have each status."""
    out = dict.fromkeys(Status.ALL, 0)
    for finding in findings:
        out[finding.status] += 1
    return out


def summary(findings: List[Finding]) -> Dict[str, Any]:
    """Return score, coverage and counts, whole and a category: the head of a host's report."""

    def head(chosen: List[Finding]) -> Dict[str, Any]:
        return {
            "score": score(chosen),
            "score_without_waivers": score(chosen, waivers=False),
            "coverage": coverage(chosen),
            "counts": counts(chosen),
        }

    out = head(findings)
    out["categories"] = {
        category: head([finding for finding in findings if finding.check.category == category])
        for category in CATEGORIES
    }
    return out

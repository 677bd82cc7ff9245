# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge facts: the pure middle of the audit."""

from __future__ import annotations

import hashlib
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    CATEGORIES,
    Check,
    Finding,
    Level,
    Missing,
    NotApplicable,
    Reason,
    Status,
    Verdict,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy, PolicyError


def select(checks: Iterable[Check], categories: Sequence[str]) -> List[Check]:
    """Return the checks of these categories, all where none is named. Raises PolicyError for an unknown one."""
    unknown = [name for name in categories if name not in CATEGORIES]
    if unknown:
        raise PolicyError("unknown category %s; known are: %s" % (", ".join(unknown), ", ".join(CATEGORIES)))
    return [item for item in checks if not categories or item.category in categories]


def judge(check: Check, facts: Facts, policy: Policy) -> Finding:
    """Return a check's finding. A missing fact, and a judge that crashes, is unknown, never a pass."""
    try:
        verdict = check.judge(facts, policy)
    except NotApplicable as reason:
        verdict = Verdict(Status.NOT_APPLICABLE, check.passes, str(reason))
    except Missing as missing:
        verdict = Verdict(Status.UNKNOWN, check.passes, missing.detail or str(missing), reason=missing.reason)
    except Exception as error:  # pylint: disable=broad-except  # one judge's bug must not cost the other verdicts
        verdict = Verdict(
            Status.UNKNOWN, check.passes, "the check crashed with %s" % type(error).__name__, reason=Reason.ERROR
        )
    if verdict.status == Status.PASS and verdict.level == Level.DECLARED:
        # The house rule, enforced where no judge can forget it: a file's word is never proof.
        verdict = Verdict(Status.UNKNOWN, verdict.expected, "only declared", Level.DECLARED, Reason.ERROR)
    return Finding(
        check,
        verdict,
        verdict.status,
        declared=_declared(check, facts, verdict),
        fingerprint=_fingerprint(check, verdict),
    )


def judge_all(checks: Iterable[Check], facts: Facts, policy: Policy) -> List[Finding]:
    """Return the findings of all checks, in the order of the catalogue."""
    return [judge(item, facts, policy) for item in checks]


def _declared(check: Check, facts: Facts, verdict: Verdict) -> Optional[Dict[str, str]]:
    """Return what the env files say, where that differs from what is effective."""
    if not check.settings or verdict.status == Status.NOT_APPLICABLE:
        return None
    try:
        settings = facts.read("deployment.settings")
    except Missing:
        return None
    for name in check.settings:
        entry = settings.get(name)
        if entry and isinstance(entry["value"], str) and entry["value"] != verdict.effective:
            return {"name": name, "value": entry["value"], "file": entry["file"]}
    return None


def _fingerprint(check: Check, verdict: Verdict) -> str:
    """Return an identity that stays while the same resources have the same problem: for trackers and baselines."""
    failing = sorted(item.name for item in verdict.resources if item.status != Status.PASS)
    text = "\n".join([check.id, verdict.status] + failing)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def problems(leaves: Iterable[Missing]) -> List[Dict[str, str]]:
    """Return what could not be read, one entry a cause, for the head of the report."""
    seen: Dict[Tuple[str, str], str] = {}
    for leaf in leaves:
        seen.setdefault((leaf.reason, leaf.detail), leaf.path)
    return [{"fact": path, "reason": reason, "detail": detail} for (reason, detail), path in seen.items()]

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the controller can say: secrets shared by hosts, sums over the fleet, and whether the gate holds."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit import engine, score, waivers
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Check,
    Finding,
    Fix,
    Reason,
    Resource,
    Severity,
    Status,
    Verdict,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import AUDITED, FAILED, UNREACHABLE, HostReport

DISTINCT_SECRETS = "DATA-32"
GATES = {"none": (), "critical": (Severity.CRITICAL,), "warning": (Severity.CRITICAL, Severity.WARNING)}
_LAST_IN_TABLE = 10**6


# -- one host ------------------------------------------------------------------------------------------------------------


def as_finding(data: Mapping[str, Any]) -> Finding:
    """Return the Finding that a report's entry came from, so that scoring and waiving have one implementation."""
    check = Check(
        data["id"],
        data["slug"],
        data["title"],
        data["severity"],
        data["why"],
        "",
        data["expected"],
        Fix(data["fix"]["role"], data["fix"]["by_hand"], tuple(data["fix"]["vars"]), tuple(data["fix"]["restarts"])),
        _never,
        refs=tuple(data["refs"]),
    )
    status = data["status"]
    if status == Status.WAIVED:
        # A waiver hides a fail or an unknown; only an unknown has a reason.
        status = Status.UNKNOWN if data["reason"] else Status.FAIL
    verdict = Verdict(
        status,
        data["expected"],
        data["actual"],
        data["level"],
        data["reason"],
        tuple(Resource(r["name"], r["status"], r["actual"], r["level"], r["reason"]) for r in data["resources"]),
        tuple(data["evidence"]),
    )
    return Finding(check, verdict, data["status"], data["declared"], data["waiver"], data["fingerprint"])


def _never(facts: Any, policy: Any) -> Verdict:
    raise NotImplementedError("findings of a report are not judged again")


def summed(host: HostReport) -> HostReport:
    """Return a host with score, coverage and counts of its findings in its report."""
    if host.report is None:
        return host
    head = score.summary([as_finding(finding) for finding in host.report["findings"]])
    return replace(host, report=dict(host.report, **head))


# -- secrets that hosts share ------------------------------------------------------------------------------------------


def compare_secrets(hosts: Sequence[HostReport], exceptions: Sequence[waivers.Waiver] = ()) -> list[HostReport]:
    """Return the hosts with DATA-32 failing where a secret has the same value on another host.

    Fingerprints are compared only where they were made with the same key.
    """
    holders = defaultdict(list)
    for number, host in enumerate(hosts):
        for secret in host.fingerprints.get("secrets", ()):
            holders[(host.fingerprints["key_id"], secret["fp"])].append((number, secret))
    shared = defaultdict(list)
    for group in holders.values():
        for number, secret in group:
            others = [(hosts[other].host, item) for other, item in group if other != number]
            if others:
                shared[number].append((secret, others))
    return [
        _with_shared(host, shared[number], exceptions) if number in shared else host
        for number, host in enumerate(hosts)
    ]


def _with_shared(host: HostReport, shared: Iterable[Any], exceptions: Sequence[waivers.Waiver]) -> HostReport:
    report = host.report
    if report is None or not any(finding["id"] == DISTINCT_SECRETS for finding in report["findings"]):
        return host
    before = next(finding for finding in report["findings"] if finding["id"] == DISTINCT_SECRETS)
    found: dict[str, Resource] = {}
    for secret, others in shared:
        same = ", ".join(sorted({"%s on %s" % (item["name"], other) for other, item in others}))
        found.setdefault(
            secret["name"], Resource(secret["name"], Status.FAIL, "same value as " + same, before["level"])
        )
    finding, used = _failing(as_finding(before), list(found.values()), exceptions, host.host, report["generated_at"])
    after = dict(finding.as_dict(), declared=before["declared"])
    lists = report["waivers"]
    if used:
        lists = {
            "used": lists["used"] + [item for item in used if item not in lists["used"]],
            "unused": [item for item in lists["unused"] if item not in used],
            "expired": lists["expired"],
        }
    findings = [after if entry is before else entry for entry in report["findings"]]
    return replace(host, report=dict(report, findings=findings, waivers=lists))


def _failing(
    finding: Finding, found: list[Resource], exceptions: Sequence[waivers.Waiver], host: str, generated_at: str
) -> tuple[Finding, list[dict[str, str]]]:
    old = finding.verdict
    names = {resource.name for resource in found}
    kept = [resource for resource in old.resources if resource.name not in names or resource.status == Status.FAIL]
    actual = "the same value is used on other hosts: " + ", ".join(sorted(names))
    if old.status == Status.FAIL:
        actual = old.actual + "; " + actual
    verdict = replace(old, status=Status.FAIL, reason=None, actual=actual, resources=tuple(kept + found))
    # The engine makes the finding, so that its fingerprint is the same as if the host had found this by itself.
    fresh = engine.judge(replace(finding.check, judge=lambda facts, policy: verdict), Facts({}), Policy())
    today = datetime.date.fromisoformat(generated_at[:10])
    (fresh,), lists = waivers.apply([fresh], exceptions, host, today)
    return fresh, lists["used"]


# -- sums --------------------------------------------------------------------------------------------------------------


def failing(report: Mapping[str, Any], severity: str) -> list[dict[str, Any]]:
    """Return a report's unwaived failing findings of a severity."""
    return _with_status(report, Status.FAIL, severity)


def _with_status(report: Mapping[str, Any], status: str, severity: str) -> list[dict[str, Any]]:
    return [f for f in report["findings"] if f["status"] == status and f["severity"] == severity]


def worst_first(hosts: Iterable[HostReport]) -> list[HostReport]:
    """Return the hosts that could not be audited, then the others by their score, lowest first."""

    def key(host: HostReport) -> Any:
        if host.report is None:
            return (0, (UNREACHABLE, FAILED).index(host.status), 0, host.host)
        value = host.report["score"]
        return (1, _LAST_IN_TABLE if value is None else value, -len(failing(host.report, Severity.CRITICAL)), host.host)

    return sorted(hosts, key=key)


def most_failed(hosts: Iterable[HostReport]) -> list[dict[str, Any]]:
    """Return the checks that fail on some host, those that fail on most hosts first."""
    seen: dict[str, dict[str, Any]] = {}
    for host in hosts:
        for finding in host.report["findings"] if host.report else ():
            if finding["status"] == Status.FAIL:
                entry = {key: finding[key] for key in ("id", "slug", "title", "severity")}
                seen.setdefault(finding["id"], dict(entry, hosts=[]))["hosts"].append(host.host)
    for entry in seen.values():
        entry["hosts"].sort()
    return sorted(seen.values(), key=lambda e: (-len(e["hosts"]), Severity.ALL.index(e["severity"]), e["id"]))


def summary(hosts: Sequence[HostReport]) -> dict[str, Any]:
    """Return the sums over the fleet. Its score is that of its worst host: one weak host is enough for an attacker."""
    reports = [host.report for host in hosts if host.report is not None]
    scores = [report["score"] for report in reports if report["score"] is not None]
    decided = sum(report["coverage"]["decided"] for report in reports)
    applicable = sum(report["coverage"]["applicable"] for report in reports)
    return {
        "hosts": len(hosts),
        AUDITED: len(reports),
        UNREACHABLE: sum(1 for host in hosts if host.status == UNREACHABLE),
        FAILED: sum(1 for host in hosts if host.status == FAILED),
        "lowest_score": min(scores, default=None),
        "failing": {severity: sum(len(failing(report, severity)) for report in reports) for severity in Severity.ALL},
        "unknown": sum(report["counts"][Status.UNKNOWN] for report in reports),
        "waived": sum(report["counts"][Status.WAIVED] for report in reports),
        "coverage": {
            "decided": decided,
            "applicable": applicable,
            "percent": 100 * decided // applicable if applicable else None,
        },
        "most_failed": most_failed(hosts),
    }


@dataclass(frozen=True)
class Gate:
    """Whether a run ends well. reasons: why it does not, one sentence a cause; hosts: those that are why."""

    reasons: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The reasons in one line that begins with the hosts: Ansible itself blames the first host of the play."""
        return "%s: %s" % (some_of(self.hosts), "; ".join(self.reasons)) if self.reasons else ""


# What of a check closes the gate: (status, of one check, of several).
_FAILS = (Status.FAIL, "%d %s check fails on %s", "%d %s checks fail on %s")
_UNDECIDED = (
    Status.UNKNOWN,
    "%d %s check could not be decided on %s: waive it, or set nself_check_fail_on_unknown=false",
    "%d %s checks could not be decided on %s: waive them, or set nself_check_fail_on_unknown=false",
)


def gate(hosts: Sequence[HostReport], fail_on: str, fail_on_unknown: bool = True) -> Gate:
    """Return whether the gate holds. fail_on_unknown: whether a check that could not be decided counts like a failing one."""
    if fail_on == "none":
        return Gate()
    reasons = []
    blamed = {host.host for host in hosts if host.report is None}
    missed = sorted(blamed)
    for status, one, several in (_FAILS, _UNDECIDED) if fail_on_unknown else (_FAILS,):
        for severity in GATES[fail_on]:
            where = {host.host: len(_with_status(host.report, status, severity)) for host in hosts if host.report}
            names = [host for host, count in where.items() if count]
            total = sum(where.values())
            if total:
                reasons.append((one if total == 1 else several) % (total, severity, some_of(names)))
                blamed.update(names)
    if missed:
        reasons.append("%s could not be audited" % some_of(missed))
    return Gate(tuple(reasons), tuple(sorted(blamed)))


def some_of(names: Sequence[str], most: int = 5) -> str:
    """Return names in one line, the first of them where there are many."""
    shown = ", ".join(sorted(names)[:most])
    return shown + (" and %d more" % (len(names) - most) if len(names) > most else "")


def unknown_reasons(report: Mapping[str, Any]) -> dict[str, int]:
    """Return why checks are unknown: {reason: how many}, in the order of the reasons."""
    reasons = [f["reason"] or Reason.ERROR for f in report["findings"] if f["status"] == Status.UNKNOWN]
    return {reason: reasons.count(reason) for reason in Reason.ALL if reason in reasons}


def newest(hosts: Iterable[HostReport]) -> Optional[str]:
    """Return when the last audit of these hosts began, None where no host was audited."""
    return max((host.report["generated_at"] for host in hosts if host.report is not None), default=None)

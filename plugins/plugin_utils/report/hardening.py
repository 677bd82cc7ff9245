# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of harden.yml did to a host: two audits compared, what its roles answered, and whether the run ended well. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Severity, Status
from ansible_collections.nself.prod.plugins.plugin_utils.report import deployment, fleet
from ansible_collections.nself.prod.plugins.plugin_utils.report.excuses import excuses
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import HostReport
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import clean, clean_tree

# In the order in which harden.yml runs them: the host's doors, its deployment, and what reads what the deployment then is.
ROLES = (
    "sshd",
    "ufw",
    "sysctl",
    "docker_daemon",
    "services",
    "unattended_upgrades",
    "auditd",
    *deployment.ROLES,
    "fail2ban",
    "permissions",
)
SYSTEMS = ("debian", "ubuntu")
# What became of a host: hardened; looked at in check mode; a role failed; no answer afterwards; not begun with; not begun, since the
# rollout had stopped.
DONE, CHECKED, FAILED, LOST, LEFT_OUT, UNTOUCHED = "hardened", "checked", "failed", "lost", "left out", "not begun"
IN_TROUBLE = (FAILED, LOST)
# What the role packages installed, by the role that needed it.
PACKAGES = "packages_of"
# What Ansible says of a module that was ended before it could answer.
NO_ANSWER = re.compile(r"Module result deserialization failed|^MODULE FAILURE")


@dataclass(frozen=True)
class RoleResult:
    """What one role answered. changes: what it changed, or would; excuses: what could not apply here; failed: it ended before its end."""

    role: str
    changed: bool = False
    changes: tuple[str, ...] = ()
    excuses: tuple[str, ...] = ()
    failed: bool = False


@dataclass(frozen=True)
class Hardened:
    """One host of the run. after: None where there was no second audit; roles: those that answered; change: of its deployment."""

    host: str
    state: str
    before: HostReport
    after: Optional[HostReport] = None
    message: str = ""
    roles: tuple[RoleResult, ...] = ()
    change: Optional[deployment.Deployment] = None


@dataclass(frozen=True)
class Turned:
    """The checks of a host by what became of them, each as the second audit found it.

    blurred: passed before and cannot be decided now; failing, undecided: of the roles that were run; elsewhere: how many fail
    that none of those mends, by severity.
    """

    better: tuple[Mapping[str, Any], ...] = ()
    worse: tuple[Mapping[str, Any], ...] = ()
    blurred: tuple[Mapping[str, Any], ...] = ()
    failing: tuple[Mapping[str, Any], ...] = ()
    undecided: tuple[Mapping[str, Any], ...] = ()
    elsewhere: Mapping[str, int] = field(default_factory=dict)


# -- which roles -----------------------------------------------------------------------------------------------------------


def roles_run(shipped: Iterable[str], tags: Sequence[str] = (), skipped: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the roles that a run with these --tags and --skip-tags runs, in their order. shipped: those that exist."""
    there = frozenset(shipped)
    everything = not tags or bool({"all", "tagged"} & set(tags))
    return tuple(
        role
        for role in ROLES
        if role in there and (everything or role in tags) and role not in skipped and "tagged" not in skipped
    )


# -- what the roles answered -----------------------------------------------------------------------------------------------


def role_results(variables: Mapping[str, Any], roles: Sequence[str]) -> tuple[RoleResult, ...]:
    """Return what the roles of a host answered, from the variables that their tasks registered: those that begin with the role's name,
    and what the role packages noted of the packages that it installed for them.
    """
    found = (_role_result(role, variables) for role in roles if role not in deployment.ROLES)
    return tuple(result for result in (*found, *_of_deployment(variables, roles)) if result is not None)


def _of_deployment(variables: Mapping[str, Any], roles: Sequence[str]) -> list[RoleResult]:
    """Return what the roles of the deployment did: where something was changed they did it together. What they leave is told elsewhere."""
    answer = variables.get(deployment.RESULT)
    change = deployment.from_answer(answer)
    if change is None or not change.applicable:
        return []
    if change.changed or change.failed:
        changes = tuple(dict.fromkeys(text for item in _answers(answer) for text in _changes(item)))
        return [RoleResult(deployment.WHOLE, change.changed, changes, (), change.failed)]
    return [RoleResult(part.role) for part in change.parts if part.role in roles]


def _role_result(role: str, variables: Mapping[str, Any]) -> Optional[RoleResult]:
    answers = [answer for name in sorted(variables) if _is_of(role, name) for answer in _answers(variables[name])]
    noted = variables.get(PACKAGES)
    names = noted.get(role) if isinstance(noted, Mapping) else None
    installed = [clean("package " + str(name)) for name in names] if isinstance(names, list) else []
    if not answers and not installed:
        return None
    changed = [answer for answer in answers if answer["changed"] is True]
    changes = installed + [change for answer in changed for change in _changes(answer)]
    told = [text for answer in answers for text in excuses(answer, role)]
    failed = any(answer.get("failed") is True for answer in answers)
    return RoleResult(
        role, bool(changed or installed), tuple(dict.fromkeys(changes)), tuple(dict.fromkeys(told)), failed
    )


def _is_of(role: str, name: str) -> bool:
    return name.lstrip("_").startswith(role + "_")


def _answers(value: Any) -> list[Mapping[str, Any]]:
    """Return the results of a task, one each for the rounds of a loop; nothing for what is no result."""
    if not isinstance(value, Mapping) or not isinstance(value.get("changed"), bool) or value.get("skipped"):
        return []
    rounds = value.get("results")
    if isinstance(rounds, list) and rounds:
        return [answer for item in rounds for answer in _answers(item)]
    return [value]


def _changes(answer: Mapping[str, Any]) -> list[str]:
    """Return what a result says that it changed, in few words each."""
    given = answer.get("diff") or []
    out = []
    for entry in given if isinstance(given, list) else [given]:
        if not isinstance(entry, Mapping):
            continue
        header = str(entry.get("after_header") or entry.get("before_header") or "").strip()
        # A file is said by its path; an effect has no file, and its line says it.
        words = header or str(entry.get("after") or entry.get("prepared") or "").strip()
        out += [clean(line.strip()) for line in words.splitlines() if line.strip()]
    return out


# -- hosts that were not begun with ----------------------------------------------------------------------------------------


def why_left_out(before: HostReport) -> str:
    """Return why a host cannot be hardened, from its first audit; empty where it can. harden.yml has the same condition."""
    report = before.report
    if report is None:
        return before.message
    if not report["privileged"]:
        return "hardening needs root: " + "; ".join(report["notes"] or ["the audit did not run as root"])
    system = report["platform"]["id"]
    if system not in SYSTEMS:
        return "it is no Debian or Ubuntu, but %s" % (report["platform"]["name"] or system or "unknown")
    return ""


def state_of(
    before: HostReport, after: Optional[HostReport], failure: str, *, lost: bool, stopped: bool, check: bool
) -> tuple[str, str]:
    """Return (what became of a host, why). failure: which role failed; lost: it gave no answer to a role; stopped: the rollout did."""
    if failure:
        return FAILED, failure
    if lost:
        return LOST, "it gave no answer to a role any more: look at it by hand"
    left_out = why_left_out(before)
    if left_out:
        return LEFT_OUT, left_out
    if after is None:
        return (UNTOUCHED, "the rollout stopped before") if stopped else (LOST, "there is no second audit of it")
    if after.report is None:
        return LOST, "it could not be audited afterwards: " + after.message
    return (CHECKED, "") if check else (DONE, "")


def replaced(host: Hardened, before: HostReport, after: Optional[HostReport]) -> Hardened:
    """Return a host with other audits."""
    return replace(host, before=before, after=after)


def outcome(host: Hardened, roles: Sequence[str]) -> dict[str, Any]:
    """Return what became of a host as plain data, for those who keep the artifacts of a run."""
    what = became(host, roles)

    def score(report: Optional[HostReport]) -> Optional[int]:
        return report.report["score"] if report is not None and report.report is not None else None

    def ids(findings: Iterable[Mapping[str, Any]]) -> list[str]:
        return sorted(finding["id"] for finding in findings)

    return {
        "state": host.state,
        "message": host.message,
        "before": score(host.before),
        "after": score(host.after),
        "better": ids(what.better),
        "worse": ids([*what.worse, *what.blurred]),
        "left": ids([*what.failing, *what.undecided]),
        "changed_by": [result.role for result in host.roles if result.changed],
        "excuses": {result.role: list(result.excuses) for result in host.roles if result.excuses},
        "deployment": None if host.change is None else deployment.outcome(host.change),
    }


def failure_of(given: Any) -> str:
    """Return in one line which role failed at what, from what the playbook noted of each failed task."""
    return "; ".join(map(_failure, given if isinstance(given, (list, tuple)) and given else [given]))


def _failure(given: Any) -> str:
    given = clean_tree(given) if isinstance(given, Mapping) else {}
    # Each role has a tag of its name, and Ansible does not say in another way which role a task is of.
    roles = [tag for tag in given.get("tags") or () if tag in ROLES]
    role = "" if not roles else roles[0] if len(roles) == 1 else deployment.WHOLE
    message = str(given.get("message") or "") or "it failed without a message"
    if role in (deployment.WHOLE, *deployment.ROLES) and NO_ANSWER.search(message):
        message = deployment.KILLED
    where = role or "a task"
    task = str(given.get("task") or "")
    if task and (not role or not re.search(re.escape(role), task)):
        where += " (%s)" % task
    return "%s: %s" % (where, message)


# -- two audits ------------------------------------------------------------------------------------------------------------


def turned(before: HostReport, after: Optional[HostReport], roles: Sequence[str]) -> Turned:
    """Return what became of the checks between two audits; without a second one, what fails and can be mended by these roles."""
    last = after or before
    if last.report is None:
        return Turned(elsewhere={})
    was = {finding["id"]: finding["status"] for finding in before.report["findings"]} if before.report else {}
    findings = sorted(last.report["findings"], key=lambda f: Severity.ALL.index(f["severity"]))

    def became(status: str, *earlier: str) -> tuple[Mapping[str, Any], ...]:
        return tuple(f for f in findings if f["status"] == status and was.get(f["id"]) in earlier)

    def standing(status: str) -> tuple[Mapping[str, Any], ...]:
        return tuple(f for f in findings if f["status"] == status and f["fix"]["role"] in roles)

    compared = after is not None and before.report is not None
    elsewhere = [f["severity"] for f in findings if f["status"] == Status.FAIL and f["fix"]["role"] not in roles]
    worse = became(Status.FAIL, Status.PASS) if compared else ()
    return Turned(
        became(Status.PASS, Status.FAIL, Status.UNKNOWN, Status.NOT_APPLICABLE) if compared else (),
        worse,
        became(Status.UNKNOWN, Status.PASS) if compared else (),
        tuple(f for f in standing(Status.FAIL) if f not in worse),
        tuple(f for f in standing(Status.UNKNOWN) if was.get(f["id"]) != Status.PASS or not compared),
        {severity: elsewhere.count(severity) for severity in Severity.ALL if severity in elsewhere},
    )


def became(host: Hardened, roles: Sequence[str]) -> Turned:
    """Return what became of a host's checks. Where it has no deployment to harden, the roles of one could mend nothing."""
    nothing = host.change is not None and not host.change.applicable
    in_charge = [role for role in roles if not (nothing and role in deployment.ROLES)]
    return turned(host.before, host.after, in_charge)


# -- how the run ended -----------------------------------------------------------------------------------------------------

OUTCOMES = (
    (FAILED, "hardening %s failed"),
    (LOST, "%s did not answer any more"),
    (LEFT_OUT, "%s could not be hardened"),
    (UNTOUCHED, "%s was not begun, since the rollout stopped"),
)


# Which of a host's checks close the gate, and what it then says.
JUDGED = (
    ("%s got worse on %s: %s", ("worse", "blurred")),
    ("%s of the roles that ran still failing on %s: %s", ("failing",)),
    ("%s of the roles that ran not decided on %s: %s", ("undecided",)),
)


def gate(hosts: Sequence[Hardened], roles: Sequence[str], fail_on: str, fail_on_unknown: bool = True) -> fleet.Gate:
    """Return whether a run ends well: every host was hardened, no check got worse, and none of the roles' checks fails.

    fail_on: which checks count, as in fleet.gate. A host that failed counts always.
    """
    reasons, blamed = [], set()
    for state, words in OUTCOMES:
        names = [host.host for host in hosts if host.state == state]
        if names:
            reasons.append(words % fleet.some_of(names))
            blamed.update(names)
    looked_at = {host.host: became(host, roles) for host in hosts if host.state in (DONE, FAILED)}
    for severity in fleet.GATES[fail_on]:
        for words, parts in JUDGED if fail_on_unknown else JUDGED[:-1]:
            found = [
                (name, finding["id"])
                for name, what in looked_at.items()
                for part in parts
                for finding in getattr(what, part)
                if finding["severity"] == severity
            ]
            if found:
                where = {name for name, _check in found}
                count = "%d %s check%s" % (len(found), severity, "" if len(found) == 1 else "s")
                checks = fleet.some_of(sorted({check for _name, check in found}))
                reasons.append(words % (count, fleet.some_of(sorted(where)), checks))
                blamed.update(where)
    return fleet.Gate(tuple(reasons), tuple(sorted(blamed)))


def too_many(batch: Sequence[Any], troubled: Sequence[str], percent: int) -> bool:
    """Return whether more hosts of a batch failed than may, as Ansible's max_fail_percentage counts."""
    return bool(troubled) and 100 * len(troubled) > percent * max(1, len(batch))

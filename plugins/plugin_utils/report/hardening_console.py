# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What harden.yml did, for a terminal: before and after, what got better, what got worse, what is left and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Severity, Status
from ansible_collections.nself.prod.plugins.plugin_utils.report import console, deployment
from ansible_collections.nself.prod.plugins.plugin_utils.report.hardening import (
    CHECKED,
    DONE,
    IN_TROUBLE,
    LEFT_OUT,
    UNTOUCHED,
    Hardened,
    Turned,
    became,
)
from ansible_collections.nself.prod.plugins.plugin_utils.report.remedy import Remedies
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import HostReport
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import Style

TITLE = "nself production hardening"
DRY = " (check mode: nothing was changed)"
HEADER = ("host", "before", "after", "better", "worse", "left", "outcome")
# What stands at the head of a host that is no success.
HEADLINES = {
    "failed": "Hardening failed",
    "lost": "No answer any more",
    LEFT_OUT: "Not hardened",
    UNTOUCHED: "Not begun",
}


def render(
    hosts: Sequence[Hardened],
    roles: Sequence[str],
    style: Style,
    remedies: Remedies,
    verbose: bool = False,
) -> str:
    """Return the whole report. roles: those that the run ran. Hosts in trouble stand first."""
    title = TITLE + (DRY if any(host.state == CHECKED for host in hosts) else "")
    hosts = sorted(hosts, key=lambda host: (host.state not in IN_TROUBLE, host.state in (DONE, CHECKED), host.host))
    lines = [style.paint(title, "bold"), "=" * len(title)]
    if len(hosts) > 1:
        lines += ["", *_fleet(hosts, roles, style)]
    if len(hosts) > console.FEW_HOSTS and not verbose:
        shown = [host for host in hosts if _is_alarming(host, roles)]
        lines += ["", *style.wrap("Each host's checks: -e nself_harden_verbose=true, or --limit one of them.")]
    else:
        shown = list(hosts)
    for host in shown:
        if len(hosts) > 1:
            lines += ["", style.paint("-" * style.columns, "dim")]
        lines += ["", *_host(host, roles, style, remedies)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def progress(host: Hardened, roles: Sequence[str], style: Style) -> list[str]:
    """Return one line on a host of a rollout that goes on."""
    what = became(host, roles)
    words = "%s: %s" % (host.host, host.state)
    if host.state in IN_TROUBLE:
        words += ": " + host.message
    elif host.after is not None:
        words += ", score %s → %s, %d better" % (_score(host.before), _score(host.after), len(what.better))
        words += ", %d WORSE" % (len(what.worse) + len(what.blurred)) if what.worse or what.blurred else ""
        words += ", %d left" % len(what.failing)
    colours = ("red",) if _is_alarming(host, roles) else ()
    return [style.paint(line, *colours) for line in style.wrap(words, "", "  ")]


def _is_alarming(host: Hardened, roles: Sequence[str]) -> bool:
    what = became(host, roles)
    return host.state in IN_TROUBLE or bool(what.worse or what.blurred)


def _score(report: Optional[HostReport]) -> str:
    value = report.report["score"] if report is not None and report.report is not None else None
    return "–" if value is None else str(value)


# -- several hosts ---------------------------------------------------------------------------------------------------------


def _fleet(hosts: Sequence[Hardened], roles: Sequence[str], style: Style) -> list[str]:
    count = {state: sum(1 for host in hosts if host.state == state) for state in {host.state for host in hosts}}
    text = "%d hosts: " % len(hosts) + ", ".join("%d %s" % (count[state], state) for state in sorted(count))
    looked_at = [became(host, roles) for host in hosts]
    cells = [
        (
            host.host,
            _score(host.before),
            _score(host.after),
            *(("–",) * 2 if host.after is None else (str(len(what.better)), str(len(what.worse) + len(what.blurred)))),
            str(len(what.failing)) if (host.after or host.before).report is not None else "–",
            host.state,
        )
        for host, what in zip(hosts, looked_at)
    ]
    bad = [_is_alarming(host, roles) for host in hosts]
    lines = [*style.wrap(text), "", *console.table(HEADER, cells, bad, style)]
    told = [host for host in hosts if host.message]
    return (
        lines
        + (["", style.paint("Not as it should be", "bold")] if told else [])
        + [line for host in told for line in style.wrap("%s: %s" % (host.host, host.message), "  ", " " * 4)]
    )


# -- one host --------------------------------------------------------------------------------------------------------------


def _host(host: Hardened, roles: Sequence[str], style: Style, remedies: Remedies) -> list[str]:
    last = host.after or host.before
    if last.report is None:
        words = "Host %s: %s: %s" % (host.host, HEADLINES.get(host.state, host.state), host.message)
        return [style.paint(line, "red") for line in style.wrap(words, "", "  ")]
    what = became(host, roles)
    lines = _alarm(host, style) + console.labelled(_head(host, last.report), style, console.LABEL)
    if host.state == CHECKED:
        lines += ["", *_would_change(host, style)]
    else:
        lines += _changed_deployment(host, style)
    lines += _worse(what, style)
    if host.after is not None:
        lines += ["", *_better(what, style)]
    lines += [
        "",
        *(
            _now(what, style)
            if host.state == CHECKED
            else _left(what, style, host.change is not None and host.change.failed)
        ),
    ]
    return lines + _elsewhere(what, style, remedies)


def _alarm(host: Hardened, style: Style) -> list[str]:
    if host.state not in HEADLINES:
        return []
    lines = style.wrap("%s: %s" % (HEADLINES[host.state].upper(), host.message or "see above"), "", "  ")
    return [*(style.paint(line, "bold", "red") for line in lines), ""]


def _head(host: Hardened, report: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("Host", host.host + console.system(report["platform"])),
        ("Deployment", console.deployment_line(report["deployment"])),
    ]
    if host.after is not None:
        rows.append(("Score", "%s → %s of 100" % (_score(host.before), _score(host.after))))
    else:
        rows.append(("Score", "%s of 100" % _score(host.before)))
    changed = [result.role for result in host.roles if result.changed]
    kept = [result.role for result in host.roles if not result.changed and not result.failed]
    if host.state != CHECKED and changed:
        rows.append(("Changed by", ", ".join(changed)))
    if kept:
        rows.append(("Unchanged", ", ".join(kept)))
    rows += _deployment_rows(host)
    rows += [("Not here", "%s: %s" % (result.role, text)) for result in host.roles for text in result.excuses]
    return rows + [("Note", note) for note in report["notes"]]


def _deployment_rows(host: Hardened) -> list[tuple[str, str]]:
    """Return what the change of the deployment costs, and what it leaves to people."""
    change = host.change
    if change is None:
        return []
    rows = [("Not here", text) for text in deployment.excuses(change)]
    if not change.failed:
        planned = host.state == CHECKED
        if change.order:
            rows.append(("Recreate" if planned else "Recreated", deployment.in_order(change)))
        if change.removed:
            rows.append(("Remove" if planned else "Removed", ", ".join(change.removed)))
        away = deployment.longest(change)
        if away:
            rows.append(("Downtime", "at most " + away))
    return rows + [("By hand", text) for text in deployment.by_hand(change)]


def _changed_deployment(host: Hardened, style: Style) -> list[str]:
    """Return what was changed in the deployment: it is the users' own work, and who looks after it asks."""
    changes = [
        change
        for result in host.roles
        if result.role == deployment.WHOLE and result.changed
        for change in result.changes
    ]
    if not changes or host.change is None or host.change.failed:
        return []
    lines = ["", style.paint("Changed in the deployment", "bold")]
    for change in changes:
        lines += style.wrap(change, "  ", " " * 6)
    return lines


def _would_change(host: Hardened, style: Style) -> list[str]:
    changed = [result for result in host.roles if result.changed]
    if not changed:
        return [style.paint("Would change", "bold"), "  nothing"]
    lines = [style.paint("Would change", "bold")]
    for result in changed:
        words = "%s: %s" % (result.role, ", ".join(result.changes) if result.changes else "see its tasks above")
        lines += style.wrap(words, "  ", " " * 6)
    return lines


def _worse(what: Turned, style: Style) -> list[str]:
    found = [*what.worse, *what.blurred]
    if not found:
        return []
    head = "WORSE THAN BEFORE: %d %s before this run" % (
        len(found),
        "check passed" if len(found) == 1 else "checks passed",
    )
    lines = ["", style.paint(head, "bold", "red")]
    for finding in found:
        lines += console.marked(finding["status"], _line(finding, actual=True), style)
    return lines


def _better(what: Turned, style: Style) -> list[str]:
    if not what.better:
        return [style.paint("Better", "bold"), "  none"]
    lines = [style.paint("Better (%d)" % len(what.better), "bold", "green")]
    for finding in what.better:
        lines += console.marked(finding["status"], _line(finding, actual=False), style)
    return lines


def _now(what: Turned, style: Style) -> list[str]:
    """Return what fails as long as nothing is changed."""
    found = [*what.failing, *what.undecided]
    if not found:
        return [style.paint("Fails now", "bold"), "  none of the checks that these roles mend"]
    lines = [style.paint("Fails now (%d)" % len(found), "bold", "yellow")]
    for finding in found:
        lines += console.marked(finding["status"], _line(finding, actual=False), style)
    return lines


def _left(what: Turned, style: Style, taken_back: bool) -> list[str]:
    """Return what the roles that ran should have mended and did not, each with what to do: running them again would not help.

    taken_back: the deployment is as it was, so what its roles mend is only counted.
    """
    lines = []
    found = [*what.failing, *what.undecided]
    untouched = [finding for finding in found if taken_back and finding["fix"]["role"] in deployment.ROLES]
    found = [finding for finding in found if finding not in untouched]
    if untouched:
        words = "The deployment is as it was: %d of the checks that its roles mend are as they were too." % len(
            untouched
        )
        lines += [*style.wrap(words), ""]
    if not found and not untouched:
        return [style.paint("Left", "bold"), "  none: every check that these roles mend passes"]
    if found:
        lines.append(style.paint("Left (%d)" % len(found), "bold", "yellow"))
    for finding in found:
        lines += console.marked(finding["status"], _line(finding, actual=True), style)
        advice = finding["fix"]["by_hand"]
        if finding["status"] == Status.FAIL and advice:
            lines += style.wrap("by hand: " + advice, " " * 6, " " * 6)
    return lines


def _line(finding: Mapping[str, Any], actual: bool) -> str:
    text = "%s [%s]" % (finding["title"], finding["id"])
    if not actual:
        return text
    if finding["status"] == Status.UNKNOWN:
        reason = console.REASONS[finding["reason"] or "error"]
        return "%s: %s" % (text, "%s (%s)" % (reason, finding["actual"]) if finding["actual"] else reason)
    return "%s: %s" % (text, finding["actual"] or "not as expected")


def _elsewhere(what: Turned, style: Style, remedies: Remedies) -> list[str]:
    if not what.elsewhere:
        return []
    total = sum(what.elsewhere.values())
    counts = ", ".join("%d %s" % (what.elsewhere[name], name) for name in Severity.ALL if name in what.elsewhere)
    words = "Besides, %d %s no role of this run mends (%s):" % (
        total,
        "check fails that" if total == 1 else "checks fail that",
        counts,
    )
    return ["", *style.wrap(words), "  " + style.plain(remedies.audit())]

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for a terminal, in the layout of the guide. Pure: it is given hosts and a style and returns a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.nself.prod.plugins.module_utils.audit.model import CATEGORIES, Level, Severity, Status
from ansible_collections.nself.prod.plugins.plugin_utils.report import fleet
from ansible_collections.nself.prod.plugins.plugin_utils.report.remedy import Remedies
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import HostReport
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import Style, cut, pad, width

TITLE = "nself production security check"
FEW_HOSTS = 3  # so many hosts are shown in full without being asked for
MOST_FAILED = 10  # rows of the list of checks that fail on several hosts

MARKS = {
    Status.PASS: ("✓", "[ok]", ("green",)),
    Status.FAIL: ("✗", "[!!]", ("red",)),
    Status.UNKNOWN: ("?", "[??]", ("cyan",)),
    Status.NOT_APPLICABLE: ("–", "[--]", ("dim",)),
    Status.WAIVED: ("~", "[~~]", ("yellow",)),
}
SECTIONS = (
    (Severity.CRITICAL, "Critical issues", ("bold", "red")),
    (Severity.WARNING, "Warnings", ("bold", "yellow")),
    (Severity.RECOMMENDATION, "Recommendations", ("bold",)),
)
REASONS = {
    "needs_root": "needs root",
    "tool_absent": "a tool is absent",
    "timeout": "no answer in time",
    "parse_error": "could not be understood",
    "error": "an error",
}
EVIDENCE = {
    Level.RUNNING: "on what runs",
    Level.RENDERED: "on the rendered compose file",
    Level.DECLARED: "on what the env files say",
}
LABEL = 12  # columns of the labels at the head of a host


def render(hosts: Sequence[HostReport], style: Style, remedies: Remedies, verbose: bool = False) -> str:
    """Return the whole report. Hosts stand worst first; one host alone has no fleet table."""
    hosts = fleet.worst_first(hosts)
    lines = [style.paint(TITLE, "bold"), "=" * len(TITLE)]
    if len(hosts) > 1:
        lines += [""] + _fleet(hosts, style)
    if len(hosts) == 1:
        lines += [""] + _host(hosts[0], style, remedies, verbose)
    elif verbose or len(hosts) <= FEW_HOSTS:
        for host in hosts:
            if host.report is not None:
                lines += ["", style.paint("-" * style.columns, "dim")] + _host(host, style, remedies, verbose)
    else:
        lines += [""] + style.wrap("Each host's findings: -e nself_check_verbose=true, or --limit one of them.")
    return "\n".join(line.rstrip() for line in lines) + "\n"


# -- one host ------------------------------------------------------------------------------------------------------------


def _host(host: HostReport, style: Style, remedies: Remedies, verbose: bool) -> list[str]:
    if host.report is None:
        text = "Host %s was not audited (%s): %s" % (host.host, host.status, host.message)
        return [style.paint(line, "red") for line in style.wrap(text, "", " " * 2)]
    report = host.report
    lines = _head(host, report, style, verbose)
    for category in CATEGORIES:
        lines += _category(category, report, style, remedies, verbose, host.host)
    lines += [""] + _score(report, style)
    for severity, title, colours in SECTIONS:
        lines += [""] + _section(title, colours, fleet.failing(report, severity), style, remedies, host.host)
    return lines


def _head(host: HostReport, report: Mapping[str, Any], style: Style, verbose: bool) -> list[str]:
    rows = [("Host", host.host + system(report["platform"])), ("Deployment", deployment_line(report["deployment"]))]
    rows.append(("Evidence", _evidence(report["findings"])))
    rows += [("Note", note) for note in report["notes"]]
    unknown = fleet.unknown_reasons(report)
    if unknown:
        total = sum(unknown.values())
        causes = ", ".join("%s (%d)" % (REASONS[reason], count) for reason, count in unknown.items())
        rows.append(("Undecided", "%d %s: %s" % (total, "check" if total == 1 else "checks", causes)))
    for waiver in report["waivers"]["expired"]:
        text = "of %s for %s ended on %s and no longer counts" % (waiver["owner"], waiver["id"], waiver["expires"])
        rows.append(("Waiver", text))
    for waiver in report["waivers"]["unused"]:
        rows.append(("Waiver", "of %s for %s is not needed here" % (waiver["owner"], waiver["id"])))
    if verbose:
        rows += [("Not read", text) for text in _not_read(report["problems"])]
    return labelled(rows, style, LABEL)


def system(platform: Mapping[str, Any]) -> str:
    """Return what a host is, to stand behind its name."""
    return "".join(
        words % platform[key]
        for key, words in (("name", ", %s"), ("kernel", ", kernel %s"), ("container", ", in a container (%s)"))
        if platform[key]
    )


def _not_read(problems: Iterable[Mapping[str, str]]) -> list[str]:
    """Return one line for each source that could not be read, or not wholly."""
    sources: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for problem in problems:
        sources.setdefault((problem["fact"].split(".")[0], problem["reason"]), []).append(problem)
    return [
        "%s: %s" % (found[0]["fact"], found[0]["detail"] or REASONS[reason])
        + (", and %d more of %s" % (len(found) - 1, source) if len(found) > 1 else "")
        for (source, reason), found in sources.items()
    ]


def labelled(
    rows: Iterable[tuple[str, str]], style: Style, columns: int, indent: str = "", paint: str = "dim"
) -> list[str]:
    """Return labelled texts, each wrapped below itself; the label is painted after wrapping."""
    lines = []
    for label, text in rows:
        first = indent + pad(label, columns)
        wrapped = style.wrap(text, first, " " * width(first))
        wrapped[0] = indent + style.paint(label, paint) + wrapped[0][len(indent) + len(label) :]
        lines += wrapped
    return lines


def deployment_line(deployment: Mapping[str, Any]) -> str:
    """Return which deployment was found on a host."""
    if deployment["state"] == "found":
        name = deployment["project"] or "nself"
        text = "%s in %s" % (name, deployment["directory"]) if deployment["directory"] else name
        return text + (" (environment %s)" % deployment["environment"] if deployment["environment"] else "")
    if deployment["state"] == "none":
        return "none found on this host, so the checks that need one do not apply"
    return deployment["message"] or "could not be determined"


def _evidence(findings: Iterable[Mapping[str, Any]]) -> str:
    levels = [f["level"] for f in findings if f["status"] in (Status.PASS, Status.FAIL)]
    parts = ["%d %s" % (levels.count(level), EVIDENCE[level]) for level in Level.ALL if level in levels]
    return "checks decided: " + ", ".join(parts) if parts else "nothing could be decided"


def _mark(status: str, style: Style) -> str:
    unicode_mark, ascii_mark, colours = MARKS[status]
    return style.paint(unicode_mark if style.unicode else ascii_mark, *colours)


def _mark_width(style: Style) -> int:
    return 1 if style.unicode else 4


def _category(
    category: str, report: Mapping[str, Any], style: Style, remedies: Remedies, verbose: bool, host: str
) -> list[str]:
    findings = [f for f in report["findings"] if f["category"] == category]
    if not findings:
        return []
    lines = ["", style.paint(category.capitalize(), "bold")]
    folded = 0
    for finding in findings:
        if finding["status"] == Status.NOT_APPLICABLE and not verbose:
            folded += 1
            continue
        lines += _finding(finding, style, verbose)
        if verbose:
            lines += _details(finding, style, remedies, host)
    if folded:
        lines += marked(Status.NOT_APPLICABLE, "%d not applicable" % folded, style)
    return lines


def _finding(finding: Mapping[str, Any], style: Style, verbose: bool) -> list[str]:
    status, text = finding["status"], finding["title"]
    if verbose:
        text = "%s %s (%s)" % (finding["id"], text, finding["severity"])
    elif status == Status.FAIL:
        text += ": " + (finding["actual"] or "not as expected")
    elif status == Status.UNKNOWN:
        text += ": " + _unknown(finding)
    if status == Status.WAIVED and finding["waiver"]:
        text += " (waived by %s until %s)" % (finding["waiver"]["owner"], finding["waiver"]["expires"])
    if not verbose:
        # Two lines of a finding say enough; the whole of it stands in the verbose report.
        room = 2 * (style.columns - 3 - _mark_width(style)) - 10
        text = cut(style.plain(text), room, style.plain("…"))
    return marked(status, text, style)


def _unknown(finding: Mapping[str, Any]) -> str:
    reason = REASONS[finding["reason"] or "error"]
    if finding["reason"] == "needs_root":
        return reason
    return "%s (%s)" % (reason, finding["actual"]) if finding["actual"] else reason


def marked(status: str, text: str, style: Style, indent: int = 2) -> list[str]:
    """Return a text behind the mark of a status, wrapped below itself."""
    blank = " " * (indent + _mark_width(style) + 1)
    lines = style.wrap(text, blank, blank)
    lines[0] = " " * indent + _mark(status, style) + lines[0][len(blank) - 1 :]
    return lines


def _details(finding: Mapping[str, Any], style: Style, remedies: Remedies, host: str) -> list[str]:
    indent = " " * 6
    status = finding["status"]
    if status == Status.NOT_APPLICABLE:
        return labelled([("because", finding["actual"] or "it does not exist here")], style, 10, indent)
    rows = [("expected", finding["expected"]), ("actual", finding["actual"])]
    declared = finding["declared"]
    if declared:
        rows.append(("declared", "%s=%s in %s" % (declared["name"], declared["value"], declared["file"])))
    if status == Status.UNKNOWN:
        rows.append(("unknown", REASONS[finding["reason"] or "error"]))
    else:
        rows.append(("evidence", "; ".join([EVIDENCE[finding["level"]]] + finding["evidence"])))
    if status == Status.WAIVED and finding["waiver"]:
        rows.append(("waived", finding["waiver"]["reason"]))
    if status != Status.PASS:
        rows.append(("why", finding["why"]))
    lines = labelled([row for row in rows if row[1]], style, 10, indent)
    if status in (Status.FAIL, Status.WAIVED):
        lines += _remedy("mend", finding, style, remedies, host, indent, 10)
    for resource in finding["resources"]:
        if resource["status"] != Status.PASS:
            text = resource["name"] + (": " + resource["actual"] if resource["actual"] else "")
            lines += marked(resource["status"], text, style, len(indent))
    return lines


def _remedy(
    label: str, finding: Mapping[str, Any], style: Style, remedies: Remedies, host: str, indent: str, columns: int
) -> list[str]:
    """Return how to mend a finding. A command is never wrapped: it is there to be copied."""
    command = remedies.command(finding["fix"], host)
    if command is None:
        return labelled([(label, remedies.advice(finding["fix"], host))], style, columns, indent)
    return [indent + style.paint(label, "dim") + " " * (columns - len(label)) + style.plain(command)]


def _score(report: Mapping[str, Any], style: Style) -> list[str]:
    value, without, coverage = report["score"], report["score_without_waivers"], report["coverage"]
    if value is None:
        text = "Score: none, as nothing that counts was decided"
    else:
        text = "Score: %d/100" % value
    if report["counts"][Status.WAIVED]:
        text += " (without waivers: %s)" % ("none" if without is None else without)
    lines = [style.paint(text, "bold")]
    text = "Coverage: decided %d of %d" % (coverage["decided"], coverage["applicable"])
    return lines + [text + (" (%d %%)" % coverage["percent"] if coverage["percent"] is not None else "")]


def _section(
    title: str,
    colours: Sequence[str],
    findings: Sequence[Mapping[str, Any]],
    style: Style,
    remedies: Remedies,
    host: str,
) -> list[str]:
    if not findings:
        return [style.paint(title, "bold"), "  none"]
    lines = [style.paint(title, *colours)]
    for number, finding in enumerate(findings, 1):
        blank = " " * 6
        lines += style.wrap("%s [%s]" % (finding["title"], finding["id"]), "  %2d. " % number, blank)
        lines += _remedy("", finding, style, remedies, host, blank, 0)
    return lines


# -- several hosts -----------------------------------------------------------------------------------------------------


def _fleet(hosts: Sequence[HostReport], style: Style) -> list[str]:
    totals = fleet.summary(hosts)
    text = "%d hosts: %d audited" % (totals["hosts"], totals["audited"])
    text += "".join(", %d %s" % (totals[key], key) for key in ("unreachable", "failed") if totals[key])
    if totals["lowest_score"] is not None:
        text += "; lowest score %d/100" % totals["lowest_score"]
    return style.wrap(text) + [""] + _table(hosts, style) + _not_audited(hosts, style) + _most_failed(totals, style)


def _table(hosts: Sequence[HostReport], style: Style) -> list[str]:
    header = ("host", "score", "critical", "warnings", "unknown", "coverage", "deployment")
    bad = [host.report is None or bool(fleet.failing(host.report, Severity.CRITICAL)) for host in hosts]
    return table(header, [_cells(host) for host in hosts], bad, style)


def table(header: Sequence[str], cells: Iterable[Sequence[str]], bad: Iterable[bool], style: Style) -> list[str]:
    """Return a table whose first column is cut where it is too wide, and the last one to what is left; bad rows are red."""
    rows = [[style.plain(cell) for cell in row] for row in cells]
    widths = [max(width(row[column]) for row in [header, *rows]) for column in range(len(header) - 1)]
    widths[0] = min(widths[0], max(12, style.columns // 3))
    lines = [style.paint(_row(header, widths, style), "dim")]
    for row, is_bad in zip(rows, bad):
        line = _row(row, widths, style)
        lines.append(style.paint(line, "red") if is_bad else line)
    return lines


def _cells(host: HostReport) -> Sequence[str]:
    report = host.report
    if report is None:
        return (host.host, "–", "–", "–", "–", "–", host.status)
    percent = report["coverage"]["percent"]
    return (
        host.host,
        "–" if report["score"] is None else str(report["score"]),
        str(len(fleet.failing(report, Severity.CRITICAL))),
        str(len(fleet.failing(report, Severity.WARNING))),
        str(report["counts"][Status.UNKNOWN]),
        "–" if percent is None else "%d %%" % percent,
        report["deployment"]["project"] or report["deployment"]["directory"] or report["deployment"]["state"],
    )


def _row(cells: Sequence[str], widths: Sequence[int], style: Style) -> str:
    dots = style.plain("…")
    first = pad(cut(cells[0], widths[0], dots), widths[0])
    line = "  ".join(
        [first] + [pad(cell, columns, right=True) for cell, columns in zip(cells[1:-1], widths[1:])] + [""]
    )
    return line + cut(cells[-1], max(12, style.columns - width(line)), dots)


def _not_audited(hosts: Sequence[HostReport], style: Style) -> list[str]:
    lost = [host for host in hosts if host.report is None]
    if not lost:
        return []
    lines = ["", style.paint("Not audited", "bold")]
    for host in lost:
        lines += style.wrap("%s: %s" % (host.host, host.message), "  ", " " * 4)
    return lines


def _most_failed(totals: Mapping[str, Any], style: Style) -> list[str]:
    entries = [entry for entry in totals["most_failed"] if len(entry["hosts"]) > 1]
    if not entries:
        return []
    lines = ["", style.paint("Failing on most hosts", "bold")]
    for entry in entries[:MOST_FAILED]:
        count = "%d of %d" % (len(entry["hosts"]), totals["audited"])
        lines += style.wrap("%s  %s [%s, %s]" % (count, entry["title"], entry["id"], entry["severity"]), "  ", " " * 10)
    if len(entries) > MOST_FAILED:
        lines.append("  and %d more" % (len(entries) - MOST_FAILED))
    return lines

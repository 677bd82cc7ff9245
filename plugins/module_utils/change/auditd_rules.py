# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of the audit's rules, and what other files of rules do to them. Pure: values in, text out."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.tables import auditd as tables
from ansible_collections.nself.prod.plugins.module_utils.parse.audit_rules import AuditRule, parse_rules

HEAD = """\
## Managed by the role auditd of nself.prod: what is changed here is overwritten. Use the role's auditd_rules.
## -i: a path that is away for a while must not keep the other rules from being loaded, nor auditd from starting.
-D
-i
-b %d
-f 1
"""
PROJECT_KEY = "nself"
_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class Project:
    """The deployment's folder, and what of it is data."""

    directory: str
    data: Tuple[str, ...]


def render(paths: Iterable[str], machine: str, project: Optional[Project], more: Sequence[str], immutable: bool) -> str:
    """Return the file. paths: those of the table that exist; machine: as uname says. Raises ChangeError for a rule that is none."""
    there = set(paths)
    lines = [HEAD % tables.BACKLOG]
    if project is not None:
        # The first rule that matches counts, so what is left out stands first.
        lines += ["-a never,exit -F dir=%s\n" % _path(path) for path in project.data]
        lines.append("-w %s -p wa -k %s\n" % (_path(project.directory), PROJECT_KEY))
    for key, watched in tables.WATCHED:
        lines += ["-w %s -p wa -k %s\n" % (path, key) for path in watched if path in there]
    for key, calls, fields in tables.CALLS:
        for arch in ("b64", "b32") if machine == "x86_64" else ("b64",):
            words = ["-a always,exit", "-F arch=" + arch, "-S " + ",".join(calls)] + ["-F " + field for field in fields]
            lines.append(" ".join(words + ["-k", key]) + "\n")
    for rule in more:
        lines.append(_checked(rule) + "\n")
    if immutable:
        lines.append("-e 2\n")
    return "".join(lines)


def _path(path: str) -> str:
    if _SPACE.search(path):
        raise ChangeError("%r has a space in its name, which audit rules cannot hold; set auditd_project_dir" % path)
    return path


def _checked(rule: str) -> str:
    text = rule.strip()
    try:
        if "\n" in text or len(parse_rules(text)) != 1:
            raise ValueError("not an audit rule")
    except ValueError as error:
        raise ChangeError("auditd_rules: %r is %s" % (rule, error)) from None
    return text


def data_folders(
    directory: str, names: Iterable[str], containers: Iterable[Mapping[str, Any]], before: Sequence[str]
) -> List[str]:
    """Return what of a project's folder is data: what containers write in it, and what is called so.

    names: of the directories in it; before: what was data in an earlier run, for a project that is down just now.
    """
    top = directory.rstrip("/") + "/"
    found = {top + name for name in names if name in tables.DATA}
    found |= {path for path in before if path.startswith(top)}
    for container in containers:
        for mount in container.get("Mounts") or []:
            source = posixpath.normpath(str(mount.get("Source") or ""))
            first = source[len(top) :].split("/")[0]
            if mount.get("Type") == "bind" and mount.get("RW") and source.startswith(top):
                if first not in tables.CONFIGURATION:
                    found.add(source)
    return sorted(path for path in found if not any(path.startswith(other + "/") for other in found))


def left_out(text: str) -> List[str]:
    """Return the folders that a file of ours leaves out."""
    return re.findall(r"^-a never,exit -F dir=(\S+)$", text, re.MULTILINE)


def watched_project(text: str) -> List[str]:
    """Return the project's folder that a file of ours watches, in a list of one or none."""
    return re.findall(r"^-w (\S+) -p wa -k %s$" % PROJECT_KEY, text, re.MULTILINE)


def daemon_config(text: str) -> str:
    """Return auditd.conf with what must not stop the host or lose its log, and the rest as it was."""
    wanted = {name: (value, good) for name, value, good in tables.DAEMON}
    out, seen = [], set()
    for line in text.splitlines(True):
        name, sign, value = line.partition("=")
        name = name.strip().lower()
        if sign and name in wanted:
            seen.add(name)
            words = value.split()
            if not words or words[0].lower() not in wanted[name][1]:
                line = "%s = %s\n" % (name, wanted[name][0])
        out.append(line)
    if out and not out[-1].endswith("\n"):
        out.append("\n")
    # Where a setting is missing, the daemon's own default would do nothing.
    out += ["%s = %s\n" % (name, value) for name, value, _good in tables.DAEMON if name not in seen]
    return "".join(out)


@dataclass(frozen=True)
class Foreign:
    """What the others' files do. stops: lines that keep everything from being audited, by file; told: what a person should know."""

    stops: Dict[str, List[int]]
    told: List[str]


def foreign(files: Mapping[str, str], immutable: bool) -> Foreign:
    """Judge the others' files of rules, in the order in which they are read."""
    stops: Dict[str, List[int]] = {}
    told: List[str] = []
    for path, text in files.items():
        for number, line in enumerate(text.splitlines()):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "-e" and words[1:2] == ["2"] and not immutable:
                told.append("%s locks the rules until the next boot (-e 2)" % path)
            elif words[0] == "-e" and words[1:2] == ["0"]:
                told.append("%s turns the audit off (-e 0); remove the line" % path)
            elif words[0] == "-D" and len(words) > 1:
                told.append("%s deletes rules that were loaded before it (%s)" % (path, line.strip()))
            elif words[0] == "-f" and words[1:2] == ["2"]:
                told.append("%s halts the kernel when a record cannot be written (-f 2)" % path)
            elif words[0] == "-b" and words[1:2] and words[1].isdigit() and int(words[1]) < tables.BACKLOG:
                told.append("%s makes the buffer smaller (%s)" % (path, line.strip()))
            elif words[0] in ("-a", "-A") and any(rule.stops_everything for rule in rules_of(path, line)):
                stops.setdefault(path, []).append(number)
    return Foreign(stops, told)


def rules_of(path: str, text: str) -> List[AuditRule]:
    """Return the rules in a file. Raises ChangeError that names the line that is none."""
    out: List[AuditRule] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            out += parse_rules(line)
        except ValueError as error:
            raise ChangeError("%s line %d is %s: %s; mend or remove it" % (path, number, error, line.strip())) from None
    return out

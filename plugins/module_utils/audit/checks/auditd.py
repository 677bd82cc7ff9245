# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""INFRA-24: the kernel's audit records changes of what matters."""

from __future__ import annotations

from functools import partial
from typing import Any, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Fix, NotApplicable, Severity, check
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.audit_rules import ACCESS, WATCHED
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, each, summed

EXPECTED = "auditd runs, watches what matters, and its rules on disk are the running ones"


@check(
    id="INFRA-24",
    slug="auditd",
    title="auditd watches accounts, ssh, sudo, Docker and the deployment",
    severity=Severity.WARNING,
    why="After a break-in the audit log is what tells who changed an account, a key or the deployment, and when.",
    reads="auditctl -s and -l, and /etc/audit/rules.d",
    passes="auditing is on, writes to the files of Docker, ssh, sudo, the accounts and the deployment are watched, and every "
    "rule on disk is loaded",
    fix=Fix(
        "auditd",
        "Install auditd, put a watch (-w PATH -p wa) for each path that is named, and for the project's directory, into a file "
        "in /etc/audit/rules.d, and run `augenrules --load`.",
        restarts=("auditd",),
    ),
    refs=("s:harden", "U:6.2"),
)
def auditd(facts: Any, policy: Any) -> Any:
    state = facts.read("auditd.state")
    if state == "container":
        raise NotApplicable("auditd cannot run in a container: the audit belongs to its host's kernel")
    if state == "absent":
        return decide(False, EXPECTED, "auditd is not installed")
    wanted = [(group, path) for group, paths in WATCHED for path in paths if path in facts.read("auditd.paths")]
    parts: List[Any] = [("auditing", partial(_auditing, facts)), ("rules on disk", partial(_loaded, facts))]
    parts += [("%s: %s" % pair, partial(_watched, facts, pair[1])) for pair in wanted]
    parts.append(("nself project", partial(_project, facts)))
    return summed(EXPECTED, each(parts, lambda part: part[0], lambda part: part[1]()))


def _auditing(facts: Any) -> Tuple[bool, str]:
    status = facts.record("auditd.status")
    if facts.read("auditd.stopped") is not False:
        return False, "a rule `never,task` keeps everything from being audited"
    if status.read("enabled") not in (1, 2):
        return False, "is off in the kernel"
    return status.read("pid") > 0, "on" if status.read("pid") > 0 else "auditd does not run"


def _loaded(facts: Any) -> Tuple[bool, str]:
    unloaded = facts.read("auditd.unloaded")
    return unloaded == 0, "%d are not loaded" % unloaded if unloaded else "all are loaded"


def _project(facts: Any) -> Tuple[bool, str]:
    if facts.read("deployment.state") != "found":
        raise NotApplicable("there is no deployment")
    return _watched(facts, facts.read("deployment.directory"))


def _watched(facts: Any, path: str) -> Tuple[bool, str]:
    if not _covered(facts.records("auditd.watches"), path):
        return False, "is not watched"
    if not _covered(facts.records("auditd.disk_watches"), path):
        return False, "is watched until the next restart only: no rule on disk says so"
    return True, "is watched"


def _covered(watches: List[Any], path: str) -> bool:
    """Return whether a watch on the path, or on a directory above it, records writes and changes of attributes."""
    for watch in watches:
        top = watch.read("path").rstrip("/")
        if (path == top or path.startswith(top + "/")) and ACCESS <= set(watch.read("access")):
            return True
    return False


CHECKS = (auditd,)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's audit: on or off, its rules in force and those on disk."""

from __future__ import annotations

from typing import Any, Dict, List

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.audit_rules import RULES_DIR, WATCHED
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, exists, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse.audit_rules import AuditRule, parse_rules, parse_status


def collect(host: Any, need: Any) -> Dict[str, Any]:
    container = need("platform")["container"]
    if container is not None and isinstance(container, str):
        return {"state": "container"}
    if host.which("auditctl") is None:
        return {"state": "absent"}
    running = attempt(lambda: _rules(_auditctl(host, "-l")))
    disk = attempt(lambda: _on_disk(host))
    both = isinstance(running, list) and isinstance(disk, list)
    return {
        "state": "present",
        "status": attempt(lambda: _status(host)),
        "watches": _watches(running) if isinstance(running, list) else running,
        "stopped": any(rule.stops_everything for rule in running) if isinstance(running, list) else running,
        "disk_watches": _watches(disk) if isinstance(disk, list) else disk,
        "unloaded": len(set(disk) - set(running)) if both else (disk if isinstance(running, list) else running),
        "paths": attempt(lambda: [path for _group, paths in WATCHED for path in paths if exists(host, path)]),
    }


def _auditctl(host: Any, option: str) -> str:
    done = host.run(["auditctl", option])
    if done.rc != 0:
        refused = "must be root" in done.err or "not permitted" in done.err
        raise HostError(Reason.NEEDS_ROOT if refused else Reason.ERROR, "auditctl", first_line(done.err))
    return str(done.out)


def _status(host: Any) -> Dict[str, int]:
    values = parse_status(_auditctl(host, "-s"))
    try:
        return {"enabled": int(values["enabled"]), "pid": int(values["pid"])}
    except (KeyError, ValueError):
        raise Missing("auditd.status", Reason.PARSE_ERROR, "auditctl -s is not understood") from None


def _rules(text: str) -> List[AuditRule]:
    try:
        return parse_rules(text)
    except ValueError as error:
        raise Missing("auditd.rules", Reason.PARSE_ERROR, str(error)) from None


def _on_disk(host: Any) -> List[AuditRule]:
    try:
        names = [name for name in host.listdir(RULES_DIR) if name.endswith(".rules")]
    except NotFound:
        return []
    return [rule for name in names for rule in _rules(host.read(RULES_DIR + "/" + name))]


def _watches(rules: List[AuditRule]) -> List[Dict[str, str]]:
    return [{"path": rule.path, "access": "".join(sorted(rule.access))} for rule in rules if rule.is_plain_watch]


COLLECTORS = (Collector("auditd", collect),)

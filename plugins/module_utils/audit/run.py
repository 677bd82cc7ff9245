# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One audit of one host: collect, judge, waive, sum up."""

from __future__ import annotations

import datetime
import hashlib
import os
from dataclasses import replace
from typing import Any, Dict, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit import engine, score, waivers
from ansible_collections.nself.prod.plugins.module_utils.audit.checks.secrets import secrets_of
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Options, start_all
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts, Unread, unread_leaves
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, NotApplicable
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.sources import COLLECTORS
from ansible_collections.nself.prod.plugins.module_utils.audit.units import all_units, name_of
from ansible_collections.nself.prod.plugins.module_utils.audit.user_checks import checks_with, collectors_with


def audit(
    host: Any,
    options: Options,
    categories: Sequence[str] = (),
    policy: Optional[Mapping[str, Any]] = None,
    waiver_entries: Sequence[Mapping[str, Any]] = (),
    host_name: str = "localhost",
    extra_checks: Sequence[Any] = (),
    extra_collectors: Sequence[Any] = (),
) -> Dict[str, Any]:
    """Return a host's report, keys as `hosts[]` of the JSON Schema. Raises PolicyError for what the user got wrong."""
    collectors = collectors_with(COLLECTORS, extra_collectors)
    thresholds = Policy(policy)
    key = options.fingerprint_key or os.urandom(32).hex()
    started = host.now()
    gathered = start_all(host, collectors, replace(options, fingerprint_key=key))
    # Ansible ships source, so each run compiles the checks anew: meanwhile the host's commands can already work.
    from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS

    checks = checks_with(CHECKS, extra_checks)
    chosen = engine.select(checks, categories)
    exceptions = waivers.parse(waiver_entries, [check.id for check in checks])
    tree = gathered()
    report = judge_tree(tree, chosen, thresholds, exceptions, host_name, started, host.now() - started)
    return dict(report, privileged=host.euid() == 0, fingerprints=fingerprints(tree, key))


def judge_tree(
    tree: Dict[str, Any],
    checks: Sequence[Any],
    policy: Policy,
    exceptions: Sequence[waivers.Waiver],
    host_name: str,
    started: float,
    seconds: float,
) -> Dict[str, Any]:
    """Return the report of collected facts: pure, so stored facts can be judged again."""
    when = datetime.datetime.fromtimestamp(started, datetime.timezone.utc)
    findings = engine.judge_all(checks, Facts(tree), policy)
    findings, used = waivers.apply(findings, exceptions, host_name, when.date())
    report = {
        "generated_at": when.replace(microsecond=0).isoformat().replace("+00:00", "Z"),
        "duration_ms": int(seconds * 1000),
        "platform": plain(tree.get("platform")),
        "deployment": head_of_deployment(tree.get("deployment")),
        "findings": [finding.as_dict() for finding in findings],
        "problems": engine.problems(unread_leaves(tree)),
        "waivers": used,
    }
    report.update(score.summary(findings))
    return report


def fingerprints(tree: Dict[str, Any], key: str) -> Dict[str, Any]:
    """Return the keyed fingerprints of the deployment's secrets, for comparing hosts of one run.

    {"key_id", "secrets": [{"name", "where", "fp"}]}: key_id tells runs apart, and tells nothing of the key. Fingerprints are
    for the controller's memory only: whoever has one and the key can test guesses.
    """
    found: Dict[Any, Dict[str, str]] = {}
    try:
        for unit in all_units(Facts(tree)):
            for name, secret in secrets_of(unit):
                if not secret["empty"]:
                    found.setdefault(
                        (secret["print"], secret["family"]),
                        {"name": name, "where": name_of(unit), "fp": secret["print"]},
                    )
    except (Missing, NotApplicable):
        pass  # DATA-32 says so
    key_id = hashlib.sha256(("key id " + key).encode("utf-8")).hexdigest()[:12]
    return {"key_id": key_id, "secrets": [found[entry] for entry in sorted(found)]}


def plain(value: Any) -> Any:
    """Return facts as JSON data: an unread leaf becomes None."""
    if isinstance(value, Unread):
        return None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def head_of_deployment(deployment: Any) -> Dict[str, Any]:
    """Return what the report's first lines say of the deployment."""
    keys = ("state", "project", "directory", "environment", "candidates", "message")
    if not isinstance(deployment, dict):
        return dict(dict.fromkeys(keys), state="unknown", message=getattr(deployment, "detail", "not collected"))
    return {key: plain(deployment.get(key)) for key in keys}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a host answered to what may be rendered: cleaned, complete, and nothing that the report does not name.

A host is not trusted to answer with a report. Whatever does not look like one makes the host `failed`; it never breaks the
report of the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    CATEGORIES,
    CATEGORY_OF_PREFIX,
    Level,
    Reason,
    Severity,
    Status,
    prefix_of,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.user_checks import is_foreign
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import clean, clean_tree

AUDITED, UNREACHABLE, FAILED = "audited", "unreachable", "failed"


@dataclass(frozen=True)
class HostReport:
    """One host of the run. report: None unless it was audited; fingerprints: of its secrets, never shown."""

    host: str
    status: str
    message: str = ""
    report: Optional[dict[str, Any]] = None
    fingerprints: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Malformed(ValueError):
    """The answer is not a report. The message says where, without quoting the answer."""


# What each part of a report consists of: a type, or a tuple of allowed values, or a shape (dict), or [shape] for a list of it.
TEXT, MAYBE_TEXT = str, (str, type(None))
WAIVER = {"id": TEXT, "owner": TEXT, "reason": TEXT, "expires": TEXT}
SHAPE_OF_RESOURCE = {
    "name": TEXT,
    "status": Status.ALL,
    "actual": TEXT,
    "level": Level.ALL,
    "reason": Reason.ALL + (None,),
}
SHAPE_OF_FINDING = {
    "id": TEXT,
    "slug": TEXT,
    "title": TEXT,
    "category": CATEGORIES,
    "severity": Severity.ALL,
    "status": Status.ALL,
    "reason": Reason.ALL + (None,),
    "expected": TEXT,
    "actual": TEXT,
    "declared": {"name": TEXT, "value": TEXT, "file": TEXT},
    "level": Level.ALL,
    "resources": [SHAPE_OF_RESOURCE],
    "evidence": [TEXT],
    "why": TEXT,
    "fix": {"role": TEXT, "vars": [TEXT], "restarts": [TEXT], "by_hand": TEXT},
    "refs": [TEXT],
    "waiver": WAIVER,
    "fingerprint": TEXT,
}
NULLABLE = ("declared", "waiver")
TIME = re.compile(r"\d{4}-(0\d|1[0-2])-([012]\d|3[01])T\d\d:\d\d:\d\dZ", re.ASCII)
STATES = ("found", "none", "ambiguous", "incomplete", "unknown")  # of the deployment
SHAPE_OF_HEAD = {
    "generated_at": TEXT,
    "duration_ms": int,
    "privileged": bool,
    "notes": [TEXT],
    "platform": dict.fromkeys(("id", "version_id", "name", "kernel", "python", "container"), MAYBE_TEXT),
    "deployment": {
        "state": STATES,
        "project": MAYBE_TEXT,
        "directory": MAYBE_TEXT,
        "environment": MAYBE_TEXT,
        "candidates": [TEXT],
        "message": MAYBE_TEXT,
    },
    "problems": [{"fact": TEXT, "reason": Reason.ALL, "detail": TEXT}],
    "waivers": {"used": [WAIVER], "unused": [WAIVER], "expired": [WAIVER]},
    "findings": [SHAPE_OF_FINDING],
}


def fitted(value: Any, shape: Any, where: str) -> Any:
    """Return value reduced to its shape. Raises Malformed where something is absent or of another kind."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise Malformed("%s is no mapping" % where)
        out: dict[str, Any] = {}
        for key, inner in shape.items():
            if key in NULLABLE and value.get(key) is None:
                out[key] = None
            elif key not in value:
                raise Malformed("%s has no %s" % (where, key))
            else:
                out[key] = fitted(value[key], inner, where + "." + key)
        return out
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise Malformed("%s is no list" % where)
        return [fitted(item, shape[0], "%s[%d]" % (where, number)) for number, item in enumerate(value)]
    kinds = tuple(item for item in (shape if isinstance(shape, tuple) else (shape,)) if isinstance(item, type))
    good = type(value) in kinds if kinds else value in shape
    if not good:
        raise Malformed("%s has an unexpected value" % where)
    return value


def host_report(host: str, answer: Any) -> HostReport:
    """Return a host's part of the report from the result that its audit registered, None where there is none."""
    answer = clean_tree(answer) if isinstance(answer, Mapping) else {}
    report = answer.get("report")
    message = str(answer.get("msg") or "")
    if answer.get("unreachable"):
        return HostReport(clean(host), UNREACHABLE, message or "could not be reached")
    if not isinstance(report, dict):
        return HostReport(clean(host), FAILED, message or "was not audited")
    try:
        return HostReport(clean(host), AUDITED, "", _report(report), _fingerprints(report.get("fingerprints")))
    except Malformed as error:
        return HostReport(clean(host), FAILED, "the audit's answer is not a report: %s" % error)


def _report(given: dict[str, Any]) -> dict[str, Any]:
    given = dict(given, platform=_head(given.get("platform"), SHAPE_OF_HEAD["platform"]))
    given["deployment"] = _head(given.get("deployment"), SHAPE_OF_HEAD["deployment"])
    # What could not be read is null in a head; the renderers want a word and a list.
    given["deployment"]["state"] = given["deployment"]["state"] or "unknown"
    given["deployment"]["candidates"] = given["deployment"]["candidates"] or []
    out = fitted(given, SHAPE_OF_HEAD, "report")
    if not TIME.fullmatch(out["generated_at"]):
        raise Malformed("report.generated_at has an unexpected value")
    for finding in out["findings"]:
        if finding["status"] == Status.UNKNOWN and finding["reason"] is None:
            finding["reason"] = Reason.ERROR
        # A user's check says itself which category it is of.
        own = CATEGORY_OF_PREFIX.get(prefix_of(finding["id"]))
        if own != finding["category"] and not (own is None and is_foreign(finding["id"])):
            raise Malformed("a finding's id and category do not agree")
    if len({finding["id"] for finding in out["findings"]}) != len(out["findings"]):
        raise Malformed("a check stands there twice")
    return out


def _head(value: Any, shape: Any) -> dict[str, Any]:
    """Return the keys of shape, None where value has none: a head may lack what could not be read."""
    return {key: value.get(key) if isinstance(value, dict) else None for key in shape}


def _fingerprints(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    return fitted(given, {"key_id": TEXT, "secrets": [{"name": TEXT, "where": TEXT, "fp": TEXT}]}, "fingerprints")

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JSON, as docs/schema/security-report.schema.json describes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ansible_collections.nself.prod.plugins.plugin_utils.report import fleet
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import HostReport

SCHEMA_VERSION = "1.0"


def document(
    hosts: Sequence[HostReport], version: str, generated_at: str, fail_on: str, fail_on_unknown: bool = True
) -> dict[str, Any]:
    """Return the report as plain data. generated_at: when it was made, ISO 8601 in UTC; the rest: what fleet.gate takes."""
    reasons = list(fleet.gate(hosts, fail_on, fail_on_unknown).reasons)
    return {
        "schema_version": SCHEMA_VERSION,
        "collection": {"name": "nself.prod", "version": version},
        "generated_at": generated_at,
        "gate": {"fail_on": fail_on, "fail_on_unknown": fail_on_unknown, "passed": not reasons, "reasons": reasons},
        "fleet": fleet.summary(hosts),
        "hosts": [_host(host) for host in sorted(hosts, key=lambda item: item.host)],
    }


def _host(host: HostReport) -> dict[str, Any]:
    head = {"host": host.host, "status": host.status, "message": host.message}
    return dict(head, **host.report) if host.report is not None else head


def render(
    hosts: Sequence[HostReport], version: str, generated_at: str, fail_on: str, fail_on_unknown: bool = True
) -> str:
    """Return the report as a JSON text: the same text for the same input."""
    data = document(hosts, version, generated_at, fail_on, fail_on_unknown)
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

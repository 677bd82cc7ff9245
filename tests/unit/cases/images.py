# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images and their scans, for the check of both."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from .units import NO_DEPLOYMENT, UNREADABLE

PINNED = "hasura/graphql-engine:v2.36.0"
# The scans stand under their images' names, which hold dots and are read as they are.
FREE_MAPS = {"images"}


def running(image=PINNED, scan=None, level="running", service="hasura", **more):
    unit = {"service": service, "level": level, "image": image}
    scan = scan if scan is not None else {"age_days": 2.0, "fixable": []}
    facts = {"deployment": {"state": "found", "project": "shop", "units": [unit]}, "scans": {"images": {image: scan}}}
    facts.update(more)
    return facts


CASES = {
    "INFRA-38": {
        "pass": [
            running(),
            running("postgres@sha256:" + "0" * 64),
            running("minio/minio:RELEASE.2024-09-13T20-26-02Z"),
            running("shop-web", service="web"),
        ],
        "fail": [
            running("postgres:16-alpine"),
            running("nginx:latest", scans={"images": {}}),
            running("nginx"),
            running(scan={"age_days": 31.0, "fixable": []}),
            running(scan={"age_days": 1.0, "fixable": ["CVE-2026-0001"]}),
        ],
        "unknown": [
            running(scans={"images": {}}),
            running(scans={"images": {PINNED: None}}),
            running(scans={"images": {PINNED: Unread("error", "planted")}}),
            running(scans=Unread("error", "planted")),
            running(level="rendered"),
            UNREADABLE,
        ],
        "not_applicable": [NO_DEPLOYMENT],
    }
}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images run, and what is known of their holes."""

from __future__ import annotations

from typing import Any, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record, Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import all_units, judge_units, level_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.images import is_exact


@check(
    "INFRA-38",
    "images-pinned-scanned",
    "Images are pinned, and scanned without a critical hole that an update would mend",
    Severity.WARNING,
    "Under a floating tag the next pull may bring anything, and an image nobody scanned keeps its known holes for years.",
    "the reference of each running image; Trivy's JSON reports (trivy image --format json) in .nself-prod/scans of the project",
    "a digest, or a tag with a whole version (1.2.3, PostgreSQL's 16.4) or date of release; a scan of that very image, at most 30 days old, "
    "without a critical vulnerability that has a fix; no scan is unknown",
    Fix(
        "containers",
        "Pin each image in docker-compose.override.yml, scan it with `trivy image --format json --output .nself-prod/scans/NAME.json IMAGE`, "
        "and update what has fixable critical vulnerabilities.",
        ("containers_pin_images: true",),
        ("the services whose images change",),
    ),
    refs=("s:scanning",),
)
def images_pinned_scanned(facts: Any, policy: Any) -> Verdict:
    units = all_units(facts)
    if not units:
        raise Missing("deployment.units", Reason.ERROR, "the deployment has no services")
    project = str(facts.read("deployment.project"))
    most = policy["scan_max_age_days"]

    def judge(unit: Record) -> Tuple[bool, str]:
        image = str(unit.read("image"))
        # Compose names what it builds from the project's own files so; there is nothing to pull under that name.
        own = image in ("built here", *(project + mark + str(unit.read("service")) for mark in "-_"))
        if not own and not is_exact(image):
            return False, "%s is a floating tag" % image
        if level_of(unit) != Level.RUNNING:
            raise Missing("scans", Reason.ERROR, "it does not run")
        scan = facts.read("scans.images").get(image)
        if isinstance(scan, Unread):
            raise Missing("scans.images", scan.reason, scan.detail)
        if scan is None:
            raise Missing("scans.images", Reason.ERROR, "no scan of %s in .nself-prod/scans" % image)
        age, fixable = scan["age_days"], scan["fixable"]
        if fixable:
            more = " and %d more" % (len(fixable) - 3) if len(fixable) > 3 else ""
            return False, "%s has fixable critical vulnerabilities: %s%s" % (image, ", ".join(fixable[:3]), more)
        good = age <= most
        return good, "%s, scanned %d days ago" % (image, age) + ("" if good else ", more than %d" % most)

    return judge_units(units, "pinned, scanned, no fixable critical vulnerability", judge)


CHECKS = (images_pinned_scanned,)

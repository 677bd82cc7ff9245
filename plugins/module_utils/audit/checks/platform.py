# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""INFRA-21 and INFRA-22: a platform that still gets security updates, and a clock that is right."""

from __future__ import annotations

import re
from typing import Any, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Fix, Missing, Reason, Severity, check
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.end_of_life import (
    DISTRIBUTION_DOCKER,
    DISTRIBUTIONS,
    DOCKER_ENGINE,
    DOCKER_ENGINE_MAINTAINED,
    REVIEW_BY,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, each, summed


@check(
    id="INFRA-21",
    slug="platform-supported",
    title="The operating system and Docker still get security updates",
    severity=Severity.CRITICAL,
    why="After the end of support holes stay open for good, and the advisories for newer releases tell everybody of them.",
    reads="os-release and the Docker server's version, against a dated table",
    passes="today is not after the last day of security support (Debian: LTS counts; Ubuntu: Pro does not)",
    fix=Fix(
        "unattended_upgrades", "Upgrade the distribution to a supported release, Docker to a maintained major version."
    ),
    refs=("L:software-eol",),
)
def platform_supported(facts: Any, policy: Any) -> Any:
    parts = [("operating system", _distribution)]
    if facts.read("docker.state") != "absent":
        parts.append(("docker", _docker))
    return summed("security support that has not ended", each(parts, lambda part: part[0], lambda part: part[1](facts)))


def _until(name: str, last_day: str, today: str) -> Tuple[bool, str]:
    if not re.match(r"^\d{4}-\d\d-\d\d$", today):
        raise Missing("platform.today", Reason.PARSE_ERROR, "today's date is not known")
    good = today <= last_day
    return good, "%s, %s %s" % (name, "supported until" if good else "support ended on", last_day)


def _distribution(facts: Any) -> Tuple[bool, str]:
    key = (facts.read("platform.id"), facts.read("platform.version_id"))
    name = " ".join(key).strip()
    if key not in DISTRIBUTIONS:
        raise Missing("platform.version_id", Reason.ERROR, "%s is not in the table of releases" % name)
    return _until(name, DISTRIBUTIONS[key], facts.read("platform.today"))


def _docker(facts: Any) -> Tuple[bool, str]:
    version = facts.read("docker.version")
    if facts.read("platform.docker_package") in DISTRIBUTION_DOCKER:
        good, about = _distribution(facts)
        return good, "Docker %s of the distribution: %s" % (version, about)
    today = facts.read("platform.today")
    match = re.match(r"^v?(\d+)\.", version)
    major = int(match.group(1)) if match else -1
    if 0 <= major < min(DOCKER_ENGINE):
        major = min(DOCKER_ENGINE)
    if major in DOCKER_ENGINE:
        return _until("Docker " + version, DOCKER_ENGINE[major], today)
    if major not in DOCKER_ENGINE_MAINTAINED or not _until("", REVIEW_BY, today)[0]:
        raise Missing(
            "docker.version", Reason.ERROR, "Docker %s is not in the table of releases, or that is too old" % version
        )
    return True, "Docker %s, maintained" % version


@check(
    id="INFRA-22",
    slug="time-synced",
    title="The clock is synchronized",
    severity=Severity.RECOMMENDATION,
    why="Certificates, tokens and one-time codes are judged by the clock, and logs of several hosts are compared by it.",
    reads="timedatectl (the kernel's own word on synchronization), or chronyc",
    passes="the clock is synchronized",
    fix=Fix("services", "Install systemd-timesyncd or chrony and enable it with `timedatectl set-ntp true`."),
    refs=("L:TIME-3104",),
)
def time_synced(facts: Any, policy: Any) -> Any:
    synchronized = facts.read("time_sync.synchronized") is True
    return decide(synchronized, "synchronized", "synchronized" if synchronized else "not synchronized")


CHECKS = (platform_supported, time_synced)

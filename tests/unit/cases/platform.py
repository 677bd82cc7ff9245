# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of the platform: INFRA-21 and INFRA-22."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread


def system(distro="debian", version="13", today="2026-11-23", docker=None, package=None):
    tree = {
        "platform": {"id": distro, "version_id": version, "today": today},
        "docker": {"state": "absent"} if docker is None else {"state": "present", "version": docker},
    }
    if docker is not None:
        tree["platform"]["docker_package"] = package
    return tree


CASES = {
    "INFRA-21": {
        "pass": [
            system(),
            system("ubuntu", "24.04", "2029-05-31"),
            system(docker="29.1.2", package="docker-ce"),
            system(docker="25.0.14", package=None, today="2026-12-04"),
            # Debian maintains its own 20.10 as long as itself.
            system(version="12", docker="20.10.24+dfsg1", package="docker.io"),
        ],
        "fail": [
            system("ubuntu", "20.04"),
            system("debian", "11"),
            system("debian", "13", "2030-07-01"),
            system(docker="20.10.24", package="docker-ce"),
            system(docker="17.03.2-ce", package=None),
            system("debian", "11", docker="20.10.5+dfsg1", package="docker.io"),
        ],
        "unknown": [
            system("arch", ""),
            system("debian", "99"),
            system(docker="31.0.0", package="docker-ce"),
            system(docker="29.1.2", package="docker-ce", today="2028-01-01"),
            system(docker="rubbish", package=None),
            system(today="soon"),
            dict(system(), docker=Unread("needs_root", "the socket cannot be reached")),
        ],
    },
    "INFRA-22": {
        "pass": [{"time_sync": {"synchronized": True}}],
        "fail": [{"time_sync": {"synchronized": False}}],
        "unknown": [{"time_sync": Unread("tool_absent", "timedatectl: is not installed")}],
    },
}

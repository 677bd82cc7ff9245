# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Until when the platforms get security updates: the last day, as an ISO date.

Debian: the end of LTS counts. LTS updates come through the same security archive to every host, free of charge and without any
change of configuration, so a host gets them as it got those before. ELTS, which is sold by others, does not count.
Ubuntu: the end of standard security maintenance. What Ubuntu Pro adds is not in the ordinary archive and does not count.
Source: distro-info-data 0.58+deb12u7, debian.csv (eol-lts) and ubuntu.csv (eol).

Docker Engine: by major version, from moby's project/BRANCHES-AND-TAGS.md; where it names no day for a branch that is no longer
maintained, the day of its last notice. Branches without an announced end carry the day on which this table must be looked
at again: after that they are unknown, never fine.

PostgreSQL: by major version, until the last minor release of its five years.
"""

from __future__ import annotations

DISTRIBUTIONS = {
    ("debian", "10"): "2024-06-30",
    ("debian", "11"): "2026-08-31",
    ("debian", "12"): "2028-06-30",
    ("debian", "13"): "2030-06-30",
    ("ubuntu", "18.04"): "2023-05-31",
    ("ubuntu", "20.04"): "2025-05-29",
    ("ubuntu", "22.04"): "2027-06-01",
    ("ubuntu", "22.10"): "2023-07-20",
    ("ubuntu", "23.04"): "2024-01-25",
    ("ubuntu", "23.10"): "2024-07-11",
    ("ubuntu", "24.04"): "2029-05-31",
    ("ubuntu", "24.10"): "2025-07-10",
    ("ubuntu", "25.04"): "2026-01-15",
    ("ubuntu", "25.10"): "2026-07-09",
    ("ubuntu", "26.04"): "2031-05-29",
    ("ubuntu", "26.10"): "2027-07-15",
}

DOCKER_ENGINE = {
    19: "2021-01-08",
    20: "2023-12-10",
    23: "2025-05-19",
    24: "2024-06-08",
    25: "2026-12-04",
    26: "2025-02-17",
    27: "2025-05-03",
}
DOCKER_ENGINE_MAINTAINED = (28, 29)
REVIEW_BY = "2027-12-31"

# PostgreSQL, by major version: the day of the last minor release (postgresql.org, "Versioning Policy"). Before 10 the first two numbers
# make the major version; all of those have ended.
POSTGRESQL = {
    9: "2021-11-11",
    10: "2022-11-10",
    11: "2023-11-09",
    12: "2024-11-21",
    13: "2025-11-13",
    14: "2026-11-12",
    15: "2027-11-11",
    16: "2028-11-09",
    17: "2029-11-08",
    18: "2030-11-14",
}

# Packages of Docker that a distribution maintains itself: patched as long as the distribution is, whatever moby says.
DISTRIBUTION_DOCKER = ("docker.io",)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the host that cannot pass on a hardened test host, and why. Everything else has to pass, or not to be about anything there.

INFRA-24 is such a check: the kernel has one audit, and it is the machine's. The rules are written, and nobody can load them in a container.
"""

from __future__ import annotations

EXCEPTIONS = {
    "INFRA-22": "the clock belongs to the machine below the container",
    "INFRA-26": "kernel.* and fs.* belong to the machine below the container",
}
# Only where the files of a deployment lie that does not run.
OF_A_STOPPED_DEPLOYMENT = {
    "INFRA-18": "no nginx runs whose log a jail could read",
    "NET-07": "no nginx runs that answers for the deployment's names",
}

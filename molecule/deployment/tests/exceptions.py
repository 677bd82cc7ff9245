# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that roles of harden.yml mend and that do not pass on the hardened test host, and why. Everything else has to pass, or not to be
about anything there.
"""

from __future__ import annotations

# What belongs to the machine that runs the test, as on every test host (molecule/harden/tests/exceptions.py).
OF_THE_MACHINE = {
    "INFRA-22": "the clock belongs to the machine below the container",
    "INFRA-26": "kernel.* and fs.* belong to the machine below the container",
}
OF_THE_DEPLOYMENT = {}
EXCEPTIONS = {**OF_THE_MACHINE, **OF_THE_DEPLOYMENT}

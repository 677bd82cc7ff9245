# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the host that cannot pass on a hardened test host, and why. Everything else has to."""

from __future__ import annotations

# (check, statuses it may have): why.
EXCEPTIONS = {
    ("INFRA-22", ("fail",)): "the clock belongs to the machine below the container",
    ("INFRA-24", ("fail", "unknown")): "the kernel has one audit, and it is the machine's: the rules are written, and nobody can load them here",
    ("INFRA-26", ("fail", "pass")): "kernel.* belongs to the machine below the container",
}

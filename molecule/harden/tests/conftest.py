# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test of what is in force is made twice: on the hosts as they were hardened, and after they were started anew."""

from __future__ import annotations

import sys

import lab as labs
import pytest
from outside import HOSTS
from power import reboot

# What the checks are, and which roles mend them, is read from the collection.
sys.path.insert(0, str(labs.PROJECT / "playbooks/collections"))


@pytest.fixture(scope="session", params=["hardened", "rebooted"])
def state(request):
    """The state of the hosts."""
    if request.param == "rebooted":
        reboot(HOSTS)
    return request.param

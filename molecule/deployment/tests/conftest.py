# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test of what is in force is made four times: as it was hardened, after a build, after Docker and after the host were restarted."""

from __future__ import annotations

import sys

import lab as labs
import pytest
from deployed import HOST, STATES, Deployed

# What the checks are, and which roles mend them, is read from the collection.
sys.path.insert(0, str(labs.PROJECT / "playbooks/collections"))


@pytest.fixture(scope="session", params=list(STATES))
def state(request):
    """The state of the host."""
    STATES[request.param]()
    return request.param


@pytest.fixture(scope="session")
def stack(state):
    """The deployment in that state."""
    return Deployed(labs.lab(HOST))

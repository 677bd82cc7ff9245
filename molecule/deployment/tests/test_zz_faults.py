# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that stand for their kinds, on the project as it was before. `make stack-faults-page` tries all of tests/stackfaults/table.py."""

from __future__ import annotations

import lab as labs
import power
import pytest
from deployed import HOST, built_anew
from stackfaults.run import Attempt, StackHost, chosen, difference

FAULTS = chosen(lean=True)


@pytest.fixture(scope="module")
def host():
    found = StackHost(HOST, power.container(HOST), labs.EPHEMERAL)
    power.within(HOST, "sh", "-c", "rsync -a --delete --exclude /logs /root/as-built/ /var/www/nself/")
    built_anew()
    found.install()
    found.keep()
    found.kept = found.state()
    return found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_stack_is_not_left_broken(fault, host):
    measured = Attempt(host, fault).run()
    assert measured.mistakes == [], measured.output


def test_the_host_is_as_before(host):
    assert difference(host.kept, host.state()) == []

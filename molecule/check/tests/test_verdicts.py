# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's verdicts are those of an independent reading, on hosts where both answers occur."""

from __future__ import annotations

import lab as labs
import pytest
from readings import DOCKER, FRESH, PLAIN, READINGS

GRACE = {FRESH: False, PLAIN: True, DOCKER: True}  # who ends an idle connection before the minute is over


@pytest.fixture(scope="session", autouse=True)
def idle():
    """Connections opened before anything else, so that waiting for them costs next to nothing."""
    return {name: labs.Idle(labs.lab(name)) for name in GRACE}


@pytest.fixture(scope="session")
def verdicts():
    return {name: labs.statuses(host) for name, host in labs.report(labs.EPHEMERAL / "report.json").items()}


@pytest.mark.parametrize("check,host", sorted(READINGS))
def test_verdict_is_that_of_the_independent_reading(check, host, verdicts):
    read, meant_to_be_good = READINGS[check, host]
    good = read(labs.lab(host))
    assert good == meant_to_be_good, "the host is not in the state that the scenario was to bring it into"
    assert verdicts[host].get(check) == ("pass" if good else "fail")


def test_enough_is_read_independently_on_every_host():
    for name in (FRESH, PLAIN, DOCKER):
        assert sum(1 for _, host in READINGS if host == name) >= 15


def test_the_catalogue_is_decided_on_every_host(verdicts):
    for name, found in verdicts.items():
        undecided = [check for check, status in found.items() if status == "unknown"]
        assert len(found) >= 60 and len(undecided) <= 5, (name, undecided)


@pytest.mark.parametrize("host", sorted(GRACE))
def test_login_grace_time_is_what_a_silent_client_gets(host, idle, verdicts):
    ended = idle[host].ended_within(30)
    assert ended == GRACE[host]
    assert verdicts[host]["INFRA-11"] == ("pass" if ended else "fail")

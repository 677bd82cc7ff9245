# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of tests/lockout/tables ends as it has to. Both hosts are busy at the same time; NSELF_PROD_PROOF=1 tries all faults."""

from __future__ import annotations

import os
import pathlib

import pytest
from lockout.host import Host
from lockout.run import Attempts, chosen

HOSTS = {"lockout12": "12", "lockout13": "13"}
LEAN = not os.environ.get("NSELF_PROD_PROOF")
FAULTS = chosen(LEAN)
RESULTS = pathlib.Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache/lockout/results.json"


@pytest.fixture(scope="session")
def attempts():
    container = "nself-prod-%s-%%s" % os.environ["NSELF_PROD_CHECKOUT"]
    hosts = [Host(name, container % name, os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) for name in HOSTS]
    with Attempts(hosts, FAULTS) as running:
        yield running
    running.write(RESULTS.with_name("lean.json") if LEAN else RESULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.key)
def test_nobody_is_locked_out(fault, attempts):
    measured = attempts.result(fault)
    assert measured.mistakes == [], measured.output


def test_the_hosts_are_as_before(attempts):
    assert attempts.left_behind() == {}

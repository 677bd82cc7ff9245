# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lean form of `make truth`: one break of each kind on the mended host, and exactly the checks that are about it turn."""

from __future__ import annotations

import os

import pytest
from told import MENDED
from truth import peers
from truth.run import attempt, difference
from truth.tables import MUTATIONS
from truth.target import OPTIONS, Target
from truth.unproven import UNPROVEN


@pytest.fixture(scope="module")
def target():
    found = Target("nself-prod-%s-%s" % (os.environ["NSELF_PROD_CHECKOUT"], MENDED), OPTIONS)
    found.install()
    return found


@pytest.fixture(scope="module")
def baseline(target):
    return target.audit()


def test_everything_has_settled(baseline):
    assert {check for check, found in baseline.items() if found[0] != "pass"} <= set(UNPROVEN)


@pytest.mark.parametrize("mutation", [item for item in MUTATIONS if item.lean], ids=lambda item: item.name)
def test_exactly_these_checks_turn(mutation, target, baseline):
    assert attempt(target, mutation, baseline) == []


def test_the_host_is_as_before(target, baseline):
    assert difference(baseline, target.audit()) == {}


def test_ssh_audit_agrees_or_it_is_said_why(target):
    rows = list(peers.ssh_audit(target, target.audit()))
    assert rows and [row for row in rows if not row["note"]] == []

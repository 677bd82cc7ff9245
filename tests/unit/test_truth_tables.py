# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check is turned by a mutation on a live host, or it is said why none can."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Status
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS
from truth.tables import MUTATIONS
from truth.unproven import UNPROVEN

IDS = {check.id for check in CHECKS}
TURNED = {check for mutation in MUTATIONS for check, status in mutation.flips.items() if status == Status.FAIL}


def test_every_check_is_turned_or_it_is_said_why_not():
    assert TURNED | set(UNPROVEN) == IDS
    assert not TURNED & set(UNPROVEN)


def test_most_are_turned_live():
    assert len(TURNED) >= 115


def test_names_tell_mutations_apart():
    names = [mutation.name for mutation in MUTATIONS]
    assert len(names) == len(set(names))


def test_each_is_mended_and_turns_something():
    for mutation in MUTATIONS:
        assert mutation.breaks.strip() and mutation.mends.strip() and mutation.flips, mutation.name


def test_the_lean_ones_stand_for_every_category():
    lean = [mutation for mutation in MUTATIONS if mutation.lean]
    assert 10 <= len(lean) <= 25
    assert {check.split("-")[0] for mutation in lean for check in mutation.flips} == {"AUTH", "NET", "DATA", "INFRA"}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the faults, and the page that is made of what became of them."""

from __future__ import annotations

from lockout import page
from lockout.controller import RUNS
from lockout.fault import REFUSED, ROLLED_BACK, SUCCEEDED
from lockout.tables import FAULTS


def test_names_tell_faults_apart():
    assert len({fault.key for fault in FAULTS}) == len(FAULTS)


def test_there_are_enough_of_each_kind():
    kinds = [fault.expected for fault in FAULTS]
    assert kinds.count(REFUSED) + kinds.count(ROLLED_BACK) >= 20
    assert min(kinds.count(kind) for kind in (REFUSED, ROLLED_BACK, SUCCEEDED)) >= 5


def test_the_lean_ones_stand_for_every_run():
    lean = [fault for fault in FAULTS if fault.lean]
    assert 8 <= len(lean) <= 14
    assert {fault.run for fault in lean} == set(RUNS)
    assert {fault.expected for fault in lean} == {REFUSED, ROLLED_BACK, SUCCEEDED}


def test_what_is_broken_is_mended():
    for fault in FAULTS:
        assert not fault.breaks or fault.mends, fault.key
        assert fault.run in RUNS and (not fault.away or fault.away > fault.guard), fault.key


def test_the_page_knows_every_fault_of_the_table():
    text = page.PAGE.read_text(encoding="utf-8")
    for fault in FAULTS:
        assert "| %s |" % page.cell(fault.name) in text, (
            "run `make lockout-page`: %s is not in docs/lockout.md" % fault.key
        )

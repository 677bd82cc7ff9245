# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what goes wrong while a deployment is hardened, and the page that is made of what became of it."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.plugin_utils.report import deployment
from stackfaults import page, run
from stackfaults.fault import MADE, NEXT_RUN, REFUSED, TAKEN_BACK
from stackfaults.table import FAULTS


def test_names_tell_faults_apart():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 16


def test_there_are_enough_of_each_kind():
    kinds = [fault.expected for fault in FAULTS]
    assert kinds.count(REFUSED) >= 5 and kinds.count(TAKEN_BACK) >= 3
    assert set(kinds) <= {REFUSED, TAKEN_BACK, MADE, NEXT_RUN}


def test_the_lean_ones_stand_for_the_kinds():
    lean = [fault for fault in FAULTS if fault.lean]
    assert 2 <= len(lean) <= 6
    assert {REFUSED, TAKEN_BACK} <= {fault.expected for fault in lean}


def test_what_is_broken_is_mended_and_what_fails_names_its_cause():
    for fault in FAULTS:
        assert not fault.breaks or fault.mends or fault.heals, fault.name
        assert fault.says or fault.expected not in (REFUSED, TAKEN_BACK) or fault.during or fault.from_outside, (
            fault.name
        )
        assert set(fault.tags) <= set(deployment.ROLES), fault.name


def test_what_differs_between_two_states_is_told():
    before, after = {"a": "1", "b": "2"}, {"b": "3", "c": "4"}
    assert run.difference(before, after) == ["a: 1 → absent", "b: 2 → 3", "c: absent → 4"]


def test_the_page_tells_what_became_of_each(monkeypatch):
    results = {
        fault.name: {"outcome": fault.expected, "message": "m | n", "beside": "", "mistakes": []} for fault in FAULTS
    }
    results[FAULTS[0].name]["mistakes"] = ["not well: redis"]
    text = page.page(FAULTS, results, "2026-01-01")
    assert text.count("\n| ") == len(FAULTS) + 2
    assert "**WRONG**: not well: redis" in text and "m \\| n" in text
    text = page.page(FAULTS, {name: item for name, item in results.items() if name != FAULTS[1].name}, "2026-01-01")
    assert "Not tried in this run: %s." % FAULTS[1].name in text


def test_the_page_knows_every_fault_of_the_table():
    text = page.PAGE.read_text(encoding="utf-8")
    assert [fault.name for fault in FAULTS if page.cell(fault.name) not in text] == [], "run `make stack-faults-page`"
    assert "**WRONG**" not in text


def test_what_is_wrong_with_a_value_is_told_with_it():
    said = "TASK [x]\n[ERROR]: Task failed: Action failed: Validation of arguments failed:\nvalue of mode must be one of: a, b, got: c\nOrigin: here\n"
    assert run.refusal(said) == "Validation of arguments failed: value of mode must be one of: a, b, got: c"
    assert run.refusal("[ERROR]: Task failed: the disk is full\nOrigin: here\n") == "the disk is full"
    assert run.refusal("[ERROR]: Task failed: not reached over ssh:\nOrigin: /x/y.yml:1:2\n") == "not reached over ssh:"

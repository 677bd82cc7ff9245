# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before and after: every check that a role of harden.yml mends passes, but for a list with reasons; also by another reading than the audit's."""

from __future__ import annotations

import json

import lab as labs
import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS
from ansible_collections.nself.prod.plugins.plugin_utils.report import deployment
from ansible_collections.nself.prod.plugins.plugin_utils.report.hardening import ROLES
from deployed import HOST
from exceptions import EXCEPTIONS
from told import TOLD

MENDED = {check.id for check in CHECKS if check.fix.role in ROLES}
OF_THE_DEPLOYMENT = {check.id for check in CHECKS if check.fix.role in deployment.ROLES}
GOOD = ("pass", "not_applicable")


def read(path):
    return labs.report(path)[HOST]


@pytest.fixture(scope="session")
def findings(state, tmp_path_factory):
    """What an audit says: that of the last run, or a new one."""
    path = labs.EPHEMERAL / "report.json"
    if state != "hardened":
        path = tmp_path_factory.mktemp(state) / "report.json"
        options = {"nself_check_output": str(path), "nself_check_fail_on": "none"}
        finished = labs.play("-e", json.dumps(options))
        assert finished.returncode == 0, finished.stdout
    return {item["id"]: item for item in read(path)["findings"]}


def test_every_check_passes_but_for_the_list(findings):
    left = {
        check: (findings[check]["status"], findings[check]["actual"])
        for check in sorted(MENDED - set(EXCEPTIONS))
        if findings[check]["status"] not in GOOD
    }
    assert not left


def test_nothing_stands_in_the_list_that_passes(findings):
    assert [check for check in EXCEPTIONS if findings[check]["status"] in GOOD] == []


def test_it_was_bad_before():
    before, after = read(labs.EPHEMERAL / "before.json"), read(labs.EPHEMERAL / "report.json")
    was = labs.statuses(before)
    now = labs.statuses(after)
    mended = {check for check in OF_THE_DEPLOYMENT if was[check] == "fail" and now[check] in GOOD}
    worse = {check for check in was if was[check] == "pass" and now[check] == "fail"}
    assert len(mended) >= 35 and not worse
    assert after["score"] >= before["score"] + 15
    assert after["findings"] and not set(EXCEPTIONS) - set(now)


@pytest.mark.parametrize("check", sorted(set(TOLD) & OF_THE_DEPLOYMENT - set(EXCEPTIONS)))
def test_another_reading_finds_nothing_either(check, stack):
    assert TOLD[check].read(stack) == set()

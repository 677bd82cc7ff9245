# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises over the whole registry: nothing a check cannot read is ever a pass, and every check can fail."""

from __future__ import annotations

import copy
import importlib
import pkgutil

import cases
import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit import engine
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts, Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Severity, Status
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS

MODULES = [importlib.import_module("cases." + found.name) for found in pkgutil.iter_modules(cases.__path__)]
CASES = {name: case for module in MODULES for name, case in module.CASES.items()}
# Keys of a case tree that a judge treats as free-form maps: a name that is absent from one means "not set".
FREE_MAPS = {name for module in MODULES for name in getattr(module, "FREE_MAPS", ())} | {"env", "settings"}
# (check, dotted path without list indexes) whose absence rightly leaves a pass a pass.
OPTIONAL = {entry for module in MODULES for entry in getattr(module, "OPTIONAL", ())}
BY_ID = {check.id: check for check in CHECKS}


def status(check, tree):
    return engine.judge(check, Facts(tree), Policy()).status


def paths(node, trail=()):
    """Yield the path of every dict key below node, outside free-form maps."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield trail + (key,)
            if key not in FREE_MAPS:
                yield from paths(value, trail + (key,))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from paths(value, trail + (number,))


def spoiled(tree, path, unread):
    tree = copy.deepcopy(tree)
    node = tree
    for part in path[:-1]:
        node = node[part]
    if unread:
        node[path[-1]] = Unread("error", "planted")
    else:
        del node[path[-1]]
    return tree


def ids(wanted):
    return [
        pytest.param(check, tree, id="%s-%d" % (check.id, number))
        for check in CHECKS
        for number, tree in enumerate(CASES.get(check.id, {}).get(wanted, []))
    ]


def test_every_check_has_cases_and_every_case_a_check():
    assert set(CASES) == set(BY_ID)
    for check_id, case in CASES.items():
        for wanted in ("pass", "fail", "unknown"):
            assert case.get(wanted), "%s has no case for %s" % (check_id, wanted)


@pytest.mark.parametrize("check, tree", ids("pass"))
def test_pass_case(check, tree):
    assert status(check, tree) == Status.PASS


@pytest.mark.parametrize("check, tree", ids("fail"))
def test_fail_case(check, tree):
    finding = engine.judge(check, Facts(tree), Policy())
    assert finding.status == Status.FAIL
    assert finding.verdict.expected and finding.verdict.actual


@pytest.mark.parametrize("check, tree", ids("unknown"))
def test_unknown_case(check, tree):
    finding = engine.judge(check, Facts(tree), Policy())
    assert finding.status == Status.UNKNOWN
    assert finding.verdict.reason


@pytest.mark.parametrize("check, tree", ids("not_applicable"))
def test_not_applicable_case(check, tree):
    assert status(check, tree) == Status.NOT_APPLICABLE


@pytest.mark.parametrize("check, tree", ids("fail") + ids("unknown"))
def test_losing_a_fact_never_makes_a_pass(check, tree):
    for path in paths(tree):
        for unread in (False, True):
            assert status(check, spoiled(tree, path, unread)) != Status.PASS, (path, unread)


@pytest.mark.parametrize("check, tree", ids("pass"))
def test_a_pass_rests_on_every_fact_it_was_given(check, tree):
    for path in paths(tree):
        name = ".".join(str(part) for part in path if not isinstance(part, int))
        if (check.id, name) in OPTIONAL:
            continue
        for unread in (False, True):
            assert status(check, spoiled(tree, path, unread)) != Status.PASS, (name, unread)


def test_no_facts_at_all_is_never_a_pass_and_never_crashes():
    for check in CHECKS:
        finding = engine.judge(check, Facts({}), Policy())
        assert finding.status == Status.UNKNOWN, check.id
        assert "crashed" not in finding.verdict.actual, check.id


@pytest.mark.parametrize("rubbish", [None, 7, "rubbish", [], [[]], {"a": {}}, b"\xff\x00"])
def test_rubbish_facts_are_never_a_pass(rubbish):
    for check in CHECKS:
        tree = {key: rubbish for case in CASES[check.id].values() for tree in case for key in tree}
        assert status(check, tree) != Status.PASS, check.id


def test_metadata_is_complete():
    for check in CHECKS:
        assert check.severity in Severity.ALL, check.id
        for text in (check.slug, check.title, check.why, check.reads, check.passes, check.fix.role, check.fix.by_hand):
            assert text and text == text.strip(), check.id
        assert check.slug == check.slug.lower() and " " not in check.slug, check.id
        assert not check.title.endswith("."), check.id


def test_ids_are_unique_and_stand_in_the_ledger(ledger):
    assert len(BY_ID) == len(CHECKS)
    for check in CHECKS:
        assert ledger.get(check.id) == check.slug, "%s is not in tests/fixtures/ledger.txt as %s" % (
            check.id,
            check.slug,
        )

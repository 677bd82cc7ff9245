# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hasura's permissions: compared, set in one step, read back and put back, against the stand-in that the test hosts run."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import hasura_permissions
from ansible_collections.nself.prod.plugins.module_utils.parse.hasura_metadata import permissions_of
from fake_hasura import ADMIN, FILTERED, OPEN, OWN, STRONG, demo, metadata, part_of, permission, starter


@pytest.fixture
def engine(monkeypatch, tmp_path):
    return starter(monkeypatch, tmp_path)


WANTED = [
    {
        "table": {"schema": "public", "name": "posts"},
        "select_permissions": [FILTERED],
        "update_permissions": [permission("user", columns=["title"], filter=OWN)],
    }
]
BEFORE = {
    "select_permissions": [OPEN, permission("user", columns=["id", "password_hash"], filter=OWN, limit=5)],
    "update_permissions": [permission("user", columns=["title"], filter={})],
}


def settled(stack, check=False, **options):
    part = part_of(stack, **options)
    part.plan()
    changes = Changes(stack.host, check)
    part.settle(changes)
    return part, changes


def told(changes):
    return "".join(entry.get("prepared", "") for entry in changes.result()["diff"])


def test_check_mode_shows_the_difference_and_changes_nothing(engine):
    stack, stand_in = demo(engine, metadata(**BEFORE), variables={ADMIN: STRONG})
    before = copy.deepcopy(stand_in.metadata())
    _part, changes = settled(stack, True, permissions=WANTED)
    assert changes.changed and '"published"' in told(changes) and 'instead of {"columns"' in told(changes)
    assert stand_in.metadata() == before


def test_permissions_are_set_in_one_step_and_only_those_that_are_given(engine):
    stack, stand_in = demo(engine, metadata(**BEFORE), variables={ADMIN: STRONG})
    untouched = copy.deepcopy(stand_in.metadata()["sources"][0]["tables"][1])
    _part, changes = settled(stack, permissions=WANTED)
    posts, users = stand_in.metadata()["sources"][0]["tables"]
    assert FILTERED in posts["select_permissions"] and OPEN not in posts["select_permissions"]
    assert BEFORE["select_permissions"][1] in posts["select_permissions"] and users == untouched
    assert posts["update_permissions"] == WANTED[0]["update_permissions"]
    assert len([body for _method, _path, body in stand_in.asked if '"bulk"' in str(body)]) == 1
    _part, again = settled(stack, permissions=WANTED)
    assert changes.changed and not again.changed


def test_permissions_are_put_back_where_the_run_fails_later(engine):
    stack, stand_in = demo(engine, metadata(**BEFORE), variables={ADMIN: STRONG})
    before = permissions_of(stand_in.metadata())
    part = part_of(stack, permissions=WANTED)
    part.plan()
    changes = Changes(stack.host, False)
    part.prepare(changes)
    assert permissions_of(stand_in.metadata()) != before
    part.settle(changes)
    part.revert()
    assert permissions_of(stand_in.metadata()) == before


def test_what_hasura_refuses_is_told_and_none_of_it_is_done(engine, monkeypatch):
    stack, stand_in = demo(engine, metadata(**BEFORE), variables={ADMIN: STRONG})

    def refuse(document, command):
        raise stand_in.Wrong("not-exists", 'column "nope" does not exist')

    monkeypatch.setattr(stand_in, "change", refuse)
    with pytest.raises(ChangeError, match="nope"):
        settled(stack, permissions=WANTED)


def test_a_table_that_is_not_tracked_is_refused_before_anything_changes(engine):
    stack, _engine = demo(engine)
    wanted = [{"table": "orders", "select_permissions": [FILTERED]}]
    with pytest.raises(Refused, match=r"public\.orders.*track"):
        part_of(stack, permissions=wanted).plan()


@pytest.mark.parametrize(
    "entries",
    [
        [{"select_permissions": [FILTERED]}],
        [{"table": "posts"}],
        [{"table": "posts", "select_permission": [FILTERED]}],
        [{"table": "posts", "select_permissions": FILTERED}],
        [{"table": "posts", "select_permissions": [{"role": "user"}]}],
        [{"table": "posts", "select_permissions": [permission("user", columns=["id"])]}],
        [{"table": "posts", "select_permissions": [permission("user", filter={})]}],
        [{"table": "posts", "insert_permissions": [permission("user", filter={})]}],
        [{"table": "posts", "select_permissions": [permission("admin", columns=["id"], filter={})]}],
        [{"table": "posts", "select_permissions": [FILTERED]}, {"table": "public.posts", "select_permissions": [OPEN]}],
    ],
    ids=str,
)
def test_permissions_that_do_not_say_what_they_mean_are_refused(entries):
    with pytest.raises(Refused, match="hasura_permissions"):
        hasura_permissions.wishes(entries)


@pytest.mark.parametrize(
    "action, first, second, alike",
    [
        (
            "select",
            {"columns": ["b", "a"], "filter": {}},
            {"columns": ["a", "b"], "filter": {}, "allow_aggregations": False},
            True,
        ),
        ("insert", {"check": {}}, {"check": {}, "columns": "*", "backend_only": False, "set": {}}, True),
        ("update", {"columns": ["a"], "filter": OWN, "check": None}, {"columns": ["a"], "filter": OWN}, True),
        ("update", {"columns": ["a"], "filter": OWN, "check": {}}, {"columns": ["a"], "filter": OWN}, False),
        ("select", {"columns": ["a"], "filter": {}, "limit": 1}, {"columns": ["a"], "filter": {}, "limit": 2}, False),
        ("select", {"columns": "*", "filter": {}}, {"columns": ["a"], "filter": {}}, False),
    ],
)
def test_what_hasura_leaves_out_or_sorts_anew_is_no_difference(action, first, second, alike):
    assert hasura_permissions.same(first, second, action) == alike


def test_what_is_wrong_is_told_with_what_to_give_instead():
    found = hasura_permissions.findings(
        metadata(
            update_permissions=[permission("user", columns=["title"], filter={})],
            delete_permissions=[permission("user", filter=OWN)],
            select_permissions=[permission("user", columns="*", filter=OWN)],
        ),
        {("user", "public.posts"): ["id", "otp_secret"]},
    )
    assert [(one.problem, one.suggestion) for one in found] == [
        ("may select any number of rows", "give it a limit of 100"),
        ("may select otp_secret", 'name the columns ["id"] only'),
        ("may update any row", 'give it the filter {"user_id": {"_eq": "X-Hasura-User-Id"}}'),
    ]

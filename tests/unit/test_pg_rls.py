# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Row-level security: policies that fit what Hasura sends."""

from __future__ import annotations

import re

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    pg_rls,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_names import Table
from postgres_audit_world import APP, POSTGRES, role, state, statements, table

# -- row-level security ----------------------------------------------------------------------------------------------


def rls(**others):
    return pg_rls.guarded_of([dict({"table": "posts", "user_column": "user_id"}, **others)], "nself_app")


def test_policies_fit_what_hasura_sends():
    steps = pg_rls.steps(state(tables=[table("posts")], roles=APP), rls(), "nself_app")
    text = statements(steps)
    assert 'CREATE POLICY "nself_select" ON "public"."posts" FOR SELECT TO "nself_app" USING (true)' in text
    assert re.search(r"hasura\.user', true\), ''\)::jsonb ->> 'x-hasura-user-id'\)::uuid", text)
    assert "FORCE ROW LEVEL SECURITY" in text and "PUBLIC" not in text
    assert not re.search(r"FOR (SELECT|ALL)[^;]*hasura", text)


def test_reading_is_tried_before_the_end_where_that_runs_nobodys_code():
    users = [{"role": "nself_app", "reads": True, "writes": True, "owns": False}]
    tried = pg_rls.steps(state(tables=[table("posts", users=users)], roles=APP), rls(), "nself_app")
    assert 'SET LOCAL ROLE "nself_app"' in tried[-1].sql and tried[-1].trial
    left = pg_rls.steps(state(tables=[table("posts", users=users, runs=True)], roles=APP), rls(), "nself_app")
    assert "SET LOCAL ROLE" not in statements(left)


def test_policies_that_are_there_need_nothing_and_changed_ones_are_made_again():
    wanted = rls()
    there = table("posts", security=True, forced=True)
    for name, (command, using, check) in pg_rls.policies(wanted[0], there).items():
        mark = pg_rls._policy(wanted[0], name, command, using, check, None)[0].sql
        told = re.search(r"'(nself\.prod:[0-9a-f]{64})'", mark).group(1)
        there["policies"][name] = {
            "command": command, "permissive": True, "using": using, "check": check, "comment": told + ":d", "digest": "d",
            "roles": ["nself_app"],
        }  # fmt: skip
    assert pg_rls.steps(state(tables=[there], roles=APP), wanted, "nself_app") == []
    there["policies"]["nself_update"]["digest"] = "another"
    steps = pg_rls.steps(state(tables=[there], roles=APP), wanted, "nself_app")
    assert [step.sql.split(" ON ")[0] for step in steps] == [
        'DROP POLICY "nself_update"',
        'CREATE POLICY "nself_update"',
    ]
    assert "CREATE POLICY" in steps[0].undo


@pytest.mark.parametrize(
    ("item", "found", "why"),
    [
        ({}, {"tables": []}, "public.posts, which is not in"),
        ({"user_column": "owner"}, {}, "no column owner"),
        ({"user_column": "blob"}, {}, "blob is bytea"),
        ({"roles": ["nobody"]}, {}, "no role nobody"),
        ({"roles": ["postgres"]}, {}, "a superuser"),
        ({"roles": ["Public"]}, {}, "hold for everybody"),
        (
            {},
            {"users": [{"role": "reporting", "reads": True, "writes": False, "owns": False}]},
            "reporting uses public.posts",
        ),
    ],
)
def test_what_would_lock_out_or_mean_nothing_is_refused(item, found, why):
    there = table("posts", users=found.get("users", []))
    there["columns"]["blob"] = {"type": "bytea", "required": False}
    roles = {"postgres": dict(role(10), **POSTGRES), "nself_app": role(20001), "reporting": role(20002)}
    with pytest.raises(Refused, match=why):
        pg_rls.steps(state(tables=found.get("tables", [there]), roles=roles), rls(**item), "nself_app")


def test_without_a_role_to_hold_for_row_level_security_is_refused():
    with pytest.raises(Refused, match="postgres_audit_app_role"):
        pg_rls.guarded_of([{"table": "posts", "user_column": "user_id"}], "")


def test_policies_of_a_role_that_goes_are_taken_back_with_it():
    policy = {"command": "SELECT", "permissive": True, "using": "true", "check": None, "roles": ["nself_app"]}
    there = table("posts", security=True, forced=True, policies={"nself_select": policy})
    steps = pg_rls.away(state(tables=[there]), [Table("public", "posts")], "nself_app")
    assert "DISABLE ROW LEVEL SECURITY" in steps[-1].sql and "ENABLE" in steps[-1].undo
    there["policies"]["theirs"] = dict(policy, roles=["x"])
    assert "DISABLE" not in statements(pg_rls.away(state(tables=[there]), [Table("public", "posts")], "nself_app"))

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real servers of two major versions said of their schema, broken and mended, and what the checks make of it."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit import engine
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import psql
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import postgres_sql, postgres_sql_schema
from cases.units import deployment, unit

ASKED = {name: postgres_sql.SECTIONS[name] for name in ("server", "sessions", "settings")}
ASKED.update(postgres_sql_schema.SECTIONS)
JUDGED = ("AUTH-23", "DATA-15", "DATA-16", "DATA-17", "DATA-18", "DATA-19")


@pytest.fixture(params=["15", "17"])
def findings(request, root):
    def judged(state):
        text = (root / "tests/fixtures/postgres_schema" / ("%s-%s.txt" % (request.param, state))).read_text("utf-8")
        units = [unit("postgres", "postgres", env={}), unit("auth", "auth", env={})]
        facts = Facts(dict(deployment(*units), postgres=psql.answers(text, ASKED)))
        found = {check.id: engine.judge(check, facts, Policy()) for check in CHECKS if check.id in JUDGED}
        return {name: ({item.name: item.status for item in f.verdict.resources}, f.status) for name, f in found.items()}

    return judged


def test_a_broken_schema_fails_where_it_is_broken(findings):
    found = findings("broken")
    assert {name: status for name, (_items, status) in found.items()} == dict.fromkeys(JUDGED, "fail")
    assert found["AUTH-23"][0] == {"admin": "fail", "moderator": "fail"}
    # forced and grptab are on; refresh_tokens is hasura-auth's own, a log's user_id no owner, a partition its parent's
    assert found["DATA-15"][0] == {
        "public.forced": "pass",
        "public.grptab": "pass",
        "public.notes": "pass",
        "public.parts": "fail",
        "public.plain": "fail",
        "public.posts": "fail",
    }
    assert found["DATA-16"][0] == {"app": "pass", "owner1": "fail"}
    assert {name.split(": ")[1]: status for name, status in found["DATA-17"][0].items()} == {
        "bad": "fail",
        "everybody": "fail",
        "ins": "pass",
        "json1": "pass",
        "json2": "fail",
        "off": "pass",
        "restr": "pass",
    }


def test_a_mended_schema_passes(findings):
    assert {name: status for name, (_items, status) in findings("mended").items()} == dict.fromkeys(JUDGED, "pass")


def test_no_section_is_asked_twice():
    assert not set(postgres_sql.SECTIONS) & set(postgres_sql_schema.SECTIONS)


def test_what_runs_a_statement_looks_first_whether_that_runs_code_of_others():
    # Proven on a real server: a view auth.users, an index and statistics over a function of their owner's ran it as the superuser.
    for name, select in postgres_sql_schema.SECTIONS.items():
        if "query_to_xml" in select:
            assert "pg_statistic_ext" in select and "pg_index" in select, name
    assert "constraint_exclusion = off" in psql.script(ASKED)
    answered = psql.answers("!factors 22012\n", {"factors": ""})["factors"]
    assert "code of his own" in answered.detail


def test_a_role_that_is_not_counted_is_not_known_to_have_its_factor():
    facts = Facts(dict(deployment(unit("auth", "auth")), postgres={"factors": []}))
    found = engine.judge(
        {check.id: check for check in CHECKS}["AUTH-23"], facts, Policy({"mfa_required_roles": ["user"]})
    )
    assert found.status == "unknown"

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, and the audit log: what a database lacks of it, and what is refused."""

from __future__ import annotations

import re

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_columns import is_secret_column
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    pg_log,
    pg_log_functions,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_names import Table, body, string, table_of
from ansible_collections.nself.prod.plugins.module_utils.change.tables import postgres_audit_log as sql
from postgres_audit_world import (
    LOG,
    SCHEMA,
    audit_logs,
    finished,
    functions,
    state,
    statements,
    table,
)

# -- names ----------------------------------------------------------------------------------------------------------


def test_a_name_can_hold_anything_and_does_no_harm():
    evil = table_of('public.Robert"; DROP TABLE students; --', "x")
    assert evil.sql == '"public"."Robert""; DROP TABLE students; --"'
    assert (string("it's"), string("a\\'b")) == ("'it''s'", "E'a\\\\''b'")
    assert (str(table_of("posts", "x")), table_of("a.b.c", "x").name) == ("public.posts", "b.c")
    assert body("x $nself$ y").startswith("$nself_$")


@pytest.mark.parametrize("name", ["", "a.", ".b", "a.b\nc", "public." + "x" * 64])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(Refused):
        table_of(name, "postgres_audit_tables")


# -- the log --------------------------------------------------------------------------------------------------------


def test_a_fresh_database_gets_the_whole_log_and_says_so_in_it():
    steps = pg_log.steps(state(), LOG)
    text = statements(steps)
    assert "CREATE ROLE nself_audit NOLOGIN" in text and "ENABLE ALWAYS TRIGGER nself_audit_keep" in text
    assert text.count("SECURITY DEFINER SET search_path = pg_catalog, pg_temp") == 2
    assert text.count("FROM PUBLIC") >= len(sql.FUNCTIONS)
    assert steps[-1].sql.startswith('INSERT INTO "public"."audit_logs"')


def test_a_finished_log_needs_nothing():
    assert pg_log.steps(finished(), LOG) == []


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({"owner": "nself_app"}, "OWNER TO nself_audit"),
        ({"grants": [{"grantee": "nself_app", "privilege": "DELETE"}]}, "REVOKE DELETE ON"),
        ({"grants": [{"grantee": "", "privilege": "UPDATE"}]}, "FROM PUBLIC"),
        ({"column_updates": True}, "REVOKE UPDATE ON"),
        ({"triggers": {}}, "CREATE TRIGGER nself_audit_keep_rows BEFORE DELETE"),
        ({"indexed": [["id"]]}, "(created_at)"),
    ],
)
def test_what_was_loosened_is_tightened_again(others, expected):
    steps = pg_log.steps(finished(tables=[audit_logs(**others)]), LOG)
    assert expected in statements(steps) and "'AUDIT'" in steps[-1].sql


def test_the_owner_of_the_log_reaches_its_schema():
    schemas = {"legacy": dict(SCHEMA, owner_usage=False)}
    log = LOG._replace(table=Table("legacy", "audit_logs"))
    assert 'GRANT USAGE ON SCHEMA "legacy" TO nself_audit' in statements(pg_log.steps(finished(schemas=schemas), log))


def test_a_disabled_guard_is_made_again():
    log = audit_logs()
    log["triggers"]["nself_audit_keep"]["enabled"] = "D"
    assert "DROP TRIGGER nself_audit_keep ON" in statements(pg_log.steps(finished(tables=[log]), LOG))


def test_a_changed_function_is_put_right_and_can_be_put_back():
    ours = functions()
    ours["functions"]["refuse()"]["body"] = " BEGIN RETURN OLD; END "
    step = pg_log.steps(finished(ours=ours), LOG)[0]
    assert "is append-only" in step.sql and "RETURN OLD; END" in step.undo


def test_select_and_insert_grants_that_were_there_stay_and_writers_are_told():
    grants = [{"grantee": "app", "privilege": "SELECT"}, {"grantee": "app", "privilege": "INSERT"}]
    found = finished(tables=[audit_logs(grants=grants)])
    assert pg_log.steps(found, LOG) == []
    assert any("app may write entries" in line for line in pg_log.told(found, LOG, False))


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ({"foreign_keys": 1}, "foreign keys"),
        ({"kind": "v"}, "no plain table"),
        (
            {"columns": dict(audit_logs()["columns"], user_id={"type": "integer", "required": False})},
            "user_id is integer",
        ),
        ({"columns": dict(audit_logs()["columns"], tenant={"type": "text", "required": True})}, "tenant needs a value"),
    ],
)
def test_a_table_that_cannot_be_the_log_is_refused(others, why):
    with pytest.raises(Refused, match=why):
        pg_log.steps(finished(tables=[audit_logs(**others)]), LOG)


def test_a_log_of_the_guide_gets_what_it_lacks():
    columns = {name: item for name, item in audit_logs()["columns"].items() if name not in ("db_user", "hasura_role")}
    steps = pg_log.steps(finished(tables=[audit_logs(columns=columns, owner="postgres")]), LOG)
    assert "ADD COLUMN hasura_role text, ADD COLUMN db_user text" in statements(steps)


def test_named_tables_are_recorded_with_their_keys_and_others_no_longer():
    log = LOG._replace(tables=(Table("public", "Robert'"),))
    found = finished(tables=[audit_logs(), table("Robert'", key=["a'b"])], recorded=[["public", "old"]])
    text = statements(pg_log.steps(found, log))
    assert "EXECUTE FUNCTION nself_audit.record('a''b')" in text
    assert 'DROP TRIGGER IF EXISTS nself_audit_rows ON "public"."old"' in text


def test_a_recorded_table_needs_nothing():
    key = "id".encode().hex() + "00"
    triggers = {
        "nself_audit_rows": {"type": 29, "enabled": "O", "function": "nself_audit.record", "arguments": key},
        "nself_audit_truncate": {"type": 32, "enabled": "O", "function": "nself_audit.record", "arguments": ""},
    }
    found = finished(tables=[audit_logs(), table("orders", triggers=triggers)], recorded=[["public", "orders"]])
    assert pg_log.steps(found, LOG._replace(tables=(Table("public", "orders"),))) == []


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ([], "names public.orders, which is not in the database demo_db"),
        ([table("orders", kind="v")], "no table of the application's"),
        ([table("orders", partition=True)], "a partition"),
    ],
)
def test_a_table_that_cannot_be_recorded_is_refused_by_its_name(tables, why):
    with pytest.raises(Refused, match=why):
        pg_log.steps(finished(tables=[audit_logs()] + tables), LOG._replace(tables=(Table("public", "orders"),)))


def test_without_names_only_the_login_tables_that_exist_are_recorded():
    found = finished(tables=[audit_logs(), table("users", "auth")])
    assert pg_log.recorded(found, LOG) == [Table("auth", "users")]
    assert any("stays silent" in line for line in pg_log.told(finished(), LOG, False))


def test_a_log_that_is_kept_for_ever_has_nothing_that_removes():
    texts = pg_log_functions.bodies(LOG._replace(days=0), {})
    assert "purge()" not in texts and "RETURN OLD" not in texts["refuse()"]
    assert "DROP FUNCTION nself_audit.purge()" in statements(pg_log.steps(finished(), LOG._replace(days=0)))


@pytest.mark.parametrize(
    "name",
    "password passwordHash password_hash otp_secret refreshToken api_key totpSecret accesstoken pwd token_hash".split(),
)
def test_values_of_secret_columns_are_hidden(name):
    assert is_secret_column(name) or "key" in name
    snake = re.sub("([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    assert re.search(sql.SECRET_COLUMN, snake)


@pytest.mark.parametrize("name", "title passenger footprint hashtag user_id spin keyboard monkey primary_key".split())
def test_values_of_other_columns_are_shown(name):
    assert not re.search(sql.SECRET_COLUMN, name)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role postgres_audit: from what PostgreSQL holds to the statements that are missing, and what is refused."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_columns import is_secret_column
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    pg_app_role,
    pg_database,
    pg_hygiene,
    pg_log,
    pg_log_functions,
    pg_rls,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.postgres_audit import PostgresAudit
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_names import Table, body, string, table_of
from ansible_collections.nself.prod.plugins.module_utils.change.tables import postgres_audit_log as sql
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from ansible_collections.nself.prod.plugins.module_utils.parse import pg_verifier
from fake_stack import FakeStack
from part_options import options_of

ROLE = dict.fromkeys(("super", "createrole", "createdb", "replication", "bypassrls"), False)
POSTGRES = dict.fromkeys(ROLE, True)
SCHEMA = {"owner": "postgres", "public_create": False, "public_usage": True, "owner_usage": None, "makers": []}
LOG = pg_log_functions.Log(Table("public", "audit_logs"), None)


def role(oid=20000, login=True, member=(), **powers):
    return dict(ROLE, oid=oid, login=login, inherit=True, member=list(member), **powers)


def table(name, schema="public", **others):
    columns = {"id": "uuid", "user_id": "uuid", "title": "text"}
    out = {
        "schema": schema,
        "name": name,
        "kind": "r",
        "owner": "postgres",
        "partition": False,
        "extension": False,
        "columns": {key: {"type": kind, "required": False} for key, kind in columns.items()},
        "key": ["id"],
        "indexed": [["id"]],
        "foreign_keys": 0,
        "column_updates": False,
        "security": False,
        "forced": False,
        "policies": {},
        "users": [],
        "runs": False,
        "grants": [],
        "triggers": {},
    }
    return dict(out, **others)


def audit_logs(**others):
    columns = {name: {"type": (made[1] or ("bigint",))[0], "required": False} for name, made in sql.COLUMNS.items()}
    indexed = [list(names) for names in sql.INDEXES.values()]
    guards = {
        name: {"type": bits, "enabled": "A", "function": "nself_audit.refuse", "arguments": ""}
        for name, (bits, _when, _level) in sql.GUARDS.items()
    }
    given = dict(owner="nself_audit", columns=columns, indexed=indexed, triggers=guards)
    return table("audit_logs", **dict(given, **others))


def functions(log=LOG):
    out = {}
    for signature, text in pg_log_functions.bodies(log, {}).items():
        returns, language, _volatility, definer = sql.FUNCTIONS[signature]
        out[signature] = {
            "body": text,
            "definer": definer,
            "owner": "nself_audit",
            "returns": returns,
            "language": language,
            "path": sql.PATH if language == "plpgsql" else None,
            "public": False,
        }
    return {"owner": "nself_audit", "functions": out}


def state(**others):
    out = {
        "server": {
            "version": 170002,
            "database": "demo_db",
            "user": "postgres",
            "superuser": True,
            "encryption": "scram-sha-256",
            "libraries": "",
            "pgaudit": None,
        },
        "roles": {"postgres": dict(role(10), **POSTGRES)},
        "verifiers": {},
        "tables": [],
        "recorded": [],
        "ours": None,
        "schemas": {"public": SCHEMA},
        "definers": [],
        "languages": [],
        "foreign_objects": [],
    }
    return dict(out, **others)


def finished(**others):
    """A database in which the log is as it is wanted."""
    roles = {"postgres": dict(role(10), **POSTGRES), "nself_audit": role(login=False)}
    schemas = {"public": dict(SCHEMA, owner_usage=True)}
    given = dict(tables=[audit_logs()], ours=functions(), roles=roles, schemas=schemas)
    return state(**dict(given, **others))


def statements(steps):
    return "\n".join(step.sql for step in steps)


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


# -- row-level security ----------------------------------------------------------------------------------------------


def rls(**others):
    return pg_rls.guarded_of([dict({"table": "posts", "user_column": "user_id"}, **others)], "nself_app")


APP = {"nself_app": role(20001)}


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


# -- the applications' role ------------------------------------------------------------------------------------------

URL = "postgresql://postgres:pw@postgres:5432/"
SERVICES = {
    "postgres": {
        "image": "postgres:16-alpine",
        "environment": {"POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": "pw"},
    },
    "hasura": {"image": "hasura/graphql-engine", "environment": {"HASURA_GRAPHQL_DATABASE_URL": URL + "demo_db"}},
    "auth": {
        "image": "nhost/hasura-auth",
        "environment": {
            "DATABASE_URL": URL + "demo_db?sslmode=disable",
            "PGHOST": "postgres",
            "PGUSER": "postgres",
            "PGPASSWORD": "pw",
        },
    },
    "mlflow": {"image": "mlflow", "environment": {"MLFLOW_BACKEND_STORE_URI": URL + "mlflow"}},
    "other": {"image": "x", "environment": {"DATABASE_URL": "postgres://postgres:pw@elsewhere/demo_db"}},
}


def switched(only=(), **raw):
    services = {name: item for name, item in SERVICES.items() if name != "postgres"}
    return pg_app_role.switch(services, dict(services, **raw), ["postgres"], ["postgres"], "demo_db", "nself_app", only)


def test_every_way_in_that_a_service_has_is_changed():
    found = switched()
    assert [(url.service, url.name) for url in found.urls] == [
        ("auth", "DATABASE_URL"),
        ("hasura", "HASURA_GRAPHQL_DATABASE_URL"),
    ]
    assert found.environment == {"auth": {"PGUSER": "nself_app", "PGPASSWORD": "${NSELF_APP_PASSWORD}"}}
    assert {url.password for url in found.urls} == {"${NSELF_APP_PASSWORD}"}
    assert len(found.left) == 1 and found.left[0].startswith("mlflow logs in to the database mlflow")


def test_a_url_that_comes_as_a_whole_is_written_out_without_its_password():
    found = switched(hasura={"environment": {"HASURA_GRAPHQL_DATABASE_URL": "${DATABASE_URL}"}})
    told = found.environment["hasura"]["HASURA_GRAPHQL_DATABASE_URL"]
    assert told == "postgresql://nself_app:${NSELF_APP_PASSWORD}@postgres:5432/demo_db"
    assert [url.service for url in found.urls] == ["auth"]


def test_services_can_be_chosen_and_the_rest_is_told():
    found = switched(["hasura"])
    assert found.services == ["hasura"] and any(line.startswith("auth keeps") for line in found.left)
    with pytest.raises(Refused, match="hasurra"):
        switched(["hasurra"])


def test_the_role_is_made_without_powers_and_its_password_in_no_log():
    wish = pg_app_role.Wish("nself_app", ("auth",))
    steps = pg_app_role.steps(state(schemas={"public": SCHEMA, "auth": SCHEMA}), wish, "SCRAM-SHA-256$x")
    assert steps[0].secret and "NOSUPERUSER NOCREATEROLE" in steps[0].sql and "DROP ROLE" in steps[0].undo
    text = statements(steps)
    assert 'ALTER SCHEMA "auth" OWNER TO "nself_app"' in text and 'ALTER SCHEMA "public"' not in text
    assert "c.relname <> 'audit_logs'" in text


def test_a_role_that_has_all_needs_nothing():
    have = {
        "usage": True,
        "create": True,
        "tables": 0,
        "sequences": 0,
        "functions": 0,
        "events": 0,
        "defaults": 2,
        "owner": "nself_app",
    }
    found = state(
        roles=APP,
        app_database={"missing": []},
        app_schemas={"public": have, "auth": have},
        schemas={"public": SCHEMA, "auth": SCHEMA},
    )
    assert pg_app_role.steps(found, pg_app_role.Wish("nself_app", ("auth",)), "") == []


@pytest.mark.parametrize("name", ["postgres", "Nself", "pg_app", "a-b", "x" * 64, "a;b"])
def test_some_names_will_not_do(name):
    with pytest.raises(Refused):
        pg_app_role.check_name(name, state())


def test_a_verifier_of_ours_is_one_of_postgresqls():
    verifier = pg_verifier.scram("k3Jf9sLq2mZx8vBn4cRt7wYp1dGh6aSe")
    assert pg_verifier.method_of(verifier) == "scram-sha-256"
    assert pg_verifier.fits(verifier, "nself_app", "k3Jf9sLq2mZx8vBn4cRt7wYp1dGh6aSe")
    assert not pg_verifier.fits(verifier, "nself_app", "another")


# -- roles, schemas, functions ---------------------------------------------------------------------------------------


def test_everybody_loses_create_and_who_uses_it_keeps_it():
    schemas = {"public": dict(SCHEMA, public_create=True, makers=['Old"App'])}
    step = pg_hygiene.public_create(state(schemas=schemas))[0]
    assert step.sql == 'GRANT CREATE ON SCHEMA "public" TO "Old""App";REVOKE CREATE ON SCHEMA "public" FROM PUBLIC;'


def test_powers_are_told_of_or_taken_but_never_from_who_is_in_use():
    roles = {
        "postgres": dict(role(10), **POSTGRES),
        "helper": role(
            createrole=True,
            member=[{"role": "pg_read_all_data", "grantor": "postgres"}, {"role": "pg_monitor", "grantor": "postgres"}],
        ),
    }
    steps, left = pg_hygiene.privileged(state(roles=roles), None, [], [])
    assert steps == [] and "helper has CREATEROLE, pg_read_all_data" in left[0]
    steps, left = pg_hygiene.privileged(state(roles=roles), [], [], [])
    assert (
        left == []
        and "NOCREATEROLE" in steps[0].sql
        and "pg_monitor" not in steps[0].sql
        and "CREATEROLE" in steps[0].undo
    )
    assert pg_hygiene.privileged(state(roles=roles), ["helper"], [], []) == ([], [])
    with pytest.raises(Refused, match="a service logs in as it"):
        pg_hygiene.privileged(state(roles=roles), [], ["helper"], [])


def test_an_md5_password_that_is_known_becomes_scram_and_others_are_told():
    old = {"postgres": "md53175bce1d3201d16594cebf9d7eb3f9d", "other": "md5" + "0" * 32}  # of the password postgres
    steps, left = pg_hygiene.verifiers(state(verifiers=old), {"postgres": "postgres"})
    assert len(steps) == 1 and steps[0].secret and "SCRAM-SHA-256$" in steps[0].sql
    assert len(left) == 1 and "role other" in left[0]


def test_definers_are_told_of_or_mended():
    item = {"name": "public.f()", "kind": "f", "schema": "public", "trigger": False, "path": False, "public": True}
    found = state(definers=[item], roles={"app": role()}, languages=["plpython3u"])
    assert [len(part) for part in pg_hygiene.definers(found, False)] == [0, 2]
    steps, left = pg_hygiene.definers(found, True)
    assert 'SET search_path = pg_catalog, "public", pg_temp' in statements(steps)
    assert 'GRANT EXECUTE ON FUNCTION public.f() TO "app"' in statements(steps) and len(left) == 1


# -- psql and the part ------------------------------------------------------------------------------------------------


def test_an_error_names_the_step_and_nothing_of_ours_but_its_words():
    done = Completed(3, "@0\n@1\n", "psql:<stdin>:12: ERROR:  canceling statement due to lock timeout\n")
    assert pg_database.problem(done, ["a", "b"]) == "b: canceling statement due to lock timeout; nothing of it was done"


def test_secrets_are_sent_with_the_log_off():
    text = pg_database.script([("plain", "SELECT 1;", False), ("secret", "ALTER ROLE x PASSWORD 'y';", True)])
    before, after = text.split("ALTER ROLE x")
    assert "('log_statement', 'none')" in before and "reset_val" in after
    assert text.index("SELECT 1;") < text.index("log_statement")
    assert "lock_timeout" in before and text.startswith("\\set ON_ERROR_STOP on")


class Server:
    """Answers the state's query with sections, and notes what else psql is fed."""

    def __init__(self, found):
        self.found, self.ran = found, []

    def __call__(self, argv, stdin):
        if "READ ONLY" in stdin:
            names = re.findall(r"^\\echo !(\w+) ", stdin, re.M)
            return Completed(
                0,
                "".join("%s\t%s\n!%s 00000\n" % (name, json.dumps(self.found.get(name, [])), name) for name in names),
                "",
            )
        self.ran.append(stdin)
        return Completed(0, "@committed\n", "")


def part(found, **options):
    server = Server(found)
    containers = {
        name: {"Name": "/app_" + name, "State": {"Running": True}, "Config": {"Env": ["POSTGRES_PASSWORD=pw"]}}
        for name in SERVICES
    }
    stack = FakeStack(services=SERVICES, containers=containers, answers={("postgres", "sh"): server})
    stack.host.commands["systemctl is-active nself-prod-audit-purge-app.timer"] = "inactive\n"
    made = PostgresAudit(stack, options_of(PostgresAudit, options), {})
    return made, server, stack


def test_check_mode_tells_all_and_changes_nothing():
    made, server, stack = part(state(), app_role="nself_app")
    plan = made.plan()
    assert re.match("[0-9a-f]{64}$", plan.settings["NSELF_APP_PASSWORD"])
    assert plan.settings["NSELF_APP_PASSWORD"] not in json.dumps(plan.fragment) + str(plan.database_urls) + str(
        plan.left
    )
    changes = Changes(stack.host, check=True)
    made.prepare(changes)
    made.settle(changes)
    told = str(changes.result())
    assert changes.changed and server.ran == [] and told.count("role nself_app is made") == 1
    assert plan.settings["NSELF_APP_PASSWORD"] not in told and "SCRAM" not in told


def test_pgaudit_joins_the_libraries_that_there_are_and_is_told_of_where_it_is_not():
    server = dict(state()["server"], pgaudit={"installed": False}, libraries="pg_stat_statements")
    made, _server, _stack = part(state(server=server))
    assert made.plan().postgres_settings["postgres"]["shared_preload_libraries"] == "pg_stat_statements,pgaudit"
    made, _server, _stack = part(state())
    plan = made.plan()
    assert plan.postgres_settings == {} and any("no pgaudit" in line for line in plan.left)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"retention_days": 30}, "90 days at least"),
        ({"schema": "hdb_catalog"}, "no place"),
        ({"tables": ["public.nope"]}, "public.nope"),
        ({"app_role": "Nself"}, "lower-case"),
        ({"readers": ["nobody"]}, "no such role"),
    ],
)
def test_what_cannot_be_is_refused_while_planning(options, why):
    with pytest.raises(Refused, match=why):
        part(state(), **options)[0].plan()


def test_a_user_who_is_no_superuser_is_refused():
    with pytest.raises(Refused, match="no superuser"):
        part(state(server=dict(state()["server"], superuser=False)))[0].plan()


def test_a_deployment_without_a_postgresql_of_its_own_is_told_so():
    made = PostgresAudit(FakeStack(services={"nginx": {"image": "nginx"}}), options_of(PostgresAudit, {}), {})
    plan = made.plan()
    changes = Changes(made.stack.host, check=False)
    made.prepare(changes), made.settle(changes), made.verify(), made.finish(changes), made.revert()
    assert not changes.changed and "of the distribution" in plan.left[0]


def test_an_error_of_psql_is_no_answer():
    made, _server, stack = part(state())
    stack.answers[("postgres", "sh")] = Completed(1, "", "boom")
    with pytest.raises(ChangeError, match="cannot be asked: boom"):
        made.plan()


@pytest.mark.parametrize(("said", "fails"), [(sql.SEEN, False), ("probe: recorded", True), ("permission denied", True)])
def test_the_log_is_probed_and_not_only_read(said, fails):
    log = LOG._replace(days=0)
    made, server, stack = part(finished(ours=functions(log)), pgaudit=False, retention_days=0)
    made.plan()
    answer = Completed(3, "@0\n", "psql:<stdin>:11: ERROR:  %s\n" % said)
    stack.answers[("postgres", "sh")] = lambda argv, stdin: server(argv, stdin) if "READ ONLY" in stdin else answer
    if fails:
        with pytest.raises(Mismatch, match=said):
            made.verify()
    else:
        made.verify()


def test_the_way_back_waits_until_nothing_can_come_back():
    made, server, stack = part(
        state(roles=dict(state()["roles"], **APP), policies=[]),
        app_role="nself_app",
        app_role_state="absent",
        retention_days=0,
    )
    plan = made.plan()
    assert plan.database_urls == [] and plan.settings == {}
    changes = Changes(stack.host, check=False)
    made.settle(changes)
    assert not any("DROP ROLE" in text for text in server.ran)
    made.finish(changes)
    assert 'REASSIGN OWNED BY "nself_app" TO "postgres"' in server.ran[-1]


def test_what_was_done_is_taken_back_in_reverse():
    made, server, stack = part(state(), pgaudit=False, retention_days=0)
    made.plan()
    made.settle(Changes(stack.host, check=False))
    made.revert()
    undo = server.ran[-1]
    assert undo.index("DROP TABLE") < undo.index("DROP ROLE nself_audit") and "CREATE" not in undo

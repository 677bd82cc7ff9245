# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The applications' role, and what else of roles, schemas and functions is put right."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    pg_app_role,
    pg_hygiene,
)
from ansible_collections.nself.prod.plugins.module_utils.parse import pg_verifier
from postgres_audit_world import APP, POSTGRES, SCHEMA, SERVICES, role, state, statements

# -- the applications' role ------------------------------------------------------------------------------------------


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


URL = "postgresql://app:%s@%s:5432/demo_db"


@pytest.mark.parametrize(
    ("filled_in", "written", "out"),
    [
        ({"URL": URL % ("other", "postgres")}, {"URL": URL % ("${APP_PASSWORD}", "postgres")}, ["api"]),
        ({"URL": URL % ("wanted", "postgres")}, {"URL": URL % ("${APP_PASSWORD}", "postgres")}, []),
        ({"URL": URL % ("before", "postgres")}, {"URL": URL % ("${NSELF_APP_PASSWORD}", "postgres")}, []),
        ({"URL": URL % ("other", "elsewhere.example.test")}, {}, []),
        ({"PGHOST": "postgres", "PGUSER": "app", "PGPASSWORD": "other"}, {}, ["api"]),
        ({"PGHOST": "postgres", "PGUSER": "another", "PGPASSWORD": "other"}, {}, []),
    ],
)
def test_who_logs_in_as_the_role_already_is_not_locked_out(filled_in, written, out):
    services, raw = {"api": {"environment": filled_in}}, {"api": {"environment": written}}
    assert pg_app_role.locked_out(services, raw, ["postgres"], "app", "wanted") == out


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

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part postgres_audit: how it asks and acts, and how it takes back."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    pg_database,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.postgres_audit import PostgresAudit
from ansible_collections.nself.prod.plugins.module_utils.change.tables import postgres_audit_log as sql
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from fake_stack import FakeStack
from part_options import options_of
from postgres_audit_world import (
    APP,
    LOG,
    SERVICES,
    finished,
    functions,
    state,
)


def test_an_error_names_the_step_and_nothing_of_ours_but_its_words():
    done = Completed(3, "@0\n@1\n", "psql:<stdin>:12: ERROR:  canceling statement due to lock timeout\n")
    assert pg_database.problem(done, ["a", "b"]) == "b: canceling statement due to lock timeout; nothing of it was done"


def test_secrets_are_sent_with_the_log_off():
    text = pg_database.script([("plain", "SELECT 1;", False), ("secret", "ALTER ROLE x PASSWORD 'y';", True)])
    before, after = text.split("ALTER ROLE x")
    assert "('log_statement', 'none')" in before and "reset_val" in after
    assert text.index("SELECT 1;") < text.index("log_statement")
    assert "lock_timeout" in before and text.startswith("\\set ON_ERROR_STOP on")


def test_a_pgaudit_that_is_not_loaded_keeps_nothing_from_being_done_and_is_put_back_with_it():
    lines = pg_database.script([("plain", "GRANT a TO b;", False)]).splitlines()
    places = [lines.index(line) for line in ("BEGIN;", ":nself_silence", "GRANT a TO b;", ":nself_back", "COMMIT;")]
    assert places == sorted(places)
    assert sum(line.endswith(r"\gset nself_") for line in lines) == 2


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


def test_a_pgaudit_that_stops_everybody_is_told_where_it_is_not_wanted():
    for libraries, told in (("", True), ("pgaudit", False)):
        server = dict(state()["server"], pgaudit={"installed": True}, libraries=libraries)
        made, _server, _stack = part(finished(server=server), pgaudit=False)
        assert any("does not load it" in line for line in made.plan().left) is told


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

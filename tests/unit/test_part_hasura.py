# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role hasura against the stand-in that the test hosts run: what it is told, its secret, its role for strangers, its permissions."""

from __future__ import annotations

import copy
import importlib
import json
import pathlib

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    hasura_permissions,
    hasura_secret,
    hasura_settings,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Replace
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.hasura import Hasura
from ansible_collections.nself.prod.plugins.module_utils.parse.hasura_metadata import permissions_of
from fake_host import FakeHost
from fake_stack import FakeStack

SERVICES = pathlib.Path(__file__).resolve().parents[1] / "hosts/services"
ADMIN, ROLE = "HASURA_GRAPHQL_ADMIN_SECRET", "HASURA_GRAPHQL_UNAUTHORIZED_ROLE"
STRONG = "9f3c1e7ab04d5286c1d9e0f7a3b245860e1f2a3b4c5d6e7f8a9bacbdcedfe0f1"
OTHER = STRONG[::-1]
WEAK = "demo-admin-secret"
OWN = {"user_id": {"_eq": "X-Hasura-User-Id"}}
PLACE = ("172.18.0.10", 8080)


def permission(role, **rule):
    return {"role": role, "permission": rule}


def metadata(**lists):
    """Return exported metadata with one table; lists: its <action>_permissions."""
    tables = [
        dict({"table": {"schema": "public", "name": "posts"}}, **lists),
        {"table": {"schema": "public", "name": "users"}},
    ]
    return {"version": 3, "sources": [{"name": "default", "kind": "postgres", "tables": tables}]}


FILTERED = permission("public", columns=["id", "title"], filter={"published": {"_eq": True}}, limit=20)
OPEN = permission("public", columns=["id", "title"], filter={}, limit=20)


class Request:
    def __init__(self, sent):
        head, _blank, self.body = sent.decode().partition("\r\n\r\n")
        lines = head.split("\r\n")
        self.method, self.path = lines[0].split()[:2]
        self.headers = {name.title(): value for name, value in (line.split(": ", 1) for line in lines[1:])}

    def json(self):
        return json.loads(self.body) if self.body else None


@pytest.fixture
def engine(monkeypatch, tmp_path):
    """Return a function that starts the stand-in with an environment and metadata and returns it: it answers as a peer of FakeHost."""
    monkeypatch.syspath_prepend(str(SERVICES))
    monkeypatch.delenv("HASURA_GRAPHQL_DATABASE_URL", raising=False)

    def start(environment, export):
        for name in (
            "ADMIN_SECRET",
            "UNAUTHORIZED_ROLE",
            "ENABLED_APIS",
            "CORS_DOMAIN",
            "DISABLE_CORS",
            "ENABLE_CONSOLE",
            "DEV_MODE",
        ):
            monkeypatch.delenv("HASURA_GRAPHQL_" + name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        file = tmp_path / "metadata.json"
        file.write_text(json.dumps(export))
        monkeypatch.setenv("STAND_IN_METADATA", str(file))
        module = importlib.reload(importlib.import_module("stand_in_hasura"))
        monkeypatch.setattr(module, "sql", lambda text: "")
        asked = module.asked = []

        def peer(sent):
            request = Request(sent)
            asked.append((request.method, request.path, request.body))
            status, kind, text, headers = (list(module.answer(request)) + [[]])[:4]
            lines = ["HTTP/1.1 %d X" % status, "Content-Type: " + kind] + ["%s: %s" % pair for pair in headers]
            return ("\r\n".join(lines) + "\r\n\r\n" + text).encode()

        module.peer = peer
        return module

    return start


def demo(engine, export=None, running=None, variables=None, raw=None, services=None, command=None, files=None):
    """Return a stack as nself generates it, and its engine. running: what its hasura container has beyond the model."""
    settings = dict({ADMIN: WEAK, "BASE_DOMAIN": "localhost"}, **(variables or {}))
    written = {
        ADMIN: "${%s}" % ADMIN,
        "HASURA_GRAPHQL_ENABLE_CONSOLE": "${HASURA_GRAPHQL_ENABLE_CONSOLE:-false}",
        "HASURA_GRAPHQL_CORS_DOMAIN": "${HASURA_GRAPHQL_CORS_DOMAIN}",
        ROLE: "public",
    }
    model = {
        ADMIN: settings[ADMIN],
        "HASURA_GRAPHQL_ENABLE_CONSOLE": "true",
        "HASURA_GRAPHQL_CORS_DOMAIN": settings.get("HASURA_GRAPHQL_CORS_DOMAIN", "http://localhost:3000"),
        ROLE: "public",
    }
    hasura = {"image": "hasura/graphql-engine:v2.36.0", "command": command}
    models = {"hasura": dict(hasura, environment=model)}
    raws = {"hasura": dict(hasura, environment=dict(written, **(raw or {})))}
    models["hasura"]["environment"].update({name: value for name, value in (raw or {}).items() if "$" not in value})
    for name, (value, filled) in (services or {}).items():
        raws[name], models[name] = {"environment": value}, {"environment": filled}
    now = dict(model, **(running or {}))
    now = {name: value for name, value in now.items() if value is not None}
    containers = {"hasura": {"Config": {"Env": ["%s=%s" % pair for pair in now.items()]}, "Args": command or []}}
    stand_in = engine(now, metadata() if export is None else export)
    there = {"/srv/app/" + name: text for name, text in (files or {}).items()}
    stack = FakeStack(models, raws, containers, variables=settings, host=FakeHost(there, peers={PLACE: stand_in.peer}))
    return stack, stand_in


def part_of(stack, secrets=None, **options):
    given = {name: entry.get("default") for name, entry in Hasura.SPEC.items()}
    return Hasura(stack, dict(given, **options), secrets or {})


def environment(plan, service="hasura"):
    return plan.fragment["services"][service]["environment"]


# -- what the engine is told -----------------------------------------------------------------------------------------------


def test_a_generated_stack_is_told_all_that_the_checks_want(engine):
    stack, _engine = demo(engine)
    plan = part_of(stack).plan()
    assert environment(plan) == {
        "HASURA_GRAPHQL_ENABLE_CONSOLE": "false",
        "HASURA_GRAPHQL_DEV_MODE": "false",
        "HASURA_GRAPHQL_ENABLE_TELEMETRY": "false",
        "HASURA_GRAPHQL_ENABLE_ALLOWLIST": "false",
        "HASURA_GRAPHQL_ENABLED_APIS": "graphql,metadata",
        "HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT": "10",
        "HASURA_GRAPHQL_PG_CONNECTIONS": "50",
        "HASURA_GRAPHQL_DISABLE_CORS": "true",
        # It may do nothing, so nothing is lost; an empty name would keep the engine from starting.
        ROLE: None,
    }
    assert plan.settings[ADMIN] not in repr(plan.fragment) + repr(plan.left)


def test_a_debug_log_which_holds_what_users_send_becomes_info(engine):
    stack, _engine = demo(engine, raw={"HASURA_GRAPHQL_LOG_LEVEL": "debug"})
    assert environment(part_of(stack).plan())["HASURA_GRAPHQL_LOG_LEVEL"] == "info"
    assert environment(part_of(stack, log_level="warn").plan())["HASURA_GRAPHQL_LOG_LEVEL"] == "warn"


def test_flags_that_would_win_are_taken_off_the_command_line(engine):
    words = [
        "graphql-engine",
        "serve",
        "--enable-console",
        "--admin-secret",
        STRONG,
        "--cors-domain=*",
        "--stripes",
        "2",
    ]
    stack, _engine = demo(engine, command=words)
    plan = part_of(stack).plan()
    mine = plan.fragment["services"]["hasura"]
    assert isinstance(mine["command"], Replace) and mine["command"] == ["graphql-engine", "serve", "--stripes", "2"]
    # The secret leaves the command line for the env files, and is the same.
    assert plan.settings == {ADMIN: STRONG} and mine["environment"][ADMIN] == "${%s}" % ADMIN
    assert STRONG not in repr(plan.fragment)


def test_a_script_with_such_a_flag_is_nobodys_to_change(engine):
    stack, _engine = demo(engine, command=["sh", "-c", "sleep 3; graphql-engine serve --enable-console"])
    with pytest.raises(Refused, match="--enable-console"):
        part_of(stack).plan()


@pytest.mark.parametrize(
    "options",
    [
        {"enabled_apis": []},
        {"websocket_init_timeout": 0},
        {"pg_connections": 0},
        {"unauthorized_role": "a b"},
        {"unauthorized_role": "admin"},
        {"enabled_apis": ["graphql"], "permissions": [{"table": "posts", "select_permissions": [FILTERED]}]},
    ],
    ids=str,
)
def test_what_the_engine_could_not_start_with_or_would_contradict_itself_is_refused(engine, options):
    stack, _engine = demo(engine)
    with pytest.raises(Refused, match="hasura_"):
        part_of(stack, **options).plan()


# -- origins ---------------------------------------------------------------------------------------------------------------

DOMAIN = {"BASE_DOMAIN": "example.com", "AUTH_CLIENT_URL": "https://www.example.com/start"}


@pytest.mark.parametrize(
    "wanted, now, settings, origins",
    [
        (
            None,
            "https://app.example.com, https://*.example.com",
            DOMAIN,
            ("https://app.example.com", "https://*.example.com"),
        ),
        (None, "*", DOMAIN, ("https://example.com", "https://*.example.com")),
        (None, "", DOMAIN, ("https://example.com", "https://*.example.com")),
        (None, "http://localhost:3000,https://app.example.com", DOMAIN, ("https://app.example.com",)),
        (
            None,
            "*",
            {"BASE_DOMAIN": "a.test", "AUTH_CLIENT_URL": "https://b.test"},
            ("https://a.test", "https://*.a.test", "https://b.test"),
        ),
        (None, "*", {"BASE_DOMAIN": "localhost", "AUTH_CLIENT_URL": "http://localhost:3000"}, ()),
        (["https://shop.test"], "*", DOMAIN, ("https://shop.test",)),
        (["*"], "*", DOMAIN, ("https://example.com", "https://*.example.com")),
        ([], "*", DOMAIN, ()),
    ],
)
def test_origins_are_those_that_are_named_with_https_else_the_deployments_own(wanted, now, settings, origins):
    assert hasura_settings.cors(wanted, now, settings).origins == origins


def test_an_origin_that_is_left_out_is_told():
    found = hasura_settings.cors(None, "http://localhost:3000,https://app.example.com", {})
    assert "localhost:3000" in found.left[0]
    assert hasura_settings.cors(None, "https://app.example.com", {}).left == ()


# -- the admin secret --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weak", ["", WEAK, "${PROD_HASURA_SECRET}", "short-but-own-9f3c1e7a"])
def test_a_poor_secret_is_replaced_by_random_bytes_and_never_shown(weak):
    found = hasura_secret.choose("", "replace", weak, "/srv/app/.env")
    assert found.new and len(found.value) == 64 and found.value != hasura_secret.choose("", "replace", weak, "x").value
    text = " ".join(found.left)
    assert found.value not in text and (not weak or weak not in text) and "/srv/app/.env" in text
    kept = hasura_secret.choose("", "keep", weak, "/srv/app/.env")
    assert not kept.new and kept.left


def test_a_strong_secret_stays_in_the_next_run(engine):
    stack, _engine = demo(engine, variables={ADMIN: STRONG})
    plan = part_of(stack).plan()
    assert plan.settings == {} and ADMIN not in environment(plan)


def test_a_given_secret_has_to_be_strong(engine):
    stack, _engine = demo(engine)
    assert part_of(stack, {ADMIN: OTHER}).plan().settings == {ADMIN: OTHER}
    for bad in ("0123456789", "my secret with spaces and a lot of length 9f3c1e7ab04d", STRONG + "$x"):
        with pytest.raises(Refused, match="hasura_admin_secret") as refused:
            part_of(stack, {ADMIN: bad}).plan()
        assert bad not in str(refused.value)


HOLDERS = {
    "functions": ({"HASURA_ADMIN_SECRET": "${HASURA_ADMIN_SECRET:-%s}" % WEAK}, {"HASURA_ADMIN_SECRET": WEAK}),
    "worker": (["HASURA_GRAPHQL_ADMIN_SECRET=${HASURA_GRAPHQL_ADMIN_SECRET:-x}"], {ADMIN: WEAK}),
    "elsewhere": ({ADMIN: OTHER}, {ADMIN: OTHER}),
    "webhook": ({"NHOST_WEBHOOK_SECRET": "hook"}, {"NHOST_WEBHOOK_SECRET": "hook"}),
}


def test_who_is_filled_from_elsewhere_is_given_the_new_secret_too_and_no_other_secret_is_touched(engine):
    stack, _engine = demo(engine, services=HOLDERS, files={"hasura/config.yaml": "admin_secret: " + WEAK})
    plan = part_of(stack).plan()
    assert environment(plan, "functions") == {"HASURA_ADMIN_SECRET": "${%s}" % ADMIN}
    assert set(plan.fragment["services"]) == {"hasura", "functions"}
    assert any("hasura/config.yaml" in text for text in plan.left)


def test_who_was_given_it_keeps_it_in_the_next_run(engine):
    stack, _engine = demo(engine, variables={ADMIN: STRONG}, services=HOLDERS)
    assert environment(part_of(stack).plan(), "functions") == {"HASURA_ADMIN_SECRET": "${%s}" % ADMIN}


def test_a_literal_secret_of_the_compose_file_is_replaced_once(engine):
    first, _engine = demo(engine, raw={ADMIN: WEAK})
    plan = part_of(first).plan()
    assert environment(plan)[ADMIN] == "${%s}" % ADMIN
    second, _engine = demo(engine, raw={ADMIN: WEAK}, variables={ADMIN: STRONG}, running={ADMIN: STRONG})
    plan = part_of(second).plan()
    assert plan.settings == {} and environment(plan)[ADMIN] == "${%s}" % ADMIN


# -- requests without a token ------------------------------------------------------------------------------------------------


def role_in(plan):
    return environment(plan).get(ROLE, "not set")


@pytest.mark.parametrize(
    "lists, role, told",
    [
        ({}, None, ""),
        ({"select_permissions": [FILTERED]}, "public", "sees the schema of public.posts"),
        ({"select_permissions": [OPEN]}, None, "select every row of public.posts"),
        (
            {"insert_permissions": [permission("public", check=OWN, columns=["title"])]},
            None,
            "insert into public.posts",
        ),
        ({"select_permissions": [permission("public", columns=["token"], filter=OWN, limit=1)]}, None, "select token"),
        ({"select_permissions": [permission("user", columns=["id"], filter={}, limit=1)]}, None, ""),
    ],
)
def test_strangers_keep_a_role_that_does_no_harm(engine, lists, role, told):
    stack, _engine = demo(engine, metadata(**lists))
    plan = part_of(stack).plan()
    assert role_in(plan) == role
    assert told in " ".join(text for text in plan.left if "without a token" in text)


def test_a_table_may_be_public_on_purpose(engine):
    stack, _engine = demo(engine, metadata(select_permissions=[OPEN]))
    assert role_in(part_of(stack, public_tables=["public.posts"]).plan()) == "public"


def test_what_is_said_of_the_role_counts(engine):
    stack, _engine = demo(engine, metadata(select_permissions=[OPEN]))
    plan = part_of(stack, unauthorized_role="public").plan()
    assert role_in(plan) == "public" and any("hasura_unauthorized_role: none" in text for text in plan.left)
    stack, _engine = demo(engine, metadata(select_permissions=[FILTERED]))
    assert role_in(part_of(stack, unauthorized_role="none").plan()) is None


def test_a_variable_that_compose_would_fill_in_again_becomes_a_role_that_may_do_nothing(engine):
    stack, _engine = demo(engine, metadata(select_permissions=[OPEN]), variables={ROLE: "public"})
    assert role_in(part_of(stack).plan()) == "anonymous"
    # The env file's own word holds where it does no harm, although nself's compose file says something else.
    stack, _engine = demo(engine, variables={ROLE: "anonymous"})
    assert role_in(part_of(stack).plan()) == "anonymous"


def test_where_permissions_cannot_be_read_strangers_are_left_as_they_are(engine):
    closed = {"HASURA_GRAPHQL_ENABLED_APIS": "graphql"}
    for running, role in (({}, "public"), ({ROLE: None}, None)):
        stack, _engine = demo(engine, running=dict(closed, **running))
        plan = part_of(stack).plan()
        assert role_in(plan) == role
        assert any("HASURA_GRAPHQL_ENABLED_APIS has no `metadata`" in text for text in plan.left)


def test_an_engine_that_does_not_run_is_hardened_all_the_same(engine):
    stack, _engine = demo(engine)
    stack.containers.clear()
    plan = part_of(stack).plan()
    assert environment(plan)["HASURA_GRAPHQL_ENABLE_CONSOLE"] == "false"
    assert any("could not be looked at" in text for text in plan.left)


# -- permissions -------------------------------------------------------------------------------------------------------------

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
    part = part_of(stack, variables=None, **options)
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
    assert [
        body for _method, path, body in stand_in.asked if path == "/v1/metadata" and '"bulk"' in body
    ].__len__() == 1
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


# -- the effect --------------------------------------------------------------------------------------------------------------

GOOD = {
    ADMIN: STRONG,
    ROLE: None,
    "HASURA_GRAPHQL_ENABLE_CONSOLE": "false",
    "HASURA_GRAPHQL_ENABLED_APIS": "graphql,metadata",
    "HASURA_GRAPHQL_DISABLE_CORS": "true",
}


def test_a_hardened_engine_is_proven_by_asking_it(engine):
    stack, stand_in = demo(engine, running=GOOD, variables={ADMIN: STRONG})
    part_of(stack).verify()
    assert ("GET", "/console", "") in stand_in.asked


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"HASURA_GRAPHQL_ENABLE_CONSOLE": "true"}, "/console answers"),
        ({"HASURA_GRAPHQL_DEV_MODE": "true"}, "internals"),
        ({"HASURA_GRAPHQL_DISABLE_CORS": "false", "HASURA_GRAPHQL_CORS_DOMAIN": "*"}, "reflects any origin"),
    ],
)
def test_what_differs_is_named(engine, wrong, said):
    stack, _engine = demo(engine, running=dict(GOOD, **wrong), variables={ADMIN: STRONG})
    with pytest.raises(Mismatch, match=said):
        part_of(stack).verify()


def test_an_engine_that_still_takes_the_old_secret_is_not_hardened(engine):
    stack, _engine = demo(engine, running=dict(GOOD, **{ADMIN: WEAK}))
    part = part_of(stack)
    part.plan()
    with pytest.raises(Mismatch, match="old admin secret"):
        part.verify()


def test_a_deployment_without_hasura_is_told_so(engine):
    stack = FakeStack({"nginx": {"image": "nginx"}})
    plan = part_of(stack, permissions=WANTED).plan()
    assert plan.fragment == {} and plan.left == ["the deployment has no hasura service"]

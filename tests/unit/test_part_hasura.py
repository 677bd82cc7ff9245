# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role hasura against the stand-in that the test hosts run: what it is told, its secret, its role for strangers, its effect."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import hasura_secret, hasura_settings
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Replace
from fake_hasura import (
    ADMIN,
    FILTERED,
    OPEN,
    OTHER,
    OWN,
    ROLE,
    STRONG,
    WEAK,
    demo,
    environment,
    metadata,
    part_of,
    permission,
    starter,
)
from fake_stack import FakeStack


@pytest.fixture
def engine(monkeypatch, tmp_path):
    return starter(monkeypatch, tmp_path)


# -- what the engine is told -----------------------------------------------------------------------------------------------


def test_a_generated_stack_is_told_all_that_the_checks_want(engine):
    stack, _engine = demo(engine)
    plan = part_of(stack).plan()
    assert environment(plan) == {
        "HASURA_GRAPHQL_ENABLE_CONSOLE": "false",
        "HASURA_GRAPHQL_DEV_MODE": "false",
        "HASURA_GRAPHQL_ENABLE_TELEMETRY": "false",
        "HASURA_GRAPHQL_ENABLED_APIS": "graphql,metadata",
        "HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT": "10",
        "HASURA_GRAPHQL_PG_CONNECTIONS": "50",
        "HASURA_GRAPHQL_DISABLE_CORS": "true",
        # It may do nothing, so nothing is lost; an empty name would keep the engine from starting.
        ROLE: None,
    }
    assert plan.settings[ADMIN] not in repr(plan.fragment) + repr(plan.left)


def test_a_default_loosens_nothing_that_the_deployment_has(engine):
    stricter = {
        "HASURA_GRAPHQL_ENABLED_APIS": "graphql",
        "HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT": "5",
        "HASURA_GRAPHQL_PG_CONNECTIONS": "20",
        "HASURA_GRAPHQL_ENABLE_ALLOWLIST": "true",
    }
    stack, _engine = demo(engine, raw=stricter)
    found = environment(part_of(stack).plan())
    assert "HASURA_GRAPHQL_ENABLE_ALLOWLIST" not in found
    assert {name: found[name] for name in list(stricter)[:3]} == dict(list(stricter.items())[:3])
    stack, _engine = demo(engine, raw={"HASURA_GRAPHQL_PG_CONNECTIONS": "200"})
    assert environment(part_of(stack).plan())["HASURA_GRAPHQL_PG_CONNECTIONS"] == "50"
    assert environment(part_of(stack, pg_connections=90).plan())["HASURA_GRAPHQL_PG_CONNECTIONS"] == "90"


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


def test_an_engine_without_a_secret_is_given_one(engine):
    stack, _engine = demo(engine, variables={ADMIN: ""}, running={ADMIN: None})
    for models in (stack.services, stack.raw):
        del models["hasura"]["environment"][ADMIN]
    plan = part_of(stack).plan()
    assert environment(plan)[ADMIN] == "${%s}" % ADMIN and len(plan.settings[ADMIN]) == 64
    # One that its own start script reads from a file is nobody's to judge.
    stack.services["hasura"]["environment"][ADMIN + "_FILE"] = "/run/secrets/hasura"
    plan = part_of(stack).plan()
    assert plan.settings == {} and ADMIN not in environment(plan)


def test_metadata_that_holds_the_old_secret_is_told(engine):
    export = metadata()
    export["actions"] = [{"name": "mail", "definition": {"type": "query", "headers": [{"name": "x", "value": WEAK}]}}]
    stack, _engine = demo(engine, export)
    assert any("metadata holds the old admin secret" in text for text in part_of(stack).plan().left)


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


def test_a_role_that_is_shown_no_schema_is_nothing_to_tell(engine):
    export = dict(
        metadata(select_permissions=[FILTERED]), graphql_schema_introspection={"disabled_for_roles": ["public"]}
    )
    stack, _engine = demo(engine, export)
    plan = part_of(stack).plan()
    assert role_in(plan) == "public" and not any("schema" in text for text in plan.left)


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
    plan = part_of(stack, permissions=[{"table": "posts", "select_permissions": [FILTERED]}]).plan()
    assert plan.fragment == {} and plan.left == ["the deployment has no hasura service"]


def test_a_deployment_that_fills_the_role_in_again_is_told_so(engine):
    stack, _engine = demo(engine, metadata(select_permissions=[OPEN]), variables={ROLE: "public"})
    assert any("take %s out of the env files" % ROLE in text for text in part_of(stack).plan().left)


def test_an_empty_allow_list_that_is_on_is_told(engine):
    stack, _engine = demo(engine)
    assert any("allow-list" in text for text in part_of(stack, allowlist_enabled=True).plan().left)
    assert not any("allow-list" in text for text in part_of(stack).plan().left)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide's settings: the table holds together, and what is declared is compared with what runs."""

from __future__ import annotations

import re

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.checks.declared import declared_is_effective
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import rendered
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Options, collect_all
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts, Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import guide_settings as table
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.plain_settings import PLAIN
from ansible_collections.nself.prod.plugins.module_utils.deployment import env_chain, guide
from ansible_collections.nself.prod.plugins.module_utils.deployment.followed import followed
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import ROLES
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st
from test_collect_deployment import COLLECTORS, SECRET, engine, inspected, project

REDUCER = Reducer("a key")
EXACT = [entry for entry in table.SETTINGS if "*" not in entry.name]
SECRETS = (table.SECRET, table.JWT_KEY)
PRIVATE = {"LETSENCRYPT_EMAIL"}  # a person's address


# -- the table -----------------------------------------------------------------------------------------------------------


def test_each_name_stands_once_and_says_who_reads_it():
    assert len({entry.name for entry in table.SETTINGS}) == len(table.SETTINGS)
    for entry in table.SETTINGS:
        assert entry.verdict in (table.READ, table.TRANSLATE, table.DEAD, table.UNSUPPORTED), entry.name
        if entry.verdict == table.UNSUPPORTED:
            assert entry.instead and not entry.real, entry.name
            continue
        assert entry.readers and entry.real, entry.name
        assert set(entry.readers) <= set(ROLES) | {"compose"}, entry.name
        if entry.verdict != table.DEAD:
            assert len(entry.real) == 1 and re.match(r"[A-Z][A-Z0-9_]+\Z", entry.real[0]), entry.name
            assert entry.default is None or guide.type_problem(entry, entry.default) is None, entry.name


def test_no_family_hides_a_name():
    for entry in EXACT:
        assert guide.find(entry.name) is entry


@pytest.mark.parametrize("entry", EXACT, ids=lambda entry: entry.name)
def test_what_may_be_shown_is_shown_and_no_secret_is(entry):
    plain = entry.name in PLAIN and (entry.verdict != table.READ or entry.real[0] in PLAIN)
    if entry.kind in SECRETS:
        assert entry.name not in PLAIN
    elif entry.verdict != table.UNSUPPORTED and entry.name not in PRIVATE:
        assert plain


@pytest.mark.parametrize(
    "name, verdict, real",
    [
        ("HASURA_JWT_KEY", table.TRANSLATE, "HASURA_GRAPHQL_JWT_SECRET"),
        ("AUTH_ACCESS_TOKEN_EXPIRY", table.DEAD, "AUTH_ACCESS_TOKEN_EXPIRES_IN"),
        ("AUTH_PASSWORD_REQUIRE_SPECIAL", table.UNSUPPORTED, None),
        ("AUTH_PASSWORD_MIN_LENGTH", table.READ, "AUTH_PASSWORD_MIN_LENGTH"),
        ("AUTH_ACCOUNT_LOCKOUT_DURATION", table.UNSUPPORTED, None),
        ("AUTH_RATE_LIMIT_LOGIN_MAX", table.DEAD, "AUTH_RATE_LIMIT_BRUTE_FORCE_BURST"),
        ("HASURA_GRAPHQL_MAX_CONNECTIONS", table.DEAD, "HASURA_GRAPHQL_PG_CONNECTIONS"),
        ("HSTS_MAX_AGE", table.DEAD, "Strict-Transport-Security"),
        ("POSTGRES_SSL_MODE", table.DEAD, "ssl"),
        ("REDIS_MEMORY_LIMIT", table.DEAD, "deploy.resources.limits.memory"),
        ("ALERT_EMAIL", table.UNSUPPORTED, None),
        ("MY_OWN_SETTING", None, None),
    ],
)
def test_names_of_the_guide_are_known(name, verdict, real):
    entry = guide.find(name)
    assert (entry.verdict if entry else None) == verdict
    assert real is None or entry.real == (real,)


# -- translation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("AUTH_ACCESS_TOKEN_EXPIRY", "15m", {"AUTH_ACCESS_TOKEN_EXPIRES_IN": "900"}),
        ("AUTH_REFRESH_TOKEN_EXPIRY", "7d", {"AUTH_REFRESH_TOKEN_EXPIRES_IN": "604800"}),
        (
            "HASURA_GRAPHQL_WS_CONNECTION_INIT_TIMEOUT",
            "10s",
            {"HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT": "10"},
        ),
        ("AUTH_RATE_LIMIT_LOGIN_WINDOW", "900", {"AUTH_RATE_LIMIT_BRUTE_FORCE_INTERVAL": "900s"}),
        ("AUTH_RATE_LIMIT_ENABLED", "yes", {"AUTH_RATE_LIMIT_ENABLE": "true"}),
        ("AUTH_PASSWORD_MIN_LENGTH", "12", {"AUTH_PASSWORD_MIN_LENGTH": "12"}),
        ("HSTS_MAX_AGE", "31536000", {}),
        ("AUTH_PASSWORD_HISTORY", "5", {}),
    ],
)
def test_a_setting_of_the_guide_becomes_what_its_reader_knows(name, value, expected):
    assert guide.translate(guide.find(name), value) == expected


@pytest.mark.parametrize(
    "name, value",
    [
        ("AUTH_ACCESS_TOKEN_EXPIRY", "soon"),
        ("AUTH_RATE_LIMIT_ENABLED", "maybe"),
        ("AUTH_RATE_LIMIT_LOGIN_MAX", "five"),
        ("AUTH_REQUIRE_ELEVATED_CLAIM", "always"),
    ],
)
def test_what_cannot_be_translated_is_refused(name, value):
    with pytest.raises(ValueError):
        guide.translate(guide.find(name), value)


# -- what runs -----------------------------------------------------------------------------------------------------------


def judged(host):
    host.files.setdefault("/proc/1/comm", "systemd\n")
    facts = collect_all(host, COLLECTORS + rendered.COLLECTORS, Options(None, "a key"))
    verdict = declared_is_effective.judge(Facts(facts), Policy())
    assert SECRET not in repr(facts) and SECRET not in repr(verdict)
    return {item.name: item for item in verdict.resources}


def test_a_container_that_was_started_before_the_change_is_told_from_a_file_that_is_not_read():
    env = ["HASURA_GRAPHQL_ENABLE_CONSOLE=false", "HASURA_GRAPHQL_UNAUTHORIZED_ROLE=public"]
    files = project(_env="HASURA_GRAPHQL_ENABLE_CONSOLE=true\nHASURA_GRAPHQL_UNAUTHORIZED_ROLE=anonymous\n")
    found = judged(
        FakeHost(files, commands=engine(inspected("hasura", "x", env=env), inspected("postgres", "y", identity="2")))
    )
    console, role = found["HASURA_GRAPHQL_ENABLE_CONSOLE"], found["HASURA_GRAPHQL_UNAUTHORIZED_ROLE"]
    assert console.status == role.status == "fail" and console.level == "running"
    assert console.actual.startswith(guide.STALE) and ".env" in console.actual
    assert "HASURA_GRAPHQL_ENABLE_CONSOLE=true" in console.actual and "ENABLE_CONSOLE=false" in console.actual
    assert role.actual.startswith(guide.FIXED) and "UNAUTHORIZED_ROLE=public" in role.actual


def test_a_secret_that_was_changed_in_the_file_only_is_found_by_its_fingerprint():
    running = [inspected("hasura", "x"), inspected("postgres", "y", env=["POSTGRES_PASSWORD=before"], identity="2")]
    found = judged(FakeHost(project(), commands=engine(*running)))["POSTGRES_PASSWORD"]
    assert (
        found.status == "fail"
        and found.actual.startswith(guide.STALE)
        and "before" not in found.actual.split("started")[0]
    )
    running[1]["Config"]["Env"] = ["POSTGRES_PASSWORD=%s" % SECRET]
    assert judged(FakeHost(project(), commands=engine(*running)))["POSTGRES_PASSWORD"].status == "pass"


def test_whoever_else_was_given_a_secret_must_have_the_new_one():
    compose = "services:\n" + "".join(
        "  %s: {image: x, environment: {POSTGRES_PASSWORD: '%s'}}\n" % pair
        for pair in (("hasura", "its own"), ("postgres", "${POSTGRES_PASSWORD}"), ("worker", "${POSTGRES_PASSWORD}"))
    )

    def found(worker):
        values = {"hasura": "its own", "postgres": SECRET, "worker": worker}
        running = [
            inspected(name, "x", env=["POSTGRES_PASSWORD=" + value], identity=str(number))
            for number, (name, value) in enumerate(values.items())
        ]
        return judged(FakeHost(project(compose=compose), commands=engine(*running)))["POSTGRES_PASSWORD"]

    assert found(SECRET).status == "pass"
    assert found("before").status == "fail" and "worker runs with another" in found("before").actual


def test_a_dead_name_is_told_with_what_runs():
    compose = "services: {auth: {image: x, environment: {AUTH_ACCESS_TOKEN_EXPIRES_IN: '3600'}}, postgres: {image: y}}"
    found = judged(FakeHost(project(compose=compose, _env="AUTH_ACCESS_TOKEN_EXPIRY=15m\n")))[
        "AUTH_ACCESS_TOKEN_EXPIRY"
    ]
    assert found.status == "fail" and found.actual == (
        "dead name: AUTH_ACCESS_TOKEN_EXPIRY=15m in .env: nothing reads it; auth goes by AUTH_ACCESS_TOKEN_EXPIRES_IN=900; "
        "auth has AUTH_ACCESS_TOKEN_EXPIRES_IN=3600"
    )


def test_a_secret_file_that_loses_against_env_is_told():
    name = "HASURA_GRAPHQL_ENABLE_CONSOLE"
    files = dict(
        project(), **{"/opt/nself/.env": "ENV=prod\n%s=true\n" % name, "/opt/nself/.env.prod": name + "=false\n"}
    )
    found = judged(FakeHost(files))[name]
    assert found.status == "fail" and found.actual.startswith(guide.OVERRIDDEN) and ".env.prod" in found.actual
    # In development .env is the place for one's own values.
    files = dict(
        project(), **{"/opt/nself/.env": "ENV=dev\n%s=true\n" % name, "/opt/nself/.env.dev": name + "=false\n"}
    )
    assert judged(FakeHost(files))[name].status == "pass"


def test_what_compose_would_start_is_unread_where_it_cannot_be_rendered():
    facts = collect_all(FakeHost(project(compose="services: [")), COLLECTORS + rendered.COLLECTORS, Options(None, "k"))
    assert isinstance(facts["rendered"], Unread) and facts["rendered"].reason == "parse_error"


def test_a_family_leaves_the_projects_own_services_alone():
    compose = (
        "services:\n  hasura: {image: x}\n  postgres: {image: y}\n  own: {image: z, environment: {CORS_ORIGIN: a}}\n"
    )
    files = project(compose=compose, _env="CORS_ORIGIN=a\nCORS_METHODS=b\n")
    assert set(judged(FakeHost(files))) == {"CORS_METHODS"}


def test_files_that_are_meant_to_win():
    assert env_chain.meant_to_win("prod") == (".env.prod", ".env.secrets")
    assert env_chain.meant_to_win("staging") == (".env.staging",)
    assert env_chain.meant_to_win("dev") == (".env.local",)


NAMES = st.sampled_from([entry.name.replace("*", "X") for entry in table.SETTINGS]) | st.text(max_size=12)
VALUES = st.text(max_size=12) | st.sampled_from(
    ["true", "yes", "0", "15m", "7d", "900", "${A}", "a,b", "https://x", '{"key": 1}']
)


@given(NAMES, VALUES, VALUES, st.none() | VALUES, st.booleans())
def test_any_setting_gets_a_verdict_and_none_is_effective_that_reads_otherwise(name, value, now, coming, running):
    entry = guide.find(name)
    if entry is None:
        return
    declared = guide.Declared(name, REDUCER.value(name, value), ".env")
    real = entry.real[0] if entry.real else name
    future = None if coming is None else {real: REDUCER.value(real, coming)}
    holders = [guide.Holder(role, role, running, {real: REDUCER.value(real, now)}, future) for role in entry.readers]
    try:
        guide.translate(entry, value)
    except ValueError:
        pass
    try:
        outcome = guide.by_itself(entry, declared) or guide.in_force(entry, declared, holders)
    except Missing:
        return
    if outcome is not None and outcome.good and entry.verdict == table.READ and not guide.is_variable(declared.value):
        there = REDUCER.value(real, now)
        assert guide.same(entry, declared.value, entry.default if guide.is_empty(there) else there)


def test_what_roles_remember_is_read_from_the_override():
    text = 'x-nself-prod-nginx: {"settings": {"HSTS_MAX_AGE": "31536000"}, "version": 1}\nx-nself-prod-auth: {"version": 1}\n'
    text += 'x-nself-prod-minio: {"settings": broken\n  x-nself-prod-redis: {"settings": {"A": "b"}}\n'
    assert followed(text) == {"HSTS_MAX_AGE": ("nginx", "31536000")}


def test_a_setting_that_a_role_followed_is_effective_only_while_the_file_still_says_so():
    override = 'x-nself-prod-nginx: {"settings": {"HSTS_MAX_AGE": "31536000"}, "version": 1}\n'
    for value, status in (("31536000", "pass"), ("0", "fail")):
        files = dict(project(_env="HSTS_MAX_AGE=%s\n" % value), **{"/opt/nself/docker-compose.override.yml": override})
        found = judged(FakeHost(files, commands=engine(inspected("nginx", "x"))))["HSTS_MAX_AGE"]
        assert found.status == status, found.actual

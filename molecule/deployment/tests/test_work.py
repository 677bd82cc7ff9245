# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardened stack does its work, and lets nobody in who should not be."""

from __future__ import annotations

import re

import pytest

HEADERS = (
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "content-security-policy",
    "referrer-policy",
    "permissions-policy",
)
CONSOLES = ("prometheus", "alertmanager", "mail", "storage-console")


def test_every_service_is_well(stack):
    states = {
        name: (item["State"]["Status"], (item["State"].get("Health") or {"Status": "healthy"})["Status"])
        for name, item in stack.containers.items()
        if item["HostConfig"]["RestartPolicy"]["Name"] not in ("", "no")
    }
    assert len(states) >= 10
    assert {name: found for name, found in states.items() if found != ("running", "healthy")} == {}


@pytest.mark.parametrize("way", ["inside", "outside"])
def test_the_database_takes_verified_connections(way, stack):
    assert stack.psql("verify-full", *stack.ways[way]) == "t"


@pytest.mark.parametrize("way", ["inside", "outside"])
def test_the_database_takes_no_connection_in_clear(way, stack):
    said = stack.psql("disable", *stack.ways[way])
    assert "no encryption" in said and "FATAL" in said


def test_every_service_of_the_database_comes_over_tls(stack):
    query = "SELECT count(*) FILTER (WHERE NOT s.ssl), count(*) FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE a.client_addr IS NOT NULL"
    in_clear, sessions = map(int, stack.sql(query)[0].split("|"))
    assert in_clear == 0 and sessions >= 1


def test_nginx_serves_every_name_with_the_headers(stack):
    pages = stack.curl("-o /dev/null -D -")
    assert len(pages) >= 10
    for name, page in pages.items():
        found = {header for header in HEADERS if re.search(r"^%s:" % header, page, re.M | re.I)}
        # Who asks too often is told so, with the headers as well.
        assert re.match(r"HTTP/2 (2|3|401|403|404|429)", page), (name, page)
        assert set(HEADERS) - found <= {"content-security-policy", "x-frame-options"}, (name, page)
        # A page may be framed by nobody by either.
        assert found & {"content-security-policy", "x-frame-options"}, (name, page)


def test_graphql_and_sign_in_are_reached_through_nginx(stack):
    api, auth = stack.named("api"), stack.named("auth")
    # nself lets a client ask auth ten times a minute, and what has asked before counts.
    asked = "--retry 6 --retry-delay 7 -o /dev/null -w '%{http_code}'"
    assert stack.curl(asked, [api], "/healthz")[api].strip() == "200"
    assert stack.curl(asked, [auth], "/healthz")[auth].strip() == "200"


def test_redis_answers_only_with_the_password(stack):
    assert "NOAUTH" in stack.inside("redis", "redis-cli ping")
    asked = "docker exec -i %s sh -c 'read -r REDISCLI_AUTH; export REDISCLI_AUTH; redis-cli ping'" % stack.name(
        "redis"
    )
    assert stack.sh("printf '%%s\\n' '%s' | %s" % (stack.setting("REDIS_PASSWORD"), asked)).strip() == "PONG"
    assert "WRONGPASS" in stack.sh("echo wrong | %s 2>&1" % asked)


def test_an_upload_of_50_mb_passes_to_the_object_store(stack):
    status, size, answer = stack.upload(50)
    # The store itself has taken it and says what it thinks of a client without credentials.
    assert (status, size) == (403, 50 << 20) and "AccessDenied" in answer


def test_consoles_want_a_login(stack):
    names = [name for name in stack.names if name.split(".")[0] in CONSOLES]
    said = stack.curl("-L -w '\\n%{http_code}'", names)
    assert names
    # MinIO's asks by itself.
    assert {
        name: page for name, page in said.items() if page.split()[-1] not in ("401", "403") and "login" not in page
    } == {}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is a client of the deployment's PostgreSQL, and what it is told; and what the server says of who was sent away."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch
from ansible_collections.nself.prod.plugins.module_utils.change.stack import postgres_clients, postgres_proof
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Replace
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_server import (
    Server,
)
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from ansible_collections.nself.prod.plugins.module_utils.probe import postgres as probe
from fake_host import FakeHost
from fake_stack import FakeStack
from postgres_world import SERVICES


def told(mode="require"):
    clients = postgres_clients.clients_of(SERVICES, "postgres")
    raw = dict(SERVICES)
    raw["mlflow"] = dict(
        SERVICES["mlflow"],
        command=["mlflow", "--backend-store-uri", "postgresql://${U:-u?}:${P}@postgres/mlflow", "--x=1"],
    )
    return postgres_clients.tell(clients, SERVICES, raw, postgres_clients.Tls(mode, "/ca.crt", "./ca.crt"))


def test_every_client_is_told_and_nobody_else():
    found = told()
    assert {(url.service, url.name): dict(url.query) for url in found.urls} == {
        ("hasura", "HASURA_GRAPHQL_DATABASE_URL"): {"sslmode": "require"},
        ("exporter", "DATA_SOURCE_NAME"): {"sslmode": "require"},
        ("async", "U"): {"ssl": "require"},
    }
    assert "elsewhere" not in found.services and "postgres" not in found.services
    assert found.services["functions"]["environment"] == {"PGSSLMODE": "require"}
    assert any(text.startswith("functions: NODE_EXTRA_CA_CERTS") for text in found.left)
    assert any(text.startswith("words: DSN") for text in found.left)


def test_a_url_on_the_command_line_is_told_too_and_keeps_its_variables():
    command = told().services["mlflow"]["command"]
    assert isinstance(command, Replace)
    assert list(command)[2] == "postgresql://${U:-u?}:${P}@postgres/mlflow?sslmode=require"


def test_who_checks_names_already_keeps_that():
    assert not [url for url in told("verify-full").urls if url.service == "strict"]


def test_verify_full_says_whom_to_trust():
    found = told("verify-full")
    queries = {url.service: dict(url.query) for url in found.urls}
    assert queries["hasura"] == {"sslmode": "verify-full", "sslrootcert": "/ca.crt"}
    assert queries["async"] == {"ssl": "verify-full"}
    assert found.services["async"]["environment"]["PGSSLROOTCERT"] == "/ca.crt"


def test_node_is_given_the_authority_and_hasura_is_not_bothered():
    found = told()
    assert "environment" not in found.services["hasura"]
    assert found.services["async"]["environment"] == {"NODE_EXTRA_CA_CERTS": "/ca.crt"}
    assert found.services["hasura"]["volumes"][0]["read_only"]


@pytest.mark.parametrize(
    ("text", "host", "user", "password"),
    [
        ("postgres://u:p@Postgres:5432/app?sslmode=disable", "postgres", "u", "p"),
        ("postgresql://u:p%40x@postgres/app", "postgres", "u", "p@x"),
        ("postgresql://u:a@b?c@postgres:5432/app", "postgres", "u", "a@b?c"),
        ("postgresql://postgres/app", "postgres", None, None),
        ("jdbc:postgresql://postgres:5432/app?user=x", "postgres", None, None),
        ("postgres://u:p@[::1]:5432/app", "::1", "u", "p"),
    ],
)
def test_urls(text, host, user, password):
    found = postgres_clients.url_of(text)
    assert (found.host, found.user, found.password) == (host, user, password)


def test_what_is_no_url():
    assert postgres_clients.url_of("redis://redis:6379") is None


def test_a_container_that_was_told_less_is_behind():
    client = postgres_clients.clients_of(SERVICES, "postgres")[1]
    assert client.service == "exporter"
    assert postgres_clients.behind(client, {"DATA_SOURCE_NAME": "postgresql://u:p@app_db/app"}, "require")
    assert not postgres_clients.behind(
        client, {"DATA_SOURCE_NAME": "postgresql://u:p@app_db/app?sslmode=verify-ca"}, "require"
    )


def error(state, message):
    body = b"SFATAL\0C" + state + b"\0M" + message + b"\0\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body


@pytest.mark.parametrize(
    ("answer", "goes_on"),
    [
        (error(b"28000", b"no pg_hba.conf entry, no encryption"), False),
        (error(b"53300", b"too many"), True),
        (b"R" + struct.pack("!ii", 8, 10), True),
        (b"H" + struct.pack("!i", 1 << 30), True),
    ],
)
def test_only_a_missing_rule_is_a_refusal(answer, goes_on):
    host = FakeHost(peers={("10.0.0.1", 5432): answer})
    assert probe.in_clear(host, "10.0.0.1", 5432, "u", "d")[0] is goes_on


def test_a_server_without_tls_shows_no_certificate():
    assert probe.certificate(FakeHost(peers={("10.0.0.1", 5432): b"N"}), "10.0.0.1", 5432, "db") == b""


@pytest.mark.parametrize(
    ("line", "sent_away"),
    [
        ('2026-01-01T00:00:20.5Z x FATAL:  no pg_hba.conf entry for host "172.18.0.10", user "u", no encryption', True),
        ("2026-01-01T00:00:20.5Z [5] user=[unknown],client=172.18.0.10 LOG:  could not accept SSL connection: x", True),
        (
            '2026-01-01T00:00:05.5Z x FATAL:  no pg_hba.conf entry for host "172.18.0.10", user "u", no encryption',
            False,
        ),
        (
            '2026-01-01T00:00:20.5Z x FATAL:  no pg_hba.conf entry for host "172.18.0.99", user "u", no encryption',
            False,
        ),
    ],
)
def test_a_service_that_is_sent_away_is_named(line, sent_away):
    containers = {
        "postgres": {"Id": "c"},
        "functions": {
            "State": {"StartedAt": "2026-01-01T00:00:10.123456789Z"},
            "NetworkSettings": {"Networks": {"n": {"IPAddress": "172.18.0.10"}}},
        },
    }
    host = FakeHost(commands={"docker logs --timestamps --since 0.000 --tail 20000 c": Completed(0, "", line + "\n")})
    stack = FakeStack({"postgres": {}, "functions": {}}, containers=containers, host=host)
    if sent_away:
        with pytest.raises(Mismatch, match="functions"):
            postgres_proof._nobody_sent_away(stack, Server(stack, "postgres"), 0.0)
    else:
        postgres_proof._nobody_sent_away(stack, Server(stack, "postgres"), 0.0)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves the host of a secret: properties that tell strong from weak, and nothing to turn back."""

from __future__ import annotations

import json

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer, entropy_bits, raw_secrets
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import is_secret_name
from hypothesis import given
from hypothesis import strategies as st

SECRET = "zx81-Very:Private/Value"


@pytest.mark.parametrize(
    "name, value",
    [
        ("POSTGRES_PASSWORD", SECRET),
        ("STRIPE_SK", SECRET),  # no name that anybody could know for a secret's
        ("DATABASE_URL", "postgres://app:%s@db:5432/app?password=%s" % ("zx81-Very", "zx81-Very")),
        ("HASURA_GRAPHQL_JWT_SECRET", json.dumps({"type": "HS256", "key": SECRET})),
        ("HASURA_GRAPHQL_JWT_SECRET", SECRET),
        ("AUTH_CLIENT_URL", "https://me:zx81-Very@example.com"),
        ("AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS", "https://a.b,http://u:zx81-Very@b.c?token=zx81-Very,https://c.d"),
    ],
)
def test_no_part_of_a_secret_is_left(name, value):
    left = json.dumps(Reducer("key").value(name, value))
    assert "zx81" not in left and "Private" not in left


def test_settings_that_checks_read_stay_plain():
    assert Reducer("key").value("HASURA_GRAPHQL_DEV_MODE", "true") == "true"


def test_equal_secrets_have_equal_fingerprints_under_one_key_only():
    one, two = Reducer("key"), Reducer("another key")
    print_of = [item.value("REDIS_PASSWORD", SECRET)["secret"]["print"] for item in (one, one, two)]
    assert print_of[0] == print_of[1] != print_of[2]


def test_a_password_in_a_url_is_compared_with_the_bare_one():
    reducer = Reducer("key")
    url = reducer.value("DATABASE_URL", "postgres://app:Kx9mQ2vT@db/app")["url"]
    bare = reducer.value("POSTGRES_PASSWORD", "Kx9mQ2vT")["secret"]
    assert url["password"]["print"] == bare["print"]
    assert url["password"]["family"] == bare["family"] == "postgres"


def test_who_logs_in_is_told_of_a_database_only():
    reducer = Reducer("key")
    assert reducer.value("DATABASE_URL", "postgres://my%20app:x@db/app")["url"]["user"] == "my app"
    assert reducer.value("DATABASE_URL", "postgres://db/app")["url"]["user"] is None
    # Elsewhere the user may be the token itself.
    assert "zx81" not in json.dumps(reducer.value("GIT_URL", "https://zx81-Very@example.com/x"))


@pytest.mark.parametrize(
    "value, least, most",
    [
        ("7d1f0c9be24a58836d0fb1a97c5e2d44", 110, 128),  # openssl rand -hex 16
        ("7d1f0c9be24a58836d0fb1a97c5e2d4483b6a90f1c7e5d2a", 170, 192),  # openssl rand -hex 24
        ("b3VyIG93biByYW5kb20gYnl0ZXMhIQ9x8Lk2Wq7Z", 180, 245),
        ("correct-horse-battery-staple", 30, 55),
        ("my-very-strong-hasura-admin-secret-for-production", 20, 110),
        ("a" * 64, 0, 20),
        ("0123456789" * 4, 0, 40),
        ("password", 0, 12),
        ("", 0, 0),
    ],
)
def test_entropy_tells_random_from_made_up(value, least, most):
    assert least <= entropy_bits(value) <= most


@pytest.mark.parametrize(
    "name, secret",
    [
        ("POSTGRES_PASSWORD", True),
        ("PGPASSWORD", True),
        ("HASURA_GRAPHQL_ADMIN_SECRET", True),
        ("GITHUB_PAT_PLUGINS", True),
        ("MEILI_MASTER_KEY", True),
        ("AUTH_SMTP_PASS", True),
        ("AUTH_PASSWORD_MIN_LENGTH", False),
        ("AUTH_ACCESS_TOKEN_EXPIRES_IN", False),
        ("POSTGRES_PASSWORD_FILE", False),
        ("DOWNLOAD_TOKEN_TTL_SECONDS", False),
        ("MONKEY", False),
        ("COMPASS_URL", False),
    ],
)
def test_names_of_secrets(name, secret):
    assert is_secret_name(name) is secret


def test_raw_secrets_finds_what_to_search_for():
    assert raw_secrets("REDIS_PASSWORD", "abc") == {"abc": "REDIS_PASSWORD"}
    assert raw_secrets("DATABASE_URL", "postgres://u:abc@h/d") == {"abc": "DATABASE_URL"}
    assert raw_secrets("HASURA_GRAPHQL_JWT_SECRET", '{"type":"HS256","key":"abc"}') == {
        "abc": "HASURA_GRAPHQL_JWT_SECRET"
    }
    assert raw_secrets("BASE_DOMAIN", "example.com") == {}


@given(st.text(max_size=60), st.text(max_size=200))
def test_rubbish_never_raises(name, value):
    Reducer("key").value(name, value)
    Reducer("key").value("HASURA_GRAPHQL_JWT_SECRET", value)
    raw_secrets(name, value)

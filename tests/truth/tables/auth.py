# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""hasura-auth and Hasura: one variable of the container's environment changed at a time."""

from __future__ import annotations

import json

from truth.mutation import Mutation, fails


def variable(name, value, *checks, where="auth", lean=False, called=None, **others):
    change = json.dumps({"services": {where: {"environment": {name: value}}}})
    shown = value if len(value) < 30 else "…"
    return Mutation(
        called or "%s: %s=%s" % (where, name, shown),
        "patch '%s' %s" % (change, where),
        "unpatch %s" % where,
        fails(*checks, **others),
        lean,
    )


MUTATIONS = (
    variable("AUTH_ACCESS_TOKEN_EXPIRES_IN", "86400", "AUTH-16", "INFRA-40", lean=True),
    variable("AUTH_REFRESH_TOKEN_EXPIRES_IN", "2592000", "AUTH-17"),
    variable("AUTH_USER_DEFAULT_ROLE", "admin", "AUTH-18"),
    variable("AUTH_PASSWORD_MIN_LENGTH", "6", "AUTH-19"),
    variable("AUTH_PASSWORD_HIBP_ENABLED", "false", "AUTH-20"),
    variable("AUTH_MFA_ENABLED", "false", "AUTH-22"),
    variable("AUTH_RATE_LIMIT_BRUTE_FORCE_BURST", "100", "AUTH-25"),
    variable("AUTH_RATE_LIMIT_SIGNUPS_INTERVAL", "1m", "AUTH-26"),
    variable("AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED", "false", "AUTH-28"),
    variable("AUTH_CONCEAL_ERRORS", "false", "AUTH-29"),
    variable("AUTH_ENABLE_CHANGE_ENV", "true", "AUTH-30"),
    variable("AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS", "http://*.example.test", "AUTH-31"),
    variable("AUTH_SMTP_HOST", "mailpit", "AUTH-10"),
    variable("NODE_ENV", "development", "AUTH-11"),
    variable(
        "HASURA_GRAPHQL_JWT_SECRET",
        '{"type": "HS512", "key": "0123456789abcdef"}',
        "AUTH-12",
        "AUTH-13",
        "AUTH-15",
        where="hasura",
        called="hasura has a short key of its own for tokens",
    ),
    variable(
        "HASURA_GRAPHQL_JWT_SECRET",
        '{"jwk_url": "http://keys.example.test", "issuer": "hasura-auth"}',
        "AUTH-12",
        "AUTH-14",
        where="hasura",
        called="hasura fetches the keys of tokens in clear",
        AUTH_13="unknown",
    ),
    variable("HASURA_GRAPHQL_ENABLE_CONSOLE", "true", "AUTH-01", "INFRA-40", where="hasura", lean=True),
    variable("HASURA_GRAPHQL_DEV_MODE", "true", "AUTH-02", "INFRA-40", where="hasura"),
    variable("HASURA_GRAPHQL_ADMIN_SECRET", "short-secret", "AUTH-04", "INFRA-40", where="hasura"),
    variable("HASURA_GRAPHQL_UNAUTHORIZED_ROLE", "user", "AUTH-05", "AUTH-06", where="hasura"),
)

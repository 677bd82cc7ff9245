# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks on what the env files declare."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer

from cases.units import NO_DEPLOYMENT, RANDOM, deployment, unit

CONSOLE, EXPIRES = "HASURA_GRAPHQL_ENABLE_CONSOLE", "AUTH_ACCESS_TOKEN_EXPIRES_IN"
ADMIN, JWT = "HASURA_GRAPHQL_ADMIN_SECRET", "HASURA_GRAPHQL_JWT_SECRET"
JSON = '{"type": "HS256", "key": "%s"}' % RANDOM
LOST = Unread("timeout", "no answer")


def declares(units, coming=None, environment=None, differing=None, **settings):
    """Return facts of a project whose .env says this. coming: {service: what compose would give it now}."""
    reducer = Reducer("a key")
    found = {
        name: {"value": reducer.value(name, value), "file": ".env", "differing": (differing or {}).get(name, [])}
        for name, value in settings.items()
    }
    more = {"environment": environment} if environment else {}
    facts = {"deployment": dict({"state": "found", "settings": found, "env_files": [], "units": units}, **more)}
    if coming is not None:
        services = [{"service": name, "env": reducer.environment(env)} for name, env in coming.items()]
        facts["rendered"] = {"services": services}
    return facts


def hasura(level="running", **env):
    return unit("hasura", "hasura", level, env=env)


def auth(level="running", **env):
    return unit("auth", "auth", level, env=env)


def nothing(**settings):
    """Return facts of a project of which nothing but the settings is known."""
    facts = declares([], **settings)
    facts["deployment"]["units"] = LOST
    return facts


def followed(facts, role="nginx", **settings):
    """Return facts of a project whose override says that a role has made these true."""
    reducer = Reducer("a key")
    facts["deployment"]["followed"] = {
        name: {"value": reducer.value(name, value), "role": role} for name, value in settings.items()
    }
    return facts


def with_a_line_nobody_reads(facts):
    errors = [{"line": 3, "problem": "is not NAME=value"}]
    facts["deployment"]["env_files"] = [{"name": ".env", "errors": []}, {"name": ".env.secrets", "errors": errors}]
    return facts


CASES = {
    "INFRA-40": {
        "pass": [
            declares([]),
            declares([hasura(**{CONSOLE: "false"})], **{CONSOLE: "false"}),
            # other words for the same
            declares([hasura(**{CONSOLE: "no"})], **{CONSOLE: "FALSE"}),
            declares([auth(AUTH_RATE_LIMIT_GLOBAL_INTERVAL="60s")], AUTH_RATE_LIMIT_GLOBAL_INTERVAL="1m"),
            # in force without being passed on, because it is the default
            declares([auth()], AUTH_MFA_ENABLED="false"),
            declares([hasura("rendered", **{CONSOLE: "false"})], **{CONSOLE: "false"}),
            declares([hasura(**{ADMIN: RANDOM})], **{ADMIN: RANDOM}),
            declares([hasura(**{JWT: JSON}), auth(**{JWT: JSON})], AUTH_JWT_SECRET=RANDOM, HASURA_JWT_TYPE="HS256"),
            declares([hasura(**{ADMIN: RANDOM})], **{ADMIN: "${PROD_HASURA_SECRET}"}),
            # a dead name, but what it says is in force by the name that is read
            declares([auth(**{EXPIRES: "900"})], AUTH_ACCESS_TOKEN_EXPIRY="15m"),
            declares([auth(AUTH_RATE_LIMIT_ENABLE="true")], AUTH_RATE_LIMIT_ENABLED="yes"),
            # or a role has made it true
            followed(declares([auth()], HSTS_MAX_AGE="31536000"), HSTS_MAX_AGE="31536000"),
            followed(
                declares([auth()], AUDIT_LOG_RETENTION_DAYS="90"), "postgres_audit", AUDIT_LOG_RETENTION_DAYS="90"
            ),
        ],
        "fail": [
            nothing(AUTH_ACCESS_TOKEN_EXPIRY="15m"),
            nothing(HSTS_MAX_AGE="31536000"),
            nothing(AUTH_PASSWORD_REQUIRE_UPPERCASE="true"),
            declares([auth(**{EXPIRES: "86400"})], AUTH_ACCESS_TOKEN_EXPIRY="15m"),
            declares([auth(**{EXPIRES: "900"})], AUTH_ACCESS_TOKEN_EXPIRY="soon"),
            declares([dict(auth(), env=LOST)], AUTH_ACCESS_TOKEN_EXPIRY="15m"),
            declares([auth()], AUTH_PASSWORD_HISTORY="5"),
            # the file says something else since a role followed it
            followed(declares([auth()], HSTS_MAX_AGE="63072000"), HSTS_MAX_AGE="31536000"),
            followed(declares([auth()], CSP_POLICY="default-src 'self'"), HSTS_MAX_AGE="31536000"),
            # overridden
            declares([hasura(**{CONSOLE: "true"})], None, "prod", {CONSOLE: [".env.secrets"]}, **{CONSOLE: "true"}),
            # stale, and not taken from the file
            declares([hasura(**{CONSOLE: "true"})], {"hasura": {CONSOLE: "false"}}, **{CONSOLE: "false"}),
            declares([hasura(**{CONSOLE: "true"})], {"hasura": {CONSOLE: "true"}}, **{CONSOLE: "false"}),
            declares([hasura(**{CONSOLE: "true"})], **{CONSOLE: "false"}),
            declares([hasura(**{ADMIN: RANDOM})], {"hasura": {ADMIN: RANDOM[::-1]}}, **{ADMIN: RANDOM[::-1]}),
            declares([hasura("rendered", **{CONSOLE: "true"})], **{CONSOLE: "false"}),
            # not passed on
            declares([auth()], {"auth": {}}, AUTH_PASSWORD_MIN_LENGTH="12"),
            # mistyped
            declares([auth(**{EXPIRES: "15m"})], **{EXPIRES: "15m"}),
            declares([auth(AUTH_MFA_ENABLED="yes")], AUTH_MFA_ENABLED="yes"),
            declares([hasura(**{CONSOLE: "1"})], **{CONSOLE: "1"}),
            # never filled in
            declares([hasura(**{ADMIN: "${PROD_HASURA_SECRET}"})], **{ADMIN: "${PROD_HASURA_SECRET}"}),
            declares([hasura(**{JWT: JSON}), auth(**{JWT: JSON.replace("7d", "8e")})], AUTH_JWT_SECRET=RANDOM),
            with_a_line_nobody_reads(declares([], HSTS_MAX_AGE="31536000")),
        ],
        "unknown": [
            nothing(),
            with_a_line_nobody_reads(declares([])),
            with_a_line_nobody_reads(declares([hasura(**{CONSOLE: "false"})], **{CONSOLE: "false"})),
            nothing(**{CONSOLE: "false"}),
            {"deployment": {"state": "found", "settings": LOST}},
            declares([dict(hasura(), env=LOST)], **{CONSOLE: "false"}),
            declares([hasura(**{CONSOLE: "true"})], None, None, {CONSOLE: [".env.secrets"]}, **{CONSOLE: "true"}),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "AUTH-21": {
        "pass": [
            declares([auth()]),
            declares([auth(AUTH_PASSWORD_MIN_LENGTH="12")], AUTH_PASSWORD_HIBP_ENABLED="true", PASSWORD_X="y"),
        ],
        "fail": [
            declares([auth()], AUTH_PASSWORD_REQUIRE_UPPERCASE="true"),
            declares([auth()], AUTH_PASSWORD_HISTORY="5"),
            declares([auth()], AUTH_PASSWORD_PREVENT_COMMON="true"),
            declares([auth(AUTH_PASSWORD_MAX_AGE="90")]),
            with_a_line_nobody_reads(declares([auth(AUTH_PASSWORD_MAX_AGE="90")])),
        ],
        "unknown": [
            nothing(),
            declares([dict(auth(), env=LOST)]),
            dict(deployment(auth(), settings=LOST)),
            with_a_line_nobody_reads(declares([auth()])),
        ],
        "not_applicable": [NO_DEPLOYMENT, declares([hasura()], AUTH_PASSWORD_HISTORY="5")],
    },
}

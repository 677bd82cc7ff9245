# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the Hasura checks."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.units import NO_DEPLOYMENT, RANDOM, UNREADABLE, deployment, unit

SECRET = "HASURA_GRAPHQL_ADMIN_SECRET"
ROLE = "HASURA_GRAPHQL_UNAUTHORIZED_ROLE"


def hasura(engine=None, sites=None, **env):
    """Return facts of a running Hasura with this environment; engine: how it answers a stranger; sites: its public names."""
    facts = deployment(unit("hasura", "hasura", env=None if engine and "metadata_denied" in engine else env))
    if engine is not None:
        facts["hasura"] = {"engines": [dict(engine, service="hasura")]}
    if sites is not None:
        facts["web"] = {"sites": list(sites)}
    return facts


def site(role="hasura", name="api.example.com", **answers):
    """Return a public name; answers: probe -> status, (status, marks), or (status, {header: value})."""
    out = []
    for probe, answer in answers.items():
        entry = {"probe": probe, "status": answer}
        if isinstance(answer, tuple) and isinstance(answer[1], dict):
            entry = {"probe": probe, "status": answer[0], "headers": answer[1]}
        elif isinstance(answer, tuple):
            entry = {"probe": probe, "marks": answer[1]}
        out.append(entry)
    return {"name": name, "role": role, "answers": out} if role == "hasura" else {"role": role}


def permission(action="select", filtered=True, role="public", table="public.posts"):
    return {"role": role, "table": table, "action": action, "filtered": filtered}


def public(*permissions):
    return dict(hasura(**{ROLE: "public"}), hasura={"permissions": list(permissions)})


NO_SITES = []
OTHERS = [site("auth")]
LOST = Unread("timeout", "no answer")


def switch_off(name, key, sign, bad, good):
    """Return the cases of a switch that must be off. key: how the engine answers; sign: the probe of its public names."""
    closed, opened = {key: False}, {key: True}
    off, on = {name: "false"}, {name: "true"}
    return {
        "pass": [
            hasura(closed, NO_SITES, **off),
            hasura(closed, OTHERS),
            hasura(closed, [site(**{sign: good})], **off),
            # what does not run yet can only be judged by what compose would give it
            dict(deployment(unit("hasura", "hasura", "rendered", env=off)), web={"sites": []}),
        ],
        "fail": [
            hasura(closed, NO_SITES, **on),
            hasura(closed, NO_SITES, **{name: "TRUE"}),
            hasura(closed, NO_SITES, **{name: "1"}),
            deployment(unit("hasura", "hasura", env=off), unit("hasura", "hasura", env=on)),
            deployment(unit("hasura", "hasura", "rendered", env=on)),
            # open whatever the environment says
            hasura(opened, NO_SITES, **off),
            hasura(closed, [site(**{sign: good}), site(name="old.example.com", **{sign: bad})], **off),
            # what fails stays failed where the rest could not be read
            hasura(**on),
        ],
        "unknown": [
            UNREADABLE,
            deployment(dict(unit("hasura", "hasura"), env=Unread("needs_root", "permission denied"))),
            hasura(closed, **off),
            hasura(None, NO_SITES, **off),
            hasura({key: LOST}, NO_SITES, **off),
            hasura(closed, [site(**{sign: LOST})], **off),
            hasura(closed, [site(other=404)], **off),
            dict(hasura(closed, **off), web=LOST),
        ],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit("postgres", "postgres", env={}))],
    }


CLOSED = dict(metadata=403, query=404, pg_dump=404, config=301)
APIS = "HASURA_GRAPHQL_ENABLED_APIS"

CASES = {
    "AUTH-01": switch_off("HASURA_GRAPHQL_ENABLE_CONSOLE", "console", "console", 200, 404),
    "AUTH-02": switch_off("HASURA_GRAPHQL_DEV_MODE", "internals", "malformed", (200, ["internal"]), (200, [])),
    "AUTH-03": {
        "pass": [
            hasura({"metadata_denied": True}, NO_SITES),
            hasura({"metadata_denied": True}, [site(metadata=401)]),
            hasura({"metadata_denied": True}, [site(metadata=400)]),
        ],
        "fail": [
            hasura({"metadata_denied": False}, NO_SITES),
            hasura({"metadata_denied": False}),
            hasura({"metadata_denied": True}, [site(metadata=200)]),
        ],
        "unknown": [
            UNREADABLE,
            hasura(None, NO_SITES),
            hasura({"metadata_denied": LOST}, NO_SITES),
            hasura({"metadata_denied": True}),
            hasura({"metadata_denied": True}, [site(metadata=502)]),
            hasura({"metadata_denied": True}, [site(metadata=429)]),
            dict(deployment(unit("hasura", "hasura", "rendered", env={})), web={"sites": []}),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "AUTH-06": {
        "pass": [hasura({"schema_fields": 0}), hasura(HASURA_GRAPHQL_ENABLE_ALLOWLIST="true")],
        "fail": [hasura({"schema_fields": 12}), hasura({"schema_fields": 1}, HASURA_GRAPHQL_ENABLE_ALLOWLIST="false")],
        "unknown": [
            UNREADABLE,
            hasura(),
            hasura({"schema_fields": LOST}),
            deployment(unit("hasura", "hasura", "rendered", env={})),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "AUTH-07": {
        "pass": [
            hasura(None, NO_SITES, **{APIS: "graphql"}),
            hasura(None, [site(**CLOSED)], **{APIS: "metadata, GraphQL"}),
            # nginx asks who is there before the service is reached
            hasura(
                None,
                [site(**{**CLOSED, "metadata": (401, {"www-authenticate": "Basic realm=x"})})],
                **{APIS: "graphql"},
            ),
        ],
        "fail": [
            hasura(None, NO_SITES),
            hasura(None, NO_SITES, **{APIS: "graphql,pgdump"}),
            hasura(None, NO_SITES, **{APIS: " , "}),
            hasura(None, [site(**{**CLOSED, "query": (401, {})})], **{APIS: "graphql"}),
            # a word of the service itself, which was reached
            hasura(None, [site(**{**CLOSED, "query": (401, {"www-authenticate": "Bearer"})})], **{APIS: "graphql"}),
            hasura(None, [site(**{**CLOSED, "metadata": 400, "config": LOST})], **{APIS: "graphql"}),
        ],
        "unknown": [
            UNREADABLE,
            hasura(**{APIS: "graphql"}),
            hasura(None, [site(**{**CLOSED, "pg_dump": 502})], **{APIS: "graphql"}),
            hasura(None, [site(metadata=403, query=404, pg_dump=404)], **{APIS: "graphql"}),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "AUTH-04": {
        "pass": [hasura(**{SECRET: RANDOM})],
        "fail": [
            hasura(),
            hasura(**{SECRET: ""}),
            hasura(**{SECRET: "demo-admin-secret"}),
            hasura(**{SECRET: "${PROD_HASURA_SECRET}"}),
            hasura(**{SECRET: RANDOM[:20]}),
            # long, but a child could have made it up
            hasura(**{SECRET: "a" * 64}),
            hasura(**{SECRET: "my-very-strong-hasura-admin-secret-for-production"}),
        ],
        "unknown": [UNREADABLE, hasura(**{SECRET + "_FILE": "/run/secrets/admin"})],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "AUTH-05": {
        "pass": [hasura(), public(), public(permission())],
        "fail": [
            hasura(**{ROLE: "user"}),
            public(permission("insert")),
            public(permission(filtered=False)),
            public(permission("action", table="sendMail")),
        ],
        "unknown": [
            UNREADABLE,
            dict(hasura(**{ROLE: "public"}), hasura={"permissions": Unread("timeout", "no answer")}),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
}
# Which table a harmless permission is for does not matter.
OPTIONAL = {("AUTH-05", "hasura.permissions.table")}

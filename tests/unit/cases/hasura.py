# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the Hasura checks."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.units import NO_DEPLOYMENT, RANDOM, UNREADABLE, deployment, unit

SECRET = "HASURA_GRAPHQL_ADMIN_SECRET"
ROLE = "HASURA_GRAPHQL_UNAUTHORIZED_ROLE"


def hasura(**env):
    return deployment(unit("hasura", "hasura", env=env))


def permission(action="select", filtered=True, role="public", table="public.posts"):
    return {"role": role, "table": table, "action": action, "filtered": filtered}


def public(*permissions):
    return dict(hasura(**{ROLE: "public"}), hasura={"permissions": list(permissions)})


def switch_off(name):
    return {
        "pass": [hasura(**{name: "false"}), hasura()],
        "fail": [
            hasura(**{name: "true"}),
            hasura(**{name: "TRUE"}),
            hasura(**{name: "1"}),
            deployment(unit("hasura", "hasura", env={name: "false"}), unit("hasura", "hasura", env={name: "true"})),
            deployment(unit("hasura", "hasura", "rendered", env={name: "true"})),
        ],
        "unknown": [
            UNREADABLE,
            deployment(dict(unit("hasura", "hasura"), env=Unread("needs_root", "permission denied"))),
        ],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit("postgres", "postgres", env={}))],
    }


CASES = {
    "AUTH-01": switch_off("HASURA_GRAPHQL_ENABLE_CONSOLE"),
    "AUTH-02": switch_off("HASURA_GRAPHQL_DEV_MODE"),
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

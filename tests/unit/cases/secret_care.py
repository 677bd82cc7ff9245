# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of secrets over time and space."""

from __future__ import annotations

import json

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer

from cases.units import NO_DEPLOYMENT, RANDOM, UNREADABLE, deployment, unit

OTHER = RANDOM[::-1]
NAME = "POSTGRES_PASSWORD"
URL = "postgres://app:%s@postgres:5432/app"
JWT = json.dumps({"type": "HS256", "key": RANDOM + OTHER})


def rotated(days=10, written=5, running=RANDOM, ledger=None, name=NAME):
    """Return a secret that a ledger says to be rotated days ago, in a file written so many days ago, and what runs."""
    settings = {name: {"value": Reducer("a key").value(name, RANDOM), "file": ".env", "others": []}}
    facts = deployment(unit("postgres", env={name: running} if running else {}), settings=settings)
    ledger = ({} if days is None else {name: days}) if ledger is None else ledger
    return dict(facts, rotation={"written": {".env": written}, "ledger": ledger})


def unledgered(**more):
    facts = rotated(**more)
    facts["rotation"]["ledger"] = None
    return facts


def services(*more, password=RANDOM):
    return deployment(unit("postgres", "postgres", env={NAME: password}), *more)


CASES = {
    "DATA-33": {
        "pass": [rotated(), rotated(days=90, written=90)],
        "fail": [
            rotated(days=91),
            rotated(days=5, written=91),
            unledgered(written=91),
            # a ledger that tells of a rotation after which the file was not written
            rotated(days=3, written=40),
            rotated(days=-2),
            rotated(running=OTHER),
        ],
        "unknown": [
            UNREADABLE,
            unledgered(),
            rotated(days=None),
            rotated(written=Unread("needs_root", "permission denied")),
            rotated(ledger=Unread("parse_error", "it is no JSON")),
            deployment(unit(), settings={}),
        ],
        "not_applicable": [
            NO_DEPLOYMENT,
            rotated(running=None),
            rotated(name="BACKUP_ENCRYPTION_KEY"),
            rotated(name="FOO_ENABLED"),
        ],
    },
    "DATA-34": {
        "pass": [
            services(unit("hasura", "hasura", env={"HASURA_GRAPHQL_DATABASE_URL": URL % RANDOM})),
            services(unit("postgres-exporter", "", env={"DATA_SOURCE_NAME": URL % RANDOM})),
            # a role of its own
            services(unit("api", "", env={"DATABASE_URL": URL % OTHER})),
            services(unit("worker", "", env={"REDIS_PASSWORD": OTHER, "SESSION_SECRET": OTHER})),
            services(unit("auth", "auth", env={"HASURA_GRAPHQL_JWT_SECRET": JWT})),
        ],
        "fail": [
            services(unit("api", "", env={"DATABASE_URL": URL % RANDOM})),
            # under another name it opens the same door
            services(unit("api", "", env={"APP_TOKEN": RANDOM})),
            services(unit("grafana", "grafana", env={NAME: RANDOM})),
            services(unit("api", "", env={"HASURA_ADMIN_SECRET": OTHER})),
            services(unit("api", "", env={"HASURA_GRAPHQL_JWT_SECRET": JWT})),
            services(unit("api", "", env={"AUTH_JWT_SECRET": OTHER})),
            services(unit("nginx", "nginx", env={"REDIS_PASSWORD": OTHER})),
            deployment(unit("api", "", env={"MINIO_ROOT_PASSWORD": OTHER})),
        ],
        "unknown": [UNREADABLE, services(unit("api", "")), deployment(unit("api", env={"DATABASE_URL": URL % RANDOM}))],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit("api", "", env={"FOO": "bar"}))],
    },
}
# A service that holds none of these secrets needs no name, nor does one whose secrets are only compared.
OPTIONAL = {("DATA-33", "deployment.units.service"), ("DATA-34", "deployment.units.service")}

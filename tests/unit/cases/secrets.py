# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of secrets."""

from __future__ import annotations

import json

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.units import NO_DEPLOYMENT, RANDOM, UNREADABLE, deployment, unit

OTHER = RANDOM[::-1]


def entry(path="/opt/nself/.env", mode=0o600, uid=0, kind="env", **more):
    return {"path": path, "kind": kind, "info": dict({"mode": mode, "uid": uid}, **more)}


def folder(mode=0o755, uid=1000, path="/opt/nself"):
    return {"path": path, "mode": mode, "uid": uid}


def files(*entries, folders=None):
    return dict(deployment(), files={"entries": list(entries), "folders": folders or [folder()]})


def leaks(host=(), git=None, **more):
    facts = deployment(unit(argv_secrets=[], image_secrets=[], **{}), host_argv=list(host))
    facts["deployment"]["units"][0].update(more)
    return dict(facts, files={"git": git})


CLEAN = {"tracked": [], "not_ignored": []}
URL = "postgres://app:%s@postgres:5432/app?sslmode=require"

CASES = {
    "DATA-29": {
        "pass": [
            files(entry()),
            files(entry(uid=1000, mode=0o400)),
            files(entry(), folders=[folder(), folder(0o1777, 0, "/tmp")]),
        ],
        "fail": [
            files(entry(mode=0o644)),
            files(entry(), entry("/opt/nself/.env.prod", mode=0o640)),
            files(entry(uid=1001)),
            files(entry(), folders=[folder(0o777)]),
            files(entry(), folders=[folder(), folder(0o755, 1001, "/opt")]),
            files(entry("/opt/nself/docker-compose.yml", 0o644, kind="compose", inline=["JWT_SECRET"])),
        ],
        "unknown": [
            UNREADABLE,
            dict(files(), files=Unread("needs_root", "/opt/nself: permission denied")),
            files(dict(entry(), info=Unread("needs_root", "/opt/nself/.env: permission denied"))),
        ],
        "not_applicable": [NO_DEPLOYMENT, files(entry(mode=0o644, kind="compose", inline=[]))],
    },
    "DATA-30": {
        "pass": [leaks(), leaks(git=CLEAN)],
        "fail": [
            leaks(argv_secrets=["REDIS_PASSWORD"]),
            leaks(image_secrets=["API_TOKEN"]),
            leaks(host=[{"process": "psql", "secrets": ["POSTGRES_PASSWORD"]}]),
            leaks(git=dict(CLEAN, tracked=[".env"])),
            leaks(git=dict(CLEAN, not_ignored=[".env.secrets"])),
        ],
        "unknown": [UNREADABLE, dict(leaks(), files={"git": Unread("tool_absent", "git is not installed")})],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "DATA-31": {
        "pass": [
            deployment(unit("postgres", "postgres", env={"POSTGRES_PASSWORD": RANDOM})),
            deployment(unit("minio", "minio", env={"MINIO_ROOT_PASSWORD": RANDOM})),
        ],
        "fail": [
            deployment(unit("postgres", "postgres", env={"POSTGRES_PASSWORD": "postgres"})),
            deployment(unit("postgres", "postgres", env={"POSTGRES_PASSWORD": ""})),
            deployment(unit("app", "", env={"DATABASE_URL": URL % "demo-password"})),
            deployment(unit("app", "", env={"API_TOKEN": "changeme"})),
            deployment(unit("app", "", env={"API_TOKEN": "${PROD_TOKEN}"})),
            deployment(
                unit(
                    "hasura",
                    "hasura",
                    env={"HASURA_GRAPHQL_JWT_SECRET": json.dumps({"type": "HS256", "key": "secret"})},
                )
            ),
            deployment(unit("minio", "minio", env={"MINIO_ROOT_PASSWORD": RANDOM[:12]})),
            deployment(unit("app", "", env={"SESSION_SECRET": "a9"})),
            deployment(unit("minio", "minio", env={})),
            deployment(unit("grafana", "grafana", env={"GF_SECURITY_ADMIN_USER": "me"})),
        ],
        "unknown": [
            UNREADABLE,
            deployment(unit()),
            deployment(unit("grafana", "grafana", env={"GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/grafana"})),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "DATA-32": {
        "pass": [
            deployment(unit(env={"REDIS_PASSWORD": RANDOM, "POSTGRES_PASSWORD": OTHER, "DATABASE_URL": URL % OTHER})),
            deployment(unit(env={"JWT_SECRET": RANDOM}), unit("auth", env={"AUTH_JWT_SECRET": RANDOM})),
            deployment(
                unit(
                    env={
                        "REDIS_PASSWORD": RANDOM,
                        "CACHE_PASSWORD": RANDOM,
                        "DB_PASS": OTHER,
                        "POSTGRES_PASSWORD": OTHER,
                    }
                )
            ),
        ],
        "fail": [
            deployment(unit(env={"REDIS_PASSWORD": RANDOM, "POSTGRES_PASSWORD": RANDOM})),
            deployment(unit(env={"REDIS_PASSWORD": RANDOM}), unit("app", env={"DATABASE_URL": URL % RANDOM})),
            deployment(unit(env={"API_TOKEN": RANDOM}), unit("app", env={"OTHER_TOKEN": RANDOM})),
        ],
        "unknown": [UNREADABLE, deployment(unit())],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit(env={}))],
    },
}
FREE_MAPS = {"git"}
# Fingerprints have no service.
OPTIONAL = {("DATA-32", "deployment.units.service")}

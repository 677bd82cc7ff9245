# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PostgreSQL answers the role postgres_audit: databases, tables, roles and logs in every state."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    pg_log_functions,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_names import Table
from ansible_collections.nself.prod.plugins.module_utils.change.tables import postgres_audit_log as sql

ROLE = dict.fromkeys(("super", "createrole", "createdb", "replication", "bypassrls"), False)
POSTGRES = dict.fromkeys(ROLE, True)
SCHEMA = {"owner": "postgres", "public_create": False, "public_usage": True, "owner_usage": None, "makers": []}
LOG = pg_log_functions.Log(Table("public", "audit_logs"), None)


def role(oid=20000, login=True, member=(), **powers):
    return dict(ROLE, oid=oid, login=login, inherit=True, member=list(member), **powers)


def table(name, schema="public", **others):
    columns = {"id": "uuid", "user_id": "uuid", "title": "text"}
    out = {
        "schema": schema,
        "name": name,
        "kind": "r",
        "owner": "postgres",
        "partition": False,
        "extension": False,
        "columns": {key: {"type": kind, "required": False} for key, kind in columns.items()},
        "key": ["id"],
        "indexed": [["id"]],
        "foreign_keys": 0,
        "column_updates": False,
        "security": False,
        "forced": False,
        "policies": {},
        "users": [],
        "runs": False,
        "grants": [],
        "triggers": {},
    }
    return dict(out, **others)


def audit_logs(**others):
    columns = {name: {"type": (made[1] or ("bigint",))[0], "required": False} for name, made in sql.COLUMNS.items()}
    indexed = [list(names) for names in sql.INDEXES.values()]
    guards = {
        name: {"type": bits, "enabled": "A", "function": "nself_audit.refuse", "arguments": ""}
        for name, (bits, _when, _level) in sql.GUARDS.items()
    }
    given = dict(owner="nself_audit", columns=columns, indexed=indexed, triggers=guards)
    return table("audit_logs", **dict(given, **others))


def functions(log=LOG):
    out = {}
    for signature, text in pg_log_functions.bodies(log, {}).items():
        returns, language, _volatility, definer = sql.FUNCTIONS[signature]
        out[signature] = {
            "body": text,
            "definer": definer,
            "owner": "nself_audit",
            "returns": returns,
            "language": language,
            "path": sql.PATH if language == "plpgsql" else None,
            "public": False,
        }
    return {"owner": "nself_audit", "functions": out}


def state(**others):
    out = {
        "server": {
            "version": 170002,
            "database": "demo_db",
            "user": "postgres",
            "superuser": True,
            "encryption": "scram-sha-256",
            "libraries": "",
            "pgaudit": None,
        },
        "roles": {"postgres": dict(role(10), **POSTGRES)},
        "verifiers": {},
        "tables": [],
        "recorded": [],
        "ours": None,
        "schemas": {"public": SCHEMA},
        "definers": [],
        "languages": [],
        "foreign_objects": [],
    }
    return dict(out, **others)


def finished(**others):
    """A database in which the log is as it is wanted."""
    roles = {"postgres": dict(role(10), **POSTGRES), "nself_audit": role(login=False)}
    schemas = {"public": dict(SCHEMA, owner_usage=True)}
    given = dict(tables=[audit_logs()], ours=functions(), roles=roles, schemas=schemas)
    return state(**dict(given, **others))


def statements(steps):
    return "\n".join(step.sql for step in steps)


APP = {"nself_app": role(20001)}
URL = "postgresql://postgres:pw@postgres:5432/"
SERVICES = {
    "postgres": {
        "image": "postgres:16-alpine",
        "environment": {"POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": "pw"},
    },
    "hasura": {"image": "hasura/graphql-engine", "environment": {"HASURA_GRAPHQL_DATABASE_URL": URL + "demo_db"}},
    "auth": {
        "image": "nhost/hasura-auth",
        "environment": {
            "DATABASE_URL": URL + "demo_db?sslmode=disable",
            "PGHOST": "postgres",
            "PGUSER": "postgres",
            "PGPASSWORD": "pw",
        },
    },
    "mlflow": {"image": "mlflow", "environment": {"MLFLOW_BACKEND_STORE_URI": URL + "mlflow"}},
    "other": {"image": "x", "environment": {"DATABASE_URL": "postgres://postgres:pw@elsewhere/demo_db"}},
}

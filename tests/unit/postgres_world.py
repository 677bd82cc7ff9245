# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A compose model with clients of PostgreSQL of every kind, for the tests of who they are and of what the role does to them."""

from __future__ import annotations

SERVICES = {
    "postgres": {
        "image": "postgres:16-alpine",
        "container_name": "app_db",
        "networks": {"default": {"aliases": ["pg"]}},
    },
    "hasura": {
        "image": "hasura/graphql-engine:v2",
        "environment": {"HASURA_GRAPHQL_DATABASE_URL": "postgresql://u:p@postgres:5432/app"},
    },
    "exporter": {
        "image": "prometheuscommunity/postgres-exporter",
        "environment": {"DATA_SOURCE_NAME": "postgresql://u:p?q@app_db:5432/app?sslmode=disable"},
    },
    "functions": {"image": "functions", "environment": {"PGHOST": "pg", "NODE_EXTRA_CA_CERTS": "/own.pem"}},
    "mlflow": {
        "image": "mlflow",
        "environment": {},
        "command": ["mlflow", "--backend-store-uri", "postgresql://u:p@postgres/mlflow", "--x=1"],
    },
    "strict": {
        "image": "x",
        "environment": {"U": "postgres://u:p@postgres/app?sslmode=verify-full&sslrootcert=/a.pem"},
    },
    "async": {"image": "x", "environment": {"U": "postgresql+asyncpg://u:p@postgres/app"}},
    "elsewhere": {"image": "x", "environment": {"U": "postgres://u:p@db.example.test/app", "PGHOST": "other"}},
    "words": {"image": "x", "environment": {"DSN": "host=postgres dbname=app user=u"}},
}

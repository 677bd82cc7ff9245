# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services need which of the deployment's own secrets, and which secrets are not rotated.

A secret is known by what it opens, not by its name: the value that its owner runs with, wherever else it stands. A service that has a
credential of its own (a database role, a MinIO access key) has another value, and is none of this table's business.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Tuple


class Scope(NamedTuple):
    """what: in words; owner: (role, variable) of the service whose secret it is, None where the name tells; needed_by: roles or services."""

    what: str
    owner: Optional[Tuple[str, str]]
    needed_by: Tuple[str, ...]


CUSTOM = "*"  # stands for the project's own services, those without a role

# Hasura and hasura-auth manage their schemas themselves; the other database clients here have no credential of their own in nself. The
# project's own services can be given a role of their own, and sign in at Hasura as a user or with a role's token.
SCOPES: Dict[str, Scope] = {
    "postgres": Scope(
        "the database's own password",
        ("postgres", "POSTGRES_PASSWORD"),
        (
            "postgres",
            "hasura",
            "auth",
            "storage",
            "hasura-storage",
            "functions",
            "mlflow",
            "postgres-exporter",
            "pgbouncer",
            "backup",
            "pgadmin",
            "admin",
        ),
    ),
    "hasura-admin": Scope(
        "Hasura's admin secret",
        ("hasura", "HASURA_GRAPHQL_ADMIN_SECRET"),
        ("hasura", "auth", "storage", "hasura-storage", "functions", "admin", "hasura-console", "hasura-cli"),
    ),
    # With HMAC, who can check a token can make one. Other services take an asymmetric key's public half, or ask Hasura.
    "jwt": Scope("the key that signs tokens", None, ("hasura", "auth")),
    "minio": Scope(
        "MinIO's root password",
        ("minio", "MINIO_ROOT_PASSWORD"),
        ("minio", "minio-client", "minio-init", "storage", "hasura-storage", "backup"),
    ),
    # Redis has one password for all its clients.
    "redis": Scope("Redis' password", None, ("redis", "redis-exporter", "bull-board", "redis-commander", CUSTOM)),
    "grafana": Scope("Grafana's admin password", ("grafana", "GF_SECURITY_ADMIN_PASSWORD"), ("grafana",)),
    "meilisearch": Scope("Meilisearch's master key", ("meilisearch", "MEILI_MASTER_KEY"), ("meilisearch",)),
}

# Where the dates of rotations stand, below the project's folder: {"POSTGRES_PASSWORD": "2026-10-01T12:00:00Z", …}, written by whoever
# rotates. A name or a date may be missing; neither says anything then.
LEDGER = ".nself-prod/rotation.json"
# Keys that encrypt stored data are kept as long as the data, and others give out these: neither is rotated on a calendar.
NOT_ROTATED = frozenset(
    """
    MINIO_KMS_SECRET_KEY BACKUP_ENCRYPTION_KEY BACKUP_ENCRYPTION_PASSWORD RESTIC_PASSWORD NSELF_PLUGIN_LICENSE_KEY
    """.split()
)

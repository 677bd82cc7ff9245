# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names hold secrets, which names rightly hold the same one, and which secrets everybody knows."""

from __future__ import annotations

import re

# A name is a secret's when one of these words is a part of it, and none of the harmless endings closes it.
_SECRET = re.compile(r"(^|_)(PASSWORD|PASSWD|PASS|PGPASSWORD|SECRET|SECRETS|KEY|TOKEN|PAT|CREDENTIALS?|SALT|DSN)(_|$)")
_HARMLESS = re.compile(
    r"_(FILE|PATH|URL|ID|NAME|LENGTH|MIN_LENGTH|ENABLED?|EXPIRES_IN|EXPIRY|TTL(_SECONDS)?|TYPE|HASH|HIBP_ENABLED|PREFIX|ALGORITHM|SIZE|"
    r"MAX_AGE|HISTORY|REQUIRE_[A-Z]+|REGION)$|^(AUTH_PASSWORD_(MIN|REQUIRE|MAX|PREVENT|HIBP|HISTORY).*|.*PUBLIC_KEY|.*_TOKEN_EXPIR.*)$"
)


def is_secret_name(name: str) -> bool:
    """Tell whether a variable of this name holds a secret."""
    name = name.upper()
    return bool(_SECRET.search(name)) and not _HARMLESS.search(name)


# Names of one family carry one secret by design; the same secret in two families is reuse.
FAMILIES = {
    "postgres": ("POSTGRES_PASSWORD", "PGPASSWORD", "DB_PASSWORD", "DATABASE_PASSWORD", "PROD_DB_PASSWORD"),
    "hasura-admin": (
        "HASURA_GRAPHQL_ADMIN_SECRET",
        "HASURA_ADMIN_SECRET",
        "ADMIN_SECRET",
        "NHOST_ADMIN_SECRET",
        "PROD_HASURA_SECRET",
    ),
    "jwt": (
        "HASURA_GRAPHQL_JWT_SECRET",
        "HASURA_JWT_KEY",
        "AUTH_JWT_SECRET",
        "AUTH_JWT_KEY",
        "JWT_SECRET",
        "JWT_KEY",
        "PROD_JWT_KEY",
    ),
    "minio": (
        "MINIO_ROOT_PASSWORD",
        "MINIO_SECRET_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "S3_SECRET_KEY",
        "S3_SECRET_ACCESS_KEY",
        "PROD_MINIO_PASSWORD",
    ),
    "redis": ("REDIS_PASSWORD", "PROD_REDIS_PASSWORD"),
    "grafana": ("GF_SECURITY_ADMIN_PASSWORD", "GRAFANA_ADMIN_PASSWORD", "PROD_GRAFANA_PASSWORD"),
    "meilisearch": ("MEILI_MASTER_KEY", "MEILISEARCH_MASTER_KEY", "SEARCH_API_KEY", "PROD_MEILISEARCH_KEY"),
}
FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names}
# The password inside a URL belongs to what the URL leads to.
FAMILY_OF_SCHEME = {
    "postgres": "postgres",
    "postgresql": "postgres",
    "redis": "redis",
    "rediss": "redis",
    "s3": "minio",
    "amqp": "amqp",
    "mysql": "mysql",
}

# Values that nself, its demo, the images' documentation or habit hand out. Compared without case.
KNOWN = frozenset(
    """
    admin admin123 administrator changeme changeit change-me default demo example guest hasura letmein minio minio123 minioadmin
    minioadmin123 nself password password1 password123 passw0rd postgres postgrespassword qwerty redis root secret secret123 test
    test123 12345678 123456789 1234567890 grafana masterkey meilisearch myadminsecretkey adminsecret admin-secret hasura-admin-secret
    hasura-admin-secret-dev nhost-admin-secret demo-password demo-admin-secret demo-redis-password demo-grafana-password
    demo-jwt-secret-key-minimum-32-characters-long demo-meilisearch-master-key-32chars change-this-secret-in-production
    development-secret-key-minimum-32-characters-long your-secret-key your-super-secret-jwt-token-with-at-least-32-characters-long
    super-secret supersecret mysecretpassword
    """.split()
)
# A value that says of itself that it is to be replaced.
PLACEHOLDER = re.compile(
    r"^\$\{[^}]*\}$|^<.*>$|change[-_ ]?(me|this|it)|your[-_ ].*(secret|password|key|token)|replace[-_ ]?(me|this)|^x{6,}$|^todo",
    re.I,
)
# Words that make up made-up secrets: each is worth a word's entropy, whatever its length.
WORDS = (
    "abc access admin api app auth backend change character characters chars client database default demo dev development example foo "
    "grafana graphql hasura jwt key local long master meili meilisearch min minimum minio must my nself password pass pg postgres "
    "private prod production public pwd qwerty redis replace root search secret secure service session staging storage strong super "
    "test this token user value very with your"
).split()

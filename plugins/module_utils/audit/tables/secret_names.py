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


# Names that carry one secret by design are of one family; the same secret in two families is reuse. First match wins.
FAMILIES = (
    ("jwt", re.compile(r"JWT")),
    ("hasura-admin", re.compile(r"(HASURA|NHOST|GRAPHQL).*SECRET|^ADMIN_SECRET$")),
    ("minio", re.compile(r"(MINIO|S3|AWS|STORAGE).*(SECRET|PASSWORD|KEY)")),
    ("redis", re.compile(r"(REDIS|VALKEY|CACHE|QUEUE|BULL).*PASS")),
    ("grafana", re.compile(r"(^GF_|GRAFANA).*PASS")),
    ("meilisearch", re.compile(r"(MEILI|SEARCH).*KEY")),
    ("postgres", re.compile(r"(POSTGRES|PG|DB|DATABASE|SQL).*PASS")),
)


def family_of(name: str) -> str:
    """Return the family of a secret by its name: a name of none is a family of its own."""
    return next((family for family, pattern in FAMILIES if pattern.search(name.upper())), name)


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
    super-secret supersecret mysecretpassword password1! postgres123 hunter2 admin1234 p@ssw0rd
    """.split()
)
# A value that says of itself that it is to be replaced.
PLACEHOLDER = re.compile(
    r"^\$\{[^}]*\}$|^<.*>$|change[-_ ]?(me|this|it)|your[-_ ].*(secret|password|key|token)|replace[-_ ]?(me|this)|^x{6,}$|^todo",
    re.I,
)
# A variable that stands there as it was written, because whoever read the file expands nothing.
VARIABLE = re.compile(r"(\$\{[^}]*\}|\$[A-Za-z_]\w*)\Z")
# Words that make up made-up secrets: each is worth a word's entropy, whatever its length.
WORDS = (
    "abc access admin api app auth backend change character characters chars client database default demo dev development example foo "
    "grafana graphql hasura jwt key local long master meili meilisearch min minimum minio must my nself password pass pg postgres "
    "private prod production public pwd qwerty redis replace root search secret secure service session staging storage strong super "
    "test this token user value very with your"
).split()

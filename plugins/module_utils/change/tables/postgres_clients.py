# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How clients of PostgreSQL are told to use TLS, driver by driver.

sslmode of libpq: https://www.postgresql.org/docs/current/libpq-ssl.html; what node-postgres makes of it:
https://node-postgres.com/features/ssl and the README of pg-connection-string; pgx follows libpq; asyncpg's `ssl` takes libpq's words.
"""

from __future__ import annotations

import re

# Each is at least as good as those before it. Anything else that a client may be told is weaker than all of them.
MODES = ("require", "verify-ca", "verify-full")
# Schemes whose driver takes the mode under another name: SQLAlchemy passes a URL's parameters on as they stand.
MODE_NAMES = {"postgresql+asyncpg": "ssl", "postgres+asyncpg": "ssl"}
# Drivers that do not know `sslrootcert`: asyncpg takes PGSSLROOTCERT, which is set beside it.
WITHOUT_ROOT = ("postgresql+asyncpg", "postgres+asyncpg")
# A variable that names the database's host, for those who put their connection together out of pieces.
HOST_NAME = re.compile(r"(?:.*_)?(?:PG|POSTGRES|POSTGRESQL|DB|DATABASE)_?HOST(?:NAME|ADDR)?\Z")
# Images that are known not to be of Node.js, whose drivers check a certificate even for `require`.
NOT_NODE = ("graphql-engine", "postgres-exporter", "mlflow", "pgbouncer", "grafana")
NODE_AUTHORITIES = "NODE_EXTRA_CA_CERTS"

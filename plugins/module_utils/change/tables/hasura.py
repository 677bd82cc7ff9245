# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role hasura sets, by the names that the engine reads, and what its metadata API calls things.

Sources: https://hasura.io/docs/2.0/deployment/graphql-engine-flags/reference/
https://hasura.io/docs/2.0/api-reference/metadata-api/permission/
"""

from __future__ import annotations

ADMIN_SECRET = "HASURA_GRAPHQL_ADMIN_SECRET"
UNAUTHORIZED_ROLE = "HASURA_GRAPHQL_UNAUTHORIZED_ROLE"
CORS_DOMAIN = "HASURA_GRAPHQL_CORS_DOMAIN"
DISABLE_CORS = "HASURA_GRAPHQL_DISABLE_CORS"
LOG_LEVEL = "HASURA_GRAPHQL_LOG_LEVEL"

# option: variable of the engine's environment. Its kind is the option's.
VARIABLES = {
    "console_enabled": "HASURA_GRAPHQL_ENABLE_CONSOLE",
    "dev_mode": "HASURA_GRAPHQL_DEV_MODE",
    "telemetry_enabled": "HASURA_GRAPHQL_ENABLE_TELEMETRY",
    "allowlist_enabled": "HASURA_GRAPHQL_ENABLE_ALLOWLIST",
    "enabled_apis": "HASURA_GRAPHQL_ENABLED_APIS",
    "websocket_init_timeout": "HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT",
    "pg_connections": "HASURA_GRAPHQL_PG_CONNECTIONS",
}
APIS = ("graphql", "metadata", "pgdump", "config", "developer", "metrics")
LOG_LEVELS = ("debug", "info", "warn", "error")
PORT = "8080"
SERVER_PORT = "HASURA_GRAPHQL_SERVER_PORT"

# Names under which other services are given the admin secret: these hold nothing else.
SECRET_NAMES = ("HASURA_GRAPHQL_ADMIN_SECRET", "HASURA_ADMIN_SECRET", "NHOST_ADMIN_SECRET")

# kind of a source: how the metadata API's commands for it begin.
PREFIXES = {"postgres": "pg", "pg": "pg", "citus": "citus", "cockroach": "cockroach"}
# Keys of a permission whose list has no order, and values that mean the same as no key.
UNORDERED = ("columns", "computed_fields", "query_root_fields", "subscription_root_fields")
NOTHING = {
    "computed_fields": ([], None),
    "set": ({}, None),
    "allow_aggregations": (False, None),
    "backend_only": (False, None),
    "check": (None,),
    "limit": (None,),
    "query_root_fields": (None,),
    "subscription_root_fields": (None,),
    "validate_input": (None,),
}
# action: the key of its rule that says for which rows it holds
RULES = {"select": "filter", "insert": "check", "update": "filter", "delete": "filter"}

# Columns by which a row belongs to somebody, the more telling first.
OWNERS = ("user_id", "owner_id", "author_id", "account_id", "created_by", "userId", "ownerId", "authorId", "createdBy")
OF_USERS = ("users", "profiles", "accounts")

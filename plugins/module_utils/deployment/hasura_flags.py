# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hasura's command line: a flag beats the environment variable of the same meaning.

Source: https://hasura.io/docs/2.0/deployment/graphql-engine-flags/reference/
"""

from __future__ import annotations

import re
from typing import Dict, Mapping

# flag: variable. A switch (True) may stand alone.
FLAGS = {
    "--enable-console": ("HASURA_GRAPHQL_ENABLE_CONSOLE", True),
    "--dev-mode": ("HASURA_GRAPHQL_DEV_MODE", True),
    "--admin-secret": ("HASURA_GRAPHQL_ADMIN_SECRET", False),
    "--access-key": ("HASURA_GRAPHQL_ADMIN_SECRET", False),
    "--unauthorized-role": ("HASURA_GRAPHQL_UNAUTHORIZED_ROLE", False),
    "--jwt-secret": ("HASURA_GRAPHQL_JWT_SECRET", False),
    "--cors-domain": ("HASURA_GRAPHQL_CORS_DOMAIN", False),
    "--enabled-apis": ("HASURA_GRAPHQL_ENABLED_APIS", False),
    "--enable-allowlist": ("HASURA_GRAPHQL_ENABLE_ALLOWLIST", True),
    "--enable-telemetry": ("HASURA_GRAPHQL_ENABLE_TELEMETRY", False),
    "--connections": ("HASURA_GRAPHQL_PG_CONNECTIONS", False),
    "--stripes": ("HASURA_GRAPHQL_PG_STRIPES", False),
    "--websocket-connection-init-timeout": ("HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT", False),
}
_FLAG = re.compile(r"(?<!\S)(--[a-z-]+)(?:(=|\s+)('[^']*'|\"[^\"]*\"|[^\s-]\S*))?")


def with_flags(environment: Mapping[str, str], command: str) -> Dict[str, str]:
    """Return an environment as Hasura takes it with this command line."""
    out = dict(environment)
    for found in _FLAG.finditer(command):
        flag, sign, value = found.groups()
        if flag not in FLAGS:
            continue
        name, switch = FLAGS[flag]
        if switch and sign != "=":
            out[name] = "true"
        elif value is not None:
            out[name] = value.strip("'\"")
    return out

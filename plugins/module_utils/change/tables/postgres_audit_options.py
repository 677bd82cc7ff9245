# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the role postgres_audit, in AnsibleModule's words; roles/postgres_audit/meta/argument_specs.yml describes them."""

from __future__ import annotations

from typing import Any, Dict

_STRINGS: Dict[str, Any] = {"type": "list", "elements": "str", "default": []}
SPEC: Dict[str, Any] = {
    "log": {"type": "bool", "default": True},
    "schema": {"type": "str", "default": "public"},
    "tables": {"type": "list", "elements": "str"},
    "hidden_columns": _STRINGS,
    "retention_days": {"type": "int", "default": 365},
    "readers": _STRINGS,
    "writers": _STRINGS,
    "pgaudit": {"type": "bool", "default": True},
    "pgaudit_log": {"type": "str", "default": "ddl, role"},
    "rls": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "table": {"type": "str", "required": True},
            "user_column": {"type": "str", "required": True},
            "claim": {"type": "str", "default": "x-hasura-user-id"},
            "roles": _STRINGS,
            "writes": {"type": "str", "default": "own", "choices": ["own", "none"]},
            "admin_roles": {"type": "list", "elements": "str", "default": ["admin"]},
            "without_session": {"type": "bool", "default": False},
            "replaces": _STRINGS,
        },
    },
    "app_role": {"type": "str", "default": ""},
    "app_role_state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "app_services": _STRINGS,
    "app_owned_schemas": {
        "type": "list",
        "elements": "str",
        "default": ["hdb_catalog", "hdb_views", "auth", "storage"],
    },
    "privileged_roles": {"type": "list", "elements": "str"},
    "revoke_public_create": {"type": "bool", "default": True},
    "mend_definers": {"type": "bool", "default": False},
}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read Hasura's exported metadata: who may do what, how much of it at once, and how many connections it opens.

Format: version 3 of https://hasura.io/docs/2.0/api-reference/metadata-api/manage-metadata/. A document that is built
otherwise raises ValueError: half of the permissions would look like few of them.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Mapping, Optional

ACTIONS = ("select", "insert", "update", "delete")
EVERY_COLUMN = "*"
_GRAPHQL_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*\Z")


def sources_of(export: Any) -> List[Mapping[str, Any]]:
    """Return the sources of an exported document, with or without its envelope."""
    metadata = export.get("metadata", export) if isinstance(export, dict) else None
    if not isinstance(metadata, dict) or "sources" not in metadata:
        raise ValueError("it has no sources")
    return _maps(metadata["sources"], "sources")


def permissions_of(export: Any) -> List[Dict[str, Any]]:
    """Return every role's permissions, sorted: on tables, and on what changes something as the action `action`.

    Entries are {role, table, action, filtered, columns, limit, type}. columns: what a select shows, or EVERY_COLUMN; type:
    the table's name in GraphQL. What is for backends only is left out: without the admin secret nobody can use it.
    """
    out = [entry for source in sources_of(export) for entry in _of_source(source)]
    metadata = export.get("metadata", export)
    for item in _maps(metadata.get("actions") or [], "actions"):
        definition = item.get("definition") or {}
        if not isinstance(definition, dict):
            raise ValueError("an action has no definition")
        if definition.get("type", "mutation") == "mutation":
            for entry in _maps(item.get("permissions") or [], "permissions"):
                out.append(_permission(entry, str(item.get("name")), "action", False))
    return sorted(out, key=lambda entry: (entry["role"], entry["table"], entry["action"]))


def _of_source(source: Mapping[str, Any]) -> Iterator[Dict[str, Any]]:
    for table in _maps(source.get("tables") or [], "tables"):
        name = table_name(table.get("table"))
        for action in ACTIONS:
            for entry in _maps(table.get(action + "_permissions") or [], "permissions"):
                rule = entry.get("permission") or {}
                if not isinstance(rule, dict):
                    raise ValueError("a permission of %s is no object" % name)
                if rule.get("backend_only") is True:
                    continue
                filtered = narrows(rule.get("check" if action == "insert" else "filter"))
                out = _permission(entry, name, action, filtered)
                if action == "select":
                    out.update(columns=_columns(rule, name), limit=_limit(rule.get("limit")), type=graphql_type(table))
                yield out
    for function in _maps(source.get("functions") or [], "functions"):
        configuration = function.get("configuration") or {}
        if isinstance(configuration, dict) and configuration.get("exposed_as") == "mutation":
            for entry in _maps(function.get("permissions") or [], "permissions"):
                yield _permission(entry, table_name(function.get("function")), "function", False)


def narrows(rule: Any, depth: int = 20) -> bool:
    """Tell whether a rule can keep any row out: {} cannot, nor can and, or of such rules, nor a column without a condition."""
    if not isinstance(rule, dict) or not depth:
        return False
    for key, value in rule.items():
        items = value if isinstance(value, list) else [value]
        if key == "_and" and any(narrows(item, depth - 1) for item in items):
            return True
        if key == "_or" and all(narrows(item, depth - 1) for item in items):
            return True
        if key not in ("_and", "_or") and value not in ({}, None):
            return True
        if key == "_not" and value is not None:
            return True  # not of what is always true lets nothing through
    return False


def _permission(entry: Mapping[str, Any], table: str, action: str, filtered: bool) -> Dict[str, Any]:
    return {
        "role": str(entry.get("role")),
        "table": table,
        "action": action,
        "filtered": filtered,
        "columns": [],
        "limit": None,
        "type": None,
    }


def _columns(rule: Mapping[str, Any], table: str) -> Any:
    columns = rule.get("columns") or []
    if columns == EVERY_COLUMN:
        return EVERY_COLUMN
    computed = rule.get("computed_fields") or []
    if not isinstance(columns, list) or not isinstance(computed, list):
        raise ValueError("the columns of %s are no list" % table)
    return sorted(str(column) for column in columns + computed)


def _limit(value: Any) -> Optional[int]:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def table_name(table: Any) -> str:
    """Return schema.name of a table or function as the metadata names it."""
    if isinstance(table, str):
        return "public." + table
    if isinstance(table, dict) and table.get("name"):
        schema = table.get("schema") or table.get("dataset") or "public"
        return "%s.%s" % (schema, table["name"])
    raise ValueError("a table has no name")


def graphql_type(table: Mapping[str, Any]) -> Optional[str]:
    """Return the name of a table's type in the GraphQL schema: its custom name, else its own with the schema before it.

    None where it cannot be one: a naming convention or a source's prefix may make it another.
    """
    configuration = table.get("configuration") or {}
    custom = configuration.get("custom_name") if isinstance(configuration, dict) else None
    schema, _dot, name = table_name(table.get("table")).partition(".")
    found = str(custom or (name if schema == "public" else "%s_%s" % (schema, name)))
    return found if _GRAPHQL_NAME.match(found) else None


def pools_of(export: Any) -> List[Dict[str, Any]]:
    """Return {source, most} for each PostgreSQL source: its own connection limit, None where the engine's default holds."""
    out = []
    for source in sources_of(export):
        if source.get("kind", "postgres") not in ("postgres", "pg"):
            continue
        node: Any = source
        for key in ("configuration", "connection_info", "pool_settings", "max_connections"):
            node = node.get(key) if isinstance(node, dict) else None
        out.append({"source": str(source.get("name")), "most": _limit(node)})
    return out


def _maps(items: Any, what: str) -> List[Mapping[str, Any]]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("its %s are no list of objects" % what)
    return items

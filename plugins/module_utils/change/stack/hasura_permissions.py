# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hasura's permissions: those that are wanted, the commands that bring them about and take them back, and what is wrong with the rest.

All of it is worked out from an exported document (parse/hasura_metadata.py); nothing here asks the engine.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_columns import is_secret_column
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.tables.hasura import (
    NOTHING,
    OF_USERS,
    OWNERS,
    PREFIXES,
    RULES,
    UNORDERED,
)
from ansible_collections.nself.prod.plugins.module_utils.parse.hasura_metadata import (
    ACTIONS,
    EVERY_COLUMN,
    narrows,
    sources_of,
    table_name,
)

ADMIN = "admin"
USER_ID = "X-Hasura-User-Id"
MOST_ROWS = 100
_ENTRY = frozenset(["table", "source"] + [action + "_permissions" for action in ACTIONS])
_ITEM = frozenset(["role", "permission", "comment"])


@dataclass(frozen=True)
class Wish:
    """One permission that is wanted. table: as the metadata API takes it, {schema, name}."""

    source: str
    table: Tuple[str, str]
    action: str
    role: str
    permission: Mapping[str, Any]
    comment: Optional[str] = None

    @property
    def name(self) -> str:
        return "%s of %s on %s" % (self.action, self.role, ".".join(self.table))


# action of parse/hasura_metadata.py: in words
_WORDS = {
    "insert": "insert into %s",
    "update": "update %s",
    "delete": "delete from %s",
    "function": "call the function %s",
    "action": "call the action %s",
}


# -- what is wanted ------------------------------------------------------------------------------------------------------


def wishes(entries: Any) -> List[Wish]:
    """Return what `hasura_permissions` asks for: entries as Hasura's metadata has them, {table, select_permissions: [{role, permission}], …}.

    Raises Refused for anything else: a misspelt key would be a permission that is not there.
    """
    out: List[Wish] = []
    if not isinstance(entries, list):
        raise Refused("hasura_permissions takes a list of {table, select_permissions: [{role, permission}], …}")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not entry.get("table"):
            raise Refused("hasura_permissions: entry %d has no table" % number)
        table = _table(entry["table"], number)
        _no_more(entry, _ENTRY, "hasura_permissions: %s" % ".".join(table))
        found = [_wish(entry, table, action, item) for action in ACTIONS for item in _items(entry, action, table)]
        if not found:
            raise Refused(
                "hasura_permissions: %s has no select_, insert_, update_ or delete_permissions" % ".".join(table)
            )
        out += found
    names = [(wish.source, wish.name) for wish in out]
    twice = sorted({name for source, name in names if names.count((source, name)) > 1})
    if twice:
        raise Refused("hasura_permissions: %s is given twice" % ", ".join(twice))
    return out


def _table(table: Any, number: int) -> Tuple[str, str]:
    try:
        schema, _dot, name = table_name(table).partition(".")
    except ValueError:
        raise Refused("hasura_permissions: entry %d: a table is a name or {schema, name}" % number) from None
    if isinstance(table, str) and "." in table:
        schema, _dot, name = table.partition(".")
    return schema, name


def _items(entry: Mapping[str, Any], action: str, table: Tuple[str, str]) -> List[Mapping[str, Any]]:
    items = entry.get(action + "_permissions") or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Refused(
            "hasura_permissions: %s_permissions of %s is no list of {role, permission}" % (action, ".".join(table))
        )
    return items


def _wish(entry: Mapping[str, Any], table: Tuple[str, str], action: str, item: Mapping[str, Any]) -> Wish:
    role, rule = item.get("role"), item.get("permission")
    where = "hasura_permissions: %s of %s on %s" % (action, role, ".".join(table))
    _no_more(item, _ITEM, where)
    if not isinstance(role, str) or not role.strip() or not isinstance(rule, dict):
        raise Refused("hasura_permissions: %s on %s needs a role and a permission" % (action, ".".join(table)))
    if role == ADMIN:
        raise Refused(where + ": the role admin may do everything and has no permissions")
    if not isinstance(rule.get(RULES[action]), dict):
        raise Refused("%s needs a %s; {} stands for every row" % (where, RULES[action]))
    columns = rule.get("columns")
    if action == "select" and not (columns == EVERY_COLUMN or isinstance(columns, list)):
        raise Refused(where + ' needs columns, a list or "*"')
    comment = item.get("comment")
    return Wish(str(entry.get("source") or "default"), table, action, role, rule, comment if comment else None)


def _no_more(found: Mapping[str, Any], known: Any, where: str) -> None:
    unknown = sorted(set(map(str, found)) - known)
    if unknown:
        raise Refused("%s: unknown %s; known are %s" % (where, ", ".join(unknown), ", ".join(sorted(known))))


# -- from what is there to what is wanted ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One change. do, undo: commands of the metadata API; text: for people."""

    do: Tuple[Dict[str, Any], ...]
    undo: Tuple[Dict[str, Any], ...]
    text: str


def steps(export: Any, wanted: List[Wish]) -> List[Step]:
    """Return the changes that bring the wanted permissions about. Raises Refused where a table is not tracked."""
    out = []
    for wish in wanted:
        source, table = _tracked(export, wish)
        before = _found(table, wish)
        if (
            before is not None
            and same(before.get("permission"), wish.permission, wish.action)
            and _comment(before, wish)
        ):
            continue
        prefix = PREFIXES[str(source.get("kind", "postgres"))]
        entry: Dict[str, Any] = {"role": wish.role, "permission": wish.permission}
        comment = wish.comment if wish.comment is not None else (before or {}).get("comment")
        if comment:
            entry["comment"] = comment
        drop, create = _drop(prefix, wish), _create(prefix, wish, entry)
        if before is None:
            out.append(Step((create,), (drop,), "%s: %s" % (wish.name, _shown(wish.permission))))
        else:
            text = "%s: %s instead of %s" % (wish.name, _shown(wish.permission), _shown(before.get("permission")))
            out.append(Step((drop, create), (drop, _create(prefix, wish, before)), text))
    return out


def after(export: Any, wanted: List[Wish]) -> Any:
    """Return the document as it will be with the wanted permissions."""
    out = copy.deepcopy(export)
    for wish in wanted:
        _source, table = _tracked(out, wish)
        key = wish.action + "_permissions"
        kept = [item for item in table.get(key) or [] if item.get("role") != wish.role]
        table[key] = kept + [{"role": wish.role, "permission": dict(wish.permission)}]
    return out


def _tracked(export: Any, wish: Wish) -> Tuple[Mapping[str, Any], Any]:
    for source in sources_of(export):
        if source.get("name") != wish.source:
            continue
        if str(source.get("kind", "postgres")) not in PREFIXES:
            raise Refused(
                "hasura_permissions: the source %s is %s, which is not supported" % (wish.source, source["kind"])
            )
        for table in source.get("tables") or []:
            if table_name(table.get("table")) == ".".join(wish.table):
                return source, table
    raise Refused(
        "hasura_permissions: Hasura does not track %s in its source %s; track the table first (console, or `hasura metadata apply`)"
        % (".".join(wish.table), wish.source)
    )


def _found(table: Mapping[str, Any], wish: Wish) -> Optional[Mapping[str, Any]]:
    items = table.get(wish.action + "_permissions") or []
    return next((item for item in items if item.get("role") == wish.role), None)


def _comment(before: Mapping[str, Any], wish: Wish) -> bool:
    return wish.comment is None or before.get("comment") == wish.comment


def same(found: Any, wanted: Any, action: str) -> bool:
    """Tell whether two permissions mean the same to Hasura, which leaves out defaults and keeps no order of columns."""
    return _normal(found, action) == _normal(wanted, action)


def _normal(rule: Any, action: str) -> Dict[str, Any]:
    out: Dict[str, Any] = {}
    for key, value in (rule or {}).items():
        if value in NOTHING.get(key, ()):
            continue
        if key in UNORDERED and isinstance(value, list):
            value = sorted(map(str, value))
        out[key] = value
    if action == "insert" and out.get("columns") == EVERY_COLUMN:
        del out["columns"]  # the same as none named
    return out


def _names(wish: Wish) -> Dict[str, Any]:
    schema, name = wish.table
    return {"source": wish.source, "table": {"schema": schema, "name": name}, "role": wish.role}


def _drop(prefix: str, wish: Wish) -> Dict[str, Any]:
    return {"type": "%s_drop_%s_permission" % (prefix, wish.action), "args": _names(wish)}


def _create(prefix: str, wish: Wish, entry: Mapping[str, Any]) -> Dict[str, Any]:
    return {"type": "%s_create_%s_permission" % (prefix, wish.action), "args": dict(_names(wish), **entry)}


def _shown(rule: Any) -> str:
    return json.dumps(rule, sort_keys=True, ensure_ascii=True)


# -- what is wrong with what is there --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """What a role may do that it should not, and what to give it instead."""

    table: str
    role: str
    problem: str
    suggestion: str

    @property
    def text(self) -> str:
        return "Hasura: the role %s %s of %s: %s" % (self.role, self.problem, self.table, self.suggestion)


def findings(export: Any, columns_of: Mapping[Tuple[str, str], List[str]]) -> List[Finding]:
    """Return what AUTH-32 and AUTH-33 find, by table and role. columns_of: {(role, table): columns} where a role may select all."""
    out: List[Finding] = []
    for source in sources_of(export):
        for table in source.get("tables") or []:
            name = table_name(table.get("table"))
            owner = owner_of(table)
            for action in ACTIONS:
                for item in table.get(action + "_permissions") or []:
                    rule = item.get("permission") or {}
                    if item.get("role") != ADMIN and rule.get("backend_only") is not True:
                        out += _of_rule(name, str(item.get("role")), action, rule, owner, columns_of)
    return sorted(out, key=lambda one: (one.table, one.role, one.problem))


def _of_rule(
    table: str,
    role: str,
    action: str,
    rule: Mapping[str, Any],
    owner: str,
    columns_of: Mapping[Tuple[str, str], List[str]],
) -> List[Finding]:
    key = RULES[action]
    if action != "select":
        if narrows(rule.get(key)):
            return []
        return [
            Finding(
                table, role, "may %s any row" % action, 'give it the %s {"%s": {"_eq": "%s"}}' % (key, owner, USER_ID)
            )
        ]
    out = []
    columns = rule.get("columns") or []
    names = columns_of.get((role, table), []) if columns == EVERY_COLUMN else columns
    secret = sorted(
        str(name) for name in list(names) + list(rule.get("computed_fields") or []) if is_secret_column(str(name))
    )
    if secret:
        rest = sorted(set(map(str, names)) - set(secret))
        out.append(
            Finding(table, role, "may select " + ", ".join(secret), "name the columns %s only" % json.dumps(rest))
        )
    limit = rule.get("limit")
    if not isinstance(limit, int) or limit > MOST_ROWS:
        now = "any number of rows" if limit is None else "%s rows at once" % limit
        out.append(Finding(table, role, "may select " + now, "give it a limit of %d" % MOST_ROWS))
    return out


def owner_of(table: Mapping[str, Any]) -> str:
    """Return the column by which a row of a table belongs to a user, as far as its permissions tell; a placeholder where they do not."""
    name = table_name(table.get("table")).partition(".")[2]
    text = json.dumps([table.get(action + "_permissions") for action in ACTIONS] + [table.get("object_relationships")])
    for column in OWNERS:
        if '"%s"' % column in text:
            return column
    return "id" if name in OF_USERS else "<the column with the owner's id>"


# -- what those who are not logged in may do -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Access:
    """What a role may do: bad is what nobody who is not logged in should, used whether it may do anything at all.

    tables: that it may select of; shown: whether it is shown the schema.
    """

    bad: Tuple[str, ...]
    used: bool
    tables: Tuple[str, ...] = ()
    shown: bool = True


def access_of(export: Any, entries: List[Mapping[str, Any]], role: str, public_tables: Any = ()) -> Access:
    """Return what a role may do. entries: permissions_of(export); public_tables: whose every row everybody may see."""
    bad: List[str] = []
    tables: List[str] = []
    for entry in entries:
        if entry["role"] != role:
            continue
        table = str(entry["table"])
        if entry["action"] != "select":
            bad.append(_WORDS[entry["action"]] % table)
            continue
        tables.append(table)
        if not entry["filtered"] and table not in public_tables:
            bad.append("select every row of %s" % table)
        columns = entry["columns"] if isinstance(entry["columns"], list) else []
        secret = [str(name) for name in columns if is_secret_column(str(name))]
        if secret:
            bad.append("select %s of %s" % (", ".join(secret), table))
    hidden = (export.get("metadata", export).get("graphql_schema_introspection") or {}).get("disabled_for_roles") or []
    used = bool(bad or tables or _elsewhere(export, role))
    return Access(tuple(bad), used, tuple(sorted(set(tables))), role not in hidden)


def _elsewhere(export: Any, role: str) -> bool:
    """Tell whether a role may call an action or a remote schema, which are open to every role unless permissions are asked for."""
    metadata = export.get("metadata", export)
    if metadata.get("remote_schemas"):
        return True
    permissions = [entry for item in metadata.get("actions") or [] for entry in item.get("permissions") or []]
    return any(isinstance(entry, dict) and entry.get("role") == role for entry in permissions)

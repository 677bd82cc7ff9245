# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions that fill, guard and purge the audit log: made, changed, and left as they are. Pure functions."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_database import Step
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_names import Table, array, body, string
from ansible_collections.nself.prod.plugins.module_utils.change.tables import postgres_audit_log as sql


class Log(NamedTuple):
    """What is wanted of the log. tables: whose changes are recorded, None for those of DEFAULT_TABLES that there are."""

    table: Table
    tables: Optional[Tuple[Table, ...]]
    hidden: Tuple[str, ...] = ()
    days: int = 365
    readers: Tuple[str, ...] = ()
    writers: Tuple[str, ...] = ()


def bodies(log: Log, types: Mapping[str, str]) -> Dict[str, str]:
    """Return {signature: body} of the functions. types: of the columns that a log found there has."""
    name = log.table.sql
    record = sql.RECORD.substitute(
        log=name,
        who=string(sql.UUID if types.get("user_id", "uuid") == "uuid" else "."),
        record=string(sql.UUID if types.get("resource_id", "text") == "uuid" else "."),
        noise=array(list(sql.NOISE)),
    )
    refuse = sql.REFUSE.substitute(owner=string(sql.OWNER), days=log.days) if log.days else sql.REFUSE_ALWAYS
    out = {
        "hidden(column_name text)": sql.HIDDEN.substitute(
            secret=string(sql.SECRET_COLUMN), hidden=array(sorted(log.hidden))
        ),
        "shown(data jsonb)": sql.VALUES.substitute(largest=sql.LARGEST),
        "record()": record,
        "refuse()": refuse,
    }
    if log.days:
        out["purge()"] = sql.PURGE.substitute(log=name, days=log.days, name=string(str(log.table)))
    return out


def functions(ours: Optional[Mapping[str, Any]], log: Log, types: Mapping[str, str]) -> List[Step]:
    there = (ours or {}).get("functions") or {}
    wanted = bodies(log, types)
    out = []
    for signature, text in wanted.items():
        old = there.get(signature)
        returns, language, volatility, definer = sql.FUNCTIONS[signature]
        # What is plain SQL runs within the others; without a path of its own the planner can take it apart.
        path = sql.PATH if language == "plpgsql" else None
        found = tuple(old[name] for name in ("body", "definer", "path", "owner", "public", "returns")) if old else ()
        if found == (text, definer, path, sql.OWNER, False, returns):
            continue
        full = "%s.%s" % (sql.SCHEMA, signature)
        make = "CREATE OR REPLACE FUNCTION %s RETURNS %s LANGUAGE %s %s%s%s AS %s;" % (
            full, returns, language, volatility, " SECURITY DEFINER" if definer else "",
            " SET search_path = %s" % path if path else "", body(text))  # fmt: skip
        after = "ALTER FUNCTION {0} OWNER TO {1};\nREVOKE ALL ON FUNCTION {0} FROM PUBLIC;".format(full, sql.OWNER)
        undo = "DROP FUNCTION %s;" % full
        if old:
            # Back to the old words, with our own attributes: those that differed were not ours.
            undo = make.replace(body(text), body(old["body"])) if old["returns"] == returns else ""
        out.append(Step("function %s %s" % (full, "is changed" if old else "is made"), make + "\n" + after, undo))
    if "purge()" in there and not log.days:
        out.append(
            Step(
                "function %s.purge() goes: nothing is to be removed" % sql.SCHEMA,
                "DROP FUNCTION %s.purge();" % sql.SCHEMA,
            )
        )
    return out

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Row-level security of named tables, with policies that fit what Hasura sends. Pure functions.

Hasura opens each mutation with `SET LOCAL hasura.user = '<JSON of the session>'` and does nothing of the kind before a query. So policies
for writes compare with the session, and reading is left open to the roles that the policies name: which rows a query shows is for
Hasura's own permissions to say. Whoever calls with the admin secret has the role admin and no user.
"""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import pg_log
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_database import Step
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_names import (
    Table,
    body,
    name_in,
    quoted,
    string,
    table_of,
)
from ansible_collections.nself.prod.plugins.module_utils.change.tables.postgres_audit_state import DIGEST

WHAT = "postgres_audit_rls"
# The session as JSON; NULL where there is none. After the transaction that set it, it is an empty text.
TOLD = "nullif(current_setting('hasura.user', true), '')"
SESSION = TOLD + "::jsonb"
# Types that the text of a claim is cast to.
TYPES = ("uuid", "text", "character varying", "bigint", "integer", "smallint")
MARK = "nself.prod:"  # of a policy's comment: what it was made of, and what PostgreSQL made of it


class Guarded(NamedTuple):
    """One table. column: says whose a row is; claim: of the session, says who asks; replaces: policies that go."""

    table: Table
    column: str
    claim: str
    roles: Tuple[str, ...]
    writes: str
    admins: Tuple[str, ...]
    direct: bool
    replaces: Tuple[str, ...]


def guarded_of(items: Sequence[Mapping[str, Any]], app: str) -> List[Guarded]:
    """Return what is wanted. app: the role that services log in as, "" where that is not ours to say. Raises Refused."""
    out = []
    for item in items:
        table = table_of(str(item["table"]), WHAT)
        roles = tuple(item.get("roles") or ([app] if app else ()))
        if not roles:
            raise Refused(
                "%s: %s names no roles, and there is no postgres_audit_app_role that the policies could be for"
                % (WHAT, table)
            )
        if "public" in [role.lower() for role in roles]:
            raise Refused("%s: a policy for PUBLIC on %s would hold for everybody; name the roles" % (WHAT, table))
        out.append(
            Guarded(
                table,
                name_in(str(item["user_column"]), WHAT),
                str(item.get("claim") or "x-hasura-user-id").lower(),
                tuple(name_in(role, WHAT) for role in roles),
                str(item.get("writes") or "own"),
                tuple(item.get("admin_roles", ["admin"]) or ()),
                bool(item.get("without_session")),
                tuple(item.get("replaces") or ()),
            )
        )
    if len({item.table for item in out}) < len(out):
        raise Refused("%s names a table twice" % WHAT)
    return out


def steps(state: Mapping[str, Any], wanted: Sequence[Guarded], app: str = "") -> List[Step]:
    """Return what is missing. app: a role that is there by the time the steps are taken. Raises Refused for what would lock somebody out."""
    out: List[Step] = []
    for item in wanted:
        there = _sound(state, item, app)
        mine: List[Step] = []
        for name in item.replaces:
            if name in there["policies"]:
                mine.append(_drop(item.table, name, there["policies"][name]))
        for name, (command, using, check) in policies(item, there).items():
            mine += _policy(item, name, command, using, check, there["policies"].get(name))
        if item.writes == "none":
            mine += [_drop(item.table, name, old) for name, old in there["policies"].items() if name in NAMES[1:]]
        for flag, on, off in (("security", "ENABLE", "DISABLE"), ("forced", "FORCE", "NO FORCE")):
            if not there[flag]:
                words = "ALTER TABLE %s %%s ROW LEVEL SECURITY;" % item.table.sql
                what = "row-level security of %s is %s" % (
                    item.table,
                    "on" if flag == "security" else "in force for its owner too",
                )
                mine.append(Step(what, words % on, words % off))
        if mine and not there["runs"]:
            mine += [_trial(item.table, role) for role in item.roles if _reads(there, role)]
        out += mine
    return out


NAMES = ("nself_select", "nself_insert", "nself_update", "nself_delete")


def policies(item: Guarded, there: Mapping[str, Any]) -> Dict[str, Tuple[str, str, str]]:
    """Return {name: (command, USING, WITH CHECK)}."""
    out = {"nself_select": ("SELECT", "true", "")}
    if item.writes == "none":
        return out
    kind = str(there["columns"][item.column]["type"]).partition("(")[0]
    allowed = ["%s = (%s ->> %s)::%s" % (quoted(item.column), SESSION, string(item.claim), kind)]
    allowed += ["%s ->> 'x-hasura-role' = %s" % ("(%s)" % SESSION, string(role)) for role in item.admins]
    allowed += ["%s IS NULL" % TOLD] if item.direct else []
    own = " OR ".join(allowed)
    out.update(nself_insert=("INSERT", "", own), nself_update=("UPDATE", own, own), nself_delete=("DELETE", own, ""))
    return out


def away(state: Mapping[str, Any], tables: Sequence[Table], role: str) -> List[Step]:
    """Return what takes the policies for a role back. Where there are no others, row-level security is off again, as before them."""
    out: List[Step] = []
    for table in tables:
        there = pg_log.found(state, table) or {"policies": {}, "security": False, "forced": False}
        mine = {name: old for name, old in there["policies"].items() if name in NAMES and old["roles"] == [role]}
        out += [_drop(table, name, old) for name, old in mine.items()]
        if mine and len(mine) == len(there["policies"]):
            words = "ALTER TABLE %s %%s ROW LEVEL SECURITY;" % table.sql
            off = [words % "NO FORCE"] * there["forced"] + [words % "DISABLE"] * there["security"]
            on = [words % "FORCE"] * there["forced"] + [words % "ENABLE"] * there["security"]
            out.append(Step("row-level security of %s is off again" % table, "".join(off), "".join(on)))
    return out


def _sound(state: Mapping[str, Any], item: Guarded, app: str) -> Dict[str, Any]:
    """Return what there is of a table. Raises Refused where policies cannot be, or would lock out who uses it now."""
    there = pg_log.found(state, item.table)
    if there is None:
        raise Refused("%s names %s, which is not in the database %s" % (WHAT, item.table, state["server"]["database"]))
    if there["kind"] not in ("r", "p") or there["extension"] or there["partition"]:
        raise Refused("%s names %s, which is no table of its own" % (WHAT, item.table))
    column = there["columns"].get(item.column)
    if column is None:
        raise Refused("%s: %s has no column %s" % (WHAT, item.table, item.column))
    if column["type"].partition("(")[0] not in TYPES:
        raise Refused(
            "%s: %s.%s is %s; whose a row is can be one of %s"
            % (WHAT, item.table, item.column, column["type"], ", ".join(TYPES))
        )
    for role in item.roles:
        known = state["roles"].get(role)
        if known is None and role != app:
            raise Refused("%s: there is no role %s for the policies of %s" % (WHAT, role, item.table))
        if known and (known["super"] or known["bypassrls"]) and role != app:
            raise Refused(
                "%s: no policy holds for %s, which is %s; let services log in as another role (postgres_audit_app_role)"
                % (WHAT, role, "a superuser" if known["super"] else "past row-level security")
            )
    if not there["security"]:
        covered = set(item.roles) | {
            role for name, policy in there["policies"].items() if name not in item.replaces for role in policy["roles"]
        }
        out = [user["role"] for user in there["users"] if user["role"] not in covered and "" not in covered]
        if out:
            raise Refused(
                "%s: %s uses %s now and would see nothing of it any more: name it in `roles`, or take its privileges away"
                % (WHAT, ", ".join(out), item.table)
            )
    return there


def _reads(there: Mapping[str, Any], role: str) -> bool:
    return any(user["role"] == role and user["reads"] for user in there["users"])


def _text(
    table: Table, name: str, command: str, roles: Sequence[str], using: str, check: str, permissive: bool = True
) -> str:
    parts = ["CREATE POLICY %s ON %s" % (quoted(name), table.sql)] + ([] if permissive else ["AS RESTRICTIVE"])
    parts += ["FOR %s TO %s" % (command, ", ".join(quoted(role) if role else "PUBLIC" for role in roles))]
    parts += ["USING (%s)" % using] if using else []
    parts += ["WITH CHECK (%s)" % check] if check else []
    return " ".join(parts) + ";"


def _drop(table: Table, name: str, old: Mapping[str, Any]) -> Step:
    back = _text(table, name, old["command"], old["roles"], old["using"] or "", old["check"] or "", old["permissive"])
    # Their words name what their maker's path led to.
    undo = "SET LOCAL search_path = pg_catalog, public, pg_temp; %s SET LOCAL search_path = pg_catalog, pg_temp;" % back
    drop = "DROP POLICY %s ON %s;" % (quoted(name), table.sql)
    return Step("policy %s of %s goes" % (name, table), drop, undo)


def _policy(item: Guarded, name: str, command: str, using: str, check: str, old: Any) -> List[Step]:
    make = _text(item.table, name, command, item.roles, using, check)
    mark = MARK + hashlib.sha256(make.encode("utf-8")).hexdigest()
    if old and old["comment"] == "%s:%s" % (mark, old["digest"]):
        return []
    remember = body(
        _REMEMBER % {"mark": string(mark), "table": string(item.table.sql), "name": string(name), "digest": DIGEST}
    )
    undo = "DROP POLICY %s ON %s;" % (quoted(name), item.table.sql)
    step = Step(
        "policy %s of %s: %s for %s" % (name, item.table, command, ", ".join(item.roles)),
        "%s\nDO %s;" % (make, remember),
        undo,
    )
    return ([_drop(item.table, name, old)] if old else []) + [step]


_REMEMBER = """
DECLARE seen text;
BEGIN
    SELECT %(mark)s || ':' || %(digest)s INTO STRICT seen
        FROM pg_policy p WHERE p.polrelid = %(table)s::regclass AND p.polname = %(name)s;
    EXECUTE format('COMMENT ON POLICY %%I ON %%s IS %%L', %(name)s::text, %(table)s::regclass, seen);
END
"""


def _trial(table: Table, role: str) -> Step:
    """Return a step that fails where a role would see nothing of a table that has rows. Only for tables whose reading runs nobody's code."""
    text = """
DECLARE before int; after int;
BEGIN
    SELECT count(*) INTO before FROM (SELECT 1 FROM %(table)s LIMIT 1) AS x;
    SET LOCAL ROLE %(role)s;
    SELECT count(*) INTO after FROM (SELECT 1 FROM %(table)s LIMIT 1) AS x;
    RESET ROLE;
    IF before <> after THEN
        RAISE EXCEPTION 'with these policies a role that reads the table would see none of its rows';
    END IF;
END
""" % {"table": table.sql, "role": quoted(role)}
    return Step("%s still reads %s" % (role, table), "DO %s;" % body(text), trial=True)

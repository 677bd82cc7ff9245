# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log: from what the database holds to the statements that are missing. Pure functions.

state: the sections of tables/postgres_audit_state.py.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_database import Step
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_log_functions import Log, functions
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_names import Table, array, body, quoted, string
from ansible_collections.nself.prod.plugins.module_utils.change.tables import postgres_audit_log as sql


def found(state: Mapping[str, Any], table: Table) -> Optional[Dict[str, Any]]:
    """Return what the database says of a table, None where it has none of that name."""
    for item in state["tables"]:
        if (item["schema"], item["name"]) == (table.schema, table.name):
            return dict(item)
    return None


def recorded(state: Mapping[str, Any], log: Log) -> List[Table]:
    """Return the tables whose changes are to be recorded. Raises Refused for what is no table."""
    if log.tables is None:
        defaults = [Table(*name.split(".")) for name in sql.DEFAULT_TABLES]
        return [table for table in defaults if (found(state, table) or {}).get("kind") in ("r", "p")]
    for table in log.tables:
        item = found(state, table)
        if item is None:
            raise Refused(
                "postgres_audit_tables names %s, which is not in the database %s; name it as `schema.table`, without quotes"
                % (table, state["server"]["database"])
            )
        if item["kind"] not in ("r", "p") or item["extension"]:
            raise Refused("postgres_audit_tables names %s, which is no table of the application's" % table)
        if item["partition"]:
            raise Refused("postgres_audit_tables names %s, a partition; name the table that it is a part of" % table)
        if table == log.table:
            raise Refused("postgres_audit_tables names the audit log itself")
    return list(log.tables)


def steps(state: Mapping[str, Any], log: Log) -> List[Step]:
    """Return what is missing. Raises Refused where a table of that name cannot be the log."""
    there = found(state, log.table)
    if there is not None:
        _fits(there, log.table)
    out = _owner(state, log)
    out += _table(there, log)
    types = {name: item["type"] for name, item in ((there or {}).get("columns") or {}).items()}
    out += functions(state["ours"], log, types)
    out += _guards(there, log)
    out += _grants(state, there, log)
    out += _recorders(state, log)
    if out:
        out.append(_entry(log, [step.what for step in out]))
    return out


def _fits(there: Mapping[str, Any], table: Table) -> None:
    """Raise Refused where a table that is there cannot be made the log."""
    reasons = [] if there["kind"] == "r" else ["it is no plain table"]
    for name, item in sorted(there["columns"].items()):
        if name in sql.COLUMNS and sql.COLUMNS[name][1] and item["type"] not in sql.COLUMNS[name][1]:
            reasons.append("its column %s is %s, not %s" % (name, item["type"], sql.COLUMNS[name][1][0]))
        if item["required"] and name != "action":
            reasons.append("its column %s needs a value that the entries may not have" % name)
    if there["foreign_keys"]:
        reasons.append("it has foreign keys, which would stop the writes that it is to record")
    if reasons:
        raise Refused(
            "%s cannot be the audit log: %s. Mend or rename it, or let postgres_audit_schema name another schema"
            % (table, "; ".join(reasons))
        )


def _owner(state: Mapping[str, Any], log: Log) -> List[Step]:
    out = []
    role, schema = state["roles"].get(sql.OWNER), state["schemas"].get(log.table.schema)
    if role is None:
        out.append(
            Step(
                "role %s is made, which owns the audit log and cannot log in" % sql.OWNER,
                "CREATE ROLE %s NOLOGIN;" % sql.OWNER,
                "DROP OWNED BY %s; DROP ROLE %s;" % (sql.OWNER, sql.OWNER),
            )
        )
    else:
        wrong = [
            words
            for key, words in (
                ("login", "NOLOGIN"),
                ("super", "NOSUPERUSER"),
                ("createrole", "NOCREATEROLE"),
                ("bypassrls", "NOBYPASSRLS"),
            )
            if role[key]
        ]
        if wrong:
            out.append(Step("role %s loses what it needs not: %s" % (sql.OWNER, ", ".join(wrong)), "ALTER ROLE %s %s;" % (sql.OWNER, " ".join(wrong)),
                            "ALTER ROLE %s %s;" % (sql.OWNER, " ".join(word[2:] for word in wrong))))  # fmt: skip
    if schema is None:
        name = quoted(log.table.schema)
        out.append(
            Step(
                "schema %s is made for the audit log" % log.table.schema,
                "CREATE SCHEMA %s AUTHORIZATION %s;" % (name, sql.OWNER),
                "DROP SCHEMA %s;" % name,
            )
        )
    elif not (schema["owner_usage"] or (role is None and schema["public_usage"])):
        name = quoted(log.table.schema)
        out.append(Step("%s may use the schema %s" % (sql.OWNER, log.table.schema), "GRANT USAGE ON SCHEMA %s TO %s;" % (name, sql.OWNER),
                        "REVOKE USAGE ON SCHEMA %s FROM %s;" % (name, sql.OWNER)))  # fmt: skip
    ours = state["ours"]
    if ours is None:
        out.append(
            Step(
                "schema %s is made for the functions of the audit log" % sql.SCHEMA,
                "CREATE SCHEMA %s AUTHORIZATION %s;" % (sql.SCHEMA, sql.OWNER),
                "DROP SCHEMA %s;" % sql.SCHEMA,
            )
        )
    elif ours["owner"] != sql.OWNER:
        out.append(Step("schema %s is given to %s" % (sql.SCHEMA, sql.OWNER), "ALTER SCHEMA %s OWNER TO %s;" % (sql.SCHEMA, sql.OWNER),
                        "ALTER SCHEMA %s OWNER TO %s;" % (sql.SCHEMA, quoted(ours["owner"]))))  # fmt: skip
    return out


def _table(there: Optional[Mapping[str, Any]], log: Log) -> List[Step]:
    name = log.table.sql
    indexes = "".join(
        "CREATE INDEX ON %s (%s);\n" % (name, ", ".join(columns))
        for columns in sql.INDEXES.values()
        if not any(index[0] == columns[0] for index in (there or {}).get("indexed", []))
    )
    if there is None:
        columns = ",\n    ".join("%s %s" % (column, made[0]) for column, made in sql.COLUMNS.items())
        # Whatever a database gives by default for new tables does not hold for the log.
        give = body(_REVOKE_DEFAULTS % string(name))
        return [
            Step(
                "table %s is made, with its indexes" % log.table,
                "CREATE TABLE %s (\n    %s\n);\n%sDO %s;\nALTER TABLE %s OWNER TO %s;"
                % (name, columns, indexes, give, name, sql.OWNER),
                "DROP TABLE %s;" % name,
            )
        ]
    out = []
    lacking = [column for column in sql.COLUMNS if column not in there["columns"]]
    if lacking:
        adds = ", ".join("ADD COLUMN %s %s" % (column, sql.COLUMNS[column][0]) for column in lacking)
        drops = ", ".join("DROP COLUMN %s" % column for column in lacking)
        out.append(
            Step(
                "table %s gets the columns %s" % (log.table, ", ".join(lacking)),
                "ALTER TABLE %s %s;" % (name, adds),
                "ALTER TABLE %s %s;" % (name, drops),
            )
        )
    if indexes:
        out.append(Step("table %s gets the indexes that it lacks" % log.table, indexes))
    if there["owner"] != sql.OWNER:
        out.append(Step("table %s is given to %s" % (log.table, sql.OWNER), "ALTER TABLE %s OWNER TO %s;" % (name, sql.OWNER),
                        "ALTER TABLE %s OWNER TO %s;" % (name, quoted(there["owner"]))))  # fmt: skip
    return out


_REVOKE_DEFAULTS = """
DECLARE wrong record;
BEGIN
    FOR wrong IN SELECT DISTINCT c.oid::regclass AS log, coalesce(quote_ident(r.rolname), 'PUBLIC') AS grantee FROM pg_class c
        CROSS JOIN aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.oid = %s::regclass AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON %%s FROM %%s', wrong.log, wrong.grantee);
    END LOOP;
END
"""


def _guards(there: Optional[Mapping[str, Any]], log: Log) -> List[Step]:
    have = (there or {}).get("triggers") or {}
    out = []
    for name, (bits, when, level) in sql.GUARDS.items():
        if _is(have.get(name), bits, "refuse", "", "A"):
            continue
        out.append(
            _trigger(
                log.table,
                name,
                when,
                level,
                "refuse()",
                name in have,
                "%s refuses to %s" % (log.table, when.partition(" ")[2].lower()),
                True,
            )
        )
    return out


def _is(trigger: Optional[Mapping[str, Any]], bits: int, function: str, arguments: str, enabled: str) -> bool:
    return bool(trigger) and (trigger["type"], trigger["function"], trigger["arguments"], trigger["enabled"]) == (  # type: ignore[index]
        bits, "%s.%s" % (sql.SCHEMA, function), arguments, enabled)  # fmt: skip


def _trigger(
    table: Table, name: str, when: str, level: str, call: str, exists: bool, what: str, always: bool = False
) -> Step:
    drop = "DROP TRIGGER %s ON %s;" % (name, table.sql)
    make = "CREATE TRIGGER %s %s ON %s FOR EACH %s EXECUTE FUNCTION %s.%s;" % (
        name,
        when,
        table.sql,
        level,
        sql.SCHEMA,
        call,
    )
    if always:
        make += "\nALTER TABLE %s ENABLE ALWAYS TRIGGER %s;" % (table.sql, name)
    return Step(what, (drop + "\n" if exists else "") + make, drop)


def _grants(state: Mapping[str, Any], there: Optional[Mapping[str, Any]], log: Log) -> List[Step]:
    """Take away what changes entries, give what the readers and writers need."""
    name, out = log.table.sql, []
    have = [(item["grantee"], item["privilege"]) for item in (there or {}).get("grants", ())]
    for grantee in sorted({grantee for grantee, _privilege in have}):
        wrong = sorted(privilege for who, privilege in have if who == grantee and privilege not in ("SELECT", "INSERT"))
        if wrong:
            out.append(
                _grant(
                    "REVOKE",
                    wrong,
                    name,
                    grantee,
                    "%s may no longer %s %s" % (grantee or "everybody", ", ".join(wrong).lower(), log.table),
                )
            )
    if there and there["column_updates"]:
        out.append(
            Step(
                "nobody may update single columns of %s any longer" % log.table,
                "DO %s;" % body(_REVOKE_COLUMNS % string(name)),
            )
        )
    for role, privilege in [(role, "SELECT") for role in log.readers] + [(role, "INSERT") for role in log.writers]:
        if role not in state["roles"]:
            raise Refused("%s is to read or write the audit log, but there is no such role" % role)
        if (role, privilege) not in have:
            out.append(_grant("GRANT", [privilege], name, role, "%s may %s %s" % (role, privilege.lower(), log.table)))
    return out


_REVOKE_COLUMNS = """
DECLARE wrong record;
BEGIN
    FOR wrong IN SELECT c.oid::regclass AS log, coalesce(quote_ident(r.rolname), 'PUBLIC') AS grantee FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid CROSS JOIN aclexplode(a.attacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
        WHERE c.oid = %s::regclass AND x.privilege_type = 'UPDATE'
    LOOP
        EXECUTE format('REVOKE UPDATE ON %%s FROM %%s', wrong.log, wrong.grantee);
    END LOOP;
END
"""


def _grant(verb: str, privileges: Sequence[str], name: str, role: str, what: str) -> Step:
    grantee, words = quoted(role) if role else "PUBLIC", ", ".join(privileges)
    give, take = "GRANT %s ON %s TO %s;" % (words, name, grantee), "REVOKE %s ON %s FROM %s;" % (words, name, grantee)
    return Step(what, give, take) if verb == "GRANT" else Step(what, take, give)


def _recorders(state: Mapping[str, Any], log: Log) -> List[Step]:
    out, wanted = [], recorded(state, log)
    for table in wanted:
        item = found(state, table) or {}
        have, key = item["triggers"], list(item["key"])
        arguments = "".join(name.encode("utf-8").hex() + "00" for name in key)
        for name, (bits, when, level) in sql.RECORDERS.items():
            rows = level == "ROW"
            if _is(have.get(name), bits, "record", arguments if rows else "", "O"):
                continue
            call = "record(%s)" % (", ".join(string(column) for column in key) if rows else "")
            out.append(
                _trigger(
                    table,
                    name,
                    when,
                    level,
                    call,
                    name in have,
                    "changes of %s are recorded (%s)" % (table, level.lower()),
                )
            )
    for schema, name in state["recorded"] if log.tables is not None else ():
        table = Table(schema, name)
        if table not in wanted:
            have = (found(state, table) or {}).get("triggers") or dict.fromkeys(sql.RECORDERS)
            drops = "".join(
                "DROP TRIGGER %s ON %s;" % (trigger, table.sql) for trigger in sql.RECORDERS if trigger in have
            )
            out.append(
                Step(
                    "changes of %s are no longer recorded" % table,
                    drops.replace("DROP TRIGGER", "DROP TRIGGER IF EXISTS"),
                )
            )
    return out


def _entry(log: Log, changes: Sequence[str]) -> Step:
    """Return the entry about what was changed of the log: whoever loosens it leaves a trace."""
    text = "SELECT jsonb_build_object('changes', %s)" % array(list(changes))
    return Step(
        "an entry in %s says so" % log.table,
        "INSERT INTO %s (action, resource_type, new_values, db_user) VALUES ('AUDIT', %s, (%s), session_user);"
        % (log.table.sql, string(str(log.table)), text),
    )


def probe(log: Log) -> Step:
    """Return a step that always fails, and says in its error what the log did: SEEN where all is as it should be. Nothing of it stays."""
    return Step(
        "an entry of a probe", "DO %s;" % body(sql.PROBE.substitute(log=log.table.sql, key=string(sql.PROBE_KEY)))
    )


def told(state: Mapping[str, Any], log: Log, superusers_connect: bool) -> List[str]:
    """Return what the log cannot do by itself."""
    out = []
    there = found(state, log.table)
    if not recorded(state, log):
        out.append(
            "no table writes to %s yet, so it stays silent: name those that matter in postgres_audit_tables" % log.table
        )
    if superusers_connect:
        out.append(
            "services log in to PostgreSQL as a superuser, who can get past every grant: set postgres_audit_app_role: nself_app"
        )
    writers = [
        item["grantee"] or "everybody" for item in (there or {}).get("grants", ()) if item["privilege"] == "INSERT"
    ]
    extra = sorted(set(writers) - set(log.writers))
    if extra:
        out.append(
            "%s may write entries of their own into %s: name them in postgres_audit_writers, or revoke INSERT"
            % (", ".join(extra), log.table)
        )
    return out

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the application's schema: row-level security, audit tables, second factors of privileged users.

SECTIONS has the shape of tables/postgres_sql.py. Counts, ages and names of columns and roles are told, never a row. A table that may
not exist cannot be named in a plain SELECT, so query_to_xml() runs the statement where it does: it is the one function of PostgreSQL
that runs a text within a read-only transaction.
"""

from __future__ import annotations

from typing import Dict, Tuple

# Schemas whose tables belong to a service that manages them itself and takes no policies on them.
SERVICE_SCHEMAS = ("hdb_catalog", "hdb_views", "auth", "storage", "graphql", "cron", "partman", "pgagent")
# A column that says whose a row is, as `user_id`, `tenantId`, `owner_uuid`.
OWNER_COLUMN = "^(user|author|owner|tenant|account|creator|org|organi[sz]ation|customer)_?(id|uuid)$"
# Names under which an audit log is kept.
AUDIT_TABLES = ("audit_logs", "audit_log", "audit_events", "audit_trail", "logged_actions", "record_version")
# Its columns: who did it, what was done, when; first match wins.
WHO = (
    "user_id actor_id actor actor_email user_email username changed_by performed_by created_by db_user user_name "
    "session_user_name session_user"
).split()
WHAT = "action event event_type operation op action_type activity tg_op".split()
WHEN = (
    "created_at timestamp ts event_time occurred_at logged_at performed_at changed_at action_tstamp_tx action_tstamp "
    "executed_at time date"
).split()
# Without an index a log is read whole to find its newest row: up to here that takes no time worth speaking of.
SMALL_BYTES = 64 << 20
# Roles that everybody has, who need no second factor: counting them would read the whole table of users.
COMMON_ROLES = ("user", "me", "anonymous", "public")


def _list(names: Tuple[str, ...]) -> str:
    return ", ".join("'%s'" % name for name in names)


def _array(names: "list[str]") -> str:
    return "ARRAY[%s]::name[]" % _list(tuple(names))


_OURS = """n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"""
_READS = (
    "coalesce(pg_get_expr(p.polqual, p.polrelid), '') || ' ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')"
)


def _first(names: "list[str]", more: str = "") -> str:
    """Return SQL for the first of these columns that the table c has."""
    return """(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND lower(a.attname) = ANY (%s) %s ORDER BY array_position(%s, lower(a.attname)::name) LIMIT 1)""" % (
        _array(names),
        more,
        _array(names),
    )


# Whoever may make a table may have his own functions run by whoever reads it, and here that is a superuser, to whom the server's
# shell is open: through a view, through a column whose type is made a boolean by a cast of his, and already while the reading is planned,
# through expressions of indexes and of statistics. So only what can run nothing is read.
_RUNS_CODE = """EXISTS (SELECT FROM pg_depend d WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) AND (
    d.classid = 'pg_class'::regclass AND d.objid IN (SELECT i.indexrelid FROM pg_index i
        WHERE i.indrelid = %(table)s OR i.indrelid IN (SELECT h.inhrelid FROM pg_inherits h WHERE h.inhparent = %(table)s)
        OR i.indrelid IN (SELECT p.relid FROM pg_partition_tree(%(table)s) p))
    OR d.classid = 'pg_statistic_ext'::regclass
    AND d.objid IN (SELECT e.oid FROM pg_statistic_ext e WHERE e.stxrelid = %(table)s)))"""
FIRST_OID = 16384  # of what is made after the cluster is


def _harmless(tables: Tuple[str, ...], columns: Tuple[str, ...]) -> str:
    """Return SQL that is true where reading these columns runs nobody's code, and fails (22012) where it might."""
    return """1 / (CASE WHEN EXISTS (SELECT FROM pg_class c WHERE c.oid = ANY (ARRAY[%s]::oid[]) AND (
        c.relkind NOT IN ('r', 'p') OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN (%s)
            AND a.atttypid >= %d) OR %s)) THEN 0 ELSE 1 END) = 1""" % (
        ", ".join("to_regclass('%s')" % name for name in tables),
        _list(columns),
        FIRST_OID,
        _RUNS_CODE % {"table": "c.oid"},
    )


_FACTOR_TABLES = ("auth.users", "auth.user_roles", "auth.user_security_keys")
_FACTOR_COLUMNS = ("id", "user_id", "role", "default_role", "disabled", "active_mfa_type")


def _age(function: str) -> str:
    """Return SQL for the age in seconds of the newest (max) or oldest (min) row of t; NULL where it has none or was not asked."""
    return """CASE WHEN t.whence IS NOT NULL AND t.asked THEN (xpath('//age/text()', query_to_xml(format(
        'SELECT extract(epoch FROM now() - %s(%%1$I)::timestamptz) AS age FROM %%2$s WHERE %%1$I <= now() + interval ''1 day''',
        t.whence, t.oid::regclass), false, false, '')))[1]::text::float8 END""" % (function)


SECTIONS: Dict[str, str] = {
    # Tables that have policies, have row security, or hold rows of somebody. exempt: login roles to which no policy of theirs applies.
    # Partitions are reached through their parent, whose policies then hold. An audit log's user_id says who did it, not whose the row is.
    "rls": """
        SELECT coalesce(json_agg(json_build_object(
            'table', n.nspname || '.' || c.relname,
            'enabled', c.relrowsecurity, 'forced', c.relforcerowsecurity,
            'policies', (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid),
            'columns', o.columns,
            'exempt', (SELECT coalesce(json_agg(json_build_object('role', r.rolname, 'why',
                            CASE WHEN r.rolsuper THEN 'superuser' WHEN r.rolbypassrls THEN 'BYPASSRLS' ELSE 'owner' END)
                            ORDER BY r.rolname), '[]')
                       FROM pg_roles r WHERE r.rolcanlogin AND (r.rolsuper OR r.rolbypassrls
                            OR (NOT c.relforcerowsecurity AND pg_has_role(r.oid, c.relowner, 'USAGE')))))
            ORDER BY n.nspname, c.relname), '[]')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]') AS columns, count(*) AS count
            FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attname ~* '%(owner)s' AND n.nspname NOT IN (%(services)s) AND lower(c.relname) NOT IN (%(logs)s)) o
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND %(ours)s
        AND (c.relrowsecurity OR o.count > 0 OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))"""
    % {"owner": OWNER_COLUMN, "services": _list(SERVICE_SCHEMAS), "logs": _list(AUDIT_TABLES), "ours": _OURS},
    # What a policy is like, without its text. everyone: it is for PUBLIC; open, open_check: USING (true), WITH CHECK (true);
    # hasura: which rows it shows depends on hasura.user; json: what it reads of hasura.user, it reads as the JSON that it is.
    "policies": """
        SELECT coalesce(json_agg(json_build_object(
            'table', n.nspname || '.' || c.relname, 'name', p.polname, 'permissive', p.polpermissive,
            'command', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
            'everyone', 0 = ANY (p.polroles),
            'open', coalesce(pg_get_expr(p.polqual, p.polrelid) ~* '%(always)s', false),
            'open_check', coalesce(pg_get_expr(p.polwithcheck, p.polrelid) ~* '%(always)s', false),
            'hasura', coalesce(pg_get_expr(p.polqual, p.polrelid) ~* 'hasura\\.user', false),
            'json', %(reads)s ~* 'hasura\\.user[^|]*::jsonb?' OR %(reads)s !~* 'hasura\\.user')
            ORDER BY n.nspname, c.relname, p.polname), '[]')
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE %(ours)s"""
    % {"reads": "(" + _READS + ")", "always": r"^[( ]*(true|1 = 1|NOT false)[) ]*$", "ours": _OURS},
    # Ages in seconds; null where the log is empty or too large to be asked without an index. alterers: login roles that may change or
    # remove what is written: by privilege, as owner of the table or its schema, or as superuser. deleted: rows removed since the
    # statistics began, null for a partitioned table, whose partitions are dropped whole.
    "audit_logs": """
        SELECT coalesce(json_agg(json_build_object(
            'table', t.name, 'who', t.who, 'what', t.what, 'when', t.whence, 'indexed', t.indexed,
            'asked', t.asked, 'hidden', row_security_active(t.oid),
            'newest', %(newest)s, 'oldest', %(oldest)s,
            'deleted', CASE WHEN t.relkind = 'r' THEN pg_stat_get_tuples_deleted(t.oid) END,
            'alterers', (SELECT coalesce(json_agg(r.rolname ORDER BY r.rolname), '[]') FROM pg_roles r
                WHERE r.rolcanlogin AND (r.rolsuper OR has_table_privilege(r.oid, t.oid, 'UPDATE, DELETE, TRUNCATE')
                OR has_any_column_privilege(r.oid, t.oid, 'UPDATE')
                OR pg_has_role(r.oid, t.relowner, 'USAGE') OR pg_has_role(r.oid, t.nspowner, 'USAGE'))))
            ORDER BY t.name), '[]')
        FROM (
            SELECT u.*, (u.indexed OR u.small) AND NOT u.runs AS asked FROM (SELECT s.*,
                EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = s.oid AND a.attnum = i.indkey[0]
                    WHERE i.indrelid = s.oid AND i.indisvalid AND i.indpred IS NULL AND a.attname = s.whence
                    ) AS indexed,
                s.relkind = 'r' AND pg_relation_size(s.oid) <= %(small)d AS small, %(runs)s AS runs
            FROM (
                SELECT c.oid, c.relkind, c.relowner, n.nspowner, n.nspname || '.' || c.relname AS name,
                    %(who)s AS who, %(what)s AS what, %(when)s AS whence
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND lower(c.relname) IN (%(names)s)
                AND n.nspname <> 'hdb_catalog' AND %(ours)s) s) u) t"""
    % {
        "newest": _age("max"),
        "oldest": _age("min"),
        "small": SMALL_BYTES,
        "runs": _RUNS_CODE % {"table": "s.oid"},
        "who": _first(WHO),
        "what": _first(WHAT),
        "when": _first(WHEN, "AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)"),
        "names": _list(AUDIT_TABLES),
        "ours": _OURS,
    },
    # pg_cron's jobs that delete from a table named like an audit log: after how many days, null where the command does not say.
    # null: pg_cron has its table in another database, so its jobs are not seen here.
    "purges": """
        SELECT CASE WHEN to_regclass('cron.job') IS NOT NULL AND %(harmless)s THEN coalesce((
            SELECT json_agg(json_build_object('days', x::text::float8)) FROM unnest(xpath('//days/text()', query_to_xml($q$
                SELECT coalesce(extract(epoch FROM substring(command FROM '(?i)interval\\s*''([^'']+)''')::interval) / 86400, -1) AS days
                FROM cron.job WHERE active AND command ~* '(delete|truncate|drop)\\M.*(%(names)s)' $q$, false, false, ''))) x), '[]')
        WHEN current_setting('shared_preload_libraries') ~ '(^|[, "])pg_cron' THEN 'null'::json ELSE '[]' END"""
    % {"names": "|".join(AUDIT_TABLES), "harmless": _harmless(("cron.job",), ("command", "active"))},
    # hasura-auth's users by role: how many may log in, and how many of them have neither a one-time password nor a security key.
    # null: there is no auth.users. The table of security keys came with a later version.
    "factors": """
        SELECT CASE WHEN to_regclass('auth.users') IS NOT NULL AND %(harmless)s THEN coalesce((
            SELECT json_agg(json_build_object('role', (xpath('/row/role/text()', x))[1]::text,
                'users', (xpath('/row/users/text()', x))[1]::text::int, 'without', (xpath('/row/without/text()', x))[1]::text::int))
            FROM unnest(xpath('/table/row', query_to_xml(format($q$
                SELECT m.role, count(*) AS users, count(*) FILTER (WHERE NOT m.factor) AS without FROM (
                    SELECT r.role, u.active_mfa_type IS NOT NULL OR %%s AS factor
                    FROM auth.users u JOIN (
                        SELECT user_id, role FROM auth.user_roles WHERE role NOT IN (%(common)s)
                        UNION SELECT id, default_role FROM auth.users WHERE default_role NOT IN (%(common)s)) r ON r.user_id = u.id
                    WHERE NOT u.disabled) m GROUP BY 1 ORDER BY 1 $q$,
                CASE WHEN to_regclass('auth.user_security_keys') IS NULL THEN 'false'
                    ELSE 'EXISTS (SELECT FROM auth.user_security_keys k WHERE k.user_id = u.id)' END), false, false, ''))) x), '[]') ELSE 'null' END"""
    % {"common": _list(COMMON_ROLES), "harmless": _harmless(_FACTOR_TABLES, _FACTOR_COLUMNS)},
}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of PostgreSQL before anything is changed there: one SELECT of one JSON value for each section, of PostgreSQL 12 to 18.

Templates of string.Template: $tables is a JSON text of [schema, name] pairs, $app a role's name, both quoted by whoever fills them in.
`verifiers` holds what nobody else may see; no other section does.
"""

from __future__ import annotations

from typing import Dict

from ansible_collections.nself.prod.plugins.module_utils.audit.tables.postgres_sql_schema import _RUNS_CODE

# Of a policy p: it changes with what the policy is, and not with what it is called.
DIGEST = """encode(sha256(convert_to(concat(p.polcmd, '|', p.polroles::text, '|', pg_get_expr(p.polqual, p.polrelid), '|',
    pg_get_expr(p.polwithcheck, p.polrelid)), 'UTF8')), 'hex')"""
_EXTENSION = (
    "EXISTS (SELECT FROM pg_depend e WHERE e.classid = '%s'::regclass AND e.objid = %s.oid AND e.deptype = 'e')"
)
_APPLICATION_SCHEMA = "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'nself_audit')"
# Triggers with our names. tgargs holds texts that each end with a zero byte.
_TRIGGERS = """(SELECT coalesce(json_object_agg(t.tgname, json_build_object(
        'type', t.tgtype::int, 'enabled', t.tgenabled, 'function', fn.nspname || '.' || f.proname,
        'arguments', encode(t.tgargs, 'hex'))), '{}')
    FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid JOIN pg_namespace fn ON fn.oid = f.pronamespace
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgname LIKE 'nself\\_audit\\_%')"""
_GRANTS = """(SELECT coalesce(json_agg(json_build_object('grantee', coalesce(g.rolname, ''), 'privilege', a.privilege_type)), '[]')
    FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a LEFT JOIN pg_roles g ON g.oid = a.grantee
    WHERE a.grantee <> c.relowner)"""

SECTIONS: Dict[str, str] = {
    "server": """
        SELECT json_build_object(
            'version', current_setting('server_version_num')::int, 'database', current_database(), 'user', current_user,
            'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
            'encryption', (SELECT setting FROM pg_settings WHERE name = 'password_encryption'),
            'libraries', current_setting('shared_preload_libraries'),
            'pgaudit', (SELECT json_build_object('installed', installed_version IS NOT NULL)
                        FROM pg_available_extensions WHERE name = 'pgaudit'))""",
    "roles": """
        SELECT json_object_agg(r.rolname, json_build_object(
            'oid', r.oid::bigint, 'login', r.rolcanlogin, 'super', r.rolsuper, 'createrole', r.rolcreaterole, 'createdb', r.rolcreatedb,
            'replication', r.rolreplication, 'bypassrls', r.rolbypassrls, 'inherit', r.rolinherit,
            'member', (SELECT coalesce(json_agg(json_build_object('role', m.rolname, 'grantor', g.rolname)), '[]')
                       FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.roleid LEFT JOIN pg_roles g ON g.oid = a.grantor
                       WHERE a.member = r.oid)))
        FROM pg_roles r WHERE NOT (r.oid < 16384 AND r.rolname LIKE 'pg\\_%')""",
    "verifiers": "SELECT json_object_agg(rolname, rolpassword) FROM pg_authid WHERE rolpassword IS NOT NULL",
    # Every table that is named, null where there is none of that name. runs: whoever made it could have code of his own run by a reader.
    "tables": """
        SELECT coalesce(json_agg(json_build_object(
            'schema', w.value ->> 0, 'name', w.value ->> 1, 'kind', c.relkind, 'owner', pg_get_userbyid(c.relowner),
            'partition', c.relispartition,
            'extension', EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'),
            'columns', (SELECT json_object_agg(a.attname, json_build_object('type', format_type(a.atttypid, a.atttypmod),
                            'required', a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND a.attgenerated = ''))
                        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
            'key', (SELECT coalesce(json_agg(a.attname ORDER BY k.place), '[]') FROM pg_index i
                    CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
                    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                    WHERE i.indrelid = c.oid AND i.indisprimary),
            'indexed', (SELECT coalesce(json_agg(x.names), '[]') FROM (SELECT (SELECT json_agg(a.attname ORDER BY k.place)
                        FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
                        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number) AS names
                        FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL) x
                        WHERE x.names IS NOT NULL),
            'foreign_keys', (SELECT count(*) FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'),
            'column_updates', EXISTS (SELECT FROM pg_attribute a CROSS JOIN aclexplode(a.attacl) x WHERE a.attrelid = c.oid
                        AND x.privilege_type = 'UPDATE' AND x.grantee <> c.relowner),
            'security', c.relrowsecurity, 'forced', c.relforcerowsecurity,
            'policies', (SELECT coalesce(json_object_agg(p.polname, json_build_object(
                            'command', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                            'permissive', p.polpermissive, 'using', pg_get_expr(p.polqual, p.polrelid),
                            'check', pg_get_expr(p.polwithcheck, p.polrelid), 'comment', obj_description(p.oid, 'pg_policy'),
                            'digest', %(digest)s,
                            'roles', (SELECT json_agg(coalesce(r.rolname, '')) FROM unnest(p.polroles) o
                                LEFT JOIN pg_roles r ON r.oid = o))), '{}')
                         FROM pg_policy p WHERE p.polrelid = c.oid),
            'users', (SELECT coalesce(json_agg(json_build_object('role', r.rolname,
                          'reads', has_table_privilege(r.oid, c.oid, 'SELECT') OR has_any_column_privilege(r.oid, c.oid, 'SELECT'),
                          'owns', pg_has_role(r.oid, c.relowner, 'USAGE'),
                          'writes', has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE')) ORDER BY r.rolname), '[]')
                      FROM pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper AND NOT r.rolbypassrls
                      AND (has_any_column_privilege(r.oid, c.oid, 'SELECT')
                          OR has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE'))),
            'runs', c.relkind NOT IN ('r', 'p') OR %(runs)s OR EXISTS (SELECT FROM pg_policy p
                        JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                        WHERE p.polrelid = c.oid AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)),
            'grants', %(grants)s, 'triggers', %(triggers)s)), '[]')
        FROM json_array_elements($tables::json) AS w (value)
        JOIN pg_namespace n ON n.nspname = w.value ->> 0 JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.value ->> 1
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"""
    % {"digest": DIGEST, "grants": _GRANTS, "triggers": _TRIGGERS, "runs": _RUNS_CODE % {"table": "c.oid"}},
    # Tables that have our triggers, whether they are still named or not.
    "recorded": """
        SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname) ORDER BY 1, 2), '[]') FROM (
            SELECT DISTINCT t.tgrelid FROM pg_trigger t WHERE t.tgname IN ('nself_audit_rows', 'nself_audit_truncate')
            AND NOT EXISTS (SELECT FROM pg_depend p WHERE p.classid = 'pg_trigger'::regclass AND p.objid = t.oid
                AND p.refclassid = 'pg_trigger'::regclass)) d JOIN pg_class c ON c.oid = d.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace""",
    # Our schema with its functions, null where there is none.
    "ours": """
        SELECT coalesce((SELECT json_build_object(
            'owner', pg_get_userbyid(n.nspowner),
            'functions', (SELECT coalesce(json_object_agg(p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', json_build_object(
                    'body', p.prosrc, 'definer', p.prosecdef, 'owner', pg_get_userbyid(p.proowner),
                    'returns', p.prorettype::regtype::text, 'language', l.lanname,
                    'path', (SELECT substr(x, 13) FROM unnest(p.proconfig) x WHERE x LIKE 'search_path=%'),
                    'public', has_function_privilege('public', p.oid, 'EXECUTE'))), '{}')
                FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = n.oid))
            FROM pg_namespace n WHERE n.nspname = 'nself_audit'), 'null')""",
    # Whose schemas are there, and who may use them.
    "schemas": """
        SELECT json_object_agg(n.nspname, json_build_object(
            'owner', pg_get_userbyid(n.nspowner), 'public_create', has_schema_privilege('public', n.oid, 'CREATE'),
            'owner_usage', (SELECT has_schema_privilege(o.oid, n.oid, 'USAGE') FROM pg_roles o WHERE o.rolname = 'nself_audit'),
            'public_usage', has_schema_privilege('public', n.oid, 'USAGE'),
            'makers', (SELECT coalesce(json_agg(r.rolname ORDER BY r.rolname), '[]') FROM pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper
                       AND NOT pg_has_role(r.oid, n.nspowner, 'USAGE')
                       AND EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relowner = r.oid))))
        FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'""",
    "definers": """
        SELECT coalesce(json_agg(json_build_object(
            'name', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), 'kind', p.prokind, 'schema', n.nspname,
            'trigger', p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype),
            'path', EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%'),
            'public', has_function_privilege('public', p.oid, 'EXECUTE')) ORDER BY 1), '[]')
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'nself_audit') AND NOT """
    + _EXTENSION % ("pg_proc", "p"),
    "languages": "SELECT coalesce(json_agg(lanname ORDER BY lanname), '[]') FROM pg_language WHERE NOT lanpltrusted AND lanname NOT IN ('internal', 'c')",
}

# Of the role that services are to log in as, where there is one.
APP_SECTIONS: Dict[str, str] = {
    "app_database": """
        SELECT json_build_object('missing', (SELECT coalesce(json_agg(p), '[]') FROM unnest(ARRAY['CONNECT', 'CREATE', 'TEMPORARY']) p
            WHERE NOT has_database_privilege($app, current_database(), p)))""",
    # Schemas that it may not yet use or create in, and what in them it lacks. Extensions' things are theirs.
    "app_schemas": """
        SELECT coalesce(json_object_agg(n.nspname, json_build_object(
            'usage', has_schema_privilege($app, n.oid, 'USAGE'), 'create', has_schema_privilege($app, n.oid, 'CREATE'),
            'tables', (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                AND c.relname <> 'audit_logs'
                AND NOT %(class)s AND NOT (has_table_privilege($app, c.oid, 'SELECT') AND has_table_privilege($app, c.oid, 'INSERT')
                AND has_table_privilege($app, c.oid, 'UPDATE') AND has_table_privilege($app, c.oid, 'DELETE')
                AND has_table_privilege($app, c.oid, 'REFERENCES'))),
            'events', (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
                AND NOT has_table_privilege($app, c.oid, 'TRIGGER')
                AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname LIKE 'notify\\_hasura\\_%%')),
            'sequences', (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind = 'S' AND NOT %(class)s AND %(not_the_logs)s
                AND NOT (has_sequence_privilege($app, c.oid, 'USAGE') AND has_sequence_privilege($app, c.oid, 'SELECT'))),
            'functions', (SELECT count(*) FROM pg_proc p WHERE p.pronamespace = n.oid AND NOT %(proc)s AND NOT has_function_privilege($app, p.oid, 'EXECUTE')),
            'defaults', (SELECT count(DISTINCT d.defaclobjtype) FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) a
                WHERE d.defaclnamespace = n.oid AND d.defaclrole = current_user::regrole AND d.defaclobjtype IN ('r', 'S')
                AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = $app)),
            'owner', pg_get_userbyid(n.nspowner))), '{}')
        FROM pg_namespace n WHERE %(schema)s"""
    % {
        "schema": _APPLICATION_SCHEMA,
        "class": _EXTENSION % ("pg_class", "c"),
        "proc": _EXTENSION % ("pg_proc", "p"),
        "not_the_logs": """NOT EXISTS (SELECT FROM pg_depend s JOIN pg_class o ON o.oid = s.refobjid AND o.relname = 'audit_logs'
                WHERE s.classid = 'pg_class'::regclass AND s.objid = c.oid AND s.refclassid = 'pg_class'::regclass AND s.deptype IN ('a', 'i'))""",
    },
}
# Tables with policies for it.
APP_POLICIES = """
    SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname) ORDER BY 1, 2), '[]') FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE EXISTS (SELECT FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
        WHERE p.polrelid = c.oid AND r.rolname = $app)"""
# What in the schemas $schemas is not yet its own, by the words that ALTER … OWNER takes. Sequences of columns, types of tables and of
# arrays go with what they belong to.
FOREIGN_OBJECTS = """
    SELECT coalesce(json_agg(json_build_object('kind', i.type, 'name', i.identity, 'owner', x.owner) ORDER BY i.type, i.identity), '[]') FROM (
        SELECT 'pg_class'::regclass AS class, c.oid, c.relnamespace AS schema, pg_get_userbyid(c.relowner) AS owner FROM pg_class c
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relname <> 'audit_logs' AND NOT %(class)s AND NOT EXISTS (SELECT FROM pg_depend s
                WHERE s.classid = 'pg_class'::regclass AND s.objid = c.oid AND s.refclassid = 'pg_class'::regclass AND s.deptype IN ('a', 'i')
                AND c.relkind = 'S')
        UNION ALL SELECT 'pg_proc'::regclass, p.oid, p.pronamespace, pg_get_userbyid(p.proowner) FROM pg_proc p WHERE NOT %(proc)s
        UNION ALL SELECT 'pg_type'::regclass, t.oid, t.typnamespace, pg_get_userbyid(t.typowner) FROM pg_type t
            WHERE NOT %(type)s AND t.typtype IN ('e', 'd', 'r', 'c', 'b') AND t.typcategory <> 'A' AND NOT EXISTS (
                SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
    ) x JOIN pg_namespace n ON n.oid = x.schema CROSS JOIN LATERAL pg_identify_object(x.class, x.oid, 0) i
    WHERE n.nspname = ANY ($schemas) AND x.owner <> $app""" % {
    "class": _EXTENSION % ("pg_class", "c"),
    "proc": _EXTENSION % ("pg_proc", "p"),
    "type": _EXTENSION % ("pg_type", "t"),
}

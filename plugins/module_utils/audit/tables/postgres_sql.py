# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of PostgreSQL, in one read-only transaction of one psql, in the application's database.

SECTIONS: name -> one SELECT of one JSON value, for PostgreSQL 12 to 18. A section becomes the fact postgres.<name>; one that fails is
unread and hides no other. No section may return a secret, unless it stands in PRIVATE: those are for collectors only.
"""

from __future__ import annotations

from typing import Dict

# Settings that judges read, none of which can hold a secret.
SETTINGS = (
    "block_size",
    "config_file",
    "data_directory",
    "hba_file",
    "ident_file",
    "listen_addresses",
    "log_connections",
    "log_destination",
    "log_disconnections",
    "log_line_prefix",
    "log_statement",
    "logging_collector",
    "max_connections",
    "password_encryption",
    "row_security",
    "server_version_num",
    "shared_preload_libraries",
    "ssl",
    "ssl_cert_file",
    "ssl_key_file",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "pgaudit.log",
)
_NAMES = ", ".join("'%s'" % name for name in SETTINGS)

SECTIONS: Dict[str, str] = {
    # Who asks, and what that role may see: what it may not see is absent from the other sections rather than an error.
    "server": """
        SELECT json_build_object(
            'version_num', current_setting('server_version_num')::int,
            'version', current_setting('server_version'),
            'database', current_database(),
            'user', current_user,
            'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
            'sees_sessions', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
            'sees_settings', pg_has_role(current_user, 'pg_read_all_settings', 'USAGE'),
            'loaded', extract(epoch FROM pg_conf_load_time()),
            'started', extract(epoch FROM pg_postmaster_start_time()))""",
    # source tells the server's own value (default, configuration file, command line) from one of this session's role or database.
    "settings": """
        SELECT json_object_agg(name, json_build_object('value', setting, 'source', source))
        FROM pg_settings WHERE name IN (%s)"""
    % _NAMES,
    # ALTER ROLE … SET and ALTER DATABASE … SET, which win over the files.
    "overrides": """
        SELECT coalesce(json_agg(json_build_object(
            'role', r.rolname, 'database', d.datname,
            'name', split_part(c, '=', 1), 'value', substr(c, strpos(c, '=') + 1))), '[]')
        FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c
        LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
        WHERE split_part(c, '=', 1) IN (%s)"""
    % _NAMES,
    "pending_restart": """
        SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM pg_settings WHERE pending_restart""",
    # Needs a superuser. The files as they stand now, which is not yet what is loaded; values are left out.
    "file_settings": """
        SELECT coalesce(json_agg(json_build_object(
            'file', sourcefile, 'line', sourceline, 'name', name, 'applied', applied, 'error', error)), '[]')
        FROM pg_file_settings""",
    # Needs a superuser. Also the file as it stands now. Options may hold a password (ldapbindpasswd), so only their names are kept.
    "hba": """
        SELECT coalesce(json_agg(
            (to_jsonb(r) - 'options' - 'error') || jsonb_build_object(
                'broken', error IS NOT NULL,
                'options', (SELECT coalesce(jsonb_agg(split_part(o, '=', 1)), '[]') FROM unnest(options) o))
            ORDER BY line_number), '[]')
        FROM pg_hba_file_rules r""",
    # bootstrap: the role that the cluster was made with, a superuser that cannot be dropped. member: of predefined roles, also through others.
    "roles": """
        SELECT json_agg(json_build_object(
            'name', r.rolname, 'bootstrap', r.oid = 10, 'login', r.rolcanlogin, 'super', r.rolsuper,
            'createrole', r.rolcreaterole, 'createdb', r.rolcreatedb, 'replication', r.rolreplication,
            'bypassrls', r.rolbypassrls,
            'member', (SELECT coalesce(json_agg(p.rolname ORDER BY p.rolname), '[]') FROM pg_roles p
                       WHERE p.oid < 16384 AND p.rolname LIKE 'pg\\_%' AND p.oid <> r.oid
                       AND NOT r.rolsuper AND pg_has_role(r.oid, p.oid, 'MEMBER')))
            ORDER BY r.rolname)
        FROM pg_roles r WHERE NOT (r.oid < 16384 AND r.rolname LIKE 'pg\\_%')""",
    # Needs a superuser.
    "verifiers": """
        SELECT json_agg(json_build_object('role', rolname, 'login', rolcanlogin, 'verifier', rolpassword) ORDER BY rolname)
        FROM pg_authid WHERE rolcanlogin OR rolpassword IS NOT NULL""",
    # Whole only for a role with pg_read_all_stats: see server.sees_sessions. Our own session is left out.
    "sessions": """
        SELECT coalesce(json_agg(s), '[]') FROM (
            SELECT a.usename AS "user", a.datname AS database, host(a.client_addr) AS client, l.ssl, l.version AS protocol,
                   count(*) AS count
            FROM pg_stat_activity a LEFT JOIN pg_stat_ssl l USING (pid)
            WHERE a.pid <> pg_backend_pid() AND (a.backend_type IN ('client backend', 'walsender') OR a.client_addr IS NOT NULL)
            GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3) s""",
    # Of this database. Functions of extensions are theirs to answer for.
    "schema": """
        SELECT json_build_object(
            'public_create', (SELECT coalesce(json_agg(nspname ORDER BY nspname), '[]') FROM pg_namespace
                              WHERE nspname !~ '^pg_(temp|toast)' AND has_schema_privilege('public', oid, 'CREATE')),
            'definers', (SELECT coalesce(json_agg(json_build_object(
                                'name', n.nspname || '.' || p.proname,
                                'owner', o.rolname, 'owner_super', o.rolsuper,
                                'trigger', p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype),
                                'search_path', EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%'),
                                'public', has_function_privilege('public', p.oid, 'EXECUTE')) ORDER BY 1), '[]')
                         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles o ON o.oid = p.proowner
                         WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                         AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                                         AND d.objid = p.oid AND d.deptype = 'e')),
            'untrusted_languages', (SELECT coalesce(json_agg(lanname ORDER BY lanname), '[]') FROM pg_language
                                    WHERE NOT lanpltrusted AND lanname NOT IN ('internal', 'c')))""",
}
PRIVATE = frozenset({"verifiers"})
# Without being a superuser these are refused or, worse, incomplete.
SUPERUSER = frozenset({"file_settings", "hba", "verifiers"})

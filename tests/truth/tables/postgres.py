# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL: one statement at a time, or one option of the server."""

from __future__ import annotations

import json

from truth.mutation import Mutation, fails

PROJECT = "/var/www/nself"
HBA = PROJECT + "/postgres/pg_hba.conf"
PUBLISHED = json.dumps({"services": {"postgres": {"ports": ["0.0.0.0:5432:5432"]}}})


def sql(name, breaks, mends, *checks, lean=False, after="", **others):
    def statement(text):
        return "sql <<'END'\n%s\nEND\n%s" % (text, after)

    return Mutation(name, statement(breaks), statement(mends), fails(*checks, **others), lean)


def setting(name, value, *checks, lean=False, **others):
    """A setting that a reload puts in force stands above those on the command line nowhere, so the command line is changed."""
    return Mutation(
        "postgres: %s=%s" % (name, value),
        'edit "$(started_by)" \'s/^( +- "?%s=)[^"]*("?)$/\\1%s\\2/\'\nup postgres\nsleep 2' % (name, value),
        'back "$(started_by)"\nup postgres\nsleep 2',
        fails(*checks, **others),
        lean,
    )


def hba(name, line, *checks, **others):
    return Mutation(
        name,
        "append %s '%s'\nsql <<'END'\nSELECT pg_reload_conf();\nEND\nsleep 1" % (HBA, line),
        "back %s\nsql <<'END'\nSELECT pg_reload_conf();\nEND\nsleep 1" % HBA,
        fails(*checks, **others),
    )


MUTATIONS = (
    Mutation(
        "the database's password is a default",
        "sql <<'END'\nALTER ROLE postgres PASSWORD 'postgres'\nEND\n",
        ". $project/.env\nsql <<END\nALTER ROLE postgres PASSWORD '$POSTGRES_PASSWORD'\nEND\n",
        fails("DATA-01"),
        True,
    ),
    sql(
        "a password stored as MD5",
        "SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD 'k3Jf9sLq2mZx8vBn4cRt7wYp1dGh6aSe'",
        "DROP ROLE old",
        "DATA-02",
    ),
    hba("everybody is trusted", "hostssl all all 10.0.0.0/8 trust", "DATA-03"),
    Mutation(
        "the whole world may ask the database",
        "append %s 'hostssl all all 0.0.0.0/0 scram-sha-256'\npatch '%s' postgres\nsleep 2" % (HBA, PUBLISHED),
        "back %s\nunpatch postgres\nsql <<'END'\nSELECT pg_reload_conf();\nEND\nsleep 2" % HBA,
        fails("DATA-04", "INFRA-04", "NET-25", "NET-26"),
    ),
    hba("sessions in clear are allowed", "host all all 172.16.0.0/12 scram-sha-256", "DATA-07"),
    sql(
        "the application is a superuser",
        "ALTER ROLE app SUPERUSER",
        "ALTER ROLE app NOSUPERUSER",
        "DATA-05",
        "DATA-13",
        "DATA-16",
        "DATA-19",
    ),
    # PostgreSQL then takes every hostssl line for an error, so what is loaded is not known.
    setting("ssl", "off", "DATA-06", "DATA-11", DATA_03="unknown", DATA_04="unknown", DATA_07="unknown"),
    setting("log_connections", "off", "DATA-08"),
    setting("log_disconnections", "off", "DATA-09"),
    setting("log_statement", "none", "DATA-10"),
    hba(
        "a line that PostgreSQL does not understand",
        "hostssl all all nonsense",
        "DATA-11",
        DATA_03="unknown",
        DATA_04="unknown",
        DATA_07="unknown",
    ),
    sql("a role too many with powers", "CREATE ROLE helper CREATEROLE", "DROP ROLE helper", "DATA-13"),
    sql(
        "everybody may create in public",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "DATA-14",
    ),
    sql(
        "a table of users without row security",
        "CREATE TABLE public.notes (id int, user_id uuid)",
        "DROP TABLE public.notes",
        "DATA-15",
        lean=True,
    ),
    sql(
        "the application owns what its policies guard",
        "ALTER TABLE public.posts NO FORCE ROW LEVEL SECURITY; ALTER TABLE public.posts OWNER TO app",
        "ALTER TABLE public.posts OWNER TO postgres; ALTER TABLE public.posts FORCE ROW LEVEL SECURITY",
        "DATA-16",
    ),
    sql(
        "a policy for everybody",
        "CREATE POLICY everybody ON public.posts FOR SELECT USING (true)",
        "DROP POLICY everybody ON public.posts",
        "DATA-17",
    ),
    sql(
        "the audit log has been silent",
        "UPDATE public.audit_logs SET created_at = created_at - interval '30 days'",
        "UPDATE public.audit_logs SET created_at = created_at + interval '30 days'",
        "DATA-18",
    ),
    sql(
        "the application may rewrite the audit log",
        "GRANT UPDATE, DELETE ON public.audit_logs TO app",
        "REVOKE UPDATE, DELETE ON public.audit_logs FROM app",
        "DATA-19",
    ),
    sql(
        "an administrator without a second factor",
        "UPDATE auth.users SET active_mfa_type = NULL, totp_secret = NULL",
        "UPDATE auth.users SET active_mfa_type = 'totp', totp_secret = 'not a real one'",
        "AUTH-23",
    ),
)

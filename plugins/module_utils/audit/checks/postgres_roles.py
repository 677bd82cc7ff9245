# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles may do in PostgreSQL, and what everybody may."""

from __future__ import annotations

from typing import Any, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.database import of_every_server, server
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Fix, Severity, Verdict, check
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

POWERS = (
    ("super", "is a superuser"),
    ("createrole", "may create roles"),
    ("replication", "may replicate"),
    ("bypassrls", "bypasses row security"),
)
# Predefined roles that show statistics, or what a database's owner may do anyway. Every other one reads, writes or commands everything.
HARMLESS = frozenset("pg_monitor pg_read_all_settings pg_read_all_stats pg_stat_scan_tables pg_database_owner".split())


@check(
    "DATA-13",
    "privileged-roles",
    "Only listed roles have privileges over the whole cluster",
    Severity.WARNING,
    "A superuser, a creator of roles, a replica or a member of pg_read_all_data sees everything, whatever was granted on the tables.",
    "pg_roles: SUPERUSER, CREATEROLE, REPLICATION, BYPASSRLS, and memberships in predefined roles, also through other roles",
    "none but the role that the cluster was made with and those that the policy lists; pg_monitor and its like are free",
    Fix(
        "postgres_audit",
        "Take the privilege away with `ALTER ROLE … NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS` or `REVOKE pg_… FROM …`, or list the role.",
        ("postgres_audit_privileged_roles",),
    ),
    refs=("PG:4.3",),
)
def privileged_roles(facts: Any, policy: Any) -> Verdict:
    allowed = policy["db_privileged_roles"]

    def judge(item: Record) -> Tuple[bool, str]:
        powers = [words for key, words in POWERS if item.read(key)]
        powers += ["is a member of %s" % name for name in item.read("member") if name not in HARMLESS]
        if item.read("bootstrap"):
            return True, "the role that the cluster was made with"
        if item.read("name") in allowed:
            return True, "listed"
        return not powers, ", ".join(powers) or "no privileges"

    return summed("listed roles only", each(server(facts).records("roles"), lambda item: item.read("name"), judge))


@check(
    "DATA-14",
    "schema-hygiene",
    "Nobody can plant or borrow code in the database",
    Severity.WARNING,
    "Where everybody may create in a schema, their function is called instead of the right one; a SECURITY DEFINER function lends its owner's "
    "rights; an untrusted language runs as the server itself.",
    "schemas in which PUBLIC may create, SECURITY DEFINER functions, and languages, of the application's database",
    "no CREATE for PUBLIC, no untrusted language, SECURITY DEFINER only with a search_path of its own and without EXECUTE for PUBLIC",
    Fix(
        "postgres_audit",
        "`REVOKE CREATE ON SCHEMA public FROM PUBLIC`; `ALTER FUNCTION … SET search_path = pg_catalog, pg_temp` and `REVOKE EXECUTE … FROM PUBLIC`; "
        "`DROP LANGUAGE …`.",
        ("postgres_audit_revoke_public_create: true", "postgres_audit_mend_definers: true"),
    ),
    refs=("PG:4.5",),
)
def schema_hygiene(facts: Any, policy: Any) -> Verdict:
    schema = server(facts).record("schema")
    parts = (
        ("CREATE for PUBLIC", lambda: _none(schema.read("public_create"))),
        ("SECURITY DEFINER", lambda: _definers(schema)),
        ("untrusted languages", lambda: _none(schema.read("untrusted_languages"))),
    )
    return summed("none", each(parts, lambda part: part[0], lambda part: part[1]()))


def _none(names: Any) -> Tuple[bool, str]:
    return not names, ", ".join(names) or "none"


def _definers(schema: Record) -> Tuple[bool, str]:
    bad: List[str] = []
    for item in schema.records("definers"):
        problems = [] if item.read("search_path") else ["no search_path of its own"]
        # A trigger's function cannot be called by name, whoever may execute it.
        if item.read("public") and not item.read("trigger"):
            problems.append("PUBLIC may execute it")
        if problems:
            bad.append("%s (%s)" % (item.read("name"), ", ".join(problems)))
    return not bad, ", ".join(bad) or "none that can be misused"


CHECKS = of_every_server((privileged_roles, schema_hygiene))

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Row-level security of the application's tables: on where rows are somebody's, in force for those who connect, and meant as written."""

from __future__ import annotations

from typing import Any, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.database import of_every_server, server
from ansible_collections.nself.prod.plugins.module_utils.audit.database_clients import clients
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    NotApplicable,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed


def _table(item: Record) -> str:
    return str(item.read("table"))


@check(
    "DATA-15",
    "rls-enabled",
    "Tables with somebody's rows have row-level security",
    Severity.WARNING,
    "Hasura's permissions hold for Hasura only. Every other service that logs in, and every injection, reads all rows of a table without "
    "row-level security; a policy on a table where it is off does nothing at all.",
    "the tables of the application's database that have policies, or a column such as user_id, author_id, owner_id or tenant_id",
    "row-level security is enabled on each of them",
    Fix(
        "postgres_audit",
        "Run `ALTER TABLE … ENABLE ROW LEVEL SECURITY` after writing policies for the roles that read the table; where Hasura's permissions "
        "are meant to be the only guard, waive the table.",
        ("postgres_audit_rls",),
    ),
    refs=("s:rls",),
)
def rls_enabled(facts: Any, policy: Any) -> Verdict:
    def judge(item: Record) -> Tuple[bool, str]:
        policies, columns = item.read("policies"), item.read("columns")
        if item.read("enabled"):
            return True, "on, %d policies" % policies
        if policies:
            return False, "it has %d policies, but row-level security is off" % policies
        return False, "off, and it has %s" % ", ".join(columns)

    found = each(server(facts).records("rls"), _table, judge)
    return summed("row-level security is on", found, "no table has policies, or a column that says whose a row is")


@check(
    "DATA-16",
    "rls-enforced",
    "Row-level security applies to the roles that connect",
    Severity.WARNING,
    "Superusers, roles with BYPASSRLS, and a table's owner without FORCE see every row whatever the policies say.",
    "the roles of the sessions that PostgreSQL has over the network and of the services' database URLs, against each table with row-level security",
    "none of them is exempt from the policies of any table",
    Fix(
        "postgres_audit",
        "Let services log in as a role that is no superuser, has no BYPASSRLS and owns no table, or run `ALTER TABLE … FORCE ROW LEVEL SECURITY`.",
        ("postgres_audit_app_role: nself_app",),
        ("hasura", "auth"),
    ),
)
def rls_enforced(facts: Any, policy: Any) -> Verdict:
    postgres = server(facts)
    guarded = [item for item in postgres.records("rls") if item.read("enabled")]
    if not guarded:
        raise NotApplicable("no table has row-level security")

    def judge(role: str) -> Tuple[bool, str]:
        why: "dict[str, List[str]]" = {}
        for item in guarded:
            table = _table(item)
            for exempt in item.records("exempt"):
                name, reason = exempt.read("role"), exempt.read("why")
                if name == role:
                    why.setdefault(reason, []).append(table)
        parts = ["%s of %d tables" % (reason, len(tables)) if reason != "owner" else "owner of %s" % ", ".join(tables)
                 for reason, tables in sorted(why.items())]  # fmt: skip
        return not why, "no policy holds for it: " + "; ".join(parts) if why else "the policies hold for it"

    roles, unknown = clients(facts, postgres)
    found = each(sorted(roles), str, judge, lambda role: roles[role])
    return summed("no role that connects is exempt", found + unknown)


@check(
    "DATA-17",
    "rls-policies-sane",
    "Row-level policies mean what they say",
    Severity.WARNING,
    "A policy that is true for everybody is none. Hasura gives the session as JSON in hasura.user, and on mutations only: a policy that casts "
    "it to a uuid, or that filters selects by it, fails every query or shows nothing, and is then switched off in a hurry.",
    "every policy of the application's database, as PostgreSQL prints it",
    "no USING (true) or WITH CHECK (true) for PUBLIC, no cast of current_setting('hasura.user'), no select that depends on it",
    Fix(
        "postgres_audit",
        "Name the roles in TO, write the condition out, and read `(current_setting('hasura.user', true)::json ->> 'x-hasura-user-id')::uuid` "
        "in policies for writes only.",
        ("postgres_audit_rls",),
    ),
    refs=("s:rls",),
)
def rls_policies_sane(facts: Any, policy: Any) -> Verdict:
    public_tables = policy["unauthorized_select_tables"]

    def judge(item: Record) -> Tuple[bool, str]:
        command, table = item.read("command"), _table(item)
        shown, written, everyone = item.read("open"), item.read("open_check"), item.read("everyone")
        bad = []
        if item.read("permissive") and everyone:
            if shown and not (command == "SELECT" and table in public_tables):
                bad.append("USING (true) for PUBLIC")
            if written:
                bad.append("WITH CHECK (true) for PUBLIC")
        if not item.read("json"):
            bad.append("takes hasura.user for a plain value, but it is JSON")
        if item.read("hasura") and command in ("ALL", "SELECT"):
            bad.append("filters selects by hasura.user, which Hasura sets on mutations only")
        return not bad, "; ".join(bad) or "for %s" % command

    def name(item: Record) -> str:
        return "%s: %s" % (_table(item), item.read("name"))

    return summed("no policy for everything, none that misreads Hasura's session",
                  each(server(facts).records("policies"), name, judge), "no table has a policy")  # fmt: skip


CHECKS = of_every_server((rls_enabled, rls_enforced, rls_policies_sane))

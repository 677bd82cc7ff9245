# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log in the database: that it is written, and that what is written stays."""

from __future__ import annotations

from typing import Any, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.database import in_force, of_every_server, server
from ansible_collections.nself.prod.plugins.module_utils.audit.database_clients import clients
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Status,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, each, summed

DAY = 86400
# What pgaudit must write at least one of to be an audit log: https://github.com/pgaudit/pgaudit, pgaudit.log.
CLASSES = ("all", "write", "ddl", "role")


def _days(seconds: Any) -> int:
    return int(max(0.0, float(seconds)) // DAY)


def _age(item: Record, name: str) -> Any:
    """Return the age in seconds of the newest or oldest entry; None for an empty log. Raises Missing where it was not asked."""
    if item.read("hidden"):
        raise Missing("postgres.audit_logs", Reason.NEEDS_ROOT, "row-level security hides its rows from POSTGRES_USER")
    if not item.read("asked"):
        raise Missing(
            "postgres.audit_logs",
            Reason.ERROR,
            "it is large and has no index on its time, or runs code of its owner's, so it was not read",
        )
    return item.read(name)


def _pgaudit(postgres: Record) -> str:
    """Return what pgaudit writes into the server's log; "" where it is not loaded or writes none of CLASSES."""
    libraries = [name.strip(' "') for name in in_force(postgres, "shared_preload_libraries").split(",")]
    if "pgaudit" not in libraries:
        return ""
    words = [word.strip().lower() for word in in_force(postgres, "pgaudit.log").split(",")]
    found = [word for word in words if word in CLASSES and "-" + word not in words]
    return ", ".join(found)


@check(
    "DATA-18",
    "audit-log-live",
    "An audit log is written",
    Severity.WARNING,
    "After an incident it is the only answer to who did what and when. A table that nothing writes to looks like one until it is needed.",
    "the tables named as audit logs: their columns, their index on the time, their newest entry; else whether pgaudit is loaded and writes",
    "a table with who, what and when, indexed by time, with an entry of the last 7 days; or pgaudit for writes, DDL or roles",
    Fix(
        "postgres_audit",
        "Create audit_logs (user_id, action, created_at, …) with an index on created_at and triggers or Hasura events that fill it, or load "
        "pgaudit with pgaudit.log = 'ddl, role, write'.",
        ("postgres_audit_tables",),
        ("postgres",),
    ),
    refs=("s:audit",),
)
def audit_log_live(facts: Any, policy: Any) -> Verdict:
    postgres, most = server(facts), policy["audit_log_max_silence_days"]
    expected = "an entry of the last %d days, or pgaudit" % most

    def judge(item: Record) -> Tuple[bool, str]:
        columns = [("who", "who did it"), ("what", "what was done"), ("when", "when")]
        lacking = [words for name, words in columns if item.read(name) is None]
        if lacking:
            return False, "no column says %s" % ", ".join(lacking)
        if not item.read("indexed"):
            return False, "no index on %s, so it can be neither searched nor kept short" % item.read("when")
        newest = _age(item, "newest")
        if newest is None:
            return False, "it is empty"
        return newest <= most * DAY, "the newest entry is %d days old" % _days(newest)

    found = each(postgres.records("audit_logs"), lambda item: str(item.read("table")), judge)
    live = [item for item in found if item.status == Status.PASS]
    if live:
        return summed(expected, live)
    writes = _pgaudit(postgres)
    if writes:
        return decide(True, expected, "pgaudit writes %s" % writes)
    return summed(expected, found) if found else decide(False, expected, "no audit log, and no pgaudit")


@check(
    "DATA-19",
    "audit-log-durable",
    "The audit log cannot be rewritten and is kept",
    Severity.WARNING,
    "Whoever breaks into an application removes its traces first, if the application's own role may; and most break-ins are found after months.",
    "who may change or delete the log's rows among the roles that connect, its oldest entry, the deletions that PostgreSQL counted, pg_cron's jobs",
    "no role that connects may UPDATE, DELETE, TRUNCATE or own it; entries of 90 days ago are there, or none was ever deleted and no job will",
    Fix(
        "postgres_audit",
        "Let another role own the log and its schema, `REVOKE UPDATE, DELETE, TRUNCATE` on it from the services' roles, and purge only what is "
        "older than 90 days.",
        ("postgres_audit_app_role: nself_app", "postgres_audit_retention_days: 365"),
    ),
    refs=("s:audit",),
)
def audit_log_durable(facts: Any, policy: Any) -> Verdict:
    postgres, least = server(facts), policy["audit_log_min_days"]
    logs = postgres.records("audit_logs")
    if not logs:
        if _pgaudit(postgres):
            raise Missing(
                "postgres.audit_logs",
                Reason.ERROR,
                "how long the server's log, which pgaudit writes, is kept is not known",
            )
        raise NotApplicable("there is no audit log")
    roles, unknown = clients(facts, postgres)

    def judge(item: Record) -> Tuple[bool, str]:
        writers = [role for role in item.read("alterers") if role in roles]
        if writers:
            return False, "%s may change or remove entries" % ", ".join(writers)
        return _kept(item, postgres.read("purges"), least)

    found = each(logs, lambda item: str(item.read("table")), judge)
    return summed("append-only, kept %d days" % least, found + unknown)


def _kept(item: Record, purges: Any, least: int) -> Tuple[bool, str]:
    """Judge how long entries stay. What is young proves nothing by itself."""
    jobs: List[float] = [job["days"] for job in purges or []]
    short = [days for days in jobs if 0 <= days < least]
    if short:
        return False, "a job of pg_cron deletes what is older than %d days" % min(short)
    oldest, deleted = _age(item, "oldest"), item.read("deleted")
    if oldest is None:
        raise Missing("postgres.audit_logs", Reason.ERROR, "it is empty, so how long it is kept is not known")
    days = _days(oldest)
    if oldest >= least * DAY:
        return True, "append-only, the oldest entry is %d days old" % days
    if deleted != 0 or jobs or purges is None:
        why = "entries were deleted" if deleted else "what deletes from it is not known"
        detail = "the oldest entry is %d days old and %s, so that it is kept %d days is not proven" % (days, why, least)
        raise Missing("postgres.audit_logs", Reason.ERROR, detail)
    return True, "append-only, nothing was deleted yet; the oldest entry is %d days old" % days


CHECKS = of_every_server((audit_log_live, audit_log_durable))

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How PostgreSQL runs: what it logs, whether its files are in force, whether its release is still maintained."""

from __future__ import annotations

import re
from typing import Any, Callable, List, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.database import (
    in_force,
    of_every_server,
    server,
    values_of,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.end_of_life import POSTGRESQL
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, each, summed

ON = ("on", "true", "yes", "1", "all")
# Since PostgreSQL 18 log_connections is a list of stages; these two say who came, `receipt` only that somebody did.
NAMING_STAGES = ("authentication", "authorization")
STATEMENTS = ("ddl", "mod", "all")
# (what, escapes of log_line_prefix that print it): the session id of %c holds the pid.
PREFIX = (
    ("time", ("t", "m", "n")),
    ("process", ("p", "c")),
    ("user", ("u",)),
    ("database", ("d",)),
    ("client", ("h", "r")),
)
STRUCTURED_LOGS = ("csvlog", "jsonlog")


_Parts = Sequence[Tuple[str, Callable[[Record], Tuple[bool, str]]]]


def _everywhere(facts: Any, name: str, expected: str, good: Callable[[str], bool], more: _Parts = ()) -> Verdict:
    """Judge a setting of the server and of each role or database that has its own."""
    postgres = server(facts)

    def judge(scope: Tuple[str, Any]) -> Tuple[bool, str]:
        value = in_force(postgres, name) if scope[1] is None else scope[1]
        return good(value), "%s = %s" % (name, value or "''")

    found = each(values_of(postgres, name), lambda scope: scope[0], judge)
    found += each(more, lambda part: part[0], lambda part: part[1](postgres))
    return summed(expected, found)


def _logs_connections(value: str) -> bool:
    stages = [part.strip() for part in value.lower().split(",")]
    return any(part in ON or part in NAMING_STAGES for part in stages)


@check(
    "DATA-08",
    "log-connections",
    "PostgreSQL logs who connects",
    Severity.WARNING,
    "Who came from where and when is the first question after an incident.",
    "log_connections in force for the server, its roles and databases",
    "on (PostgreSQL 18: a list with authentication or authorization, or all)",
    Fix("postgres_tls", "Set log_connections = on and reload.", ("postgres_tls_log_connections: true",), ("postgres",)),
    settings=("POSTGRES_LOG_CONNECTIONS",),
    refs=("s:database", "PG:3.1.20"),
)
def log_connections(facts: Any, policy: Any) -> Verdict:
    return _everywhere(facts, "log_connections", "on", _logs_connections)


@check(
    "DATA-09",
    "log-disconnections",
    "PostgreSQL logs who leaves",
    Severity.WARNING,
    "Only the end of a session tells how long somebody was in.",
    "log_disconnections in force for the server, its roles and databases",
    "on",
    Fix(
        "postgres_tls",
        "Set log_disconnections = on and reload.",
        ("postgres_tls_log_disconnections: true",),
        ("postgres",),
    ),
    settings=("POSTGRES_LOG_DISCONNECTIONS",),
    refs=("s:database", "PG:3.1.21"),
)
def log_disconnections(facts: Any, policy: Any) -> Verdict:
    return _everywhere(facts, "log_disconnections", "on", lambda value: value.lower() in ON)


@check(
    "DATA-10",
    "log-statement",
    "PostgreSQL logs changes of the schema, and who made them",
    Severity.WARNING,
    "A table that is gone, or a role that has appeared, is explained by the log or by nobody.",
    "log_statement in force for the server, its roles and databases, log_line_prefix and log_destination",
    "ddl, mod or all; the prefix has time, process, user, database and client, or the log is csv or JSON, which have them all",
    Fix(
        "postgres_tls",
        "Set log_statement = 'ddl' and log_line_prefix = '%m [%p] user=%u,db=%d,client=%h ' and reload.",
        ("postgres_tls_log_statement: ddl",),
        ("postgres",),
    ),
    settings=("POSTGRES_LOG_STATEMENT",),
    refs=("s:database", "PG:3.1.24"),
)
def log_statement(facts: Any, policy: Any) -> Verdict:
    return _everywhere(
        facts,
        "log_statement",
        "ddl, mod or all, with time, process, user, database and client",
        lambda value: value.lower() in STATEMENTS,
        (("line prefix", _prefix),),
    )


def lacks(prefix: str) -> List[str]:
    """Return what the lines of a log do not tell with this log_line_prefix."""
    # %-10u is u with a width; %% is a percent sign; what stands after %q is left out for the server's own processes only.
    escapes = re.findall(r"%(?:-?\d+)?(.)", prefix)
    return [what for what, letters in PREFIX if not any(letter in escapes for letter in letters)]


def _prefix(postgres: Record) -> Tuple[bool, str]:
    logs = [part.strip() for part in in_force(postgres, "log_destination").lower().split(",")]
    if all(part in STRUCTURED_LOGS for part in logs):
        if in_force(postgres, "logging_collector") == "on":
            return True, "the log is %s" % ", ".join(logs)
    lacking = lacks(in_force(postgres, "log_line_prefix"))
    return not lacking, "log_line_prefix has no %s" % ", ".join(lacking) if lacking else "log_line_prefix has it all"


@check(
    "DATA-11",
    "db-settings-live",
    "PostgreSQL runs with what its files say",
    Severity.WARNING,
    "A setting that waits for a reload, a restart or the mending of a typing error protects nobody, however right the file looks.",
    "pending_restart of pg_settings, errors of pg_file_settings and pg_hba_file_rules, and files that are newer than the last load",
    "nothing pending, no errors, no newer file",
    Fix(
        "postgres_tls",
        "Mend the lines that PostgreSQL names, then `SELECT pg_reload_conf()`, or restart it where the setting needs that.",
        ("postgres_tls_restart: true",),
        ("postgres",),
    ),
)
def settings_live(facts: Any, policy: Any) -> Verdict:
    postgres = server(facts)
    parts: Tuple[Tuple[str, Callable[[], Tuple[bool, str]]], ...] = (
        ("restart", lambda: _none(postgres.read("pending_restart"), "waiting for a restart: ")),
        ("configuration", lambda: _none(_setting_errors(postgres), "with an error: ")),
        ("pg_hba", lambda: _none(_hba_errors(postgres), "with an error: ")),
        ("files", lambda: _none(postgres.read("files.changed"), "newer than what is loaded: ")),
    )
    found = each(parts, lambda part: part[0], lambda part: part[1]())
    return summed("nothing pending, no errors, no newer file", found)


def _none(items: Any, words: str) -> Tuple[bool, str]:
    return not items, words + ", ".join(str(item) for item in items) if items else "none"


def _setting_errors(postgres: Record) -> Any:
    items = postgres.records("file_settings")
    return [
        "%s (%s line %s)" % (item.read("name") or "a line", item.read("file"), item.read("line"))
        for item in items
        if item.read("error") is not None
    ]


def _hba_errors(postgres: Record) -> Any:
    return ["line %s" % item.read("line_number") for item in postgres.records("hba") if item.read("broken")]


@check(
    "DATA-12",
    "db-supported",
    "PostgreSQL's major version is still maintained",
    Severity.CRITICAL,
    "After its last minor release a major version's holes stay open, and the notes of the newer ones tell everybody of them.",
    "server_version_num of the running server, against a dated table",
    "today is not after the day of the last minor release",
    Fix(
        "upgrade",
        "Dump the database, start a maintained major version on a new volume, restore, and check before the old volume goes.",
        (),
        ("postgres",),
    ),
    refs=("PG:1.5",),
)
def db_supported(facts: Any, policy: Any) -> Verdict:
    number, today = server(facts).read("server.version_num"), facts.read("platform.today")
    major = max(number // 10000, min(POSTGRESQL))
    if major not in POSTGRESQL:
        raise Missing("postgres.server", Reason.ERROR, "PostgreSQL %d is not in the table of releases" % major)
    if not re.match(r"\d{4}-\d\d-\d\d\Z", today):
        raise Missing("platform.today", Reason.PARSE_ERROR, "today's date is not known")
    good, last = today <= POSTGRESQL[major], POSTGRESQL[major]
    return decide(
        good,
        "a maintained major version",
        "PostgreSQL %d, %s %s" % (number // 10000, "maintained until" if good else "not maintained since", last),
    )


CHECKS = of_every_server((log_connections, log_disconnections, log_statement, settings_live, db_supported))

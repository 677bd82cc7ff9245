# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment's PostgreSQL, asked and changed through psql in its container, over its own socket.

What is asked goes through the audit's own read-only transaction; what is changed is one transaction, whole or not at all. Statements go
through stdin, the password comes from the container's environment: no command line knows either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import psql
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.stack import reach
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, HostError, first_line

APPLICATION = "nself-prod-change"
LOCK_SECONDS = 5  # nobody waits longer behind us for a table that somebody else holds
STATEMENT_SECONDS = 60
TOTAL_SECONDS = 180.0
# As the audit finds its way to the server, under a name of our own.
SHELL = psql.SHELL.replace(psql.APPLICATION, APPLICATION)
# The same for a role over the network: nothing of the container's own settings for libpq holds.
LOGIN_SHELL = r"""
for name in $(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p'); do [ "$name" = PGPASSWORD ] || unset "$name"; done
export PGCONNECT_TIMEOUT=5 PGCLIENTENCODING=UTF8 PGAPPNAME=%s LC_ALL=C
exec psql -X -q -A -t -w -v ON_ERROR_STOP=1 -v VERBOSITY=terse -h "$1" -p "$2" -U "$3" -d "$4" -f -
""".strip().replace("%s", APPLICATION)
# Neither a log nor a statistic keeps the text of what follows, until the transaction ends.
_QUIET = (
    ("log_statement", "none"),
    ("log_min_duration_statement", "-1"),
    ("log_min_duration_sample", "-1"),
    ("log_transaction_sample_rate", "0"),
    ("log_min_error_statement", "panic"),
    ("track_activities", "off"),
    ("pg_stat_statements.track_utility", "off"),
    ("pgaudit.log", "none"),
)
UNHEARD = (
    "SELECT count(set_config(name, value, true)) FROM (VALUES %s) AS quiet (name, value) JOIN pg_settings USING (name);"
    % (", ".join("('%s', '%s')" % pair for pair in _QUIET))
)
HEARD = "SELECT count(set_config(name, reset_val, true)) FROM pg_settings WHERE name IN (%s);" % (
    ", ".join("'%s'" % name for name, _value in _QUIET)
)

# pgaudit's event triggers make every statement fail that changes a table or a right where the server does not load it any more: from a
# transaction of ours, which may be on the way to have it loaded, they are kept away. Nobody else sees that.
UNAUDITED = r"""
SELECT coalesce(json_object_agg(t.oid, CASE t.evtenabled WHEN 'O' THEN '' WHEN 'R' THEN 'REPLICA' ELSE 'ALWAYS' END), '{}') AS silenced,
    coalesce(string_agg(format('ALTER EVENT TRIGGER %I DISABLE;', t.evtname), ' '), '') AS silence
    FROM pg_event_trigger t JOIN pg_depend d ON d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e'
    JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE e.extname = 'pgaudit' AND t.evtenabled <> 'D' AND NOT EXISTS (SELECT FROM pg_settings WHERE name = 'pgaudit.log') \gset nself_
:nself_silence
""".strip()
AUDITED = r"""
SELECT coalesce(string_agg(format('ALTER EVENT TRIGGER %I ENABLE %s;', t.evtname, s.value), ' '), '') AS back
    FROM pg_event_trigger t JOIN json_each_text(:'nself_silenced') s ON s.key = t.oid::text \gset nself_
:nself_back
""".strip()


@dataclass(frozen=True)
class Step:
    """One change. what: a line for whoever reads the diff; sql, undo: whole statements.

    secret: the text is in no log of the server; trial: it only tries something.
    """

    what: str
    sql: str
    undo: str = ""
    secret: bool = False
    trial: bool = False


class Database:
    """The application's database. stack: change/stack/stack.py; service: the one that is PostgreSQL."""

    def __init__(self, stack: Any, service: str) -> None:
        self.stack = stack
        self.service = service

    def ask(self, sections: Mapping[str, str]) -> Dict[str, Any]:
        """Return {section: value}. Raises ChangeError where one is not answered."""
        done = self._psql(psql.script(sections), psql.TOTAL_SECONDS * 2)
        if done.rc and not done.out:
            raise ChangeError(
                "PostgreSQL cannot be asked: %s" % (first_line(done.err) or "psql ended with %d" % done.rc)
            )
        found = psql.answers(done.out, sections)
        for name in sections:
            if isinstance(found[name], Unread):
                raise ChangeError("PostgreSQL cannot be asked: %s" % found[name].detail)
        return found

    def run(self, steps: Sequence[Step]) -> None:
        """Take all steps in one transaction, or none. Raises ChangeError that names the step."""
        self._transaction([(step.what, step.sql, step.secret) for step in steps])

    def undo(self, steps: Sequence[Step]) -> None:
        """Take steps back, last first, in one transaction. Raises ChangeError."""
        back = [("taking back: " + step.what, step.undo, step.secret) for step in reversed(steps) if step.undo]
        if back:
            self._transaction(back)

    def _transaction(self, parts: "list[tuple[str, str, bool]]") -> None:
        done = self._psql(script(parts), TOTAL_SECONDS)
        if done.rc == 0 and done.out.rstrip().endswith("@committed"):
            return
        raise ChangeError(self.stack.redact("PostgreSQL: " + problem(done, [part[0] for part in parts])))

    def _psql(self, text: str, timeout: float) -> Completed:
        problems: List[str] = []
        # As the image's user; where the socket wants its peer's name, as the account that the server itself runs under.
        for account in ("", "postgres"):
            try:
                done = self.stack.exec(self.service, ["sh", "-c", SHELL], stdin=text, user=account, timeout=timeout)
            except HostError as error:
                raise ChangeError("psql in %s: %s" % (self.service, error.detail or error.reason)) from error
            if done.rc != psql.NO_CONNECTION:
                return done
            problems.append(first_line(done.err))
        raise ChangeError("psql cannot connect in %s: %s" % (self.service, problems[0]))

    def login(self, role: str, password: str, database: str, statements: str = "SELECT 1;") -> Optional[str]:
        """Log in over the network, as a service does, and run statements; return what was wrong, None where all went well."""
        port = self.stack.environment(self.service).get("PGPORT") or "5432"
        where = [reach.address(self.stack, self.service), port, role, database]
        try:
            done = self.stack.exec(
                self.service,
                ["sh", "-c", LOGIN_SHELL, "sh"] + where,
                stdin=statements,
                env={"PGPASSWORD": password},
                timeout=30,
            )
        except HostError as error:
            return str(error.detail or error.reason)
        return None if done.rc == 0 else self.stack.redact(_words(done.err) or "psql ended with %d" % done.rc)


def script(parts: "list[tuple[str, str, bool]]") -> str:
    """Return what psql is fed: one transaction, in which each step says its number first."""
    lines = [
        r"\set ON_ERROR_STOP on",
        r"\set VERBOSITY terse",
        "BEGIN;",
        "SET LOCAL lock_timeout = '%ds';" % LOCK_SECONDS,
        "SET LOCAL statement_timeout = '%ds';" % STATEMENT_SECONDS,
        "SET LOCAL idle_in_transaction_session_timeout = '30s';",
        "SET LOCAL standard_conforming_strings = on;",
        "SET LOCAL client_min_messages = 'warning';",
        # So that nobody's function or operator is taken for one of PostgreSQL's own.
        "SET LOCAL search_path = pg_catalog, pg_temp;",
        UNAUDITED,
    ]
    for number, (_what, sql, secret) in enumerate(parts):
        lines += [r"\echo @%d" % number] + ([UNHEARD, sql, HEARD] if secret else [sql])
    return "\n".join(lines + [AUDITED, "COMMIT;", r"\echo @committed", ""])


def problem(done: Completed, steps: Sequence[str]) -> str:
    """Return which step failed and why, in one line."""
    numbers = [int(found) for found in re.findall(r"^@(\d+)$", done.out, re.M)]
    what = steps[numbers[-1]] if numbers and numbers[-1] < len(steps) else "the transaction"
    return "%s: %s; nothing of it was done" % (what, _words(done.err) or "psql ended with %d" % done.rc)


def _words(text: str) -> str:
    """Return the first error of psql's, without where in our script it was."""
    for line in text.splitlines():
        found = re.search(r"(?:ERROR|FATAL):\s*(.*)", line)
        if found:
            return found.group(1)[:300]
    return first_line(text)

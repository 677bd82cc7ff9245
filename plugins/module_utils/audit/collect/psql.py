# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One psql inside the PostgreSQL container answers every section at once, within one read-only transaction.

The statements go through stdin. The password comes from the container's own environment, by a shell inside it, so that neither
command line knows it. Nothing is written: not a table, not a setting, not a temporary file.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Mapping

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import first_line

FACT = "postgres"
APPLICATION = "nself-prod-audit"
STATEMENT_SECONDS = 3
TOTAL_SECONDS = 8.0  # a statement's limit bounds what psql goes on with should this end be cut off
NO_CONNECTION = 2  # psql's exit code

# The official image's own names, or the files that stand for them; whatever else libpq would take from the environment is dropped,
# so that it is this server's socket that is asked, and with no settings of somebody else's.
SHELL = r"""
value() { eval "v=\${$1:-}; f=\${$1_FILE:-}"; if [ -z "$v" ] && [ -n "$f" ] && [ -r "$f" ]; then v=$(cat "$f"); fi; printf %s "$v"; }
user=$(value POSTGRES_USER); user=${user:-postgres}
database=$(value POSTGRES_DB); database=${database:-$user}
password=$(value POSTGRES_PASSWORD)
case ${PGHOST:-} in /*) socket=$PGHOST ;; *) socket= ;; esac
port=${PGPORT:-}
for s in "${socket:-/var/run/postgresql}"/.s.PGSQL.*[0-9]; do if [ -S "$s" ]; then port=${port:-${s##*.}}; fi; done
unset PGHOST PGHOSTADDR PGOPTIONS PGSERVICE PGSERVICEFILE PGSSLMODE PGREQUIREAUTH PGSYSCONFDIR PGPASSWORD PGPASSFILE PSQL_HISTORY
if [ -n "$socket" ]; then export PGHOST="$socket"; fi
if [ -n "$port" ]; then export PGPORT="$port"; fi
if [ -n "$password" ]; then export PGPASSWORD="$password"; fi
export PGUSER="$user" PGDATABASE="$database" PGAPPNAME=%(application)s PGCONNECT_TIMEOUT=3 PGCLIENTENCODING=UTF8 LC_ALL=C
exec psql -X -q -A -t -w -f -
""".strip().replace("%(application)s", APPLICATION)


def script(sections: Mapping[str, str]) -> str:
    """Return what psql is fed. Each section answers with two lines: name, tab, JSON; then !name and its SQLSTATE."""
    lines = [
        r"\set ON_ERROR_STOP off",
        r"\set ON_ERROR_ROLLBACK off",
        r"\set VERBOSITY sqlstate",
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;",
        "SET LOCAL statement_timeout = '%ds';" % STATEMENT_SECONDS,
        "SET LOCAL lock_timeout = '500ms';",
        "SET LOCAL idle_in_transaction_session_timeout = '%ds';" % STATEMENT_SECONDS,
        "SET LOCAL search_path = pg_catalog;",
        "SET LOCAL max_parallel_workers_per_gather = 0;",
        "SET LOCAL jit = off;",
        # Else the constraints of inherited tables are computed while a statement is planned, with whatever functions they name.
        "SET LOCAL constraint_exclusion = off;",
    ]
    for name, select in sections.items():
        lines += [
            "SAVEPOINT section;",
            # A line break in JSON is either between two tokens or escaped, so a blank may stand for it.
            "SELECT '%s' || E'\\t' || translate((%s)::text, E'\\n\\r', '  ');" % (name, select.strip()),
            r"\echo !%s :SQLSTATE" % name,
            "ROLLBACK TO SAVEPOINT section;",
        ]
    return "\n".join(lines + ["ROLLBACK;", ""])


def ask(host: Any, container: str, sections: Mapping[str, str]) -> Dict[str, Any]:
    """Return {section: value or Unread} of the PostgreSQL in a container. Raises Missing where it lets nobody in."""
    text = script(sections)
    problem = ""
    # As the image's user; where the socket wants its peer's name, as the account that the server itself runs under.
    for account in ([], ["--user", "postgres"]):
        argv = ["docker", "exec", "--interactive"] + account + [container, "sh", "-c", SHELL]
        done = host.run(argv, timeout=TOTAL_SECONDS, stdin=text)
        if done.rc != NO_CONNECTION:
            break
        problem = problem or done.err
    else:
        raise Missing(FACT, Reason.ERROR, "psql could not connect: " + first_line(problem))
    if done.rc and not done.out:
        raise Missing(
            FACT, Reason.ERROR, "psql in the container: " + (first_line(done.err) or "exit code %d" % done.rc)
        )
    return answers(done.out, sections)


_STATES = {"42501": Reason.NEEDS_ROOT, "57014": Reason.TIMEOUT, "55P03": Reason.TIMEOUT}
_WORDS = {
    "42501": "PostgreSQL role may not read it: POSTGRES_USER is no superuser",
    "57014": "no answer within %d s" % STATEMENT_SECONDS,
    "22012": "it is no plain table, or whoever made it could have code of his own run by reading it",
    "55P03": "somebody else holds a lock on it",
}


def answers(output: str, sections: Mapping[str, str]) -> Dict[str, Any]:
    """Return {section: value or Unread} of psql's output. An error's own words may quote data, so only its code is told."""
    texts: Dict[str, str] = {}
    states: Dict[str, str] = {}
    for line in output.split("\n"):
        head, tab, text = line.partition("\t")
        marker = re.match(r"!(\w+) ([0-9A-Z]{5})\Z", line)
        if tab and head in sections:
            texts[head] = text
        elif marker:
            states[marker.group(1)] = marker.group(2)
    return {name: _answer(name, texts.get(name), states.get(name)) for name in sections}


def _answer(name: str, text: Any, state: Any) -> Any:
    if state is None:
        return Unread(Reason.ERROR, "PostgreSQL closed the connection before it answered %s" % name)
    if state != "00000":
        why = _WORDS.get(state, "PostgreSQL answered with error %s" % state)
        return Unread(_STATES.get(state, Reason.ERROR), "%s: %s" % (name, why))
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return Unread(Reason.PARSE_ERROR, "PostgreSQL's answer to %s is no JSON" % name)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS of PostgreSQL: offered well, and used by everybody who comes over a network."""

from __future__ import annotations

import re
from typing import Any, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.database import (
    beyond_local,
    in_force,
    is_network,
    logins,
    of_every_server,
    rule_text,
    rules,
    server,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import all_units, level_of, name_of
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

GOOD_PROTOCOLS = ("TLSv1.2", "TLSv1.3")
GOOD_MODES = ("require", "verify-ca", "verify-full")


@check(
    "DATA-06",
    "db-tls-on",
    "PostgreSQL offers good TLS",
    Severity.WARNING,
    "Without TLS every query, every row and every login crosses the network in clear.",
    "ssl and ssl_min_protocol_version of the server, the mode of its key file, the dates of its certificate",
    "ssl is on, at least TLS 1.2, the key is readable by its owner only, today is within the certificate's dates",
    Fix(
        "postgres_tls",
        "Put a certificate and a key (mode 0600, the server's own user) into the data directory, set ssl = on and "
        "ssl_min_protocol_version = 'TLSv1.2', and reload.",
        ("postgres_tls_enabled: true",),
        ("postgres",),
    ),
    settings=("POSTGRES_SSL_ENABLED", "POSTGRES_SSL_MODE"),
    refs=("s:database", "PG:6.8"),
)
def tls_on(facts: Any, policy: Any) -> Verdict:
    postgres = server(facts)
    expected = "on, at least TLS 1.2, private key, certificate within its dates"
    on = each(("ssl",), str, lambda _name: (in_force(postgres, "ssl") == "on", in_force(postgres, "ssl")))
    if on[0].status == "fail":
        return summed(expected, on)
    parts = (
        ("protocol", lambda: _protocol(postgres)),
        ("key", lambda: _key(postgres)),
        ("certificate", lambda: _certificate(facts, postgres)),
    )
    return summed(expected, on + each(parts, lambda part: part[0], lambda part: part[1]()))


def _protocol(postgres: Record) -> Tuple[bool, str]:
    least = in_force(postgres, "ssl_min_protocol_version")
    return least in GOOD_PROTOCOLS, "from %s" % (least or "whatever the library allows")


def _key(postgres: Record) -> Tuple[bool, str]:
    mode, uid = postgres.read("files.key.mode"), postgres.read("files.key.uid")
    # What PostgreSQL itself accepts: a key of root's may be read by a group that the server is in.
    spare = 0o137 if uid == 0 else 0o177
    return not mode & spare, "mode %04o, uid %d" % (mode, uid)


def _certificate(facts: Any, postgres: Record) -> Tuple[bool, str]:
    first, last = postgres.read("files.certificate.first"), postgres.read("files.certificate.last")
    today = facts.read("platform.today")
    if not all(re.match(r"\d{4}-\d\d-\d\d\Z", day) for day in (first, last, today)):
        raise Missing("postgres.files.certificate", Reason.PARSE_ERROR, "its dates, or today's, are not known")
    return first <= today <= last, "valid from %s to %s" % (first, last)


@check(
    "DATA-07",
    "db-tls-used",
    "Everybody who comes over a network uses TLS",
    Severity.WARNING,
    "TLS that is only offered is refused by whoever listens in: without sslmode=require a client goes on in clear, and nobody notices.",
    "pg_stat_ssl of the present sessions, sslmode in the services' database URLs, the types of pg_hba's rules",
    "every network session uses TLS, every service demands it, and pg_hba lets in hostssl only",
    Fix(
        "postgres_tls",
        "Add sslmode=require (better verify-full) to every database URL, then turn `host` into `hostssl` in pg_hba.conf.",
        ("postgres_tls_required: true",),
        ("postgres", "hasura", "auth"),
    ),
    settings=("POSTGRES_SSL_MODE",),
    refs=("s:database", "PG:5.8"),
)
def tls_used(facts: Any, policy: Any) -> Verdict:
    postgres = server(facts)
    found = each(("sessions",), str, lambda _name: _sessions(postgres))
    found += each(("pg_hba",), str, lambda _name: _rules(postgres))

    def judge(unit: Record) -> Tuple[bool, str]:
        told = logins(unit)
        if not told:
            raise NotApplicable("it is told of no database")
        bad = [
            "%s: sslmode=%s" % (item.name, item.sslmode or "unset") for item in told if item.sslmode not in GOOD_MODES
        ]
        return not bad, ", ".join(bad) or "demands TLS"

    units = [unit for unit in all_units(facts) if unit.read("role") != "postgres"]
    return summed("TLS for everybody over a network", found + each(units, name_of, judge, level_of))


def _sessions(postgres: Record) -> Tuple[bool, str]:
    if not postgres.read("server.sees_sessions"):
        raise Missing("postgres.sessions", Reason.NEEDS_ROOT, "POSTGRES_USER may not see the sessions of others")
    sessions = [item for item in postgres.records("sessions") if is_network(item.read("client"))]
    bad = sorted({"%s from %s" % (item.read("user"), item.read("client")) for item in sessions if not item.read("ssl")})
    return not bad, "in clear: %s" % ", ".join(bad) if bad else "%d over a network, all with TLS" % len(sessions)


def _rules(postgres: Record) -> Tuple[bool, str]:
    found, _level, doubt = rules(postgres)
    bad: List[str] = [rule_text(rule) for rule in found if beyond_local(rule) and rule["type"] != "hostssl"]
    if doubt is not None and (not bad or _level != "running"):
        raise doubt
    return not bad, "may come in clear: %s" % ", ".join(bad) if bad else "hostssl only"


CHECKS = of_every_server((tls_on, tls_used))

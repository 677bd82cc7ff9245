# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets into PostgreSQL, and how: passwords, the rules of pg_hba, the roles that services log in as."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.hasura import strong_enough
from ansible_collections.nself.prod.plugins.module_utils.audit.database import (
    beyond_local,
    for_all,
    in_force,
    is_network,
    logins,
    of_every_server,
    rule_name,
    rule_text,
    rules,
    server,
    values_of,
    worldwide,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Status,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import all_units, level_of, name_of, of_role
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed
from ansible_collections.nself.prod.plugins.module_utils.parse.proc_net import is_loopback

SCRAM = "scram-sha-256"
# trust asks for nothing, ident asks the client's own machine, password sends it in clear, md5 is broken and can be replayed.
WEAK_METHODS = ("trust", "password", "ident", "md5")


@check(
    "DATA-01",
    "db-password-strong",
    "Database passwords are strong and are the declared ones",
    Severity.CRITICAL,
    "Whoever guesses a role's password has its data. A password that differs from the declared one breaks the stack at its next start, and "
    "shows a rotation that stopped half way.",
    "the stored verifiers of PostgreSQL, against which the known defaults, the roles' names and the deployment's own passwords are computed",
    "at least 32 characters and 128 bits, no default, and POSTGRES_PASSWORD is the password of POSTGRES_USER",
    Fix(
        "secrets",
        "Set a new password with `ALTER ROLE` and put the same one (`openssl rand -hex 32`) into POSTGRES_PASSWORD: the variable alone "
        "changes nothing after the first start.",
        (),
        ("postgres", "hasura", "auth"),
    ),
    refs=("s:database",),
)
def password_strong(facts: Any, policy: Any) -> Verdict:
    length, bits = policy["db_password_min_length"], policy["db_password_min_bits"]

    def judge(item: Record) -> Tuple[bool, str]:
        own, method, declared = item.read("own"), item.read("method"), item.read("matches_declared")
        if method == "none":
            if own:
                return False, "it has no password"
            raise NotApplicable("no password opens it")
        if item.read("matches_default"):
            return False, "its password is a default that everybody knows, or its own name"
        if own and declared is None:
            raise Missing(
                "postgres.passwords", Reason.ERROR, "the deployment declares no POSTGRES_PASSWORD to compare with"
            )
        if own and not declared:
            return False, "its password is not the declared POSTGRES_PASSWORD"
        secret = item.read("secret")
        if secret is None:
            return True, "no default; a verifier does not tell its length"
        return strong_enough(secret, length, bits)

    items = [item for item in server(facts).records("passwords") if item.read("own") or item.read("login")]
    if not any(item.read("own") for item in items):
        raise Missing("postgres.passwords", Reason.ERROR, "the role of POSTGRES_USER is not among the roles")
    expected = "at least %d characters and %d bits, no default, as declared" % (length, bits)
    return summed(expected, each(items, _role, judge))


def _role(item: Record) -> str:
    return str(item.read("role"))


@check(
    "DATA-02",
    "scram-only",
    "Passwords are stored and sent as SCRAM-SHA-256",
    Severity.WARNING,
    "An md5 verifier is as good as the password itself to whoever steals it, and is guessed at billions of tries a second.",
    "password_encryption of the server, roles and databases, and the method of every stored verifier",
    "password_encryption is scram-sha-256 and no verifier is md5",
    Fix(
        "postgres_tls",
        "Set password_encryption = 'scram-sha-256', reload, and set every md5 password again with `ALTER ROLE`.",
        (),
        ("postgres",),
    ),
    refs=("PG:5.12",),
)
def scram_only(facts: Any, policy: Any) -> Verdict:
    postgres = server(facts)

    def setting(scope: Tuple[str, Any]) -> Tuple[bool, str]:
        value = in_force(postgres, "password_encryption") if scope[1] is None else scope[1]
        return value == SCRAM, "password_encryption is %s" % value

    def verifier(item: Record) -> Tuple[bool, str]:
        method = item.read("method")
        if method == "none":
            raise NotApplicable("it has no password")
        if method not in (SCRAM, "md5"):
            raise Missing("postgres.passwords", Reason.PARSE_ERROR, "its verifier is of an unknown kind")
        return method == SCRAM, "its password is stored as %s" % method

    found = each(values_of(postgres, "password_encryption"), lambda scope: scope[0], setting)
    found += each(postgres.records("passwords"), lambda item: "role %s" % item.read("role"), verifier)
    return summed("scram-sha-256 everywhere", found)


@check(
    "DATA-03",
    "hba-methods",
    "No weak authentication over a network",
    Severity.CRITICAL,
    "With trust everybody who reaches the port is anybody they like, the superuser included; ident believes the client, password shows it.",
    "pg_hba_file_rules of the server; the file itself where the server does not tell",
    "no trust, password, ident or md5 in a rule that lets in more than the UNIX socket and the loopback",
    Fix(
        "postgres_tls",
        "Replace the method in pg_hba.conf with scram-sha-256 and reload; leave trust to the UNIX socket at most.",
        ("postgres_tls_hba_rules",),
        ("postgres",),
    ),
    settings=("POSTGRES_HOST_AUTH_METHOD",),
    refs=("PG:5.3",),
)
def hba_methods(facts: Any, policy: Any) -> Verdict:
    def judge(rule: Dict[str, Any]) -> Tuple[bool, str]:
        return rule["auth_method"] not in WEAK_METHODS, rule_text(rule)

    return _judge_rules(server(facts), "scram-sha-256 or better beyond this machine", beyond_local, judge)


def _judge_rules(
    postgres: Record,
    expected: str,
    concerned: Callable[[Dict[str, Any]], bool],
    judge: Callable[[Dict[str, Any]], Tuple[bool, str]],
) -> Verdict:
    found, level, doubt = rules(postgres)
    resources = each([rule for rule in found if concerned(rule)], rule_name, judge, lambda _rule: level)
    if doubt is not None:
        failing = [item for item in resources if item.status == Status.FAIL]
        if not failing:
            raise doubt
        return summed(expected, failing)
    if not resources:
        return Verdict(Status.PASS, expected, "no rule lets in more than this machine itself")
    return summed(expected, resources)


@check(
    "DATA-04",
    "hba-scope",
    "Database rules name who may come from where",
    Severity.WARNING,
    "A rule for every user of every database from every address leaves the password as the only guard, and lets the superuser in as well.",
    "pg_hba_file_rules, published ports of the postgres service, and which containers share a network with it",
    "no rule for all users, databases and addresses; or the port is not public and only this project's containers reach it",
    Fix(
        "postgres_tls",
        "Name the database, the role and the project's subnet in pg_hba.conf, or remove the service's public port and strangers from its network.",
        ("postgres_tls_allowed_hosts",),
        ("postgres",),
    ),
    refs=("s:database",),
)
def hba_scope(facts: Any, policy: Any) -> Verdict:
    postgres = server(facts)
    expected = "no world-wide rule, or nobody outside the project reaches it"

    def judge(rule: Dict[str, Any]) -> Tuple[bool, str]:
        exposed = _exposure(facts, postgres)
        return not exposed, "%s, and %s" % (rule_text(rule), exposed or "only this project reaches it")

    def concerned(rule: Dict[str, Any]) -> bool:
        return beyond_local(rule) and for_all(rule) and worldwide(rule)

    verdict = _judge_rules(postgres, expected, concerned, judge)
    if verdict.status == Status.PASS and not verdict.resources:
        return replace(verdict, actual="no rule for all users, databases and addresses")
    return verdict


def _exposure(facts: Any, postgres: Record) -> str:
    """Return how others than the project reach PostgreSQL; "" where they do not."""
    for unit in of_role(facts, "postgres"):
        if level_of(unit) != Level.RUNNING:
            continue
        if "network" in unit.read("host_namespaces"):
            return "it is in the host's own network"
        public = ["%s:%s" % (port["ip"], port["port"]) for port in unit.read("ports") if not is_loopback(port["ip"])]
        if public:
            return "its port is published on %s" % ", ".join(public)
    strangers = postgres.read("neighbours")
    return "%s of other projects share its network" % ", ".join(strangers) if strangers else ""


@check(
    "DATA-05",
    "app-not-superuser",
    "No service logs in as a superuser",
    Severity.CRITICAL,
    "A superuser reads and writes every row past every policy, and runs programs on the database's host: one injection then is enough for all.",
    "the sessions that PostgreSQL has now, its roles, and the database URLs of the project's services",
    "no session over a network by a superuser, and no service told to log in as one",
    Fix(
        "postgres_audit",
        "Create a role without SUPERUSER for each service, grant it what it needs, and put it into the service's database URL.",
        ("postgres_audit_app_role: nself_app",),
        ("hasura", "auth"),
    ),
    refs=("PG:5.11",),
)
def app_not_superuser(facts: Any, policy: Any) -> Verdict:
    postgres = server(facts)
    roles = [(item.read("name"), item.read("super")) for item in postgres.records("roles")]
    supers = {name for name, is_super in roles if is_super}
    found = each(("sessions",), str, lambda _name: _sessions(postgres, supers))

    def judge(unit: Record) -> Tuple[bool, str]:
        told = logins(unit)
        if not told:
            raise NotApplicable("it is told of no database")
        bad = ["%s (%s)" % (item.user, item.name) for item in told if item.user in supers]
        if not bad and any(item.user is None for item in told):
            raise Missing("env", Reason.ERROR, "as whom it logs in is not said")
        return not bad, "logs in as the superuser " + ", ".join(bad) if bad else "no superuser"

    units = [unit for unit in all_units(facts) if unit.read("role") != "postgres"]
    return summed("no superuser over a network", found + each(units, name_of, judge, level_of))


def _sessions(postgres: Record, supers: Any) -> Tuple[bool, str]:
    if not postgres.read("server.sees_sessions"):
        raise Missing("postgres.sessions", Reason.NEEDS_ROOT, "POSTGRES_USER may not see the sessions of others")
    sessions = [(item.read("user"), item.read("client")) for item in postgres.records("sessions")]
    network = [(user, client) for user, client in sessions if is_network(client)]
    bad = sorted({"%s from %s" % pair for pair in network if pair[0] in supers})
    return not bad, ", ".join(bad) or "%d over a network, none by a superuser" % len(network)


CHECKS = of_every_server((password_strong, scram_only, hba_methods, hba_scope, app_not_superuser))

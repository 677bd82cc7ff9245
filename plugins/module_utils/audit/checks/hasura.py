# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hasura: console, development mode, admin secret, the role of those who are not logged in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    Reason,
    Resource,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.public_sites import judge_sites, opened
from ansible_collections.nself.prod.plugins.module_utils.audit.units import (
    judge_units,
    level_of,
    name_of,
    of_role,
    plain,
    truthy,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

ADMIN_SECRET = "HASURA_GRAPHQL_ADMIN_SECRET"
ANONYMOUS_ROLES = ("anonymous", "public")


@check(
    "AUTH-01",
    "hasura-console-off",
    "Hasura console is off",
    Severity.CRITICAL,
    "The console is an administrator's tool: on a production server it shows the whole schema and lets whoever holds the admin secret "
    "change data and permissions from a browser.",
    "HASURA_GRAPHQL_ENABLE_CONSOLE in the environment of the Hasura process; GET /console of the engine and of its public names",
    "not true, and no console answers",
    Fix(
        "hasura",
        "Set HASURA_GRAPHQL_ENABLE_CONSOLE=false in the env file that wins and recreate the hasura service.",
        ("hasura_console_enabled: false",),
        ("hasura",),
    ),
    settings=("HASURA_GRAPHQL_ENABLE_CONSOLE",),
    refs=("s:hasura",),
)
def console_off(facts: Any, policy: Any) -> Verdict:
    verdict = _off(facts, "HASURA_GRAPHQL_ENABLE_CONSOLE", "console", "/console answers")
    return _with_sites(verdict, judge_sites(facts, "hasura", ("console",), opened("the console"), "no console"))


def answers_of(facts: Any, unit: Record, key: str) -> List[Any]:
    """Return what a unit's running engines answer to a stranger. Raises Missing where they were not asked."""
    service = unit.read("service")
    found = [item.read(key) for item in facts.records("hasura.engines") if item.read("service") == service]
    if not found:
        raise Missing("hasura.engines", Reason.ERROR, "%s was not asked" % service)
    return found


def _off(facts: Any, name: str, key: str, sign: str) -> Verdict:
    """Judge a switch that must be off: by the process' setting and, where it runs, by what it answers."""
    units = of_role(facts, "hasura")

    def judge(unit: Record) -> Tuple[bool, str]:
        value = plain(unit, name, "false") or ""
        if truthy(value):
            return False, "%s=%s" % (name, value)
        # A unit that does not run is judged by what compose would give it: there is nobody to ask.
        if level_of(unit) == Level.RUNNING and any(answers_of(facts, unit, key)):
            return False, "%s although %s=%s" % (sign, name, value)
        return True, "%s=%s" % (name, value)

    verdict = judge_units(units, name + "=false", judge)
    try:
        return replace(verdict, effective=plain(units[0], name, "false"))
    except Missing:
        return verdict


def _with_sites(verdict: Verdict, sites: List[Resource]) -> Verdict:
    return replace(summed(verdict.expected, list(verdict.resources) + sites), effective=verdict.effective)


@check(
    "AUTH-02",
    "hasura-dev-mode-off",
    "Hasura development mode is off",
    Severity.CRITICAL,
    "In development mode errors carry the generated SQL and internal details to every caller.",
    "HASURA_GRAPHQL_DEV_MODE in the environment of the Hasura process; the answer of the engine and of its public names to a malformed query",
    "not true, and no error carries `internal`",
    Fix(
        "hasura",
        "Set HASURA_DEV_MODE=false (the name that nself's compose file interpolates) and recreate the hasura service.",
        ("hasura_dev_mode: false",),
        ("hasura",),
    ),
    settings=("HASURA_GRAPHQL_DEV_MODE", "HASURA_DEV_MODE"),
    refs=("s:hasura",),
)
def dev_mode_off(facts: Any, policy: Any) -> Verdict:
    verdict = _off(facts, "HASURA_GRAPHQL_DEV_MODE", "internals", "errors carry internals")
    return _with_sites(
        verdict, judge_sites(facts, "hasura", ("malformed",), _shows_internals, "no internals in errors")
    )


def _shows_internals(answer: Record) -> Optional[str]:
    return "errors carry internals" if any("internal" in str(mark) for mark in answer.read("marks")) else None


@check(
    "AUTH-03",
    "admin-secret-enforced",
    "Administrator's requests need the admin secret",
    Severity.CRITICAL,
    "Hasura without an admin secret obeys everybody: whoever reaches it reads and changes all data, and runs SQL.",
    "a metadata export without any secret, sent to the engine and to its public names",
    "denied",
    Fix(
        "hasura",
        "Set HASURA_GRAPHQL_ADMIN_SECRET for the hasura service and recreate it.",
        (),
        ("hasura",),
    ),
    refs=("s:hasura",),
)
def admin_secret_enforced(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        if level_of(unit) != Level.RUNNING:
            raise Missing("hasura.engines", Reason.ERROR, "%s does not run, so it could not be asked" % name_of(unit))
        denied = all(answers_of(facts, unit, "metadata_denied"))
        return denied, "denied" if denied else "exports its metadata to whoever asks"

    units = each(of_role(facts, "hasura"), name_of, judge, level_of)
    sites = judge_sites(facts, "hasura", ("metadata",), opened("the metadata API"), "denied")
    return summed("requests without the secret are denied", units + sites)


@check(
    "AUTH-04",
    "admin-secret-strong",
    "Hasura admin secret is strong",
    Severity.CRITICAL,
    "The admin secret bypasses every permission; it is sent over the network and can be guessed offline by nobody only if it is long and random.",
    "length and estimated entropy of HASURA_GRAPHQL_ADMIN_SECRET of the Hasura process, reduced on the host",
    "at least 32 characters and 128 bits, not a known default",
    Fix(
        "hasura",
        "Put the output of `openssl rand -hex 32` into HASURA_GRAPHQL_ADMIN_SECRET and recreate every service that holds it.",
        (),
        ("hasura", "auth"),
    ),
    refs=("s:hasura",),
)
def admin_secret_strong(facts: Any, policy: Any) -> Verdict:
    length, bits = policy["admin_secret_min_length"], policy["admin_secret_min_bits"]

    def judge(unit: Record) -> Tuple[bool, str]:
        value = unit.read("env").get(ADMIN_SECRET)
        if value is None:
            if unit.read("env").get(ADMIN_SECRET + "_FILE"):
                raise Missing(ADMIN_SECRET, Reason.ERROR, "it comes from a file in the container")
            return False, "no admin secret: every request is an administrator's"
        return strong_enough(secret_of(value), length, bits)

    return judge_units(
        of_role(facts, "hasura"), "at least %d characters and %d bits, not a default" % (length, bits), judge
    )


def secret_of(value: Any) -> Any:
    """Return a reduced value's secret properties. Raises Missing where the value is no reduced secret."""
    if not isinstance(value, dict) or not isinstance(value.get("secret"), dict):
        raise Missing("env", Reason.PARSE_ERROR, "the value could not be reduced to its properties")
    return value["secret"]


def strong_enough(secret: Any, length: int, bits: int) -> Tuple[bool, str]:
    """Return (good, what it is like) of a secret's properties."""
    if secret["empty"]:
        return False, "it is empty"
    if secret["known"]:
        return False, "it is a default that everybody knows"
    if secret["placeholder"]:
        return False, "it is a placeholder that was never replaced"
    actual = "%d characters, about %d bits" % (secret["length"], secret["bits"])
    return secret["length"] >= length and secret["bits"] >= bits, actual


@check(
    "AUTH-05",
    "unauthorized-role-minimal",
    "Requests without a token get next to nothing",
    Severity.CRITICAL,
    "Whoever sends no token acts as the unauthorized role; what that role may do, the whole internet may do.",
    "HASURA_GRAPHQL_UNAUTHORIZED_ROLE of the Hasura process and, where it is set, the role's permissions in Hasura's metadata",
    "unset, or anonymous or public without mutations and without unfiltered select",
    Fix(
        "hasura",
        "Unset HASURA_GRAPHQL_UNAUTHORIZED_ROLE, or give that role filtered select permissions only.",
        ("hasura_unauthorized_role",),
        ("hasura",),
    ),
    settings=("HASURA_GRAPHQL_UNAUTHORIZED_ROLE",),
    refs=("s:hasura",),
)
def unauthorized_role_minimal(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        role = plain(unit, "HASURA_GRAPHQL_UNAUTHORIZED_ROLE")
        if role is None:
            return True, "no role: requests without a token are refused"
        if role not in ANONYMOUS_ROLES:
            return False, "the role is %s" % role
        permissions = [item for item in facts.records("hasura.permissions") if item.read("role") == role]
        writes = sorted(
            "%s on %s" % (item.read("action"), item.read("table"))
            for item in permissions
            if item.read("action") != "select"
        )
        if writes:
            return False, "%s may %s" % (role, ", ".join(writes))
        allowed = policy["unauthorized_select_tables"]
        tables = sorted({item.read("table") for item in permissions if not item.read("filtered")} - set(allowed))
        if tables:
            return False, "%s may select every row of %s" % (role, ", ".join(tables))
        return True, "%s has no mutation and no unfiltered select" % role

    return judge_units(of_role(facts, "hasura"), "unset, or a role without mutations and unfiltered select", judge)


CHECKS = (console_off, dev_mode_off, admin_secret_enforced, admin_secret_strong, unauthorized_role_minimal)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets over time and space: rotated, and held by no service that does not need them."""

from __future__ import annotations

from typing import Any, Dict, List, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.secrets import secrets_of
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_scope import (
    CUSTOM,
    LEDGER,
    NOT_ROTATED,
    SCOPES,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import all_units, level_of, name_of
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed


def _of_value(name: str, value: Any) -> List[Tuple[str, Dict[str, Any]]]:
    """Return the secrets of one reduced value."""
    return list(secrets_of(Record({"env": {name: value}})))


@check(
    "DATA-33",
    "secrets-rotated",
    "Secrets are rotated",
    Severity.RECOMMENDATION,
    "A secret that leaked unseen, in a backup, a log or with somebody who left, is good for as long as it is in use.",
    "the age of the env file that holds each secret in use, and the rotation ledger %s" % LEDGER,
    "the ledger tells of a rotation in the last 90 days, the file was written since, and the services run with the file's value",
    Fix(
        "secrets",
        "Rotate the named secrets (`secrets.yml -e nself_secrets_action=rotate`), or change them in the env file and in the service that stores "
        "them, and note the day in the ledger.",
    ),
    refs=("s:secrets",),
)
def secrets_rotated(facts: Any, policy: Any) -> Verdict:
    most, running = policy["secret_max_age_days"], _in_use(facts)
    settings = facts.read("deployment.settings")
    ledger = facts.read("rotation.ledger")

    def judge(name: str) -> Tuple[bool, str]:
        found = [secret for _name, secret in _of_value(name, settings[name]["value"]) if not secret["empty"]]
        if not found or name in NOT_ROTATED:
            raise NotApplicable("no secret, or one that is not rotated")
        if not any(secret["print"] in running for secret in found):
            if name in running.names:
                return False, "the services run with another value than %s" % settings[name]["file"]
            raise NotApplicable("no service has it")
        written = facts.read("rotation.written").get(settings[name]["file"])
        if not isinstance(written, int):
            raise Missing(
                "rotation.written", getattr(written, "reason", Reason.ERROR), "the age of its file is not known"
            )
        if written > most:
            return False, "%s has held it unchanged for %d days" % (settings[name]["file"], written)
        days = (ledger or {}).get(name)
        if days is None:
            detail = (
                "its file was written %d days ago, which tells nothing of this secret, and no ledger does" % written
            )
            raise Missing("rotation.ledger", Reason.ERROR, detail)
        if days < 0 or written > days + 1:
            return False, "the ledger says %d days, but %s was not written since" % (days, settings[name]["file"])
        return days <= most, "%d days" % days

    def level(name: str) -> str:
        return running.level

    return summed("rotated in the last %d days" % most, each(sorted(settings), str, judge, level), "no secret is set")


class _Running(Set[str]):
    """Fingerprints of every secret that a service has; names: of their variables; level: the weakest that they rest on."""

    names: Set[str]
    level: str


def _in_use(facts: Any) -> _Running:
    out = _Running()
    out.names, out.level = set(), Level.RUNNING
    for unit in all_units(facts):
        out.level = max(out.level, level_of(unit), key=Level.ALL.index)
        for name, secret in secrets_of(unit):
            out.add(secret["print"])
            out.names.add(name)
    return out


@check(
    "DATA-34",
    "secrets-scoped",
    "Services hold only the secrets they need",
    Severity.RECOMMENDATION,
    "Each service that holds a secret is one more place to take it from: a bug in a small worker then opens the database, or signs tokens for "
    "every user.",
    "the environment of every process: where the database's own password, Hasura's admin secret, the JWT key, MinIO's, Redis' and Grafana's "
    "passwords stand, by fingerprint",
    "only in the services that need them",
    Fix(
        "secrets",
        "Remove the named variables from the service's environment, and give it a credential of its own (a database role, an access key).",
    ),
)
def secrets_scoped(facts: Any, policy: Any) -> Verdict:
    units = all_units(facts)
    owned = _owned(units)

    def judge(unit: Record) -> Tuple[bool, str]:
        role, held = unit.read("role"), {}  # type: Tuple[str, Dict[str, List[str]]]
        for name, secret in secrets_of(unit):
            family = None if secret["empty"] else _family(secret, owned)
            if family:
                held.setdefault(family, []).append(name)
        if not held:
            raise NotApplicable("it holds none of them")
        who = {role, name_of(unit)} - {""} if role else {name_of(unit), CUSTOM}
        bad = [family for family in sorted(held) if not who & set(SCOPES[family].needed_by)]
        told = ["%s (%s)" % (SCOPES[family].what, ", ".join(held[family])) for family in bad]
        return not bad, "; ".join(told) or "only what it needs"

    return summed("only what it needs", each(units, name_of, judge, level_of), "no service holds a secret of another")


def _owned(units: List[Record]) -> Dict[str, str]:
    """Return {fingerprint: family} of the secrets that their owners have."""
    out: Dict[str, str] = {}
    for unit in units:
        role = unit.read("role")
        for family, scope in SCOPES.items():
            if scope.owner and scope.owner[0] == role:
                for name, secret in secrets_of(unit):
                    if name == scope.owner[1] and not secret["empty"]:
                        out[secret["print"]] = family
    return out


def _family(secret: Dict[str, Any], owned: Dict[str, str]) -> Any:
    """Return which of SCOPES a secret is; None for another one, such as a service's own."""
    if secret["print"] in owned:
        return owned[secret["print"]]
    family = secret["family"]
    if family not in SCOPES:
        return None
    # Where the owner's value is known and this is another, it is a credential of the service's own.
    return None if family in owned.values() else family


CHECKS = (secrets_rotated, secrets_scoped)

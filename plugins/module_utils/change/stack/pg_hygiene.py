# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles and everybody may do in PostgreSQL beyond need, and verifiers of the old kind. Pure functions."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.postgres_roles import HARMLESS
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_database import Step
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_names import quoted, string
from ansible_collections.nself.prod.plugins.module_utils.change.tables.postgres_audit_log import OWNER
from ansible_collections.nself.prod.plugins.module_utils.parse import pg_verifier

POWERS = (
    ("super", "SUPERUSER"),
    ("createrole", "CREATEROLE"),
    ("replication", "REPLICATION"),
    ("bypassrls", "BYPASSRLS"),
)
BOOTSTRAP = 10  # the oid of the role that the cluster was made with
GRANTED_BY = 160000  # the version from which on a membership is its grantor's to take back


def public_create(state: Mapping[str, Any]) -> List[Step]:
    """Take from everybody the right to create in a schema. Who has made something there keeps it."""
    out = []
    for schema, item in sorted(state["schemas"].items()):
        if not item["public_create"]:
            continue
        name = quoted(schema)
        makers = [role for role in item["makers"] if role != OWNER]
        keep = "".join("GRANT CREATE ON SCHEMA %s TO %s;" % (name, quoted(role)) for role in makers)
        words = ", apart from %s, who did" % ", ".join(makers) if makers else ""
        out.append(Step("nobody may create in schema %s just so%s" % (schema, words), "%sREVOKE CREATE ON SCHEMA %s FROM PUBLIC;" % (keep, name),
                        "GRANT CREATE ON SCHEMA %s TO PUBLIC;" % name))  # fmt: skip
    return out


def definers(state: Mapping[str, Any], mend: bool) -> "tuple[List[Step], List[str]]":
    """Return what mends SECURITY DEFINER functions, and what is left to be told."""
    steps: List[Step] = []
    left: List[str] = []
    roles = sorted(
        name for name, role in state["roles"].items() if role["login"] and not role["super"] and name != OWNER
    )
    for item in state["definers"]:
        name, open_to_all = item["name"], item["public"] and not item["trigger"]
        if item["path"] and not open_to_all:
            continue
        if not mend:
            left.append(
                "the SECURITY DEFINER function %s %s: ALTER FUNCTION … SET search_path, REVOKE EXECUTE … FROM PUBLIC, or "
                "postgres_audit_mend_definers: true"
                % (name, "has no search_path of its own" if not item["path"] else "may be called by everybody")
            )
            continue
        kind = "PROCEDURE" if item["kind"] == "p" else "FUNCTION"
        if not item["path"]:
            path = ", ".join(dict.fromkeys(["pg_catalog", quoted(item["schema"]), quoted("public"), "pg_temp"]))
            steps.append(Step("%s looks for names in %s only" % (name, path), "ALTER %s %s SET search_path = %s;" % (kind, name, path),
                              "ALTER %s %s RESET search_path;" % (kind, name)))  # fmt: skip
        if open_to_all:
            give = "".join("GRANT EXECUTE ON %s %s TO %s;" % (kind, name, quoted(role)) for role in roles)
            steps.append(Step("%s may be called by the roles that there are, and by nobody else" % name,
                              "%sREVOKE EXECUTE ON %s %s FROM PUBLIC;" % (give, kind, name), "GRANT EXECUTE ON %s %s TO PUBLIC;" % (kind, name)))  # fmt: skip
    left += [
        "the untrusted language %s is there: DROP LANGUAGE, where no function needs it" % name
        for name in state["languages"]
    ]
    return steps, left


def privileged(
    state: Mapping[str, Any], allowed: Optional[Sequence[str]], used: Sequence[str], ours: Sequence[str]
) -> "tuple[List[Step], List[str]]":
    """Return what takes powers from roles, and what is left to be told. allowed: None only tells; used: roles that services log in as."""
    steps: List[Step] = []
    left: List[str] = []
    for name, role in sorted(state["roles"].items()):
        powers = [words for key, words in POWERS if role[key]]
        member = (
            [item for item in role["member"] if item["role"].startswith("pg_") and item["role"] not in HARMLESS]
            if not role["super"]
            else []
        )
        if (
            role["oid"] == BOOTSTRAP
            or name == state["server"]["user"]
            or name in ours
            or name in (allowed or ())
            or not (powers or member)
        ):
            continue
        words = ", ".join(powers + [item["role"] for item in member])
        if allowed is None:
            left.append(
                "role %s has %s: list it in postgres_audit_privileged_roles, which takes that from all others"
                % (name, words)
            )
            continue
        if name in used:
            raise Refused(
                "role %s has %s, and a service logs in as it: switch the service to postgres_audit_app_role first, or list it "
                "in postgres_audit_privileged_roles" % (name, words)
            )
        take = "ALTER ROLE %s %s;" % (quoted(name), " ".join("NO" + word for word in powers)) if powers else ""
        give = "ALTER ROLE %s %s;" % (quoted(name), " ".join(powers)) if powers else ""
        for item in member:
            by = (
                " GRANTED BY %s" % quoted(item["grantor"])
                if item["grantor"] and state["server"]["version"] >= GRANTED_BY
                else ""
            )
            take += "REVOKE %s FROM %s%s;" % (quoted(item["role"]), quoted(name), by)
            give += "GRANT %s TO %s%s;" % (quoted(item["role"]), quoted(name), by)
        steps.append(Step("role %s loses %s" % (name, words), take, give))
    return steps, left


def verifiers(state: Mapping[str, Any], passwords: Mapping[str, str]) -> "tuple[List[Step], List[str]]":
    """Return what stores known passwords as SCRAM, and whose are to be set by hand. passwords: {role: the one that it is told to have}."""
    steps: List[Step] = []
    left: List[str] = []
    for role, old in sorted((state["verifiers"] or {}).items()):
        if pg_verifier.method_of(old) != pg_verifier.MD5:
            continue
        new = _again(old, role, passwords.get(role, ""))
        if not new:
            left.append(
                "the password of role %s is stored as md5: set it again with `\\password %s` in psql" % (role, role)
            )
            continue
        alter = "ALTER ROLE %s PASSWORD %%s;" % quoted(role)
        steps.append(
            Step(
                "the password of role %s is stored as SCRAM-SHA-256" % role,
                alter % string(new),
                alter % string(old),
                True,
            )
        )
    return steps, left


def _again(old: str, role: str, password: str) -> str:
    try:
        return pg_verifier.scram(password) if password and pg_verifier.fits(old, role, password) else ""
    except (pg_verifier.Unsupported, UnicodeError):
        return ""

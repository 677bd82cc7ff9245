# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether those who may do much have a second factor."""

from __future__ import annotations

from typing import Any, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.postgres_sql_schema import COMMON_ROLES
from ansible_collections.nself.prod.plugins.module_utils.audit.units import of_role
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed, unread


@check(
    "AUTH-23",
    "mfa-used-by-privileged",
    "Privileged users have a second factor",
    Severity.WARNING,
    "One phished or reused password of an administrator opens everything; hasura-auth offers a second factor but cannot demand one by role.",
    "auth.users with a privileged role that are not disabled, whether a one-time password is active or a security key is registered: counted, not named",
    "no user with such a role is without",
    Fix(
        "auth",
        "Let each of these users activate TOTP or add a security key, or take the role away from those who do not need it.",
    ),
    refs=("s:mfa",),
)
def mfa_used_by_privileged(facts: Any, policy: Any) -> Verdict:
    of_role(facts, "auth")
    wanted = policy["mfa_required_roles"]
    if facts.read("postgres.factors") is None:
        raise Missing("postgres.factors", Reason.ERROR, "the application's database has no auth.users")
    privileged = [item for item in facts.records("postgres.factors") if item.read("role") in wanted]

    def judge(item: Record) -> Tuple[bool, str]:
        users, without = item.read("users"), item.read("without")
        return not without, "%d of %d users without" % (without, users) if without else "%d users, all with" % users

    found = each(privileged, lambda item: str(item.read("role")), judge)
    lost = Missing("postgres.factors", Reason.ERROR, "so many users have it that they are not counted")
    found += [unread(role, lost) for role in wanted if role in COMMON_ROLES]
    return summed("none without a second factor", found, "no user has a privileged role")


CHECKS = (mfa_used_by_privileged,)

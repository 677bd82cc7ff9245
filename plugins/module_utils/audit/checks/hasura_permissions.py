# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hasura: what the roles of an application may change and see."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.hasura_api import ADMIN, permission_name
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Fix, Missing, Severity, Verdict, check
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_columns import is_secret_column
from ansible_collections.nself.prod.plugins.module_utils.audit.units import of_role
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, each, summed

WRITES = ("insert", "update", "delete")


@check(
    "AUTH-32",
    "role-filters",
    "Roles change their own rows only and see no secrets",
    Severity.CRITICAL,
    "A permission with an empty filter lets every user of that role change every row; a selectable hash or token is a key handed out.",
    "every role's permissions in Hasura's metadata; for a role that may select every column, the schema that it is shown",
    "no empty filter or check on insert, update, delete; no column of passwords, hashes, secrets, tokens or one-time codes selectable",
    Fix(
        "hasura",
        'Give each write permission a filter such as {"user_id": {"_eq": "X-Hasura-User-Id"}}, and list the columns that a role may select.',
        ("hasura_permissions",),
    ),
    refs=("s:permissions",),
)
def role_filters(facts: Any, policy: Any) -> Verdict:
    of_role(facts, "hasura")
    harmless = policy["selectable_columns"]
    expected = "filtered writes, no secret column selectable"
    groups: Dict[Tuple[str, str], List[Record]] = {}
    for item in facts.records("hasura.permissions"):
        if item.read("role") != ADMIN and item.read("action") in WRITES + ("select",):
            groups.setdefault((item.read("role"), item.read("table")), []).append(item)
    if not groups:
        return decide(True, expected, "no role but the administrator's has a permission on a table")

    def judge(items: List[Record]) -> Tuple[bool, str]:
        bad: List[str] = []
        lost = None
        for item in items:
            try:
                bad += _problems(item, harmless)
            except Missing as missing:
                lost = missing
        if lost and not bad:
            raise lost
        return not bad, "; ".join(bad) or "filtered, no secret column"

    return summed(expected, each(groups.values(), lambda items: permission_name(items[0]), judge))


def _problems(item: Record, harmless: Any) -> List[str]:
    action, table = item.read("action"), item.read("table")
    if action in WRITES:
        return [] if item.read("filtered") else ["may %s any row" % action]
    secret = [name for name in item.read("columns") if is_secret_column(name) and table + "." + name not in harmless]
    return ["may select " + ", ".join(secret)] if secret else []


CHECKS = (role_filters,)

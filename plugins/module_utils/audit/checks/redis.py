# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: whether it asks for a password."""

from __future__ import annotations

from typing import Any, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import judge_units, level_of, name_of, of_role


@check(
    "DATA-28",
    "redis-auth",
    "Redis asks for a password",
    Severity.CRITICAL,
    "Whoever reaches an open Redis reads and writes sessions and queues, and by CONFIG writes files as its process.",
    "the answer to a PING without a password, and protected-mode as the server, else its command line, tells it",
    "NOAUTH, and protected mode is not off",
    Fix(
        "redis",
        "Give Redis `requirepass` (or a users file) in its configuration, not as an argument, start it with `--protected-mode yes`, and give its "
        "clients the password.",
        ("redis_password",),
        ("redis",),
    ),
    refs=("L:DBS-1884",),
)
def redis_auth(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        if level_of(unit) != Level.RUNNING:
            raise Missing("redis.instances", Reason.ERROR, "it does not run, so it cannot be asked")
        found = [item for item in facts.records("redis.instances") if item.read("service") == name_of(unit)]
        if not found:
            raise Missing("redis.instances", Reason.ERROR, "it was not asked")
        verdicts = [_one(item) for item in found]
        return next((item for item in verdicts if not item[0]), verdicts[0])

    return judge_units(of_role(facts, "redis"), "NOAUTH, protected mode", judge)


def _one(item: Record) -> Tuple[bool, str]:
    answer, protected = item.read("answer"), item.read("protected_mode")
    if answer == "open":
        return False, "it answers PONG without a password"
    if answer == "denied":
        return False, "it has no password: protected mode alone keeps the network out"
    if answer != "refused":
        raise Missing("redis.instances", Reason.PARSE_ERROR, "its answer is not understood")
    if protected not in ("yes", "no", None):
        raise Missing("redis.instances", Reason.PARSE_ERROR, "its protected mode is not understood")
    if protected is None:
        return True, "NOAUTH; whether protected mode is on it does not tell"
    return protected == "yes", "NOAUTH, protected mode %s" % ("on" if protected == "yes" else "off")


CHECKS = (redis_auth,)

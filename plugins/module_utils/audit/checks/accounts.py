# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""INFRA-28: one root, no account without a password, no way to root without one."""

from __future__ import annotations

from typing import Any, List, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    Resource,
    Severity,
    Status,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import resource, summed


@check(
    id="INFRA-28",
    slug="accounts",
    title="One root account, no empty password, no sudo to root without a password",
    severity=Severity.CRITICAL,
    why="Whoever takes over an account with free sudo has the host and every secret on it, without knowing a single password.",
    reads="/etc/passwd, /etc/shadow, and sudoers with all that it includes",
    passes="only root has uid 0, no password is empty, and NOPASSWD for ALL, or for a command that amounts to it (a shell, su, an "
    "editor, an interpreter, a whole bin directory, sudoedit of sudoers), is for nopasswd_users only",
    fix=Fix(
        "permissions",
        "Remove other accounts with uid 0, lock those without a password (passwd -l), and take NOPASSWD out of sudoers or name "
        "the deploy user in the policy nopasswd_users.",
        ("permissions_sudoers: password", "permissions_nopasswd_users"),
    ),
    refs=("U:7.2",),
)
def accounts(facts: Any, policy: Any) -> Any:
    resources = (
        _listed(facts, "uid 0", "accounts.uid0", ("root",), "has uid 0", "only root")
        + _listed(facts, "passwords", "accounts.empty_passwords", (), "has an empty password", "none is empty")
        + _listed(
            facts,
            "sudo",
            "accounts.passwordless_root",
            policy["nopasswd_users"],
            "may become root without a password",
            "sudoers gives nobody else a free hand without a password",
        )
    )
    return summed("one uid 0, no empty password, no free way to root", resources)


def _listed(facts: Any, topic: str, path: str, allowed: Sequence[str], wrong: str, right: str) -> List[Resource]:
    """Return a failing resource for each name at path that is not allowed, or a single one for the topic."""
    try:
        names = facts.read(path)
    except Missing as missing:
        return [Resource(topic, Status.UNKNOWN, missing.detail or str(missing), reason=missing.reason)]
    return [resource(name, False, wrong) for name in names if name not in allowed] or [resource(topic, True, right)]


CHECKS = (accounts,)

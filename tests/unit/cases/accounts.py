# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of accounts: INFRA-28."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread


def tree(uid0=("root",), empty=(), free=()):
    return {"accounts": {"uid0": uid0, "empty_passwords": empty, "passwordless_root": free}}


NEEDS_ROOT = Unread("needs_root", "/etc/shadow: permission denied")

CASES = {
    "INFRA-28": {
        "pass": [tree(["root"], [], [])],
        "fail": [
            tree(["root", "toor"]),
            tree(empty=["guest"]),
            tree(free=["%sudo"]),
            tree(free=["ALL"], empty=NEEDS_ROOT),
        ],
        "unknown": [
            {"accounts": Unread("parse_error", "/etc/passwd has a line that is no account")},
            tree(empty=NEEDS_ROOT),
            tree(free=Unread("parse_error", "sudoers: a line is not understood")),
        ],
    }
}

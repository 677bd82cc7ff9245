# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller saw, for the check of ports that belong inside."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.outside import NAMES
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread


def seen(otherwise=None, control="open", same_host=False, state="refused"):
    ports = dict(dict.fromkeys(NAMES, state), **otherwise or {})
    return {"outside": {"address": "192.0.2.7", "ports": ports, "same_host": same_host, "control": control}}


CASES = {
    "NET-26": {
        "pass": [seen(), seen(state="timeout"), seen({"9090": "timeout"})],
        "fail": [
            seen({"5432": "open"}),
            seen({"2375": "open"}, state="timeout"),
            # What answers there answers, whichever way ssh takes.
            seen({"6379": "open"}, control="timeout"),
        ],
        "unknown": [
            seen(same_host=True),
            seen(control="timeout"),
            seen(state="timeout", control="refused"),
            seen({"9000": "error"}),
            seen(same_host=None),
            {"outside": Unread("error", "planted")},
        ],
    }
}

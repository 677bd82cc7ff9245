# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One way in which a guarded run could lock the operator out, and what has to become of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional

REFUSED = "refused"  # nothing was changed, and the guard was never armed
ROLLED_BACK = "rolled back"  # the change was made, and the host is as before
SUCCEEDED = "succeeded"  # the change is in force

ARMED = "systemctl --quiet is-active nself-prod-rollback.timer"


@dataclass(frozen=True)
class Fault:
    """One fault.

    name: a sentence that says what is wrong; run: what is run (see controller.RUNS), options: its variables; expected: what has to
    become of the change; says: regular expression that the run's output has to match.

    Shell on the host as root, with the words of prelude.sh: ready (before the run's connection is opened), breaks (after that), during
    (in the run, as soon as the condition `at` holds), heals (after the run: only what the fault itself has broken), holds (after
    everything: what has to be true besides).

    from_outside: what the tester does at the same moment as `during`: "kill" the controller with its connections, "drop" only these, "cut" the host's
    network cable for `away` seconds, "reboot" the host, "again" start the same run once more beside the first, which has to be refused
    with a message that matches `again_says`.

    user: who Ansible logs in as; port: where the login goes afterwards; guard: guard_seconds of the run; host: kind of the host (12, 13);
    lean: it is among the few that `make test` tries; note: what the page says besides.
    """

    name: str
    run: str
    expected: str
    says: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    ready: str = ""
    breaks: str = ""
    during: str = ""
    at: str = ARMED
    from_outside: str = ""
    away: int = 0
    again_says: str = ""
    heals: str = ""
    holds: str = ""
    user: str = "deploy"
    port: int = 22
    guard: int = 10
    host: Optional[str] = None
    lean: bool = False
    note: str = ""

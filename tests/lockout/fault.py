# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One way in which a guarded run could lock the operator out, and what has to become of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Tuple

REFUSED = "refused"  # nothing was changed, and the guard was never armed
ROLLED_BACK = "rolled back"  # the change was made, and the host is as before
SUCCEEDED = "succeeded"  # the change is in force

ARMED = "systemctl --quiet is-active nself-prod-rollback.timer"


@dataclass(frozen=True)
class Fault:
    """One fault.

    name: a sentence that says what is wrong; run: what is run (see controller.RUNS), options: its variables; expected: what has to
    become of the change; says: regular expression that the run's output has to match.

    Shell on the host as root, with the words of prelude.sh: ready (before anybody connects), breaks (once the connection of the run is
    open) and mends (what takes that away again, after the host was compared with its state before the run), during (in the run, as
    soon as the condition `at` holds) and heals (what takes that away again, as soon as the run has ended), holds (after everything:
    what has to be true besides).

    from_outside: what happens elsewhere at the moment of `during`: the controller is killed ("kill") with its connections, or loses
    only these ("drop"); the host's network cable is pulled for `away` seconds ("cut"), the host loses its power for a moment
    ("reboot"); somebody at the operator's address guesses passwords ("guess"); the run `beside` is started too, and has to be refused
    with a message that matches `beside_says` ("beside").

    first: (run, options) that has to succeed before; user: who Ansible logs in as; port: where the login goes afterwards; guard:
    guard_seconds of the run; host: kind of the host (12, 13); sockets: name of the connection's socket, as ssh takes it; knows: kind
    of the host key that the operator knows (all); client: what the operator's ssh is told besides; lean: it is
    among the few that `make test` tries; note: what the page says besides.
    """

    name: str
    run: str
    expected: str
    says: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    ready: str = ""
    breaks: str = ""
    mends: str = ""
    during: str = ""
    at: str = ARMED
    heals: str = ""
    holds: str = ""
    from_outside: str = ""
    away: int = 0
    beside: str = ""
    beside_says: str = ""
    first: Optional[Tuple[str, Mapping[str, Any]]] = None
    user: str = "deploy"
    port: int = 22
    guard: int = 12
    host: Optional[str] = None
    sockets: str = "%C"
    knows: str = ""
    client: Tuple[str, ...] = ()
    lean: bool = False
    note: str = ""

    @property
    def key(self):
        return "%s: %s" % (self.run, self.name)

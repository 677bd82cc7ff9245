# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing that goes wrong while a deployment is hardened, and what has to become of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Tuple

REFUSED = "refused"  # nothing was changed: no file, no container
TAKEN_BACK = "taken back"  # the change was begun, and files and containers are as before
MADE = "made"  # the change is in force
NEXT_RUN = "mended by the next run"  # nothing of the run was left to take it back; the next one did that first

WORDS = "sleep 0.1; . /root/stackfaults-words/prelude.sh; "
# A service is being made anew: a container is gone that was there when the run began.
RECREATING = WORDS + "recreating"


@dataclass(frozen=True)
class Fault:
    """One fault.

    name: a sentence that says what is wrong; expected: what has to become of the change; says: regular expression that the run's output
    has to match: it names the cause; tags: the roles of the run; options: its variables, which the next run does not have.

    Shell on the host as root, with the words of prelude.sh: breaks (before the run) and mends (what takes that away again, after the
    stack was compared with what it was before the run), during (in the run, as soon as the condition `at` holds), heals (what takes
    that away again, as soon as the run has ended, and waits until the stack can be looked at), holds (after everything: what has to be
    true besides).

    from_outside: what happens elsewhere at that moment: the controller is killed with its connections ("kill"), the host loses its
    power for a moment ("reboot"), or a second run is started and has to be refused with a message that matches beside_says ("beside").

    down: Docker gives no answer while it is broken, so the stack is compared with what was kept at first; lean: it is among the few that `make test`
    tries; note: what the page says besides.
    """

    name: str
    expected: str
    says: str = ""
    tags: Tuple[str, ...] = ("redis", "nginx")
    options: Mapping[str, Any] = field(default_factory=dict)
    breaks: str = ""
    mends: str = ""
    during: str = ""
    at: str = RECREATING
    heals: str = ""
    holds: str = ""
    from_outside: str = ""
    beside_says: str = ""
    down: bool = False
    lean: bool = False
    note: str = ""

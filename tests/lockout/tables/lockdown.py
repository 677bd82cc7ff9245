# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lockdown."""

from __future__ import annotations

from lockout.fault import REFUSED, ROLLED_BACK, SUCCEEDED, Fault

BACK = "took the change back by itself"
LOCKED = "nft list table inet nself_prod_lockdown"

FAULTS = (
    Fault(
        "the management addresses leave out the operator's",
        "lockdown",
        REFUSED,
        "the sources .* leave out .*, where Ansible comes from",
        {"nself_lockdown_sources": ["192.0.2.0/24"]},
        lean=True,
    ),
    Fault(
        "a lockdown while the guard of another run waits",
        "trial",
        SUCCEEDED,
        options={"trial_command": "sleep 5"},
        from_outside="beside",
        beside="lockdown",
        beside_says="another run .* is changing this host",
        guard=30,
        holds="! %s" % LOCKED,
    ),
    Fault(
        "the controller is killed once the host is shut",
        "lockdown",
        ROLLED_BACK,
        at=LOCKED,
        from_outside="kill",
        lean=True,
    ),
    Fault(
        "the network is cut once the host is shut, for longer than the guard waits",
        "lockdown",
        ROLLED_BACK,
        BACK,
        at=LOCKED,
        from_outside="cut",
        away=15,
    ),
    Fault(
        "the host loses its power once it is shut, before the operator was back",
        "lockdown",
        ROLLED_BACK,
        BACK,
        at=LOCKED,
        from_outside="reboot",
        guard=60,
    ),
    Fault(
        "the controller is killed once the lockdown is lifted",
        "lockdown",
        ROLLED_BACK,
        options={"nself_lockdown_state": "absent"},
        first=("lockdown", {}),
        at="! %s" % LOCKED,
        from_outside="kill",
        holds=LOCKED,
        note="The host is shut again, and the operator gets in.",
    ),
    Fault(
        "the host is shut, and nothing is in the way",
        "lockdown",
        SUCCEEDED,
        guard=30,
        holds=LOCKED,
    ),
)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ufw."""

from __future__ import annotations

from lockout.fault import REFUSED, ROLLED_BACK, SUCCEEDED, Fault

BACK = "took the change back by itself"
CLOSED = "iptables -S INPUT | grep -qx -e '-P INPUT DROP'"

FAULTS = (
    Fault(
        "everything is denied, and the port of ssh is not among those that are let in",
        "ufw",
        REFUSED,
        "you come from .* to port 22, which is not in ufw_ssh_ports",
        {"ufw_ssh_ports": [2222]},
        lean=True,
    ),
    Fault(
        "ssh is let in, but not from where the operator is",
        "ufw",
        REFUSED,
        "you come from .* and no rule of ufw_ssh_sources holds that address",
        {"ufw_ssh_sources": ["192.0.2.0/24"]},
    ),
    Fault(
        "a rule that denies ssh comes first",
        "ufw",
        REFUSED,
        "would shut you out",
        {"ufw_deny": [{"port": "22", "proto": "tcp"}]},
    ),
    Fault(
        "somebody else's rule drops new connections to ssh, and ufw's rules are right",
        "ufw",
        REFUSED,
        "a rule of the chain INPUT that is not ufw's would shut you out",
        breaks="iptables -I INPUT -p tcp --dport 22 -m conntrack --ctstate NEW -j DROP",
        mends="iptables -D INPUT -p tcp --dport 22 -m conntrack --ctstate NEW -j DROP",
    ),
    Fault(
        "a file of ufw's that it cannot load",
        "ufw",
        REFUSED,
        "ufw would not start with /etc/ufw/before.rules",
        breaks="cp -a /etc/ufw/before.rules /root/before.rules\nsed -i 's/^COMMIT/-A no-such-chain -j ACCEPT\\n&/' /etc/ufw/before.rules",
        mends="cp -a /root/before.rules /etc/ufw/before.rules",
    ),
    Fault(
        "somebody else's table drops ssh while the rules of ufw are loaded",
        "ufw",
        ROLLED_BACK,
        BACK,
        during="foreign_drops 'tcp dport 22 ct state new'",
        heals="foreign_lets_in",
        note="The test takes that table away after the run: it is not the change that drops ssh.",
    ),
    Fault(
        "the controller is killed once everything is denied",
        "ufw",
        ROLLED_BACK,
        at=CLOSED,
        from_outside="kill",
        lean=True,
    ),
    Fault(
        "the network is cut once everything is denied, for longer than the guard waits",
        "ufw",
        ROLLED_BACK,
        BACK,
        at=CLOSED,
        from_outside="cut",
        away=15,
    ),
    Fault(
        "the host loses its power once everything is denied",
        "ufw",
        ROLLED_BACK,
        BACK,
        at=CLOSED,
        from_outside="reboot",
        guard=60,
    ),
    Fault(
        "no room on the disk once the rollback is prepared",
        "ufw",
        ROLLED_BACK,
        "No space left on device",
        ready="tiny_disk_over /etc/ufw 64k",
        breaks="fill /etc/ufw",
        mends="umount /etc/ufw",
    ),
    Fault(
        "ufw is put in force, and nothing is in the way",
        "ufw",
        SUCCEEDED,
        guard=30,
        holds=CLOSED,
    ),
    Fault(
        "a second run at the same time",
        "ufw",
        SUCCEEDED,
        from_outside="beside",
        beside="ufw",
        beside_says="another run .* is changing this host",
        guard=30,
        holds=CLOSED,
    ),
)

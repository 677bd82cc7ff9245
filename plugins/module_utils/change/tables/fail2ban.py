# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the jails read and how bans are made."""

from __future__ import annotations

# Of root's processes only: anybody may call a program sshd and write what looks like a stranger's failed login. Newer OpenSSH has
# its sessions in a program of their own; the unit's name is not asked, since each session of an ssh.socket is one of its own.
SSHD_JOURNAL = "_COMM=sshd _UID=0 + _COMM=sshd-session _UID=0"

# fail2ban's own filter does not count who names a user and goes without a login, which is all that guessing leaves in the log where
# only keys are taken. Who connects without naming anybody, as monitoring does, is still no failure.
SSHD_FILTER = (
    "[INCLUDES]\nbefore = sshd.conf\n\n[Definition]\n"
    r"mdre-normal-other = ^<F-MLFFORGET>(?:Connection (?:closed|reset)|Disconnected)</F-MLFFORGET> (?:by|from) authenticating user "
    r"<F-USER>\S+</F-USER> <HOST>(?: (?:port \d+|on \S+)){0,2} \[preauth\]\s*$"
    "\n                    %(known/mdre-normal-other)s\n"
)

# Jail, which is also its filter, and which of nginx's logs it reads.
NGINX = {
    "nginx-http-auth": "error",
    "nginx-limit-req": "error",
    "nginx-botsearch": "access",
    "nginx-bad-request": "access",
    "nginx-forbidden": "error",
}

# How a ban is made in front of the host's own services, for some ports.
HOST_ACTION = {
    "nftables": 'nftables-multiport[name="%(jail)s", port="%(ports)s", protocol="tcp"]',
    "iptables": 'iptables-multiport[name="%(jail)s", port="%(ports)s", protocol="tcp"]',
}
HOST_HOOKS = {"nftables": frozenset({"input"}), "iptables": frozenset({"INPUT"})}

# How a ban is made in front of containers, for all their ports. With nftables in a chain of its own, which lives without Docker's
# chains and survives its restarts; what goes to the host itself, ssh say, does not pass there.
CONTAINER_ACTION = {
    "nftables": 'nftables-allports[name="%(jail)s", protocol="tcp,udp", chain="f2b-forward", chain_hook="forward"]',
    "iptables": 'iptables-allports[name="%(jail)s", protocol="all", chain="DOCKER-USER"]',
}
CONTAINER_HOOKS = {"nftables": frozenset({"forward"}), "iptables": frozenset({"DOCKER-USER"})}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings: what each must be, within bounds that include both ends.

Settings of the network that every interface has are judged as the kernel combines the value of `all` with the interface's own:
an interface may be open although `all` reads right, and the other way round. ip_forward is not here: Docker needs it. Nor is
secure_redirects, which has no effect where redirects are not accepted.
"""

from __future__ import annotations

# key below /proc/sys, least, most
NETWORK = (
    ("net/ipv4/tcp_syncookies", 1, 2),
    ("net/ipv4/icmp_echo_ignore_broadcasts", 1, 1),
    ("net/ipv4/icmp_ignore_bogus_error_responses", 1, 1),
)
KERNEL = (
    ("kernel/randomize_va_space", 2, 2),
    ("kernel/kptr_restrict", 1, 2),
    ("kernel/dmesg_restrict", 1, 1),
    ("kernel/yama/ptrace_scope", 1, 3),
    ("kernel/unprivileged_bpf_disabled", 1, 2),
    ("fs/suid_dumpable", 0, 0),
    ("fs/protected_hardlinks", 1, 1),
    ("fs/protected_symlinks", 1, 1),
    ("fs/protected_fifos", 1, 2),
    ("fs/protected_regular", 1, 2),
)

# How the kernel makes one value of those of `all` and of the interface (include/linux/inetdevice.h, net/ipv6).
EITHER = "either"  # on where one of both is on
BOTH = "both"  # on where both are on
GREATER = "greater"  # the greater of both
LESSER = "lesser"  # the lesser of both
OWN = "own"  # the interface's alone, and only on a host that does not forward
REDIRECTS = "redirects"  # both where the interface forwards, either where it does not

# family, setting, way of combining, least, most
INTERFACES = (
    ("ipv4", "accept_redirects", REDIRECTS, 0, 0),
    ("ipv4", "send_redirects", EITHER, 0, 0),
    ("ipv4", "accept_source_route", BOTH, 0, 0),
    ("ipv4", "rp_filter", GREATER, 1, 2),
    ("ipv4", "log_martians", EITHER, 1, 1),
    ("ipv6", "accept_redirects", OWN, 0, 0),
    ("ipv6", "accept_source_route", LESSER, -1, 0),
)

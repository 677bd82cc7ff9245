# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel settings that the role sets, as paths below /proc/sys.

value is what is written; anything from least to most is at least as strict and is left alone. What the audit asks for
(audit/tables/sysctl.py) is part of it. Not here on purpose: ip_forward, without which Docker's containers are cut off; accept_ra,
without which a host that takes its route from router advertisements loses IPv6; limits on user namespaces.
"""

from __future__ import annotations

# key, value, least, most
NETWORK = (
    ("net/ipv4/tcp_syncookies", 1, 1, 2),
    ("net/ipv4/tcp_rfc1337", 1, 1, 1),
    ("net/ipv4/icmp_echo_ignore_broadcasts", 1, 1, 1),
    ("net/ipv4/icmp_ignore_bogus_error_responses", 1, 1, 1),
    ("net/ipv4/conf/all/log_martians", 1, 1, 1),
    ("net/ipv4/conf/default/log_martians", 1, 1, 1),
)
# family, setting, value, least, most: set for `all`, for `default` and, by a pattern, for each interface. systemd's rule for udev
# applies the pattern to interfaces that appear later, such as Docker's.
INTERFACES = (
    ("ipv4", "accept_redirects", 0, 0, 0),
    ("ipv4", "secure_redirects", 0, 0, 0),
    ("ipv4", "send_redirects", 0, 0, 0),
    ("ipv4", "accept_source_route", 0, 0, 0),
    ("ipv6", "accept_redirects", 0, 0, 0),
    ("ipv6", "accept_source_route", 0, -1, 0),
)
KERNEL = (
    ("kernel/randomize_va_space", 2, 2, 2),
    ("kernel/kptr_restrict", 2, 2, 2),
    ("kernel/dmesg_restrict", 1, 1, 1),
    ("kernel/yama/ptrace_scope", 1, 1, 3),
    ("kernel/perf_event_paranoid", 3, 3, 4),
    # 1 cannot be undone before the next boot, 2 can by root: either keeps users out.
    ("kernel/unprivileged_bpf_disabled", 1, 1, 2),
    ("kernel/sysrq", 0, 0, 0),
    ("kernel/kexec_load_disabled", 1, 1, 1),
    ("net/core/bpf_jit_harden", 2, 2, 2),
    ("fs/suid_dumpable", 0, 0, 0),
    ("fs/protected_hardlinks", 1, 1, 1),
    ("fs/protected_symlinks", 1, 1, 1),
    ("fs/protected_fifos", 2, 2, 2),
    ("fs/protected_regular", 2, 2, 2),
)

FORWARDING = ("net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding", "net/ipv6/conf/all/forwarding")

# What belongs to a container itself although it is no setting of the network: its System V and POSIX queues, its names.
OWN_OF_CONTAINER = (
    "kernel/shm",
    "kernel/msg",
    "kernel/sem",
    "kernel/auto_msgmni",
    "kernel/hostname",
    "kernel/domainname",
    "fs/mqueue/",
)
# Settings of the network that the kernel keeps once for all namespaces.
SHARED_OF_NETWORK = ("net/core/bpf_",)

# The first directory that has a file of a name is the one that counts (sysctl.d(5)).
DIRECTORIES = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
)
DROP_IN = "zz-nself-prod.conf"

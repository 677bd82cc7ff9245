# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of kernel settings: INFRA-25 and INFRA-26."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

CLOSED4 = {
    "accept_redirects": 0,
    "send_redirects": 0,
    "accept_source_route": 0,
    "rp_filter": 1,
    "log_martians": 1,
    "forwarding": 0,
}
CLOSED6 = {"accept_redirects": 0, "accept_source_route": 0, "forwarding": 0}
NETWORK = {
    "net/ipv4/tcp_syncookies": 1,
    "net/ipv4/icmp_echo_ignore_broadcasts": 1,
    "net/ipv4/icmp_ignore_bogus_error_responses": 1,
}
KERNEL = {
    "kernel/randomize_va_space": 2,
    "kernel/kptr_restrict": 2,
    "kernel/dmesg_restrict": 1,
    "kernel/yama/ptrace_scope": 1,
    "kernel/unprivileged_bpf_disabled": 2,
    "fs/suid_dumpable": 0,
    "fs/protected_hardlinks": 1,
    "fs/protected_symlinks": 1,
    "fs/protected_fifos": 2,
    "fs/protected_regular": 2,
}


def shared(closed, **values):
    """Return the settings of `all`; whether that forwards is of no interest."""
    out = dict(closed, name="all", **values)
    del out["forwarding"]
    return out


def interfaces(closed, **eth0):
    """Return the settings of all, default and eth0, closed but for what is given for eth0."""
    return [
        shared(closed),
        dict(closed, name="default"),
        dict(dict(closed, **eth0), name="eth0"),
    ]


def all_is(**values):
    return [shared(dict(CLOSED4, **values)), dict(CLOSED4, name="eth0")]


def network(ipv4=None, ipv6=None, **values):
    v4 = interfaces(CLOSED4) if ipv4 is None else ipv4
    return {"sysctl": {"values": dict(NETWORK, **values), "ipv4": v4, "ipv6": ipv6}}


def kernel(**values):
    return {"sysctl": {"values": dict(KERNEL, **{name.replace("__", "/"): value for name, value in values.items()})}}


CASES = {
    "INFRA-25": {
        "pass": [
            network(),
            network(ipv6=interfaces(CLOSED6)),
            # `all` and the interface are combined, each setting in its way.
            network(all_is(accept_source_route=1)),
            network(interfaces(CLOSED4, rp_filter=0)),
            network(interfaces(CLOSED4, rp_filter=2)),
            network(interfaces(CLOSED4, log_martians=0)),
            # A router follows redirects only where both say so, a host where either does.
            network(interfaces(CLOSED4, accept_redirects=1, forwarding=1)),
            network(ipv6=interfaces(CLOSED6, accept_redirects=1, forwarding=1)),
            network(ipv6=interfaces(CLOSED6, accept_source_route=1)),
            network(all_is(), **{"net/ipv4/icmp_ignore_bogus_error_responses": None}),
        ],
        "fail": [
            network(**{"net/ipv4/tcp_syncookies": 0}),
            network(**{"net/ipv4/icmp_echo_ignore_broadcasts": 0}),
            network(interfaces(CLOSED4, send_redirects=1)),
            network(all_is(send_redirects=1)),
            network(interfaces(CLOSED4, accept_redirects=1)),
            network(all_is(accept_redirects=1)),
            network([dict(CLOSED4, name=name, accept_redirects=1, forwarding=1) for name in ("all", "eth0")]),
            network([dict(CLOSED4, name=name, accept_source_route=1) for name in ("all", "eth0")]),
            network([dict(CLOSED4, name=name, rp_filter=0) for name in ("all", "eth0", "eth1", "eth2", "eth3")]),
            network([dict(CLOSED4, name=name, log_martians=0) for name in ("all", "default")]),
            network(ipv6=interfaces(CLOSED6, accept_redirects=1)),
            network(ipv6=[dict(CLOSED6, name=name, accept_source_route=1) for name in ("all", "eth0")]),
        ],
        "unknown": [
            {"sysctl": Unread("error", "/proc/sys/kernel: does not exist")},
            network(**{"net/ipv4/tcp_syncookies": Unread("parse_error", "is not a number")}),
            network(ipv6=Unread("needs_root", "permission denied")),
            network([dict(CLOSED4, name="eth0")]),
        ],
    },
    "INFRA-26": {
        "pass": [kernel(), kernel(kernel__kptr_restrict=1, kernel__yama__ptrace_scope=None)],
        "fail": [
            kernel(kernel__randomize_va_space=1),
            kernel(kernel__kptr_restrict=0),
            kernel(kernel__dmesg_restrict=0),
            kernel(kernel__yama__ptrace_scope=0),
            kernel(kernel__unprivileged_bpf_disabled=0),
            kernel(fs__suid_dumpable=2),
            kernel(fs__protected_hardlinks=0),
            kernel(fs__protected_regular=0),
        ],
        "unknown": [
            kernel(fs__protected_fifos=Unread("needs_root", "/proc/sys/fs/protected_fifos: permission denied")),
            {"sysctl": {"values": dict.fromkeys(KERNEL)}},
        ],
    },
}

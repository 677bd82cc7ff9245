# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""INFRA-25 and INFRA-26: the kernel's settings."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.sysctl import (
    BOTH,
    EITHER,
    GREATER,
    INTERFACES,
    KERNEL,
    LESSER,
    NETWORK,
    OWN,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

MOST_NAMED = 3
Key = Tuple[str, int, int]


def _bounds(least: int, most: int) -> str:
    return "%d" % least if least == most else "%d to %d" % (least, most)


def _value(facts: Any, key: Key) -> Tuple[bool, str]:
    name, least, most = key
    value = facts.record("sysctl.values").read(name)
    if value is None:
        raise NotApplicable("this kernel has no such setting")
    good = least <= value <= most
    return good, "%d" % value if good else "%d, not %s" % (value, _bounds(least, most))


def _dotted(key: Sequence[Any]) -> str:
    return str(key[0]).replace("/", ".")


def _summed(facts: Any, keys: Sequence[Key], more: Sequence[Any]) -> Verdict:
    resources = each(keys, _dotted, lambda key: _value(facts, key)) + list(more)
    if not resources:
        raise Missing("sysctl.values", Reason.ERROR, "this kernel has none of the settings")
    verdict = summed("every setting within its bounds", resources)
    named = {item.name for item in resources}
    absent = tuple("this kernel has no %s" % _dotted(key) for key in keys if _dotted(key) not in named)
    return Verdict(
        verdict.status, verdict.expected, verdict.actual, verdict.level, verdict.reason, verdict.resources, absent
    )


def _interfaces(facts: Any, row: Any) -> Tuple[bool, str]:
    family, setting, way, least, most = row
    found = facts.read("sysctl." + family)
    if found is None:
        raise NotApplicable("this kernel has no %s" % family)
    records = facts.records("sysctl." + family)
    shared = [record for record in records if record.read("name") == "all"]
    if not shared:
        raise Missing("sysctl." + family, Reason.PARSE_ERROR, "conf/all is not there")
    bad = []
    for record in records:
        name = record.read("name")
        if name == "all":
            continue
        value = _effective(way, shared[0], record, setting)
        if not least <= value <= most:
            # What is set for `default` is what an interface made later begins with.
            bad.append("%d on %s" % (value, "new interfaces" if name == "default" else name))
    if not bad:
        return True, "%s everywhere" % _bounds(least, most)
    rest = len(bad) - MOST_NAMED
    return False, ", ".join(bad[:MOST_NAMED]) + (" and %d more" % rest if rest > 0 else "")


def _effective(way: str, shared: Any, record: Any, setting: str) -> int:
    own, forwards = record.read(setting), record.read("forwarding")
    everywhere = shared.read(setting)
    if own is None or everywhere is None:
        raise NotApplicable("this kernel has no such setting")
    if way == GREATER:
        return int(max(own, everywhere))
    if way == LESSER:
        return int(min(own, everywhere))
    if way == OWN:
        return int(own if not forwards else 0)
    both = bool(own and everywhere)
    either = bool(own or everywhere)
    return int({EITHER: either, BOTH: both}.get(way, both if forwards else either))


@check(
    id="INFRA-25",
    slug="sysctl-network",
    title="The kernel's network settings refuse spoofed and redirected traffic",
    severity=Severity.WARNING,
    why="Redirects and source routes let a neighbour lead traffic past the firewall; forged senders hide who attacks.",
    reads="/proc/sys/net, for each interface as the kernel combines its own value with that of all",
    passes="no redirects or source routes, rp_filter 1 or 2, SYN cookies, martians logged, broadcast and bogus ICMP ignored",
    fix=Fix(
        "sysctl",
        "Set them in a file in /etc/sysctl.d, for all, default and every interface (conf.*), and run `sysctl --system`.",
    ),
    refs=("s:harden", "U:3.3"),
)
def sysctl_network(facts: Any, policy: Any) -> Verdict:
    per_interface = each(
        INTERFACES, lambda row: "net.%s.conf.*.%s" % (row[0], row[1]), lambda row: _interfaces(facts, row)
    )
    return _summed(facts, NETWORK, per_interface)


@check(
    id="INFRA-26",
    slug="sysctl-kernel",
    title="The kernel's own protections are on",
    severity=Severity.RECOMMENDATION,
    why="They turn many a small hole in a program or the kernel into a crash instead of a takeover.",
    reads="/proc/sys/kernel and /proc/sys/fs",
    passes="randomize_va_space 2, suid_dumpable 0; kptr_restrict, dmesg_restrict, ptrace_scope, unprivileged_bpf_disabled and "
    "protected_* on",
    fix=Fix("sysctl", "Set them in a file in /etc/sysctl.d and run `sysctl --system`."),
    refs=("L:KRNL-6000",),
)
def sysctl_kernel(facts: Any, policy: Any) -> Verdict:
    nothing: List[Any] = []
    return _summed(facts, KERNEL, nothing)


CHECKS = (sysctl_network, sysctl_kernel)

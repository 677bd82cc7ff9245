# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out what of a host decides about its kernel settings: bridges, routes, the operator's way back."""

from __future__ import annotations

import re
from typing import Any, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change import where
from ansible_collections.nself.prod.plugins.module_utils.change.operator import Operator, find
from ansible_collections.nself.prod.plugins.module_utils.change.sysctl_wish import Machine
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, exists, names_in
from ansible_collections.nself.prod.plugins.module_utils.parse.proc_net import default_interfaces

NETWORK = "/sys/class/net"
BY_ADVERTISEMENT = 0x00050000  # RTF_DEFAULT and RTF_ADDRCONF of a route (include/uapi/linux/ipv6_route.h)
_PLAIN_RULE = re.compile(r"lookup (local|main|default)( |$)")


def look(host: Any, before: str) -> Machine:
    """Return what decides. before: the text of our own file as it is. Raises HostError, ChangeError."""
    operator = find(host)
    crossed = _crossed(host, operator)
    return Machine(
        container=where.container(host),
        forwards=_forwards(host),
        loose=crossed or _loose(host),
        cut_off=crossed is not None,
        crash_kernel=_crash_kernel(host),
        routed=_routed(host, before),
        over_ipv6=operator is not None and ":" in operator.address,
    )


def _text(host: Any, path: str) -> str:
    try:
        return str(host.read(path))
    except NotFound:
        return ""


def _bridges(host: Any) -> List[str]:
    return [name for name in names_in(host, NETWORK) if exists(host, "%s/%s/bridge" % (NETWORK, name))]


def _forwards(host: Any) -> Optional[str]:
    if host.which("dockerd") is not None:
        return "Docker is on this host, and its containers need forwarding"
    bridges = _bridges(host)
    return "%s is a bridge, and what is behind it needs forwarding" % bridges[0] if bridges else None


def _loose(host: Any) -> Optional[str]:
    """Return why packets may rightly come in by another way than the answers take, None where they may not."""
    # Docker's first bridge is always there; it counts once a container is on it.
    bridges = [name for name in _bridges(host) if names_in(host, "%s/%s/brif" % (NETWORK, name))]
    if len(bridges) > 1:
        return "several bridges: %s" % ", ".join(bridges)
    uplinks = sorted(default_interfaces(_text(host, "/proc/net/route"), ""))
    if len(uplinks) > 1:
        return "several default routes: %s" % ", ".join(uplinks)
    try:
        rules = host.run(["ip", "-4", "rule", "show"]).out
    except HostError as error:
        return "routing rules could not be read (%s)" % error
    own = [line for line in rules.splitlines() if line.strip() and not _PLAIN_RULE.search(line.strip())]
    return "routing by rules: %s" % " ".join(own[0].split()) if own else None


def _crossed(host: Any, operator: Optional[Operator]) -> Optional[str]:
    """Return how the answers to the operator leave by another interface than the one that has the address Ansible came to."""
    if operator is None or ":" in operator.address:
        return None
    try:
        away = re.search(r" dev (\S+)", host.run(["ip", "-4", "-o", "route", "get", operator.address]).out)
        mine = re.findall(
            r"^\d+: (\S+) +inet %s[/ ]" % re.escape(operator.server_address),
            host.run(["ip", "-4", "-o", "addr", "show"]).out,
            re.MULTILINE,
        )
    except HostError:
        return None  # without the tool _loose says so
    if not away or not mine or away.group(1) in mine + ["lo"]:
        return None
    return "answers to %s leave by %s and not by %s" % (operator.address, away.group(1), mine[0])


def _crash_kernel(host: Any) -> bool:
    reserved = _text(host, "/sys/kernel/kexec_crash_size").strip()
    return reserved not in ("", "0") or exists(host, "/etc/default/kdump-tools")


def _routed(host: Any, before: str) -> Tuple[str, ...]:
    """Return the interfaces whose route comes from advertisements that the kernel ignores as soon as they forward, unless told."""
    rows = [line.split() for line in _text(host, "/proc/net/ipv6_route").splitlines()]
    advertised = {row[9] for row in rows if len(row) > 9 and int(row[8], 16) & BY_ADVERTISEMENT == BY_ADVERTISEMENT}
    out = []
    for name in names_in(host, "/proc/sys/net/ipv6/conf"):
        base = "/proc/sys/net/ipv6/conf/%s/" % name
        if name in ("all", "default", "lo") or _text(host, base + "forwarding").strip() != "1":
            continue
        accepts = _text(host, base + "accept_ra").strip()
        # Ours from an earlier run stays as long as the interface forwards, whether or not a route is there just now.
        ours = "net.ipv6.conf.%s.accept_ra = 2\n" % name.replace(".", "/") in before
        if (accepts == "1" and name in advertised) or (accepts == "2" and ours):
            out.append(name)
    return tuple(out)

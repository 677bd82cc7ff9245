# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings, as they are in force in /proc/sys.

A value is a number, None where the kernel has no such setting.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.sysctl import INTERFACES, KERNEL, NETWORK
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound, exists


def collect(host: Any, need: Any) -> Dict[str, Any]:
    host.stat("/proc/sys/kernel")  # without it no setting would exist, which is no finding
    return {
        "values": {key: _number(host, key) for key, _least, _most in NETWORK + KERNEL},
        "ipv4": attempt(lambda: _interfaces(host, "ipv4")),
        "ipv6": attempt(lambda: _interfaces(host, "ipv6")),
    }


def _number(host: Any, key: str) -> Any:
    def read() -> Optional[int]:
        try:
            text = host.read("/proc/sys/" + key)
        except NotFound:
            return None
        try:
            return int(text)
        except ValueError:
            raise Missing(key, Reason.PARSE_ERROR, "/proc/sys/%s is not a number" % key) from None

    return attempt(read)


def _interfaces(host: Any, family: str) -> Optional[List[Dict[str, Any]]]:
    """Return the settings of `all`, `default` and each interface that has addresses, None where the kernel lacks the family."""
    base = "net/%s/conf" % family
    settings = [name for of, name, _way, _least, _most in INTERFACES if of == family] + ["forwarding"]
    try:
        names = host.listdir("/proc/sys/" + base)
    except NotFound:
        return None
    out = []
    for name in names:
        if name != "lo" and not is_bridge_port(host, name):
            record = {setting: _number(host, "%s/%s/%s" % (base, name, setting)) for setting in settings}
            record["name"] = name
            out.append(record)
    return out


def is_bridge_port(host: Any, name: str) -> bool:
    """Return whether an interface is the host's end of a container's cable: it forwards frames and never looks at addresses."""
    return exists(host, "/sys/class/net/%s/brport" % name)


COLLECTORS = (Collector("sysctl", collect),)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets that wait for peers in the host's own network namespace.

Facts: ports.tcp (listening) and ports.udp (without a peer), each a list of {ip, port, process}; process is None where its owner could
not be found, which takes root.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Iterable, List

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import proc_net


def collect(host: Any, need: Any) -> Dict[str, Any]:
    sockets = {protocol: attempt(partial(_sockets, host, protocol)) for protocol in ("tcp", "udp")}
    known = [socket for found in sockets.values() if isinstance(found, list) for socket in found]
    owners = _owners(host, {socket.inode for socket in known})
    return {
        protocol: [{"ip": item.ip, "port": item.port, "process": owners.get(item.inode)} for item in found]
        if isinstance(found, list)
        else found
        for protocol, found in sockets.items()
    }


def _sockets(host: Any, protocol: str) -> List[proc_net.Socket]:
    out = []
    for path in ("/proc/net/" + protocol, "/proc/net/" + protocol + "6"):
        try:
            text = host.read(path)
        except NotFound:
            if path.endswith("6"):  # a kernel without IPv6
                continue
            raise
        try:
            out += proc_net.waiting(text, protocol)
        except (ValueError, IndexError):
            raise HostError(Reason.PARSE_ERROR, path, "is not a table of sockets") from None
    return sorted(set(out), key=lambda item: (item.port, item.ip, item.inode))


def _owners(host: Any, inodes: Iterable[str]) -> Dict[str, str]:
    """Return the names of the processes that hold these sockets, as far as they may be seen."""
    wanted = {"socket:[%s]" % inode: inode for inode in inodes}
    out: Dict[str, str] = {}
    try:
        processes = [name for name in host.listdir("/proc") if name.isdigit()]
    except HostError:
        return out
    for process in sorted(processes, key=int):
        if len(out) == len(wanted):
            break
        folder = "/proc/%s/" % process
        try:
            for descriptor in host.listdir(folder + "fd"):
                inode = wanted.get(_link(host, folder + "fd/" + descriptor))
                # systemd holds the sockets of units that it starts on demand: a later process is the nearer owner.
                if inode is not None:
                    out[inode] = host.read(folder + "comm").strip()
        except HostError:
            continue
    return out


def _link(host: Any, path: str) -> str:
    try:
        return host.readlink(path)
    except HostError:
        return ""


COLLECTORS = (Collector("ports", collect),)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets that wait for peers in the host's own network namespace.

Facts: ports.tcp (listening) and ports.udp (without a peer), each a list of {ip, port, process}; process is None where its owner could
not be found, which takes root.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Iterable, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import proc_net


def collect(host: Any, need: Any) -> Dict[str, Any]:
    open_ports = {protocol: attempt(partial(sockets, host, protocol)) for protocol in ("tcp", "udp")}
    known = [socket for found in open_ports.values() if isinstance(found, list) for socket in found]
    owners = {inode: name for inode, (_pid, name) in holders(host, {socket.inode for socket in known}).items()}
    return {
        protocol: [{"ip": item.ip, "port": item.port, "process": owners.get(item.inode)} for item in found]
        if isinstance(found, list)
        else found
        for protocol, found in open_ports.items()
    }


def sockets(host: Any, protocol: str) -> List[proc_net.Socket]:
    """Return the sockets of a protocol that wait for peers. Raises HostError."""
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


def holders(host: Any, inodes: Iterable[str]) -> Dict[str, Tuple[str, str]]:
    """Return (pid, name) of the processes that hold these sockets, by inode, as far as they may be seen."""
    wanted = {"socket:[%s]" % inode: inode for inode in inodes}
    out: Dict[str, Tuple[str, str]] = {}
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
                    out[inode] = (process, host.read(folder + "comm").strip())
        except HostError:
            continue
    return out


def _link(host: Any, path: str) -> str:
    try:
        return host.readlink(path)
    except HostError:
        return ""


COLLECTORS = (Collector("ports", collect),)

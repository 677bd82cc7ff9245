# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the tables of /proc/net: sockets, addresses, routes."""

from __future__ import annotations

import ipaddress
import sys
from typing import List, NamedTuple, Set

LISTENING = {"tcp": "0A", "udp": "07"}
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
ROUTE_UP = 1
# Interfaces of containers and virtual machines: no stranger comes in through them.
INNER = ("lo", "docker", "br-", "veth", "virbr", "lxc", "lxdbr", "cni", "podman")


class Socket(NamedTuple):
    """A socket that waits for peers. ip is written as usual; an IPv4 address mapped into IPv6 as IPv4."""

    ip: str
    port: int
    inode: str


def address(text: str) -> str:
    """Return an address of /proc/net/tcp or tcp6: words of 32 bits in the machine's byte order. Raises ValueError."""
    if len(text) not in (8, 32):
        raise ValueError("not an address of /proc/net")
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    parsed = ipaddress.ip_address(b"".join(words))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def waiting(text: str, protocol: str) -> List[Socket]:
    """Return the sockets of /proc/net/{tcp,udp}{,6} that listen or have no peer. Raises ValueError."""
    lines = text.splitlines()
    if not lines or "local_address" not in lines[0]:
        raise ValueError("not a table of sockets")
    out = []
    for line in lines[1:]:
        fields = line.split()
        if len(fields) < 10:
            raise ValueError("not a table of sockets")
        local, peer = fields[1].split(":"), fields[2].split(":")
        if fields[3] == LISTENING[protocol] and int(peer[1], 16) == 0:
            out.append(Socket(address(local[0]), int(local[1], 16), fields[9]))
    return out


def is_loopback(ip: str) -> bool:
    """Return whether only this host can reach an address. Raises ValueError for what is none."""
    parsed = ipaddress.ip_address(ip)
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def global_ipv6(text: str) -> bool:
    """Return whether /proc/net/if_inet6 holds an address that the internet can reach. Raises ValueError."""
    found = False
    for line in text.splitlines():
        fields = line.split()
        if len(fields) != 6 or len(fields[0]) != 32:
            raise ValueError("not a table of addresses")
        found |= ipaddress.ip_address(int(fields[0], 16)) in GLOBAL_UNICAST and fields[5] != "lo"
    return found


def default_interfaces(routes: str, routes6: str) -> Set[str]:
    """Return the interfaces of the default routes in /proc/net/route and /proc/net/ipv6_route."""
    rows = [line.split() for line in routes.splitlines()[1:]]
    rows6 = [line.split() for line in routes6.splitlines()]
    out = {row[0] for row in rows if len(row) > 7 and set(row[1] + row[7]) == {"0"} and int(row[3], 16) & ROUTE_UP}
    return out | {row[9] for row in rows6 if len(row) > 9 and set(row[0] + row[1]) == {"0"} and row[9] != "lo"}


def outer_interfaces(devices: str) -> Set[str]:
    """Return the interfaces of /proc/net/dev that lead out of the host."""
    names = {line.split(":")[0].strip() for line in devices.splitlines() if ":" in line}
    return {name for name in names if not name.startswith(INNER)}

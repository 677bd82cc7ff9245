# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lockdown has to know of the host: ports of ssh, bridges of containers, what its disks and its operator need, rules in force."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import ssh_daemon
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.lockdown_rules import (
    NFT,
    TABLE,
    Unusable,
    Wish,
    address,
    networks,
    within,
)
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line, names_in
from ansible_collections.nself.prod.plugins.module_utils.parse import proc_net

LIST = "%s -s list table inet %s" % (NFT, TABLE)
# What carries packets inside of other packets, by the kernel's name of its kind: those would be cut.
TUNNELS = frozenset(
    "erspan fou geneve gre gretap gtp ip6erspan ip6gre ip6gretap ip6tnl ipip l2tp ovpn sit tun vti vti6 vxlan wireguard xfrm".split()
)
# File systems of another machine that stall whoever touches them once it does not answer.
REMOTE = frozenset("nfs nfs4 cifs smb3 smbfs ceph glusterfs fuse.glusterfs lustre ocfs2 gfs2 afs".split())
AT_ONCE = 100  # connections that one ss ends

Link = Dict[str, Any]


def nft(host: Any) -> str:
    """Raise Refused where there is no nft."""
    try:
        host.stat(NFT)
    except NotFound:
        raise Refused(
            "%s is missing: the lockdown has its rules in a table of nftables. Install the package nftables" % NFT
        ) from None
    return NFT


def in_force(host: Any) -> Optional[str]:
    """Return the lockdown's table as nft lists it, None where there is none."""
    done = host.run(LIST.split(), timeout=10)
    if done.rc == 0:
        return str(done.out)
    if "No such file or directory" in done.err:
        return None
    raise ChangeError("the rules in force cannot be read: %s" % first_line(done.err))


def canonical(host: Any, text: str) -> str:
    """Return how nft lists these rules, from a network namespace where nobody lives: so the kernel takes them, too.

    What is in force is compared with that, and not with the text: each version of nft spells rules in its own way.
    """
    script = "%s -f - && %s" % (NFT, LIST)
    done = host.run(["unshare", "--net", "sh", "-c", script], stdin=text, timeout=20)
    if done.rc != 0:
        raise Refused("nftables does not take the rules of the lockdown: %s" % (first_line(done.err) or "no word why"))
    return str(done.out)


def try_out(host: Any, text: str) -> None:
    """Raise Refused where the rules cannot be loaded in this host's own network. Changes nothing."""
    done = host.run([NFT, "-c", "-f", "-"], stdin=text, timeout=10)
    if done.rc != 0:
        raise Refused("nftables cannot load the rules of the lockdown here: %s" % first_line(done.err))


def ssh_ports(host: Any, used: Optional[int]) -> Tuple[int, ...]:
    """Return the ports that sshd, or systemd for it, listens on, and the one in use."""
    units = ssh_daemon.read_units(host)
    listens = ssh_daemon.socket_listens(units) or []
    pid = ssh_daemon.read_pid(host, units)
    if pid is not None:
        listens = listens + ssh_daemon.read_listens(host, pid)
    for others in ssh_daemon.read_others(host, pid).values():
        listens = listens + others
    return tuple(sorted({port for _address, port in listens} | ({used} if used else set())))


def links(host: Any) -> List[Link]:
    """Return the network interfaces: name, kind ("" for a plain one), master."""
    done = command(host, ["ip", "-d", "-j", "link", "show"])
    try:
        return [
            {
                "name": str(item["ifname"]),
                "kind": str((item.get("linkinfo") or {}).get("info_kind") or ""),
                "master": item.get("master"),
            }
            for item in json.loads(done.out)
            if "ifname" in item
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ChangeError("`ip -d -j link show` cannot be read: %s" % error) from error


def inside(host: Any, found: List[Link]) -> Tuple[str, ...]:
    """Return the bridges that lead to containers of this host only: each port is one end of a pair, and no default route goes there."""
    tables = []
    for path in ("/proc/net/route", "/proc/net/ipv6_route"):
        try:
            tables.append(host.read(path))
        except NotFound:
            tables.append("")  # a kernel without it
    outward = proc_net.default_interfaces(*tables)
    outside = {link["master"] for link in found if link["kind"] != "veth"} | outward
    # A name goes into the rules as it is; one with other signs is left out, and so is what it leads to.
    return tuple(
        sorted(
            link["name"]
            for link in found
            if link["kind"] == "bridge"
            and link["name"] not in outside
            and re.match(r"[A-Za-z0-9_.:-]+\Z", link["name"])
        )
    )


def tunnel(host: Any, found: List[Link], place: str) -> Optional[str]:
    """Return the tunnel by which packets go to an address, None where they go as they are."""
    done = host.run(["ip", "-j", "route", "get", place])
    try:
        device = str(json.loads(done.out)[0]["dev"])
    except (ValueError, KeyError, IndexError, TypeError):
        return None  # a route that cannot be told is left to the fresh login
    kinds = {link["name"]: link["kind"] for link in found}
    return device if kinds.get(device) in TUNNELS else None


def cut_off(host: Any, wish: Wish) -> List[Tuple[str, str]]:
    """Return (this end, other end) of the TCP connections of this host that the rules do not let through, as ss writes them."""
    done = command(host, ["ss", "-Htn", "state", "established"])
    rows = [line.split() for line in done.out.splitlines()]
    ends = [(row[2], row[3]) for row in rows if len(row) >= 4 and "%" not in row[2] + row[3]]
    inner = _networks(host, wish.inside) if ends else []
    return [end for end in ends if not _passes(end, wish, inner)]


def _passes(end: Tuple[str, str], wish: Wish, inner: List[Any]) -> bool:
    (here, port), there = end[0].rsplit(":", 1), end[1].rsplit(":", 1)[0]
    try:
        own, other = address(here), address(there)
    except Unusable:
        return True  # nothing is ended that is not understood
    if other.is_loopback or other == own or within(list(wish.peers) + inner, other):
        return True
    return port.isdigit() and int(port) in wish.ports and within(wish.sources, other)


def _networks(host: Any, devices: Tuple[str, ...]) -> List[Any]:
    """Return the networks that lie behind these interfaces."""
    found: List[Any] = []
    for family in ("-4", "-6"):
        done = command(host, ["ip", family, "-j", "route", "show"])
        try:
            texts = [str(item["dst"]) for item in json.loads(done.out or "[]") if item.get("dev") in devices]
            found += networks([text for text in texts if text != "default"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ChangeError("`ip %s -j route show` cannot be read: %s" % (family, error)) from error
    return found


def end(host: Any, connections: List[Tuple[str, str]]) -> None:
    """End TCP connections: one that is only silent while the rules are in force would go on after them."""
    for first in range(0, len(connections), AT_ONCE):
        words: List[str] = []
        for here, there in connections[first : first + AT_ONCE]:
            words += ["or"] * bool(words) + ["(", "src", here, "and", "dst", there, ")"]
        # A kernel that cannot do this says so, and the rules hold all the same.
        host.run(["ss", "-K", "-tn", "state", "established"] + words, timeout=20)


def remote_disks(host: Any) -> List[Tuple[str, str]]:
    """Return (what, address of its server, "" where that is not seen) of file systems and disks that come over the network."""
    found = _mounts(host.read("/proc/self/mountinfo"))
    for folder, name, what in (
        ("/sys/class/iscsi_connection", "persistent_address", "an iSCSI disk"),
        ("/sys/class/nvme", "address", "an NVMe disk"),
    ):
        for entry in names_in(host, folder):
            place = "%s/%s/" % (folder, entry)
            if folder.endswith("nvme") and _word(host, place + "transport") in ("", "pcie", "loop", "apple-nvme", "fc"):
                continue
            text = _word(host, place + name)
            traddr = re.search(r"traddr=([^,\s]+)", text)
            found.append((what, traddr.group(1) if traddr else text))
    for block in names_in(host, "/sys/block"):
        if block.startswith("rbd") or (block.startswith("nbd") and _word(host, "/sys/block/%s/pid" % block)):
            found.append(("the disk %s" % block, ""))
    return sorted(set(found))


def _mounts(text: str) -> List[Tuple[str, str]]:
    found = []
    for line in text.splitlines():
        before, _dash, after = line.partition(" - ")
        fields = after.split()
        if fields and fields[0] in REMOTE:
            server = re.search(r"(?:^|,)addr=([^,\s]+)", fields[-1])
            found.append(("%s (%s)" % (before.split()[4], fields[0]), server.group(1) if server else ""))
    return found


def _word(host: Any, path: str) -> str:
    try:
        return str(host.read(path, 4096)).strip()
    except HostError:
        return ""

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's packet filter lets a stranger reach, and what brings it back at boot.

Facts: firewall.v4 and firewall.v6 are {default: deny or accept, open, restricted, unsure, dnat, docker_user, interfaces}. The lists hold
{proto, first, last}, ranges of ports; restricted ones also have `from`, and dnat (REDIRECT too) `to` and `inner`, the [first, last]
port behind it or None for the same. firewall.global_v6 tells whether the host has an
address that the IPv6 internet can reach; firewall.boot names what is enabled and denies incoming traffic at boot. exposure.published is
what Docker publishes beyond loopback, as {container, ip, port, proto, reachable}.
"""

from __future__ import annotations

import fnmatch
import re
from functools import partial
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts, Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse import iptables, nftables, packet_filter, proc_net
from ansible_collections.nself.prod.plugins.module_utils.parse.packet_filter import BOTH, Packet, Reach, Table

# Each family: its save commands (the usual one, nft's, the old kernel interface's), where the kernel lists tables of the old
# interface, and the family's name in nft.
COMMANDS = {
    "v4": ("iptables-save", "iptables-nft-save", "iptables-legacy-save", "/proc/net/ip_tables_names", "ip"),
    "v6": ("ip6tables-save", "ip6tables-nft-save", "ip6tables-legacy-save", "/proc/net/ip6_tables_names", "ip6"),
}
# Nearly every filter opens the UDP ports of a DHCP client, on which nothing but that client ever listens.
DHCP_CLIENT = 1 << 68 | 1 << 546
UNITS = ("ufw", "nftables", "netfilter-persistent", "firewalld")


class Filter(NamedTuple):
    """The tables of one family. hidden: why there may be more of them, or None."""

    tables: List[Table]
    hidden: Optional[Missing]


def read(host: Any, need: Any) -> Dict[str, Any]:
    """Return the tables of each family, for the collectors below."""
    nft = attempt(lambda: _nft(host))
    out: Dict[str, Any] = {family: attempt(partial(_filter, host, family, nft)) for family in COMMANDS}
    return dict(out, interfaces=_interfaces(host))


def collect(host: Any, need: Any) -> Dict[str, Any]:
    raw = need("packet_filter")
    out: Dict[str, Any] = {family: attempt(partial(_family, raw, family)) for family in COMMANDS}
    out["global_v6"] = attempt(lambda: _global_v6(host))
    out["boot"] = attempt(lambda: _boot(host, raw["interfaces"]))
    return out


def expose(host: Any, need: Any) -> Dict[str, Any]:
    return {"published": _published(Facts({"docker": need("docker")}), need("packet_filter"))}


# -- reading ---------------------------------------------------------------------------------------------------------


def _optional(host: Any, path: str) -> str:
    try:
        return host.read(path)
    except NotFound:
        return ""


def _parsed(subject: str, parse: Any, *arguments: Any) -> Any:
    try:
        return parse(*arguments)
    except (ValueError, IndexError) as error:
        raise HostError(Reason.PARSE_ERROR, subject, str(error)) from None


def _run(host: Any, argv: List[str]) -> str:
    done = host.run(argv)
    if done.rc != 0:
        raise HostError(Reason.ERROR, argv[0], first_line(done.err) or "failed with exit code %d" % done.rc)
    return done.out


def _interfaces(host: Any) -> List[str]:
    """Return the interfaces through which strangers come."""
    try:
        found = proc_net.default_interfaces(_optional(host, "/proc/net/route"), _optional(host, "/proc/net/ipv6_route"))
        found = found or proc_net.outer_interfaces(_optional(host, "/proc/net/dev"))
    except (ValueError, IndexError):
        found = set()
    return sorted(found) or ["any"]


def _nft(host: Any) -> str:
    if host.euid() != 0:
        raise HostError(Reason.NEEDS_ROOT, "nft", "only root may read the packet filter")
    return _run(host, ["nft", "-j", "list", "ruleset"])


def _filter(host: Any, family: str, nft: Any) -> Filter:
    """Return every table of a family: those of both interfaces of the kernel, each read by the tool that knows it best."""
    usual, modern, legacy, listed, nft_family = COMMANDS[family]
    if host.euid() != 0:
        raise HostError(Reason.NEEDS_ROOT, usual, "only root may read the packet filter")
    hidden = None
    tables = []
    old = bool(_optional(host, listed).split())
    try:
        text = _run(host, [usual])
    except HostError as error:
        if error.reason != Reason.TOOL_ABSENT:
            raise
        text = ""
        hidden = error.missing("firewall") if old else None
    else:
        tables = _parsed(usual, iptables.parse, text, family)
    is_old = bool(tables) and "(nf_tables)" not in text
    if old and not is_old and hidden is None:
        try:
            tables += _parsed(legacy, iptables.parse, _run(host, [legacy]), family)
        except HostError as error:
            hidden = error.missing("firewall")
    if isinstance(nft, Unread):
        if nft.reason == Reason.TOOL_ABSENT and not _may_have_nft(host):
            return Filter(tables, hidden)
        return Filter(
            tables, hidden or Missing("firewall", nft.reason, nft.detail + ", so not every table can be seen")
        )
    if is_old and host.which(modern):
        text = _run(host, [modern])
        tables += _parsed(modern, iptables.parse, text, family)
    # iptables understands the tables that it wrote itself better than nft does.
    known = re.findall(r"^\*(\w+)", text, re.MULTILINE) if "(nf_tables)" in text else ()
    found = _parsed("nft", nftables.parse, nft, frozenset((nft_family, name) for name in known))
    return Filter(tables + [table for table in found if family in table.families], hidden)


def _may_have_nft(host: Any) -> bool:
    """Return whether the kernel may hold nftables although no tool is there to list them."""
    try:
        release = host.read("/proc/sys/kernel/osrelease").strip()
        builtin = host.read("/lib/modules/%s/modules.builtin" % release)
        modules = host.read("/proc/modules")
    except HostError:
        return True
    return "/nf_tables.ko" in builtin or any(line.startswith("nf_tables ") for line in modules.splitlines())


# -- what it lets through --------------------------------------------------------------------------------------------


def _reach(
    tables: List[Table], interfaces: List[str], hook: str, packet: Packet, alive: int, kind: str = "filter"
) -> Reach:
    out = Reach()
    for interface in interfaces:
        out.add(packet_filter.reach(tables, hook, packet._replace(interface=interface), alive, kind))
    return out


def _tables(raw: Dict[str, Any], family: str) -> Filter:
    found = raw[family]
    if isinstance(found, Unread):
        raise Missing("firewall." + family, found.reason, found.detail)
    return found


def _family(raw: Dict[str, Any], family: str) -> Dict[str, Any]:
    return _parsed("packet filter", summary, family, _tables(raw, family), raw["interfaces"])


def summary(family: str, found: Filter, interfaces: List[str]) -> Dict[str, Any]:
    """Return what strangers who come through these interfaces reach, as the facts say it."""
    out: Dict[str, Any] = {"default": "deny", "open": [], "restricted": [], "unsure": [], "dnat": []}
    for protocol in sorted(BOTH):
        every = packet_filter.EVERY & ~(DHCP_CLIENT if protocol == "udp" else 0)
        packet = Packet(family, protocol, "")
        got = _reach(found.tables, interfaces, "input", packet, every)
        if packet_filter.count(got.open) > packet_filter.HALF:
            out["default"] = "accept"
        elif packet_filter.count(got.open | got.unsure) > packet_filter.HALF and out["default"] == "deny":
            out["default"] = Unread(Reason.PARSE_ERROR, "a rule that is not understood may accept everything")
        sent = _reach(found.tables, interfaces, "prerouting", packet, every, "nat").sent
        out["open"] += _ranges(protocol, got.open)
        out["unsure"] += _ranges(protocol, got.unsure)
        for source, mask in sorted(got.restricted.items()):
            out["restricted"] += [dict(item, **{"from": source}) for item in _ranges(protocol, mask)]
        for mask, target in sent:
            out["dnat"] += [dict(item, to=target, inner=_inner(target)) for item in _ranges(protocol, mask)]
    if found.hidden and out["default"] == "accept":
        # Tables that cannot be seen may deny what these accept.
        out["default"] = Unread(found.hidden.reason, found.hidden.detail)
    if found.hidden:
        out["dnat"] = out["dnat"] or Unread(found.hidden.reason, found.hidden.detail)
    out["docker_user"] = any(
        rule.target == "DOCKER-USER"
        for table in found.tables
        for chain in table.chains.values()
        if chain.hook == "forward"
        for rule in chain.rules
    )
    out["interfaces"] = interfaces
    return out


def _inner(target: str) -> Any:
    """Return the [first, last] port that translation sends to; None where the port stays what it is."""
    if target.endswith("?"):
        return Unread(Reason.PARSE_ERROR, "a map of nftables names the port")
    found = re.search(r"^(?:[\d.]*:|\[.*\]:)?(\d+)(?:-(\d+))?$", target)
    return [int(found.group(1)), int(found.group(2) or found.group(1))] if found else None


def _ranges(protocol: str, mask: int) -> List[Dict[str, Any]]:
    return [{"proto": protocol, "first": first, "last": last} for first, last in packet_filter.ranges(mask)]


def _published(facts: Facts, raw: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return each port that Docker publishes beyond loopback, and whether the filter lets a stranger reach it."""
    out = []
    for record in facts.records("docker.published"):
        item = {key: record.read(key) for key in ("container", "ip", "port", "proto")}
        item["ip"] = item["ip"] or "0.0.0.0"
        if not proc_net.is_loopback(item["ip"]):
            inner = int(str(record.read("target")).partition("/")[0])
            packet = Packet("v6" if ":" in item["ip"] else "v4", item["proto"], "", item["port"])
            item["reachable"] = attempt(partial(_parsed, "packet filter", _reachable, raw, packet, inner))
            out.append(item)
    return out


def _reachable(raw: Dict[str, Any], packet: Packet, inner: int) -> bool:
    found = _tables(raw, packet.family)
    interfaces = raw["interfaces"]
    outer = packet_filter.ports(packet.original or 0, packet.original or 0)
    direct = packet._replace(original=None)
    if _reach(found.tables, interfaces, "prerouting", direct, outer, "nat").sent:
        got = _reach(found.tables, interfaces, "forward", packet, packet_filter.ports(inner, inner))
    else:
        # Without translation Docker's proxy, a process of the host, takes the connection.
        got = _reach(found.tables, interfaces, "input", direct, outer)
    reachable = bool(got.open | got.unsure)
    if reachable and found.hidden:
        raise found.hidden
    return reachable


def _global_v6(host: Any) -> bool:
    return _parsed("/proc/net/if_inet6", proc_net.global_ipv6, _optional(host, "/proc/net/if_inet6"))


# -- at boot ---------------------------------------------------------------------------------------------------------


def _boot(host: Any, interfaces: List[str]) -> List[str]:
    """Return what is enabled at boot and denies incoming traffic then."""
    shown = _run(host, ["systemctl", "show", "-p", "Id,UnitFileState"] + [unit + ".service" for unit in UNITS])
    enabled = re.findall(r"^Id=(\S+)\.service\nUnitFileState=enabled$", shown, re.MULTILINE)
    if len(re.findall(r"^Id=", shown, re.MULTILINE)) != len(UNITS):
        raise HostError(Reason.PARSE_ERROR, "systemctl", "did not describe the units of firewalls")
    return [unit for unit in UNITS if unit in enabled and BOOT[unit](host, interfaces)]


def _setting(text: str, name: str) -> str:
    found = re.findall(r"^\s*%s=[\"']?(\w+)" % name, text, re.MULTILINE)
    return found[-1].lower() if found else ""


def _ufw(host: Any, interfaces: List[str]) -> bool:
    enabled = _setting(_optional(host, "/etc/ufw/ufw.conf"), "ENABLED") == "yes"
    return enabled and _setting(_optional(host, "/etc/default/ufw"), "DEFAULT_INPUT_POLICY") in ("drop", "reject")


def _nftables(host: Any, interfaces: List[str]) -> bool:
    return any(_denies(text) for text in _configuration(host, "/etc/nftables.conf", 0))


def _denies(text: str) -> bool:
    """Return whether a file of nftables has a chain for incoming IPv4 traffic that drops what it does not name."""
    family = "ip"
    for found in re.finditer(r"\btable\s+(?:(ip6?|inet|arp|bridge|netdev)\s+)?\w+\s*\{|\bhook\s+input\b([^{}]*)", text):
        if found.group(2) is None:
            family = found.group(1) or "ip"
        elif family in ("ip", "inet") and re.search(r"\bpolicy\s+drop\b", found.group(2)):
            return True
    return False


def _configuration(host: Any, path: str, depth: int) -> Iterator[str]:
    """Yield the text of a file of nftables and of those that it includes, without comments."""
    text = re.sub(r"#.*", "", _optional(host, path))
    yield text
    for pattern in re.findall(r"^\s*include\s+\"([^\"]+)\"", text, re.MULTILINE) if depth < 3 else ():
        folder, _slash, name = (pattern if pattern.startswith("/") else "/etc/" + pattern).rpartition("/")
        try:
            names = fnmatch.filter(host.listdir(folder), name)
        except NotFound:
            continue
        for found in names:
            yield from _configuration(host, folder + "/" + found, depth + 1)


def _persistent(host: Any, interfaces: List[str]) -> bool:
    tables = _parsed("/etc/iptables/rules.v4", iptables.parse, _optional(host, "/etc/iptables/rules.v4"), "v4")
    return summary("v4", Filter(tables, None), interfaces)["default"] == "deny"


def _firewalld(host: Any, interfaces: List[str]) -> bool:
    return True  # its zones deny what they do not name, unless the target says otherwise, which the running rules show


BOOT = {"ufw": _ufw, "nftables": _nftables, "netfilter-persistent": _persistent, "firewalld": _firewalld}

COLLECTORS = (
    Collector("packet_filter", read, hidden=True),
    Collector("firewall", collect, deadline=8.0),
    # Waits for Docker, which may be slow; the firewall's own facts must not.
    Collector("exposure", expose, deadline=18.0),
)

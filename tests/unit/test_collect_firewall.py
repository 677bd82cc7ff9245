# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a machine's packet filter to facts."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import firewall
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, Options, collect_all
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, HostError
from fake_host import FakeHost

ROUTE = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
NFT_EMPTY = '{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "x", "json_schema_version": 1}}]}'
UNITS = "ufw nftables netfilter-persistent firewalld".split()
GLOBAL = "2a010db8000000000000000000000001 02 40 00 80     eth0\n"


@pytest.fixture(scope="session")
def net(root):
    """Return the text of a file in tests/fixtures/net."""
    return lambda name: (root / "tests/fixtures/net" / name).read_text(encoding="utf-8")


def shown(*enabled):
    states = ("Id=%s.service\nUnitFileState=%s\n" % (unit, "enabled" if unit in enabled else "") for unit in UNITS)
    return "\n".join(states)


def collected(files=None, published=(), tools=None, **options):
    commands = {"systemctl": shown("ufw"), "iptables-save": "", "ip6tables-save": "", "nft": NFT_EMPTY}
    commands.update(tools or {})
    host = FakeHost(
        files=dict({"/proc/net/route": ROUTE}, **(files or {})),
        commands={name: answer for name, answer in commands.items() if answer is not None},
        **options,
    )
    docker = Collector("docker", lambda host, need: {"state": "present", "published": list(published)})
    return collect_all(host, (docker,) + firewall.COLLECTORS, Options()), host


def test_a_host_with_ufw(net):
    tree, host = collected(
        {
            "/etc/ufw/ufw.conf": "# x\nENABLED=yes\n",
            "/etc/default/ufw": 'IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\n',
            "/proc/net/if_inet6": GLOBAL,
        },
        tools={
            "iptables-save": net("ufw-12-v4.txt"),
            "ip6tables-save": net("ufw-12-v6.txt"),
            "nft": net("ufw-12-nft.json"),
        },
    )
    facts = tree["firewall"]
    assert facts["v4"]["default"] == facts["v6"]["default"] == "deny"
    assert [(item["proto"], item["first"]) for item in facts["v4"]["open"]] == [
        ("tcp", 22),
        ("tcp", 80),
        ("tcp", 443),
        ("udp", 443),
    ]
    assert facts["v4"]["restricted"] == [{"proto": "tcp", "first": 5432, "last": 5432, "from": "10.1.0.0/16"}]
    assert facts["v4"]["unsure"] == [] and facts["v4"]["dnat"] == []
    assert facts["boot"] == ["ufw"] and facts["global_v6"] is True
    assert len(host.ran) == 4
    assert "packet_filter" not in tree


def test_answers_to_a_dhcp_client_open_no_port(net):
    facts = collected(tools={"nft": net("nft-13.json")})[0]["firewall"]
    for family in ("v4", "v6"):
        assert [item["first"] for item in facts[family]["open"] if item["proto"] == "udp"] == [443]


def test_nothing_at_all_is_an_open_host():
    tree, _host = collected()
    assert tree["firewall"]["v4"]["default"] == "accept" and tree["firewall"]["global_v6"] is False


def test_without_root_nothing_is_claimed(net):
    tree, host = collected(euid=1000, tools={"systemctl": shown()})
    assert tree["firewall"]["v4"].reason == tree["firewall"]["v6"].reason == Reason.NEEDS_ROOT
    assert [argv[0] for argv, _stdin, _env in host.ran] == ["systemctl"]


def test_tables_that_cannot_be_listed_leave_an_open_filter_unknown_and_a_closed_one_closed(net):
    tree, _host = collected(tools={"nft": None})
    assert tree["firewall"]["v4"]["default"].reason == Reason.TOOL_ABSENT
    tree, _host = collected(tools={"nft": None, "iptables-save": net("ufw-12-v4.txt")})
    assert tree["firewall"]["v4"]["default"] == "deny"
    tree, _host = collected(tools={"nft": Completed(1, "", "Error: JSON support not compiled-in")})
    assert tree["firewall"]["v4"]["default"] == Unread(
        Reason.ERROR, "nft: Error: JSON support not compiled-in, so not every table can be seen"
    )


def test_a_kernel_without_nftables_and_without_tools_has_no_firewall():
    kernel = {
        "/proc/sys/kernel/osrelease": "6.1.0\n",
        "/proc/modules": "overlay 1 0 - Live 0x0\n",
        "/lib/modules/6.1.0/modules.builtin": "kernel/fs/ext4/ext4.ko\n",
    }
    none = {"nft": None, "iptables-save": None, "ip6tables-save": None}
    assert collected(kernel, tools=none)[0]["firewall"]["v4"]["default"] == "accept"
    for change in (
        {"/proc/modules": "nf_tables 1 0 - Live 0x0\n"},
        {"/lib/modules/6.1.0/modules.builtin": "kernel/net/netfilter/nf_tables.ko\n"},
        {"/proc/net/ip_tables_names": "filter\n"},
    ):
        assert isinstance(collected(dict(kernel, **change), tools=none)[0]["firewall"]["v4"]["default"], Unread)


def test_tables_of_the_old_kernel_interface_are_read_beside_the_new(net):
    old = net("ufw-12-v4.txt").replace("(nf_tables)", "(legacy)")
    tree, _host = collected({"/proc/net/ip_tables_names": "filter\n"}, tools={"iptables-legacy-save": old})
    assert tree["firewall"]["v4"]["default"] == "deny"
    tree, _host = collected({"/proc/net/ip_tables_names": "filter\n"})
    assert tree["firewall"]["v4"]["default"].reason == Reason.TOOL_ABSENT
    tree, _host = collected({"/proc/net/ip_tables_names": "filter\n"}, tools={"iptables-save": old})
    assert tree["firewall"]["v4"]["default"] == "deny"


def test_rubbish_and_failures_are_unread():
    for answer, reason in (
        ("rubbish", Reason.PARSE_ERROR),
        (Completed(1, "", "Permission denied"), Reason.ERROR),
        (HostError(Reason.TIMEOUT, "iptables-save"), Reason.TIMEOUT),
    ):
        assert collected(tools={"iptables-save": answer})[0]["firewall"]["v4"].reason == reason
    assert collected(tools={"nft": "rubbish"})[0]["firewall"]["v4"].reason == Reason.PARSE_ERROR
    assert collected({"/proc/net/if_inet6": "rubbish"})[0]["firewall"]["global_v6"].reason == Reason.PARSE_ERROR
    assert collected(tools={"systemctl": "rubbish"})[0]["firewall"]["boot"].reason == Reason.PARSE_ERROR
    assert collected(tools={"systemctl": None})[0]["firewall"]["boot"].reason == Reason.TOOL_ABSENT


UFW = {"/etc/ufw/ufw.conf": "ENABLED=yes\n", "/etc/default/ufw": "DEFAULT_INPUT_POLICY=DROP\n"}
STOCK = "flush ruleset\ntable inet filter {\n chain input {\n type filter hook input priority filter; # drop\n }\n}\n"


@pytest.mark.parametrize(
    "enabled, files, wanted",
    [
        (["ufw"], UFW, ["ufw"]),
        ([], UFW, []),
        (["ufw"], dict(UFW, **{"/etc/ufw/ufw.conf": "ENABLED=no\n"}), []),
        (["ufw"], dict(UFW, **{"/etc/default/ufw": 'DEFAULT_INPUT_POLICY="ACCEPT"\n'}), []),
        (["ufw"], {}, []),
        (["nftables"], {"/etc/nftables.conf": STOCK}, []),
        (["nftables"], {"/etc/nftables.conf": STOCK.replace("filter; #", "filter; policy drop; #")}, ["nftables"]),
        (
            ["nftables"],
            {
                "/etc/nftables.conf": 'include "/etc/nftables.d/*.nft"\n',
                "/etc/nftables.d/a.nft": STOCK.replace("filter; #", "0; policy drop; #"),
            },
            ["nftables"],
        ),
        (["nftables"], {"/etc/nftables.conf": 'include "/etc/nftables.d/*.nft"\n'}, []),
        (["nftables"], {"/etc/nftables.conf": STOCK.replace("filter;", "0; policy drop;").replace("inet", "ip6")}, []),
        (
            ["nftables"],
            {"/etc/nftables.conf": STOCK.replace("filter;", "0; policy drop;").replace("hook input", "hook forward")},
            [],
        ),
        (
            ["nftables"],
            {"/etc/nftables.conf": STOCK.replace("# drop", "\n  tcp dport 25 drop\n  tcp dport 26 reject")},
            [],
        ),
        (
            ["netfilter-persistent"],
            {"/etc/iptables/rules.v4": "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"},
            ["netfilter-persistent"],
        ),
        (["netfilter-persistent"], {"/etc/iptables/rules.v4": "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"}, []),
        (["netfilter-persistent"], {}, []),
        (["firewalld"], {}, ["firewalld"]),
    ],
)
def test_what_denies_at_boot(enabled, files, wanted):
    assert collected(files, tools={"systemctl": shown(*enabled)})[0]["firewall"]["boot"] == wanted


def published(port, target="80", ip="0.0.0.0", proto="tcp"):
    return {"container": "web", "service": "web", "ip": ip, "port": port, "proto": proto, "target": target}


def reachable(tree):
    return [(item["port"], item["reachable"]) for item in tree["exposure"]["published"]]


def test_what_docker_publishes_is_reachable_until_its_own_chain_holds_it_back(net):
    text = net("docker-v4.txt")
    items = [published(18080), published(15432, "5432", "127.0.0.1"), published(18443, "443", proto="udp")]
    tree, _host = collected(published=items, tools={"iptables-save": text})
    assert reachable(tree) == [(18080, True), (18443, True)]
    assert tree["firewall"]["v4"]["dnat"] == [
        {"proto": "tcp", "first": 18080, "last": 18080, "to": "172.17.0.12:80", "inner": [80, 80]},
        {"proto": "udp", "first": 18443, "last": 18443, "to": "172.17.0.12:443", "inner": [443, 443]},
    ]
    assert tree["firewall"]["v4"]["docker_user"] is True
    held = text.replace("-A DOCKER-USER -j RETURN", "-A DOCKER-USER -i eth0 -p tcp -m tcp --dport 80 -j DROP")
    assert reachable(collected(published=items, tools={"iptables-save": held})[0]) == [(18080, False), (18443, True)]
    # Denied by the input chain, as by ufw, is not denied to Docker.
    closed = text.replace(":INPUT ACCEPT", ":INPUT DROP")
    assert reachable(collected(published=items, tools={"iptables-save": closed})[0]) == [(18080, True), (18443, True)]


def test_a_port_that_is_sent_on_inside_the_host_is_told_with_where_it_goes():
    text = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 5432\n"
    text += "-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.0.0.1\nCOMMIT\n"
    assert collected(tools={"iptables-save": text})[0]["firewall"]["v4"]["dnat"] == [
        {"proto": "tcp", "first": 80, "last": 80, "to": "5432", "inner": [5432, 5432]},
        {"proto": "tcp", "first": 81, "last": 81, "to": "10.0.0.1", "inner": None},
    ]


@pytest.mark.parametrize(
    "target, inner", [("[fd00::1]:80", [80, 80]), ("5000-5010", [5000, 5010]), ("fd00::1", None), ("", None)]
)
def test_the_port_behind_a_forwarding(target, inner):
    assert firewall._inner(target) == inner
    assert isinstance(firewall._inner("10.0.0.1:?"), Unread)


def test_a_port_that_docker_only_proxies_meets_the_input_chain(net):
    text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT\nCOMMIT\n"
    tree, _host = collected(published=[published(8080), published(5432, "5432")], tools={"iptables-save": text})
    assert reachable(tree) == [(8080, True), (5432, False)]


def test_published_ports_without_docker_or_root():
    tree, _host = collected(published=[published(8080)], euid=1000)
    assert tree["exposure"]["published"][0]["reachable"].reason == Reason.NEEDS_ROOT

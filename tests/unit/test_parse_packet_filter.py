# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stranger reaches, read from rules that real tools printed."""

from __future__ import annotations

import json

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse import iptables, nftables
from ansible_collections.nself.prod.plugins.module_utils.parse.packet_filter import (
    EVERY,
    HALF,
    Packet,
    count,
    ports,
    ranges,
    reach,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="session")
def net(root):
    """Return the text of a file in tests/fixtures/net."""
    return lambda name: (root / "tests/fixtures/net" / name).read_text(encoding="utf-8")


def saved(*rules, policy="DROP", chains=(), table="filter", chain="INPUT"):
    """Return iptables-save's text of one table."""
    lines = ["*" + table, ":%s %s [0:0]" % (chain, policy)] + [":%s - [0:0]" % name for name in chains]
    return "\n".join(lines + ["-A " + rule for rule in rules] + ["COMMIT", ""])


def asked(
    tables, protocol="tcp", interface="eth0", family="v4", hook="input", original=None, alive=EVERY, kind="filter"
):
    return reach(tables, hook, Packet(family, protocol, interface, original), alive, kind)


def opened(*rules, **options):
    where = {key: options.pop(key) for key in ("protocol", "interface") if key in options}
    return ranges(asked(iptables.parse(saved(*rules, **options), "v4"), **where).open)


def test_ufw_as_it_really_is(net):
    four, six = iptables.parse(net("ufw-12-v4.txt"), "v4"), iptables.parse(net("ufw-12-v6.txt"), "v6")
    assert ranges(asked(four).open) == [(22, 22), (80, 80), (443, 443)]
    assert ranges(asked(four, "udp").open) == [(68, 68), (443, 443)]
    assert {source: ranges(mask) for source, mask in asked(four).restricted.items()} == {"10.1.0.0/16": [(5432, 5432)]}
    assert ranges(asked(six, family="v6").open) == [(22, 22), (80, 80), (443, 443)]
    assert ranges(asked(six, "udp", family="v6").open) == [(443, 443)]
    assert ranges(asked(four, interface="lo").open) == [(1, 65535)]


@pytest.mark.parametrize("release", ["12", "13"])
def test_nftables_as_it_really_is(net, release):
    tables = nftables.parse(net("nft-%s.json" % release))
    assert ranges(asked(tables).open) == [(22, 22), (80, 80), (443, 443), (8000, 8010), (65001, 65535)]
    assert ranges(asked(tables, "udp").open) == [(68, 68), (443, 443)]
    assert ranges(asked(tables, "udp").unsure) == [(60000, 61000)]  # by mark
    assert ranges(asked(tables, family="v6").open) == [
        (22, 22),
        (80, 80),
        (443, 443),
        (3000, 3000),
        (8000, 8010),
        (8443, 8443),
        (65001, 65535),
    ]
    restricted = asked(tables).restricted
    assert ranges(restricted["set admins"]) == [(5432, 5432), (9000, 9001)]
    assert ranges(restricted["203.0.113.0/24"]) == [(3000, 3000)]
    assert count(asked(tables, interface="eth1").open) > HALF
    sent = asked(tables, hook="prerouting", kind="nat").sent
    assert [(ranges(mask), target) for mask, target in sent] == [
        ([(8080, 8080)], "172.18.0.3:80"),
        ([(2222, 2222)], "22"),
    ]


def test_firewalld_as_it_really_is(net):
    tables = nftables.parse(net("firewalld-13.json"))
    for family in ("v4", "v6"):
        found = asked(tables, family=family)
        assert ranges(found.open) == [(22, 22), (443, 443), (8081, 8081)]
        assert not found.unsure  # "ct status dnat accept" is for what nat sent here only


def test_nft_reads_what_iptables_wrote_without_ever_closing_too_much(net):
    tables = nftables.parse(net("ufw-12-nft.json"))
    assert ports(22, 22) | ports(80, 80) | ports(443, 443) == asked(tables).open
    skipped = nftables.parse(net("ufw-12-nft.json"), frozenset((("ip", "filter"), ("ip6", "filter"))))
    assert skipped == []


def test_docker_publishes_past_the_input_chain(net):
    tables = iptables.parse(net("docker-v4.txt"), "v4")
    sent = asked(tables, hook="prerouting", kind="nat").sent
    assert [(ranges(mask), target) for mask, target in sent] == [
        ([(18080, 18080)], "172.17.0.12:80")
    ]  # not 127.0.0.1:15432
    assert asked(tables, hook="forward", original=18080, alive=ports(80, 80)).open == ports(80, 80)
    guarded = net("docker-v4.txt").replace(
        "-A DOCKER-USER -j RETURN",
        "-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n"
        "-A DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 443 --ctdir ORIGINAL -j RETURN\n"
        "-A DOCKER-USER -i eth0 -j DROP\n-A DOCKER-USER -j RETURN",
    )
    tables = iptables.parse(guarded, "v4")
    assert not asked(tables, hook="forward", original=18080, alive=ports(80, 80)).any()
    assert asked(tables, hook="forward", original=443, alive=ports(80, 80)).open


@pytest.mark.parametrize(
    "rule, closed",
    [
        ("INPUT -j DROP", True),
        ("INPUT -p tcp -j REJECT --reject-with tcp-reset", True),
        ('INPUT -m comment --comment "a -j ACCEPT in a comment" -j DROP', True),
        ("INPUT -i eth0 -j DROP", True),
        ("INPUT ! -i lo -j DROP", True),
        ("INPUT -m conntrack --ctstate NEW -j DROP", True),
        ("INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP", True),
        ("INPUT ! -s 10.0.0.0/8 -j DROP", True),
        ("INPUT -p udp -j DROP", False),
        ("INPUT -i eth1 -j DROP", False),
        ("INPUT -s 198.51.100.0/24 -j DROP", False),
        ("INPUT -d 192.0.2.1/32 -j DROP", False),
        ("INPUT -m conntrack --ctstate INVALID -j DROP", False),
        ("INPUT -m limit --limit 5/sec -j DROP", False),
        ("INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP", False),
        ("INPUT -m somethingnew --option x -j DROP", False),
        ("INPUT -m set --match-set banned src -j DROP", False),
        ("INPUT -m addrtype --dst-type BROADCAST -j DROP", False),
        ('INPUT -j LOG --log-prefix "DROP "', False),
    ],
)
def test_what_closes_a_chain_that_accepts_by_policy(rule, closed):
    assert bool(opened(rule, policy="ACCEPT")) is not closed


@pytest.mark.parametrize(
    "rule, ports_open",
    [
        ("INPUT -j ACCEPT", [(1, 65535)]),
        ("INPUT -i lo -j ACCEPT", []),
        ("INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", []),
        ("INPUT -p icmp -j ACCEPT", []),
        ("INPUT -s 192.168.0.0/16 -j ACCEPT", []),
        ("INPUT -s 0.0.0.0/1 -j ACCEPT", [(1, 65535)]),
        ("INPUT ! -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j ACCEPT", [(22, 22)]),
        ("INPUT -p tcp -m multiport --dports 22,80:82 -j ACCEPT", [(22, 22), (80, 82)]),
        ("INPUT -p tcp -m tcp --sport 53 -j ACCEPT", [(1, 65535)]),
        ("INPUT -p tcp -m tcp ! --dport 22 -j ACCEPT", [(1, 21), (23, 65535)]),
        ("INPUT -d 10.0.0.5/32 -p tcp -m tcp --dport 25 -j ACCEPT", [(25, 25)]),
        ("INPUT -d 224.0.0.251/32 -j ACCEPT", []),
        ("INPUT -p tcp -m tcp --dport 22 -m limit --limit 3/min -j ACCEPT", [(22, 22)]),
        ("INPUT -m conntrack --ctstate DNAT -j ACCEPT", []),
        ("INPUT -m conntrack --ctstate DNAT -j ACCEPT", []),
    ],
)
def test_what_opens_a_chain_that_drops_by_policy(rule, ports_open):
    assert opened(rule) == ports_open


V6 = "INPUT -m iprange --src-range %s -p tcp -m tcp --dport 5432 -j ACCEPT"


def port_5432(tables, family="v4"):
    found = asked(tables, family=family)
    masks = {"open": found.open, "unsure": found.unsure}
    masks["restricted"] = 1 << 5432 if any(mask >> 5432 & 1 for mask in found.restricted.values()) else 0
    return [name for name, mask in masks.items() if mask >> 5432 & 1]


@pytest.mark.parametrize(
    "sources, wanted",
    [
        (["-m iprange --src-range 0.0.0.1-255.255.255.254"], ["open"]),
        (["-m iprange --src-range 192.0.2.1-192.0.2.99"], ["restricted"]),
        (["-s %d.0.0.0/8" % number for number in range(11, 120)], ["open"]),
        (["-s 8.0.0.0/8", "-s 9.0.0.0/16"], ["open"]),
        (["-s 8.0.0.0/8"], ["restricted"]),
        (["-s 10.0.0.0/8", "-s 192.168.0.0/16", "-s 172.16.0.0/12", "-s 203.0.113.0/24"], ["restricted"]),
        (["-m set --match-set trusted src"], ["unsure"]),
        (["-s 203.0.113.0/24 -m set --match-set trusted src"], ["restricted"]),
        (["-m mac --mac-source 52:54:00:12:34:56"], ["restricted"]),
    ],
)
def test_sources_are_measured_together(sources, wanted):
    rules = ["INPUT %s -p tcp -m tcp --dport 5432 -j ACCEPT" % source for source in sources]
    assert port_5432(iptables.parse(saved(*rules), "v4")) == wanted


def test_ranges_of_ipv6_are_measured():
    assert port_5432(iptables.parse(saved(V6 % "2000::-3fff:ffff::"), "v6"), "v6") == ["open"]
    assert port_5432(iptables.parse(saved(V6 % "2001:db8::1-2001:db8::9"), "v6"), "v6") == ["restricted"]


def nft(left, right, elements=None, op="=="):
    """Return the tables of one rule `LEFT OP RIGHT accept` in a chain that drops."""
    where = {"family": "inet", "table": "filter"}
    listing = [
        {"metainfo": {}},
        {"table": {"family": "inet", "name": "filter"}},
        {"chain": dict(where, name="input", hook="input", type="filter", policy="drop")},
        {
            "rule": dict(
                where, chain="input", expr=[{"match": {"left": left, "op": op, "right": right}}, {"accept": None}]
            )
        },
    ]
    if elements is not None:
        listing.insert(2, {"set": dict(where, name="trusted", elem=elements)})
    return nftables.parse(json.dumps({"nftables": listing}))


SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}
PAIR = {"concat": [SADDR, {"payload": {"protocol": "tcp", "field": "dport"}}]}
HALVES = [{"prefix": {"addr": "0.0.0.0", "len": 1}}, {"prefix": {"addr": "128.0.0.0", "len": 1}}]
ANY = {"prefix": {"addr": "0.0.0.0", "len": 0}}


@pytest.mark.parametrize(
    "left, right, elements, wanted",
    [
        (SADDR, {"range": ["0.0.0.0", "255.255.255.255"]}, None, ["open"]),
        (SADDR, {"range": ["192.0.2.1", "192.0.2.9"]}, None, ["restricted"]),
        (SADDR, "@trusted", HALVES, ["open"]),
        (SADDR, "@trusted", ["192.0.2.1", {"elem": {"val": "192.0.2.2", "timeout": 9}}], ["restricted"]),
        (SADDR, "@trusted", [], ["restricted"]),
        (SADDR, "@elsewhere", None, ["unsure"]),
        (PAIR, {"set": [{"concat": [ANY, 5432]}]}, None, ["open"]),
        (PAIR, {"set": [{"concat": [ANY, 22]}]}, None, []),
        (PAIR, "@trusted", [{"concat": ["192.0.2.1", 5432]}], ["restricted"]),
        (PAIR, "@elsewhere", None, ["unsure"]),
    ],
)
def test_sets_and_ranges_of_nft_are_measured(left, right, elements, wanted):
    assert port_5432(nft(left, right, elements)) == wanted


def test_jumps_returns_and_gotos():
    assert opened("INPUT -p tcp -m tcp --dport 80 -j web", "web -j ACCEPT", chains=["web"]) == [(80, 80)]
    assert opened(
        "INPUT -j a", "INPUT -j DROP", "a -p tcp -m tcp --dport 1:9 -j RETURN", "a -j ACCEPT", chains=["a"]
    ) == [(10, 65535)]
    # goto comes back to the caller's caller: the rule behind it in the same chain is never asked
    assert opened("INPUT -j a", "a -g b", "a -j ACCEPT", "b -p tcp -m tcp --dport 7 -j ACCEPT", chains=["a", "b"]) == [
        (7, 7)
    ]
    assert opened("INPUT -s 10.0.0.0/8 -j trusted", "trusted -j ACCEPT", chains=["trusted"]) == []


def test_a_port_kept_for_one_network_by_exclusion_is_restricted_not_closed():
    found = asked(
        iptables.parse(
            saved(
                "INPUT ! -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j DROP", "INPUT -p tcp -m tcp --dport 22 -j ACCEPT"
            ),
            "v4",
        )
    )
    assert not found.open
    assert ranges(found.restricted["192.0.2.0/24"]) == [(22, 22)]


def test_every_base_chain_of_a_hook_has_its_say():
    tables = iptables.parse(
        saved(policy="ACCEPT") + saved("INPUT -p tcp -m tcp --dport 22 -j ACCEPT").replace("*filter", "*mangle"), "v4"
    )
    assert ranges(asked(tables).open) == [(22, 22)]
    assert count(asked([]).open) > HALF


def test_user_space_decides_unseen():
    found = asked(iptables.parse(saved("INPUT -j NFQUEUE --queue-num 0"), "v4"))
    assert not found.open and count(found.unsure) > HALF


@pytest.mark.parametrize(
    "text",
    [
        "iptables: command failed",
        "*filter\n:INPUT DROP [0:0]\n",
        "*filter\n:INPUT WHAT [0:0]\nCOMMIT\n",
        "*filter\n:INPUT DROP\n-A NOPE -j DROP\nCOMMIT",
        saved("INPUT -j nowhere"),
        saved("INPUT -s banana -j ACCEPT"),
        saved("INPUT -p tcp --dport 99999 -j ACCEPT"),
        saved("INPUT -j"),
        saved("INPUT -p"),
        saved('INPUT --comment "open -j DROP'),
    ],
)
def test_text_that_is_not_understood_is_refused(text):
    with pytest.raises(ValueError):
        iptables.parse(text, "v4")


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"nftables": []}', '{"nftables": [{}]}', '{"nftables": {"a": 1}}', "netlink: Error"],
)
def test_json_that_is_no_ruleset_is_refused(text):
    with pytest.raises(ValueError):
        nftables.parse(text)


def test_a_dormant_table_denies_nothing(net):
    names = [table.name for table in nftables.parse(net("nft-13.json"))]
    assert '"dormant"' in net("nft-13.json") and "sleeping" not in names


def test_rules_in_a_loop_are_refused():
    tables = iptables.parse(saved("INPUT -j a", "a -j b", "b -j a", chains=["a", "b"]), "v4")
    with pytest.raises(ValueError):
        asked(tables)


WORDS = st.sampled_from(
    "-A INPUT a -p tcp udp icmp -s -d 10.0.0.0/8 ::/0 -i lo eth0 ! -m conntrack --ctstate NEW --dport 22 80:90 -j ACCEPT DROP RETURN -g LOG \" ' -x 1".split()
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=9).map(lambda words: "INPUT " + " ".join(words)), max_size=5))
def test_rules_of_rubbish_end_in_an_answer_or_a_refusal(rules):
    try:
        found = asked(iptables.parse(saved(*rules, policy="ACCEPT", chains=["a"]), "v4"))
    except ValueError:
        return
    denying = [rule for rule in rules if "-j DROP" in rule or "-j RETURN" in rule or "-j a" in rule or "-g a" in rule]
    assert denying or count(found.open | found.unsure) > HALF


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_rubbish_never_denies(text):
    for parse in (lambda: iptables.parse(text, "v4"), lambda: nftables.parse(text)):
        try:
            tables = parse()
        except ValueError:
            continue
        assert count(asked(tables).open) > HALF


JSON = st.recursive(
    st.none()
    | st.integers()
    | st.sampled_from(["accept", "drop", "ip", "filter", "input", "tcp", "dport", "@x", "=="]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "match",
                    "left",
                    "op",
                    "right",
                    "payload",
                    "meta",
                    "key",
                    "protocol",
                    "field",
                    "set",
                    "vmap",
                    "data",
                    "jump",
                    "target",
                    "drop",
                    "accept",
                    "ct",
                    "range",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(JSON, max_size=4))
def test_statements_of_rubbish_end_in_an_answer_or_a_refusal(statements):
    chain = {"family": "ip", "table": "filter", "name": "input"}
    listing = [
        {"metainfo": {}},
        {"table": {"family": "ip", "name": "filter"}},
        {"chain": dict(chain, hook="input", type="filter", policy="accept")},
        {"rule": {"family": "ip", "table": "filter", "chain": "input", "expr": statements}},
    ]
    try:
        found = asked(nftables.parse(json.dumps({"nftables": listing})))
    except ValueError:
        return
    assert "drop" in json.dumps(statements) or count(found.open | found.unsure) > HALF

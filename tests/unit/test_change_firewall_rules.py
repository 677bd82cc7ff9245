# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of ufw: written as ufw writes them, reconciled, and what they decide."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change import firewall_rules as rules
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError

HEAD = "*filter\n:ufw-user-input - [0:0]\n### RULES ###\n"
TAIL = "\n### END RULES ###\n\n### LOGGING ###\n### END LOGGING ###\nCOMMIT\n"
# What ufw 0.36.2 wrote of these rules by itself.
OURS = """
### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=737368
-A ufw-user-input -p tcp --dport 22 -j ACCEPT

### tuple ### allow tcp 8000:8010 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp -m multiport --dports 8000:8010 -j ACCEPT

### tuple ### allow tcp 5432 0.0.0.0/0 any 10.0.0.0/8 in comment=782079
-A ufw-user-input -p tcp --dport 5432 -s 10.0.0.0/8 -j ACCEPT

### tuple ### limit tcp 2222 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 2222 -m conntrack --ctstate NEW -m recent --set
-A ufw-user-input -p tcp --dport 2222 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 -j ufw-user-limit
-A ufw-user-input -p tcp --dport 2222 -j ufw-user-limit-accept

### tuple ### deny tcp 25 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 25 -j DROP

### tuple ### allow tcp any 0.0.0.0/0 any 10.1.1.1 in
-A ufw-user-input -p tcp -s 10.1.1.1 -j ACCEPT
"""
FOREIGN = """
### tuple ### allow udp 99 0.0.0.0/0 any 0.0.0.0/0 in_eth0
-A ufw-user-input -i eth0 -p udp --dport 99 -j ACCEPT

### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 OpenSSH - in
-A ufw-user-input -p tcp --dport 22 -j ACCEPT -m comment --comment 'dapp_OpenSSH'

### tuple ### route:allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-forward -p tcp --dport 80 -j ACCEPT
"""
BAN = """
### tuple ### reject any any 0.0.0.0/0 any 203.0.113.9 in comment=%s
-A ufw-user-input -s 203.0.113.9 -j REJECT
""" % b"by Fail2Ban after 5 attempts against sshd".hex()


def item(port, **more):
    return dict({"port": port}, **more)


def wanted():
    made = rules.ssh_rules([22], ["any"], "ufw_ssh_sources")
    made += rules.rules(
        "allow", [item("8000:8010"), item(5432, **{"from": "10.9.9.9/8", "comment": "x y"})], "ufw_allow"
    )
    made += rules.rules("limit", [item("2222")], "ufw_limit") + rules.rules("deny", [item("25")], "ufw_deny")
    return made + rules.rules("allow", [item("any", **{"from": "10.1.1.1/32"})], "ufw_allow")


def blocks(text):
    return list(rules.parse(HEAD + text + TAIL, "user.rules").blocks)


def test_rules_are_written_as_ufw_writes_them():
    made = [rules.block(rule, "v4") for rule in wanted()]
    assert "".join(block.text for block in made) == OURS
    assert made == blocks(OURS)
    assert rules.parse(HEAD + OURS + TAIL, "x").text(made) == HEAD + OURS + TAIL
    six = rules.rules("allow", [item("53", proto="any", **{"from": "2001:DB8:0::/32"})], "ufw_allow")
    assert [rules.block(rule, "v6").text for rule in six] == [
        "\n### tuple ### allow %s 53 ::/0 any 2001:db8::/32 in\n-A ufw6-user-input -p %s --dport 53 -s 2001:db8::/32 -j ACCEPT\n"
        % (proto, proto)
        for proto in ("tcp", "udp")
    ]
    assert [rule.families() for rule in six] == [("v6",), ("v6",)]


def test_a_file_as_the_package_installs_it_takes_rules():
    for family, stock in rules.STOCK.items():
        made = [rules.block(rule, family) for rule in rules.ssh_rules([22], [], "x")]
        text = rules.parse(stock, "x").text(made)
        assert list(rules.parse(text, "x").blocks) == made
        assert text.startswith("*filter\n") and text.endswith("COMMIT\n")


def test_what_nobody_wants_goes_but_the_bans_stay_in_front():
    made = [rules.block(rule, "v4") for rule in wanted()]
    kept = rules.reconcile(blocks(FOREIGN + OURS + BAN), made, purge=True)
    routed = blocks(FOREIGN)[2]  # the role has no word for it
    assert [block.text for block in kept] == [block.text for block in blocks(BAN) + made + [routed]]


def test_without_purge_all_stays_in_place_and_what_is_missing_is_added():
    made = [rules.block(rule, "v4") for rule in wanted()]
    there = blocks(FOREIGN + OURS.replace("comment=782079", "comment=00"))
    kept = rules.reconcile(there[:6], made, purge=False)
    assert [block.fields for block in kept[:6]] == [block.fields for block in there[:6]]
    assert kept[5].comment == "x y" and kept[6:] == made[3:]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*nat\n" + HEAD + TAIL,
        HEAD + OURS,
        HEAD + "-A INPUT -j ACCEPT\n" + TAIL,
        HEAD + "\n### tuple ### allow tcp\n" + TAIL,
        HEAD + OURS.replace("comment=737368", "comment=zz") + TAIL,
        HEAD + OURS + "COMMIT\n",
    ],
)
def test_a_file_that_ufw_would_not_understand_is_refused(text):
    with pytest.raises(ChangeError, match="user.rules"):
        rules.parse(text, "user.rules")


@pytest.mark.parametrize(
    "bad, words",
    [
        (item("0"), r"ufw_allow\[0\].port"),
        (item("70000"), "port"),
        (item("90:80"), "port"),
        (item("http"), "port"),
        (item("80", **{"from": "example.org"}), "from takes an address"),
        (item("80", comment="it's"), "quotes"),
        (item("80", comment="two\nlines"), "line breaks"),
        (item("any"), "no firewall"),
        (item("any", **{"from": "0.0.0.0/0"}), "no firewall"),
    ],
)
def test_bad_rules_are_named(bad, words):
    with pytest.raises(ChangeError, match=words):
        rules.rules("allow", [bad], "ufw_allow")


def decided(address, port=22, before="", after=""):
    found = blocks(before + OURS + after)
    action, block = rules.decision(found, address, port)
    return action, block and block.fields[2]


def test_what_the_rules_decide_about_the_operator():
    assert decided("192.0.2.1") == ("allow", "22")
    assert decided("192.0.2.1", 2222) == ("limit", "2222")
    assert decided("192.0.2.1", 25) == ("deny", "25")
    assert decided("192.0.2.1", 5432) == ("deny", None)
    assert decided("10.1.2.3", 5432) == ("allow", "5432")
    assert decided("203.0.113.9", before=BAN) == ("deny", "any")
    assert decided("203.0.113.8", before=BAN) == ("allow", "22")
    # Who comes through which interface cannot be told: that counts against him.
    deny = FOREIGN.replace("allow udp 99", "deny tcp 22").replace("route:allow", "route:deny")
    assert decided("192.0.2.1", before=deny) == ("deny", "22")
    assert rules.decision(blocks(FOREIGN.split("\n\n", maxsplit=1)[0] + "\n"), "192.0.2.1", 99) == ("deny", None)


def test_settings_are_changed_and_nothing_else():
    text = '# IPV6=no\nIPV6=no # why\nDEFAULT_INPUT_POLICY="ACCEPT"\n\nIPT_SYSCTL=/etc/ufw/sysctl.conf'
    made = rules.settings(text, {"IPV6": "yes", "DEFAULT_INPUT_POLICY": '"DROP"', "NEW": "1"})
    assert made == '# IPV6=no\nIPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\n\nIPT_SYSCTL=/etc/ufw/sysctl.conf\nNEW=1\n'
    assert rules.settings(made, {"IPV6": "yes", "DEFAULT_INPUT_POLICY": '"DROP"', "NEW": "1"}) == made


def test_rules_are_shown_in_short():
    assert [rules.shown(block) for block in blocks(OURS + FOREIGN)] == [
        "allow 22/tcp",
        "allow 8000:8010/tcp",
        "allow 5432/tcp from 10.0.0.0/8",
        "limit 2222/tcp",
        "deny 25/tcp",
        "allow any/tcp from 10.1.1.1",
        "allow 99/udp in on eth0",
        "allow 22/tcp",
        "route:allow 80/tcp",
    ]

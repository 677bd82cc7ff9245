# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of pg_hba.conf: who gets in today still does, but neither in clear nor by a weak method."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change import postgres_hba
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused

OFFICIAL = """
# TYPE  DATABASE        USER            ADDRESS                 METHOD
local   all             all                                     trust
host    all             all             127.0.0.1/32            trust
host    all             all             ::1/128                 trust
local   replication     all                                     trust
host    replication     all             127.0.0.1/32            trust
host    replication     all             ::1/128                 trust
host all all all scram-sha-256
"""


def rules(text):
    return postgres_hba.rules_of("/data/pg_hba.conf", lambda path: text, lambda path: [])


def lines(text, **wish):
    wish.setdefault("networks", ("samenet",))
    return postgres_hba.outcome(rules(text), postgres_hba.Wish(**wish)).lines


def test_the_official_images_rules_stay_for_the_socket_and_want_tls_elsewhere():
    assert lines(OFFICIAL) == [
        "local all all trust",
        "hostssl all all 127.0.0.1/32 scram-sha-256",
        "hostssl all all ::1/128 scram-sha-256",
        "local replication all trust",
        "hostssl replication all 127.0.0.1/32 scram-sha-256",
        "hostssl replication all ::1/128 scram-sha-256",
        "hostssl all all samenet scram-sha-256",
    ]


@pytest.mark.parametrize(
    ("rule", "becomes"),
    [
        ("host app app 10.1.0.0/16 md5", ["hostssl app app 10.1.0.0/16 scram-sha-256"]),
        ("host app app 10.1.0.0 255.255.0.0 trust", ["hostssl app app 10.1.0.0 255.255.0.0 scram-sha-256"]),
        ('host "My App",b "all" .example.test ident', ['hostssl "My App",b "all" .example.test scram-sha-256']),
        ("hostssl all all 10.0.0.0/8 cert map=m", ["hostssl all all 10.0.0.0/8 cert map=m"]),
        ("hostnogssenc all all 10.0.0.0/8 ldap ldapserver=l", ["hostssl all all 10.0.0.0/8 ldap ldapserver=l"]),
        ("hostgssenc all all 10.0.0.0/8 gss", ["hostgssenc all all 10.0.0.0/8 gss"]),
        ("hostnossl all all 10.0.0.0/8 scram-sha-256", []),
        ("host all bad all reject", ["host all bad all reject"]),
        ("host all all 0.0.0.0/0 md5", ["hostssl all all samenet scram-sha-256"]),
    ],
)
def test_each_rule_keeps_whom_it_is_for(rule, becomes):
    rest = [] if becomes == ["hostssl all all samenet scram-sha-256"] else ["hostssl all all samenet scram-sha-256"]
    assert lines(rule) == becomes + rest


def test_rules_that_are_made_out_of_ours_are_the_same():
    wish = {"networks": ("samenet", "10.0.0.0/8"), "extra": ("hostssl a b 10.3.0.1/32 scram-sha-256",)}
    once = lines(OFFICIAL, **wish)
    assert lines("\n".join(once), **wish) == once


def test_a_closed_door_stays_before_the_one_that_is_open():
    text = "host all all 10.6.6.0/24 reject\nhost all all all md5\nhost all all 10.1.0.0/16 trust\n"
    found = lines(text)
    assert found.index("host all all 10.6.6.0/24 reject") < found.index("hostssl all all samenet scram-sha-256")


def test_a_role_with_an_unknown_md5_password_is_not_locked_out():
    found = lines("host app all 10.1.0.0/16 md5\nhost x other 10.2.0.0/16 md5\n", md5_roles=("old one",))
    assert found[0] == 'hostssl app "old one" 10.1.0.0/16 md5'
    assert 'hostssl all "old one" samenet md5' in found
    assert not any("10.2" in line and "md5" in line for line in found)


def test_without_required_nobody_is_turned_away_for_coming_in_clear():
    assert "host all all samenet scram-sha-256" in lines(OFFICIAL, required=False)
    assert postgres_hba.plain(lines(OFFICIAL, required=False)) and not postgres_hba.plain(lines(OFFICIAL))


def test_without_keep_only_the_socket_stays():
    assert lines(OFFICIAL + "host x y 10.1.0.0/16 md5", keep=False) == [
        "local all all trust",
        "local replication all trust",
        "hostssl all all samenet scram-sha-256",
    ]


def test_a_rule_with_a_password_makes_the_file_a_secret_one_and_is_not_told():
    found = postgres_hba.outcome(
        rules('hostnossl all all 10.0.0.0/8 ldap ldapbindpasswd="hush hush"\n'), postgres_hba.Wish(("samenet",))
    )
    assert found.secret and "hush" not in str(found.told)
    assert not postgres_hba.outcome(rules(OFFICIAL), postgres_hba.Wish(("samenet",))).secret


def test_a_broken_file_is_refused_without_being_quoted():
    with pytest.raises(Refused, match="line 1"):
        rules("host all all 10.0.0.0/8 nonsense-hush\n")


def test_networks_and_names():
    assert postgres_hba.networks(["10.1.2.3", " 10.0.0.0/8 ", "2001:db8::/32", ".example.test", "localhost", ""]) == [
        "10.1.2.3/32",
        "10.0.0.0/8",
        "2001:db8::/32",
        ".example.test",
    ]
    assert postgres_hba.everybody(postgres_hba.networks(["*", "10.0.0.1"])) == ["all"]


@pytest.mark.parametrize("value", ["10.1.2.300", "10.0.0.0/33", "a b", "x trust\nhost", "-x"])
def test_what_is_no_network_is_refused(value):
    with pytest.raises(Refused):
        postgres_hba.networks([value])


@pytest.mark.parametrize("line", ["", "# x", "host all all 10.0.0.0/8", "a\nhost all all all trust", 'host "x all'])
def test_what_is_no_rule_is_refused(line):
    with pytest.raises(Refused):
        postgres_hba.extra_lines([line])

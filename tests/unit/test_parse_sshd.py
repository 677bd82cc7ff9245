# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd prints and is told, read as sshd reads it."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse import sshd


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_settings_of_a_real_sshd(root, release):
    text = (root / "tests/fixtures/ssh" / ("sshd_T_%s.txt" % release)).read_text()
    values = sshd.judged_values(sshd.parse_settings(text))
    assert values["permitrootlogin"] == "without-password"
    assert values["passwordauthentication"] == "yes"
    assert values["kbdinteractiveauthentication"] == "no"
    assert values["maxauthtries"] == "6" and values["logingracetime"] == "120"
    assert values["authorizedkeysfile"] == [".ssh/authorized_keys", ".ssh/authorized_keys2"]
    assert values["allowusers"] == [] and values["authenticationmethods"] == ["any"]
    assert set(sshd.SINGLE) <= set(values)


def test_lists_are_joined_over_lines_and_words():
    settings = sshd.parse_settings("passwordauthentication no\nallowusers alice bob\nallowusers carol\n")
    assert sshd.judged_values(settings)["allowusers"] == ["alice", "bob", "carol"]


@pytest.mark.parametrize(
    "lines, value",
    [
        ("kbdinteractiveauthentication no\nchallengeresponseauthentication yes", "yes"),
        ("challengeresponseauthentication no", "no"),
        ("kbdinteractiveauthentication yes", "yes"),
    ],
)
def test_keyboard_interactive_has_two_names(lines, value):
    settings = sshd.parse_settings("passwordauthentication no\n" + lines)
    assert sshd.judged_values(settings)["kbdinteractiveauthentication"] == value


def test_a_setting_that_sshd_does_not_print_is_not_made_up():
    values = sshd.judged_values(sshd.parse_settings("passwordauthentication no"))
    assert "permitrootlogin" not in values and "kbdinteractiveauthentication" not in values


@pytest.mark.parametrize("rubbish", ["", "\n\n", "usage: sshd [-46DdeiqTtV]", "\x00\x01"])
def test_what_is_no_list_of_settings_is_refused(rubbish):
    with pytest.raises(ValueError):
        sshd.parse_settings(rubbish)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("0.0.0.0:22", ("0.0.0.0", 22)),
        ("[::]:2222 (Stream)", ("::", 2222)),
        ("127.0.0.1:2222 (Stream)", ("127.0.0.1", 2222)),
        ("[fe80::1%eth0]:22", ("fe80::1%eth0", 22)),
        ("[::]:22 rdomain blue", ("::", 22)),
    ],
)
def test_listen_address(text, expected):
    assert sshd.listen_address(text) == expected


@pytest.mark.parametrize("text", ["/run/ssh-unix-local/socket (Stream)", "vsock::22 (Stream)", "22", ""])
def test_what_is_no_tcp_address(text):
    with pytest.raises(ValueError):
        sshd.listen_address(text)


def test_kernel_address():
    assert sshd.kernel_address("00000000:0016") == ("0.0.0.0", 22)
    assert sshd.kernel_address("00000000000000000000000000000000:08AE") == ("::", 2222)


@pytest.mark.parametrize(
    "title, options",
    [
        ("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups ", []),
        (
            "sshd: /usr/sbin/sshd -D -o PasswordAuthentication=yes -p 2222 [listener] 0 of 10-100 startups ",
            ["-o", "PasswordAuthentication=yes", "-p", "2222"],
        ),
        (
            "/usr/sbin/sshd -D -oCiphers=aes256-ctr -E /var/log/x -f/etc/ssh/other",
            ["-oCiphers=aes256-ctr", "-f/etc/ssh/other"],
        ),
        ("/usr/sbin/sshd", []),
        ("sshd: alice [priv]", []),
    ],
)
def test_options_of_the_running_daemon(title, options):
    assert sshd.daemon_options(title) == options


def test_config():
    text = """
# Match User commented
Include /etc/ssh/sshd_config.d/*.conf "/etc/ssh/with blank.conf"
PasswordAuthentication no
Match User alice,!bob Address 10.0.0.0/8 # why
  PasswordAuthentication yes
match  group=sftp
Match All
MATCH Invalid-User
"""
    assert sshd.parse_config(text) == (
        ["/etc/ssh/sshd_config.d/*.conf", "/etc/ssh/with blank.conf"],
        [
            ("user", ["alice", "!bob"]),
            ("address", ["10.0.0.0/8"]),
            ("group", ["sftp"]),
            ("all", []),
            ("invalid-user", []),
        ],
    )


# Each of them turns passwords on for visitor in a real sshd.
@pytest.mark.parametrize(
    "keyword",
    ['"Match" ', 'M"atch" ', "=Match ", '""Match ', '"Match"', '\t"match" ', "Match = ", 'MATCH="User" visitor #'],
)
def test_a_keyword_may_be_quoted(keyword):
    assert sshd.parse_config("%sUser visitor\n" % keyword) == ([], [("user", ["visitor"])])
    assert sshd.parse_config('"Include" /etc/ssh/extra.conf') == (["/etc/ssh/extra.conf"], [])


@pytest.mark.parametrize(
    "patterns, address, met",
    [
        (["8.0.0.0/8", "!8.0.0.1"], "8.0.0.2", True),
        (["8.0.0.0/8", "!8.0.0.1"], "8.0.0.1", False),
        (["!8.0.0.1"], "9.9.9.9", False),
        (["2001:0DB8::/32"], "2001:db8::5", True),
        (["2001:0db8::1"], "2001:db8::1", True),
        (["198.51.100.*", "!198.51.100.0/25"], "198.51.100.200", True),
        (["*.Example.org"], "x.example.org", True),
        (["8.0.0.0/8"], "example.org", False),
    ],
)
def test_which_addresses_meet_a_match_line(patterns, address, met):
    assert sshd.meets(patterns, address) is met


@pytest.mark.parametrize("line", ["Match Exec /bin/true", "Match Weather sunny", 'Match User "alice'])
def test_a_match_that_is_not_understood_is_not_passed_over(line):
    with pytest.raises(ValueError):
        sshd.parse_config(line)


@pytest.mark.parametrize(
    "pattern, text, hit",
    [
        ("*", "", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("!al*", "alice", True),
        ("a.c", "abc", False),
        ("[a]", "a", False),
    ],
)
def test_patterns(pattern, text, hit):
    assert sshd.matches(pattern, text) is hit


@pytest.mark.parametrize(
    "name, pattern, values",
    [
        ("address", "10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "11.0.0.0"]),
        ("address", "!192.0.2.5", ["192.0.2.5", "192.0.2.6"]),
        ("address", "192.0.2.5/32", ["192.0.2.5", "192.0.2.6"]),
        ("address", "0.0.0.0/0", ["0.0.0.0", "255.255.255.255"]),
        ("address", "10.1.*.?", ["10.1.1.1"]),
        ("address", "10.*", ["10.1.1.1"]),
        ("address", "2001:db8:*:?", ["2001:db8:1:1"]),
        ("localaddress", "2001:db8::/127", ["2001:db8::", "2001:db8::1", "2001:db8::2"]),
        ("host", "*.example.org", ["x.example.org"]),
    ],
)
def test_samples_lie_on_both_sides_of_a_pattern(name, pattern, values):
    assert sshd.samples(name, pattern) == values


LISTS = {"allowusers": [], "allowgroups": [], "denyusers": [], "denygroups": []}


@pytest.mark.parametrize(
    "lists, allowed",
    [
        ({}, True),
        ({"allowusers": ["al*"]}, True),
        ({"allowusers": ["bob"]}, False),
        ({"allowusers": ["alice@10.0.0.0/8"]}, True),
        ({"denyusers": ["alice"]}, False),
        ({"denyusers": ["alice@10.0.0.0/8"]}, True),
        ({"allowgroups": ["ops"]}, True),
        ({"allowgroups": ["wheel"]}, False),
        ({"allowusers": ["alice"], "allowgroups": ["wheel"]}, False),
        ({"denygroups": ["o?s"]}, False),
    ],
)
def test_who_may_log_in(lists, allowed):
    assert sshd.may_log_in("alice", ["alice", "ops"], dict(LISTS, **lists)) is allowed

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real servers of fail2ban answered."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse import fail2ban
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="session")
def net(root):
    """Return the text of a file in tests/fixtures/net."""
    return lambda name: (root / "tests/fixtures/net" / name).read_text(encoding="utf-8")


def test_jails_and_actions_of_the_configuration(net):
    assert fail2ban.configured(net("fail2ban-12-dump.txt")) == {
        "sshd": ["iptables-multiport"],
        "nginx-http-auth": ["iptables-multiport"],
        "recidive": ["iptables-allports"],
    }
    assert fail2ban.configured(net("fail2ban-13-dump.txt")) == {"sshd": ["nftables"]}


def test_answers_come_in_the_order_of_the_questions(net):
    got = fail2ban.answers(net("fail2ban-12-answers.txt"), 31)
    assert fail2ban.jails(got[0]) == ["nginx-http-auth", "recidive", "sshd"]
    assert fail2ban.kind(got[1]) == "journal" and got[2:5] == ["3", "3600", "600"]
    assert fail2ban.matches(got[6]) == ["_SYSTEMD_UNIT=sshd.service", "+", "_COMM=sshd"]
    assert fail2ban.places(got[9:11]) == ["INPUT"]
    assert (
        fail2ban.kind(got[11]) == "file"
        and fail2ban.files(got[15]) == ["/var/log/nginx/error.log"]
        and fail2ban.matches(got[16]) == []
    )
    assert fail2ban.places(got[19:21]) == ["DOCKER-USER"]
    with pytest.raises(ValueError):
        fail2ban.answers(net("fail2ban-12-answers.txt"), 30)


def test_bans_of_nftables(net):
    assert fail2ban.places(fail2ban.answers(net("fail2ban-13-answers.txt"), 11)[9:11]) == ["input"]


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_rubbish_is_refused_or_empty(text):
    fail2ban.configured(text), fail2ban.files(text), fail2ban.matches(text), fail2ban.places([text])
    for read in (
        lambda: fail2ban.answers(text, 1),
        lambda: fail2ban.jails(text),
        lambda: fail2ban.kind(text),
        lambda: fail2ban.banned(text),
    ):
        try:
            read()
        except ValueError:
            pass

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is changing the host: found through sudo, which hides it."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.operator import Operator, find
from fake_host import FakeHost

PASSWD = {"getent passwd 1000": "deploy:x:1000:1000::/home/deploy:/bin/bash\n"}


def chain(*generations):
    """Return a host whose process has these ancestors, itself first: (uid, environment)."""
    files = {}
    for number, (uid, environment) in enumerate(generations):
        pid = "self" if number == 0 else str(100 - number)
        files["/proc/%s/status" % pid] = "Name:\tx\nPPid:\t%d\nUid:\t%d\t%d\t%d\t%d\n" % (
            (99 - number if number + 1 < len(generations) else 1,) + (uid,) * 4
        )
        files["/proc/%s/environ" % pid] = "\0".join(environment) + "\0"
    return FakeHost(files, commands=PASSWD)


def test_found_above_sudo_as_the_account_that_logged_in():
    login = "SSH_CONNECTION=198.51.100.7 50000 203.0.113.5 22"
    host = chain((0, ["USER=root"]), (0, [login]), (1000, ["USER=deploy", login]), (0, ["PATH=/bin"]))
    assert find(host) == Operator("deploy", "198.51.100.7", 50000, "203.0.113.5", 22)


def test_nobody_came_over_ssh():
    assert find(chain((0, ["USER=root"]), (0, []))) is None


@pytest.mark.parametrize(
    ("told", "plain"),
    [("::ffff:198.51.100.7", "198.51.100.7"), ("fe80::1%eth0", "fe80::1"), ("2001:db8::1", "2001:db8::1")],
)
def test_addresses_are_plain(told, plain):
    host = chain((0, []), (1000, ["SSH_CONNECTION=%s 50000 %s 22" % (told, told)]))
    assert find(host).address == plain


def test_a_word_that_is_no_connection_is_nobody():
    assert find(chain((1000, ["SSH_CONNECTION=rubbish"]))) is None

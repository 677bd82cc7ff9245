# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From /proc/net to facts."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import ports
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from fake_host import FakeHost
from test_parse_proc_net import TCP, TCP6

UDP = (
    TCP.splitlines()[0]
    + "\n 8995: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 379822 2 0000000007134e89 0\n"
)
FILES = {"/proc/net/tcp": TCP, "/proc/net/tcp6": TCP6, "/proc/net/udp": UDP}
pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="captured on a little-endian machine")


def collected(files=None, **options):
    return ports.collect(FakeHost(files=FILES if files is None else files, **options), None)


def test_sockets_with_their_owners():
    facts = collected(
        dict(
            FILES,
            **{
                "/proc/77/comm": "postgres\n",
                "/proc/9/comm": "gone\n",
                "/proc/9/fd": HostError(Reason.NEEDS_ROOT, "/proc/9/fd"),
            },
        ),
        links={"/proc/77/fd/3": "socket:[379824]", "/proc/77/fd/4": "/dev/null"},
    )
    assert facts["tcp"][-1] == {"ip": "172.17.0.1", "port": 39002, "process": None}
    assert {"ip": "::", "port": 39001, "process": "postgres"} in facts["tcp"]
    assert len(facts["tcp"]) == 6
    assert facts["udp"] == [{"ip": "0.0.0.0", "port": 5353, "process": None}]


def test_a_kernel_without_ipv6_is_no_failure_but_one_without_tcp_is():
    assert len(collected({"/proc/net/tcp": TCP, "/proc/net/udp": UDP})["tcp"]) == 2
    assert isinstance(collected({"/proc/net/udp": UDP})["tcp"], Unread)


def test_rubbish_is_unread():
    facts = collected(dict(FILES, **{"/proc/net/tcp6": "rubbish"}))
    assert facts["tcp"].reason == Reason.PARSE_ERROR and isinstance(facts["udp"], list)

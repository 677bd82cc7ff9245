# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of /proc/net, as a real kernel printed them."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse import proc_net
from hypothesis import given, settings
from hypothesis import strategies as st

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:8E1B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 379821
   1: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1145
   2: 010011AC:C3AC 080011AC:0016 01 00000000:00000000 02:000AEA86 00000000     0        0 344993
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:9858 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 379823
   1: 0000000000000000FFFF0000010011AC:985A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 379825
   2: 00000000000000000000000000000000:9859 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 379824
   3: 0000000000000000FFFF00000100007F:8A68 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 379820
"""
little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="captured on a little-endian machine")


@little_endian
def test_listening_sockets():
    assert [(item.ip, item.port) for item in proc_net.waiting(TCP, "tcp")] == [("127.0.0.11", 36379), ("0.0.0.0", 2024)]
    found = [(item.ip, item.port, proc_net.is_loopback(item.ip)) for item in proc_net.waiting(TCP6, "tcp")]
    assert found == [
        ("::1", 39000, True),
        ("172.17.0.1", 39002, False),
        ("::", 39001, False),
        ("127.0.0.1", 35432, True),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rubbish",
        TCP[:120] + "\n   0: 0B00007F:8E1B",
        TCP.replace("0B00007F", "0B0000"),
        TCP.replace("0B00007F", "ZZ00007F"),
    ],
)
def test_rubbish_is_refused(text):
    with pytest.raises(ValueError):
        proc_net.waiting(text, "tcp")


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_no_text_breaks_it(text):
    for read in (
        lambda: proc_net.waiting(TCP + text, "tcp"),
        lambda: proc_net.global_ipv6(text),
        lambda: proc_net.default_interfaces(text, text),
        lambda: proc_net.outer_interfaces(text),
    ):
        try:
            read()
        except (ValueError, IndexError):
            pass


@pytest.mark.parametrize(
    "line, wanted",
    [
        ("00000000000000000000000000000001 01 80 10 80       lo", False),
        ("fe80000000000000000000fffe000001 02 40 20 80     eth0", False),
        ("fd000000000000000000000000000002 02 40 00 80     eth0", False),
        ("2a010db8000000000000000000000001 02 40 00 80     eth0", True),
    ],
)
def test_global_ipv6(line, wanted):
    assert proc_net.global_ipv6(line + "\n") is wanted


def test_the_interface_of_strangers():
    routes = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\ndocker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    zero = "0" * 32
    routes6 = "%s 00 %s 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     ens3\n" % (
        zero,
        zero,
    )
    routes6 += "%s 00 %s 00 %s ffffffff 00000001 00000000 00200200       lo\n" % (zero, zero, zero)
    assert proc_net.default_interfaces(routes, routes6) == {"eth0", "ens3"}
    assert proc_net.outer_interfaces("Inter-|  x\n face |\n    lo: 0\n  eth0: 0\nveth12: 0\nbr-1a: 0\n") == {"eth0"}

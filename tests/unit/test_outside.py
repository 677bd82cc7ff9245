# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's view of a host, by real sockets of this machine."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
import types

import pytest
from ansible_collections.nself.prod.plugins.action import nself_audit
from ansible_collections.nself.prod.plugins.module_utils.audit import engine
from ansible_collections.nself.prod.plugins.module_utils.audit.checks.outside import NAMES, unreachable_from_outside
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Options, collect_all
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.sources import outside as source
from ansible_collections.nself.prod.plugins.plugin_utils import outside
from fake_host import FakeHost


@contextlib.contextmanager
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def elsewhere(monkeypatch):
    """Make this machine's loopback count as another machine."""
    monkeypatch.setattr(outside, "_is_here", lambda family, place: False)


def test_an_open_port_and_a_closed_one(elsewhere):
    with listening() as ssh, listening() as port:
        other = closed()
        seen = outside.look("127.0.0.1", (port, other), 1.0, ssh)
    assert seen == {
        "address": "127.0.0.1",
        "ports": {str(port): "open", str(other): "refused"},
        "same_host": False,
        "control": "open",
    }


def test_a_closed_ssh_port_is_told(elsewhere):
    assert outside.look("127.0.0.1", (closed(),), 1.0, closed())["control"] == "refused"


def test_silence_ends_at_the_timeout(elsewhere):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as stack:
        port = server.getsockname()[1]
        for _number in range(4):  # a full backlog drops what comes after, as a firewall does
            probe = stack.enter_context(socket.socket())
            probe.setblocking(False)
            probe.connect_ex(("127.0.0.1", port))
        started = time.monotonic()
        seen = outside.look("127.0.0.1", (port,), 0.3, closed())
    assert seen["ports"] == {str(port): "timeout"}
    assert time.monotonic() - started < 1


def test_this_machine_is_not_asked(monkeypatch):
    monkeypatch.setattr(outside, "_connect_all", None)
    for address in ("127.0.0.1", "localhost", "0.0.0.0"):
        assert outside.look(address)["same_host"] is True
        assert outside.look(address)["ports"] == {}


def test_a_name_that_nobody_knows_gives_no_view():
    assert outside.look("no-such-host.invalid") is None
    assert outside.look("a" * 300) is None


@pytest.mark.parametrize(
    "code, state",
    [
        (0, "open"),
        (errno.ECONNREFUSED, "refused"),
        (errno.EHOSTUNREACH, "refused"),
        (errno.ETIMEDOUT, "timeout"),
        (errno.ENETUNREACH, "error"),
    ],
)
def test_states(code, state):
    assert outside._state(code) == state


def test_one_door_that_stands_open_is_enough():
    assert outside._worst(["refused", "open"]) == "open"
    assert outside._worst(["timeout", "error"]) == "error"


# -- the action plugin -----------------------------------------------------------------------------------------------------


def view(monkeypatch, transport, categories=None, **options):
    """Return what the plugin hands to the module, and whom it asked."""
    asked = []

    def look(address, control):
        asked.append((address, control))
        return {"address": address}

    monkeypatch.setattr(nself_audit, "look", look)

    class Plugin(nself_audit.ActionModule):
        def __init__(self):
            self._connection = types.SimpleNamespace(transport=transport, get_option=options.__getitem__)

    return Plugin()._outside(categories), asked


@pytest.mark.parametrize("categories", [None, [], ["network"], "data, network"])
def test_the_address_of_the_inventory_is_asked(monkeypatch, categories):
    given, asked = view(monkeypatch, "ssh", categories, host="192.0.2.7", port=2222)
    assert given == {"address": "192.0.2.7"}
    assert asked == [("192.0.2.7", 2222)]


def test_paramiko_has_its_address_elsewhere(monkeypatch):
    assert view(monkeypatch, "paramiko", remote_addr="[2001:db8::7]", port=None)[1] == [("2001:db8::7", 22)]


def test_who_does_not_want_the_network_does_not_have_it_probed(monkeypatch):
    assert view(monkeypatch, "ssh", ["data"], host="192.0.2.7", port=22) == (None, [])


def test_a_shared_connection_is_no_way_by_another_host(monkeypatch):
    words = "-C -o ControlMaster=auto -o ControlPath=~/.ansible/%r@%h:%p"
    assert view(monkeypatch, "ssh", host="192.0.2.7", port=22, ssh_args=words)[1] == [("192.0.2.7", 22)]


@pytest.mark.parametrize(
    "options",
    [
        {"ssh_common_args": "-o ProxyJump=bastion"},
        {"ssh_extra_args": "-J bastion"},
        {"ssh_args": "-o ControlMaster=auto -o proxycommand='ssh -W %h:%p bastion'"},
        {"proxy_command": "nc -x proxy %h %p"},
    ],
)
def test_an_address_behind_a_jump_host_is_not_asked_from_here(monkeypatch, options):
    assert view(monkeypatch, "ssh", host="10.0.0.7", port=22, **options) == (None, [])


@pytest.mark.parametrize("transport", ["local", "docker", "community.docker.docker", None])
def test_where_no_address_is_between_nobody_is_asked(monkeypatch, transport):
    assert view(monkeypatch, transport, remote_addr="web", host="web", port=22) == (None, [])


# -- and what becomes of it ------------------------------------------------------------------------------------------------


def judged(given, **policy):
    tree = collect_all(FakeHost(), source.COLLECTORS, Options(outside=given))
    return engine.judge(unreachable_from_outside, Facts(tree), Policy(policy)).verdict


def test_what_was_seen_is_judged():
    ports = dict.fromkeys(NAMES, "refused")
    given = {"address": "192.0.2.7", "ports": dict(ports, **{"8080": "open"}), "same_host": False, "control": "open"}
    assert judged(given).actual == "1 of 10: 8080 (Hasura): open at 192.0.2.7"
    assert judged(given, public_ports=["80", "443", "8080"]).status == "pass"


def test_without_a_view_it_is_unknown():
    assert judged(None).status == "unknown"
    assert "the controller is the host" in judged(None).actual


def test_the_ports_that_are_tried_are_the_ports_that_are_judged():
    assert {str(port) for port in outside.PORTS} == set(NAMES)

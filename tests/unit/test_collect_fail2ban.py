# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From fail2ban's server to facts."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import fail2ban
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, Options, collect_all
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo
from fake_host import FakeHost

NOW = 1.8e9
LOG = "/var/log/nginx/error.log"
ENTRY = "%.6f host sshd[60]: Server listening on :: port 22.\n" % (NOW - 30)


@pytest.fixture(scope="session")
def net(root):
    """Return the text of a file in tests/fixtures/net."""
    return lambda name: (root / "tests/fixtures/net" / name).read_text(encoding="utf-8")


def collected(net, release="12", age=60, journal=ENTRY, answers=None, euid=0):
    commands = {
        "fail2ban-client -d": net("fail2ban-%s-dump.txt" % release),
        "fail2ban-client -i": net("fail2ban-%s-answers.txt" % release) if answers is None else answers,
        "journalctl": journal,
    }
    stats = {LOG: FileInfo(0o640, 0, 0, 10, NOW - age, "file")} if age is not None else {}
    host = FakeHost(commands=commands, stats=stats, now=NOW, euid=euid)
    return collect_all(host, (Collector("fail2ban", fail2ban.collect),), Options())["fail2ban"], host


def test_a_running_server_is_asked_with_two_clients(net):
    facts, host = collected(net)
    assert facts["state"] == "running" and sorted(facts["jails"]) == ["nginx-http-auth", "recidive", "sshd"]
    assert facts["jails"]["sshd"] == {
        "maxretry": 3,
        "bantime": 3600,
        "findtime": 600,
        "ignoreip": ["127.0.0.0/8", "::1"],
        "ignorecommand": "",
        "banned": 0,
        "source_live": True,
        "source": {
            "kind": "journal",
            "files": [],
            "matches": ["_SYSTEMD_UNIT=sshd.service", "+", "_COMM=sshd"],
            "age": 30,
        },
        "actions": [{"name": "iptables-multiport", "places": ["INPUT"], "ports": ["ssh"]}],
    }
    nginx = facts["jails"]["nginx-http-auth"]
    assert (
        nginx["bantime"] == -1
        and nginx["source"] == {"kind": "file", "files": [LOG], "matches": [], "age": 60}
        and nginx["source_live"] is True
    )
    assert nginx["actions"] == [{"name": "iptables-multiport", "places": ["DOCKER-USER"], "ports": ["http", "https"]}]
    assert facts["jails"]["recidive"]["source_live"] is False  # its file is not there
    assert [argv[0] for argv, _stdin, _env in host.ran].count("fail2ban-client") == 2


def test_debian_13_bans_by_nftables(net):
    facts, _host = collected(net, "13")
    assert facts["jails"]["sshd"]["actions"] == [{"name": "nftables", "places": ["input"], "ports": ["ssh"]}]


def test_a_source_that_stopped_is_dead(net):
    assert collected(net, age=7 * 86400)[0]["jails"]["nginx-http-auth"]["source_live"] is False
    assert collected(net, journal="")[0]["jails"]["sshd"]["source_live"] is False
    assert (
        collected(net, journal=Completed(1, "", "No journal files were opened"))[0]["jails"]["sshd"][
            "source_live"
        ].reason
        == Reason.ERROR
    )


def test_a_stopped_server_and_none(net):
    stopped = Completed(
        255,
        "fail2ban> fail2ban> \n",
        "ERROR   Failed to access socket path: /var/run/fail2ban/fail2ban.sock. Is fail2ban running?",
    )
    assert collected(net, answers=stopped)[0] == {"state": "stopped", "jails": {}}
    assert fail2ban.collect(FakeHost(), None) == {"state": "absent", "jails": {}}


def test_without_root_nothing_is_run(net):
    facts, host = collected(net, euid=1000)
    assert facts.reason == Reason.NEEDS_ROOT and host.ran == []


def test_answers_that_are_not_understood(net):
    assert collected(net, answers="rubbish")[0].reason == Reason.PARSE_ERROR
    assert collected(net, answers=Completed(255, "", "Readline not available"))[0] == Unread(
        Reason.PARSE_ERROR, "fail2ban-client: Readline not available"
    )
    spoiled = net("fail2ban-13-answers.txt").replace(
        "fail2ban> 5\n", "fail2ban> Sorry but the jail 'sshd' does not exist\n", 1
    )
    assert collected(net, "13", answers=spoiled)[0]["jails"]["sshd"]["maxretry"].reason == Reason.PARSE_ERROR
    refused = net("fail2ban-13-answers.txt").replace("nft add element", "'Invalid Action name: nftables'")
    assert isinstance(collected(net, "13", answers=refused)[0]["jails"]["sshd"]["actions"][0]["places"], Unread)


def test_a_jail_that_only_the_server_knows_is_asked_for(net):
    # The configuration has lost the jail; the server still runs it.
    def answer(argv, stdin, env):
        blocks = {
            "status": "Status\n|- Number of jail:\t1\n`- Jail list:\told-ssh",
            "status old-ssh": "`- File list:\t/x\n |- Currently banned:\t2",
            "get old-ssh maxretry": "3",
            "get old-ssh bantime": "60",
            "get old-ssh findtime": "60",
            "get old-ssh logpath": "`- /x",
            "get old-ssh journalmatch": "No journal match filter set",
            "get old-ssh ignoreip": "These IP addresses/networks are ignored:\n|- 0.0.0.0\n`- ::",
            "get old-ssh ignorecommand": "/bin/true <ip>",
        }
        return "".join("fail2ban> %s\n" % blocks[line] for line in stdin.splitlines()) + "fail2ban> \n"

    host = FakeHost(commands={"fail2ban-client -d": "", "fail2ban-client -i": answer}, now=NOW)
    jail = fail2ban.collect(host, None)["jails"]["old-ssh"]
    assert jail["maxretry"] == 3 and jail["banned"] == 2
    assert jail["ignoreip"] == ["0.0.0.0/0", "::/0"] and jail["ignorecommand"] == "/bin/true <ip>"
    assert isinstance(jail["actions"], Unread)

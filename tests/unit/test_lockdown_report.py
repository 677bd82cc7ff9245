# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller makes of a lockdown's options and results."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.nself.prod.plugins.plugin_utils import lockdown
from ansible_collections.nself.prod.plugins.plugin_utils.options import OptionError

TOLD = {"sources": ["203.0.113.7/32", "2001:db8::/32"], "ports": [22], "peers": [], "inside": []}


@pytest.mark.parametrize(
    "given, found",
    [
        (None, []),
        ("", []),
        ("192.0.2.1, 2001:db8::/64", ["192.0.2.1", "2001:db8::/64"]),
        (["192.0.2.1"], ["192.0.2.1"]),
    ],
)
def test_addresses_are_a_list_or_a_text_with_commas(given, found):
    assert lockdown.addresses("nself_lockdown_sources", given) == found


@pytest.mark.parametrize("given", ["office", {"a": 1}, 7, ["192.0.2.1/8"]])
def test_wrong_addresses_are_refused_with_the_name_of_the_option(given):
    with pytest.raises(OptionError, match="nself_lockdown_sources"):
        lockdown.addresses("nself_lockdown_sources", given)


@pytest.mark.parametrize("given", [4, "901", "soon", "", None, "-5", "1e2", "²"])
def test_wrong_seconds_are_refused(given):
    with pytest.raises(OptionError, match="takes 5 to 900"):
        lockdown.seconds(given)


@pytest.mark.parametrize(
    "wanted, check, result, containers, outcome, good",
    [
        ("present", False, {"changed": True, "lockdown": TOLD}, None, "locked", True),
        (
            "present",
            False,
            {"changed": False, "lockdown": TOLD},
            {"skipped": True, "changed": False},
            "unchanged",
            True,
        ),
        (
            "present",
            False,
            {"changed": False, "lockdown": TOLD},
            {"changed": True, "containers": ["x"]},
            "locked",
            True,
        ),
        ("present", True, {"changed": True, "lockdown": TOLD}, None, "would lock", True),
        ("absent", False, {"changed": True, "lockdown": None}, None, "lifted", True),
        ("absent", True, {"changed": True, "lockdown": None}, None, "would lift", True),
        ("present", False, {"unreachable": True, "msg": "no route"}, None, "unreachable", False),
        ("present", False, {"refused": True, "msg": "no nft"}, None, "refused", False),
        ("present", False, {"rolled_back": True, "msg": "no login"}, None, "taken back", False),
        ("present", False, {"msg": "broken"}, None, "failed", False),
        ("present", False, None, None, "failed", False),
        ("present", False, {"changed": True, "lockdown": TOLD}, {"msg": "docker is stuck"}, "incomplete", False),
        ("present", False, {"changed": True, "lockdown": TOLD}, {"unreachable": True}, "incomplete", False),
    ],
)
def test_what_became_of_a_host(wanted, check, result, containers, outcome, good):
    found = lockdown.outcome(wanted, check, result, containers)
    assert found["outcome"] == outcome and lockdown.good(found) is good
    assert found["message"]


def test_one_line_a_host():
    hosts = {
        "web1": lockdown.outcome(
            "present",
            False,
            {"changed": True, "seconds": 2.1, "lockdown": TOLD},
            {"containers": ["a", "b"], "changed": True},
        ),
        "database2": lockdown.outcome(
            "present", False, {"unreachable": True, "seconds": 10.0, "msg": "timed\nout\x1b[2J"}, None
        ),
    }
    assert lockdown.lines(hosts) == [
        "Lockdown: 2 hosts, 1 of them not in the state that was asked for",
        "  web1       locked          2.1 s  only ssh from 203.0.113.7, 2001:db8::/32 to port 22; stopped a, b",
        "  database2  unreachable    10.0 s  timed out?[2J",
    ]


@pytest.fixture
def play(root, tmp_path):
    """Return a function that runs the playbook on this machine or nowhere: (rc, output)."""

    def run(hosts, *arguments, **options):
        inventory = tmp_path / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        env.update(HOME=str(tmp_path), LC_ALL="C.UTF-8")
        words = [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            str(root / "playbooks/lockdown.yml"),
            "-i",
            str(inventory),
            *arguments,
        ]
        done = subprocess.run(
            words + ["-e", json.dumps(options)],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout
        return done.returncode, done.stdout

    return run


GONE = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-F none"}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"nself_lockdown_stae": "absent"}, "unknown variable nself_lockdown_stae; known are: nself_lockdown_state"),
        ({"nself_lockdown_state": "off"}, "nself_lockdown_state takes present or absent, not off"),
        ({"nself_lockdown_stop": "maybe"}, "nself_lockdown_stop takes true or false, not maybe"),
        (
            {"nself_lockdown_output": "report.txt"},
            "nself_lockdown_output takes a file that ends in .json, not report.txt",
        ),
        ({"nself_lockdown_hosts": "nosuch"}, "no host of the inventory matches nosuch"),
    ],
)
def test_a_wrong_option_ends_the_run_before_a_host_is_touched(play, options, message):
    rc, output = play({"a": GONE, "b": GONE}, **options)
    assert rc != 0 and message in output
    assert "TASK [Lock the host" not in output


def test_hosts_that_are_away_are_told_at_once_and_end_with_an_error(play, tmp_path):
    rc, output = play({"a": GONE, "b": GONE}, nself_lockdown_output="report.json")
    assert rc == 2
    assert "Lockdown: 2 hosts, 2 of them not in the state" in output
    report = json.loads((tmp_path / "report.json").read_text())
    assert [host["outcome"] for host in report["hosts"]] == ["unreachable", "unreachable"]
    assert all(host["seconds"] < 30 and "Connection refused" in host["message"] for host in report["hosts"])
    assert report["format"] == "nself-prod-lockdown/1" and report["check_mode"] is False

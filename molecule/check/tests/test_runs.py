# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that go another way: check mode, an ordinary user, hosts that cannot be audited, the gate. None changes anything."""

from __future__ import annotations

import json

import lab as labs
import pytest
import yaml
from readings import DOCKER, FRESH

POLICY = json.dumps({"nself_check_policy": {"nopasswd_users": ["deploy"]}})


@pytest.fixture(scope="module")
def audited():
    """The audit of the converge step, as root."""
    return labs.report(labs.EPHEMERAL / "report.json")


def run(tmp_path, *arguments):
    """Run the audit; return the process and the report's hosts."""
    output = tmp_path / "report.json"
    finished = labs.play("-e", "nself_check_output=%s" % output, "-e", POLICY, *arguments)
    assert "Traceback" not in finished.stdout
    assert output.exists(), finished.stdout
    return finished, labs.report(output)


def test_check_mode_gives_the_same_verdicts(tmp_path, audited):
    finished, hosts = run(tmp_path, "--check", "-e", "nself_check_fail_on=none")
    assert finished.returncode == 0
    assert {name: labs.statuses(host) for name, host in hosts.items()} == {
        name: labs.statuses(host) for name, host in audited.items()
    }


def test_nothing_on_the_host_changes(tmp_path):
    host = labs.lab(DOCKER)
    folders = "/etc /opt /root /srv /usr /var/lib/apt /var/lib/dpkg /var/spool /var/www"
    host.sh("touch /run/before-the-audit")
    finished, _ = run(tmp_path, "-e", "nself_check_fail_on=none", "--limit", DOCKER)
    assert "changed=0" in finished.stdout
    assert host.sh("find %s -newer /run/before-the-audit -not -type l 2>/dev/null" % folders) == ""
    assert host.sh("find /home/deploy /tmp /var/tmp -newer /run/before-the-audit -type f") == ""


def test_an_ordinary_user_gets_unknowns_and_never_a_better_verdict(tmp_path, audited):
    finished, hosts = run(
        tmp_path,
        "--limit",
        FRESH,
        "-e",
        "ansible_user=visitor",
        "-e",
        "nself_check_become=false",
        "-e",
        "nself_check_fail_on=none",
    )
    assert finished.returncode == 0
    seen, full = hosts[FRESH], audited[FRESH]
    root = labs.statuses(full)
    better = {check for check, status in labs.statuses(seen).items() if status == "pass" and root[check] != "pass"}
    assert not better
    assert any(finding["reason"] == "needs_root" for finding in seen["findings"])
    assert seen["coverage"]["decided"] < full["coverage"]["decided"]


@pytest.fixture
def troubled(tmp_path):
    """An inventory of one good host and three that cannot be audited."""
    good = labs.lab(FRESH)
    common = {
        "ansible_host": good.address,
        "ansible_user": "deploy",
        "ansible_private_key_file": str(labs.EPHEMERAL / "id_ed25519"),
        "ansible_ssh_common_args": "-o UserKnownHostsFile=%s/known_hosts -o StrictHostKeyChecking=yes" % labs.EPHEMERAL,
    }
    hosts = {
        FRESH: common,
        "unreachable": dict(common, ansible_port=9),
        "without-python": dict(common, ansible_python_interpreter="/usr/bin/python-that-is-not-there"),
        "without-sudo": dict(common, ansible_user="visitor"),
    }
    path = tmp_path / "troubled.yml"
    path.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    return path


def test_hosts_that_cannot_be_audited_are_listed_and_hold_the_gate(tmp_path, troubled):
    output = tmp_path / "report.json"
    finished = labs.play("-e", "nself_check_output=%s" % output, "-e", POLICY, inventory=troubled)
    hosts = labs.report(output)
    assert finished.returncode == 2
    assert set(hosts) == {FRESH, "unreachable", "without-python", "without-sudo"}
    assert {name: host["status"] for name, host in hosts.items()} == {
        FRESH: "audited",
        "unreachable": "unreachable",
        "without-python": "failed",
        "without-sudo": "audited",
    }
    assert hosts["without-sudo"]["notes"] and not hosts["without-sudo"]["privileged"]
    for name in ("unreachable", "without-python"):
        assert hosts[name]["message"] and "\n" not in hosts[name]["message"]
        assert name in finished.stdout
        assert not hosts[name].get("findings") and hosts[name].get("score") is None
    assert "Traceback" not in finished.stdout


def test_the_gate_ends_with_2_on_a_failing_critical(tmp_path):
    finished, _ = run(tmp_path, "--limit", FRESH, "-e", "nself_check_fail_on=critical")
    assert finished.returncode == 2


def test_the_gate_lets_a_host_without_failing_criticals_pass(tmp_path, audited):
    critical = [f["id"] for f in audited[DOCKER]["findings"] if f["severity"] == "critical" and f["status"] == "fail"]
    assert not critical
    finished, _ = run(
        tmp_path, "--limit", DOCKER, "-e", "nself_check_fail_on=critical", "-e", "nself_check_fail_on_unknown=false"
    )
    assert finished.returncode == 0

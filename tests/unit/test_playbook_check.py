# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook as users run it, on this machine and on hosts that cannot be audited."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import jsonschema
import pytest

HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "nself_check_become": False}
NO_SUDO = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "ansible_become_user": "somebody",
    "ansible_become_exe": "/nonexistent/sudo",
    "ansible_pipelining": True,
}
NO_PYTHON = dict(HERE, ansible_python_interpreter="/nonexistent/python")
GONE = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-F none"}


@pytest.fixture
def check(root, tmp_path):
    """Return a function that runs the playbook on hosts with these variables, with -e options: (rc, output)."""
    (tmp_path / "home").mkdir()

    def run(hosts, *arguments, **options):
        inventory = tmp_path / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        env.update(HOME=str(tmp_path / "home"), ANSIBLE_NOCOWS="1", LC_ALL="C.UTF-8")
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ansible",
                "playbook",
                str(root / "playbooks/check.yml"),
                "-i",
                str(inventory),
                *arguments,
            ]
            + ["-e", json.dumps(options)],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    return run


def changed(output):
    return {int(count) for count in re.findall(r"changed=(\d+)", output)}


def test_this_machine_is_audited_and_nothing_is_changed(check, root, tmp_path):
    rc, output = check(
        {"here": HERE},
        "--check",
        "--diff",
        nself_check_output="report.json",
        nself_check_fail_on="none",
        nself_check_verbose=True,
    )
    assert rc == 0, output
    assert re.search(r"^Score: (\d+/100|none)", output, re.MULTILINE)
    assert changed(output) == {0}
    assert "\033" not in output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(
        report, json.loads((root / "docs/schema/security-report.schema.json").read_text(encoding="utf-8"))
    )
    assert [(host["host"], host["status"]) for host in report["hosts"]] == [("here", "audited")]
    assert re.search(
        r'^version: "?%s"?$' % re.escape(report["collection"]["version"]),
        (root / "galaxy.yml").read_text(),
        re.MULTILINE,
    )


def test_only_the_categories_that_were_asked_for(check, tmp_path):
    rc, output = check(
        {"here": HERE},
        nself_check_output="report.json",
        nself_check_fail_on="none",
        nself_check_category="network, data",
    )
    assert rc == 0, output
    (host,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["hosts"]
    assert {finding["category"] for finding in host["findings"]} <= {"network", "data"}


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"nself_check_category": "netwrk"},
            "nself_check_category does not know netwrk; it takes authentication, network",
        ),
        ({"nself_check_output": "report.pdf"}, "nself_check_output takes a file that ends in .json, not report.pdf"),
        ({"nself_check_fail_on": "always"}, "nself_check_fail_on takes none, critical, warning, not always"),
        ({"nself_check_policy": {"nonsense": 1}}, "nself_check_policy: unknown policy nonsense"),
        ({"nself_check_policy": {"public_ports": ["abc"]}}, "policy public_ports takes a list of port numbers"),
        ({"nself_check_fail_on_unknown": "maybe"}, "nself_check_fail_on_unknown takes true or false, not maybe"),
        ({"nself_check_become": "maybe"}, "nself_check_become takes true or false, not maybe"),
        ({"nself_check_ouput": "report.json"}, "unknown variable nself_check_ouput; known are: nself_check_category"),
        ({"nself_check_waivers": [{"id": "NET-25"}]}, "nself_check_waivers: waiver 1 has no owner, reason, expires"),
    ],
)
def test_a_wrong_option_ends_the_run_once_and_before_the_audit(check, options, message):
    rc, output = check({"a": HERE, "b": HERE}, **options)
    assert rc == 2
    assert message in output
    assert output.count("FAILED!") == 1
    assert "TASK [Audit the host]" not in output
    assert "Traceback" not in output


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs an ssh client")
def test_hosts_that_cannot_be_audited_stay_in_the_report_and_close_the_gate(check, root, tmp_path):
    hosts = {"a-gone": GONE, "b-nopython": NO_PYTHON, "c-nosudo": NO_SUDO, "d-here": HERE}
    rc, output = check(hosts, "-vvv", nself_check_output="report.json")
    assert rc == 2
    assert "could not be audited" in output
    assert changed(output) == {0}
    assert "Traceback" not in output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(
        report, json.loads((root / "docs/schema/security-report.schema.json").read_text(encoding="utf-8"))
    )
    gone, nopython, nosudo, here = report["hosts"]
    assert [host["status"] for host in report["hosts"]] == ["unreachable", "failed", "audited", "audited"]
    assert "Connection refused" in gone["message"]
    assert "there is no Python at /nonexistent/python. Set ansible_python_interpreter" in nopython["message"]
    assert nosudo["notes"][0] == "could not become somebody (sudo is not installed)"
    assert report["gate"]["passed"] is False
    for host in ("a-gone", "b-nopython"):
        assert re.search(r"^  %s: " % host, output, re.MULTILINE)


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs an ssh client")
def test_without_a_gate_the_run_ends_well_even_where_all_hosts_are_lost(check):
    rc, output = check({"gone": GONE}, nself_check_fail_on="none")
    assert rc == 0, output
    assert "Host gone was not audited (unreachable): Failed to connect to the host via ssh" in output


def test_what_could_not_be_decided_closes_the_gate_unless_it_is_told_not_to(check, tmp_path):
    def gate(**options):
        # No deployment there: every check of it is undecided, and none of this category fails.
        rc, output = check(
            {"here": HERE},
            nself_project_dir="/nonexistent",
            nself_check_category="authentication",
            nself_check_output="report.json",
            **options,
        )
        return rc, output, json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["gate"]

    rc, output, told = gate()
    assert rc == 2, output
    assert "here: " in output and "critical checks could not be decided on here" in output
    assert told["fail_on_unknown"] is True and told["passed"] is False
    rc, output, told = gate(nself_check_fail_on_unknown=False)
    assert rc == 0, output
    assert told == {"fail_on": "critical", "fail_on_unknown": False, "passed": True, "reasons": []}


@pytest.mark.parametrize("pattern", ["nosuch", "all:!a", ["nosuch", "other"]])
def test_a_pattern_that_matches_no_host_is_an_error(check, pattern):
    rc, output = check({"a": HERE}, nself_hosts=pattern)
    assert rc != 0
    assert "no host of the inventory matches" in output
    assert "Traceback" not in output


def test_some_hosts_of_several_patterns(check):
    rc, output = check(
        {"a": HERE, "b": HERE, "c": HERE}, "--list-hosts", "--limit", "a,b", nself_hosts=["b", "c", "nosuch"]
    )
    assert rc == 0, output
    assert set(re.findall(r"^ {6}(\w)$", output, re.MULTILINE)) == {"b"}


@pytest.mark.parametrize(
    "task, message",
    [
        ("Report on all hosts", "There is no audit to report on: no host has a result"),
        ("Gate", "There is no report to judge: run the whole playbook"),
    ],
)
def test_a_run_that_starts_after_the_audit_says_what_is_missing(check, task, message):
    rc, output = check({"a": HERE}, "--start-at-task", task)
    assert rc == 2
    assert message in output
    assert "undefined" not in output


def test_a_wrong_variable_of_one_host_is_found(check):
    for name, message in (("nself_check_become", "takes true or false"), ("nself_check_becom", "unknown variable")):
        rc, output = check({"a": HERE, "b": dict(HERE, **{name: "maybe"})})
        assert rc == 2
        assert message in output and "TASK [Audit the host]" not in output

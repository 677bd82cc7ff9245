# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of harden.yml, with toys in place of the audit and of the roles: nothing is hardened here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from ansible_collections.nself.prod.plugins.plugin_utils.report.hardening import ROLES
from report_samples import finding, report

TOYS = "tests/fixtures/toy_collection/ansible_collections/acme"
SSHD = {"role": "sshd", "vars": [], "restarts": [], "by_hand": "Set PasswordAuthentication no."}
UFW = {"role": "ufw", "vars": [], "restarts": [], "by_hand": "Run ufw enable."}
BACKUP = {"role": "backup", "vars": [], "restarts": [], "by_hand": "Back it up."}
# A role that notes that it ran, answers what the host's folder says, and cuts the host off where that says so.
TASKS = """
- name: Change things
  acme.toy.toy_change:
    folder: "{{{{ nself_project_dir }}}}"
    role: {0}
  register: {0}_result

- name: Lead the connection nowhere
  ansible.builtin.set_fact:
    ansible_connection: ssh
    ansible_port: 1
  when: {0}_result.cut_off | default(false)
"""


def audit(ssh="fail", firewall="pass", backup="fail", **more):
    return report(
        [
            finding("INFRA-05", ssh, "critical", "SSH accepts no passwords", fix=SSHD, actual="passwords are taken"),
            finding("INFRA-01", firewall, "critical", "The firewall denies", fix=UFW, actual="ufw is off"),
            finding("DATA-20", backup, "critical", "There is a backup", fix=BACKUP),
        ],
        **more,
    )


@pytest.fixture
def harden(root, tmp_path):
    """Return a function that runs the playbook on toy hosts {name: folder's content}: (rc, output, {name: roles that ran})."""
    own = tmp_path / "ansible_collections/nself/prod"
    (own / "playbooks").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (own / "plugins").symlink_to(root / "plugins")
    (own / "meta").symlink_to(root / "meta")
    for name in ("galaxy.yml", "playbooks/harden.yml", "playbooks/check.yml"):
        shutil.copy(str(root / name), str(own / name))
    for role in ROLES:
        (own / "roles" / role / "tasks").mkdir(parents=True)
        (own / "roles" / role / "tasks/main.yml").write_text(TASKS.format(role))
    (tmp_path / "ansible_collections/acme").symlink_to(root / TOYS)
    # Becomes root by doing what it is told: the last word of sudo's arguments.
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\nfor last; do :; done\nexec /bin/sh -c "$last"\n')
    sudo.chmod(0o755)

    def run(hosts, *arguments, **options):
        inventory = {}
        for name, content in hosts.items():
            folder = tmp_path / "hosts" / name
            shutil.rmtree(str(folder), ignore_errors=True)
            folder.mkdir(parents=True)
            variables = content.pop("variables", {})
            content.setdefault("second", content.get("first"))
            for key, answer in content.items():
                wrapped = {"report": answer} if key in ("first", "second") and "findings" in answer else answer
                (folder / (key + ".json")).write_text(json.dumps(wrapped))
            inventory[name] = dict(
                {
                    "ansible_connection": "local",
                    "ansible_host": "127.0.0.1",
                    "ansible_ssh_common_args": "-F none -o ConnectTimeout=3",
                    "ansible_python_interpreter": sys.executable,
                    "ansible_become_exe": str(sudo),
                    "nself_project_dir": str(folder),
                },
                **variables,
            )
        (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": inventory}}))
        env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        env.update(HOME=str(tmp_path / "home"), LC_ALL="C.UTF-8", ANSIBLE_COLLECTIONS_PATH=str(tmp_path), COLUMNS="120")
        command = [sys.executable, "-m", "ansible", "playbook", str(own / "playbooks/harden.yml"), "-i", "hosts.json"]
        given = dict({"nself_check_module": "acme.toy.toy_audit"}, **options)
        done = subprocess.run(
            [*command, *arguments, "-e", json.dumps(given)],
            cwd=str(tmp_path), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180, check=False,
        )  # fmt: skip
        ran = {name: _lines(tmp_path / "hosts" / name / "ran") for name in hosts}
        return done.returncode, done.stdout, ran

    return run


def _lines(path):
    return tuple(path.read_text().split()) if path.exists() else ()


def test_before_and_after_and_what_is_left(harden, tmp_path):
    changed = {
        "changed": True,
        "diff": [{"before_header": "/etc/x", "after_header": "/etc/x", "before": "", "after": "y"}],
    }
    skipped = {"changed": False, "not_applicable": "its service cannot run in a container"}
    rc, output, ran = harden(
        {"web1": {"first": audit(), "second": audit("pass"), "sshd": changed, "auditd": skipped}},
        nself_harden_output="after.json",
    )
    assert rc == 0, output
    assert ran["web1"] == ROLES
    assert "Score       33 → 59 of 100" in output
    assert re.search(r"^Better \(1\)\n  ✓ SSH accepts no passwords \[INFRA-05\]", output, re.M)
    assert "Changed by  sshd\n" in output
    assert "Not here    auditd: its service cannot run in a container" in output
    assert "none: every check that these roles mend passes" in output
    assert "Besides, 1 check fails that no role of this run mends (1 critical):" in output
    assert "ansible-playbook nself.prod.check -i hosts.json" in output
    assert "Would change" not in output and "WORSE" not in output
    (host,) = json.loads((tmp_path / "after.json").read_text())["hosts"]
    assert {item["id"]: item["status"] for item in host["findings"]}["INFRA-05"] == "pass"


def test_check_mode_says_what_would_change_and_holds_no_gate(harden):
    changed = {"changed": True, "diff": [{"after_header": "/etc/x"}, {"prepared": "ssh.service is reloaded\n"}]}
    rc, output, ran = harden({"web1": {"first": audit(), "sshd": changed}}, "--check", "--tags", "sshd,ufw")
    assert rc == 0, output
    assert ran["web1"] == ("sshd", "ufw")
    assert "(check mode: nothing was changed)" in output
    assert re.search(r"^Would change\n  sshd: /etc/x, ssh.service is reloaded\n", output, re.M)
    assert "Score       33 of 100" in output and "→" not in output and "Better" not in output
    assert re.search(r"Fails now \(1\)\n  ✗ SSH accepts no passwords \[INFRA-05\]\n", output)


def test_what_got_worse_is_said_in_alarm_and_closes_the_gate(harden):
    rc, output, _ran = harden({"web1": {"first": audit("pass"), "second": audit("pass", "fail")}}, "--tags", "sshd")
    assert rc == 2
    assert "WORSE THAN BEFORE: 1 check passed before this run\n  ✗ The firewall denies [INFRA-01]: ufw is off" in output
    assert "web1: 1 critical check got worse on web1: INFRA-01" in output


def test_what_its_role_did_not_mend_closes_the_gate_and_what_no_role_was_run_for_does_not(harden):
    hosts = {"web1": {"first": audit()}}
    rc, output, _ran = harden(dict(hosts), "--tags", "sshd")
    assert rc == 2
    assert "1 critical check of the roles that ran still failing on web1: INFRA-05" in output
    assert "by hand: Set PasswordAuthentication no." in output
    rc, output, ran = harden({"web1": {"first": audit()}}, "--tags", "ufw")
    assert rc == 0, output
    assert ran["web1"] == ("ufw",)
    rc, output, _ran = harden({"web1": {"first": audit()}}, "--tags", "sshd", nself_harden_fail_on="none")
    assert rc == 0, output


def test_a_failure_stops_the_rollout_and_all_is_reported(harden):
    refused = {"failed": True, "msg": "AllowUsers would leave out deploy, who is logged in"}
    rc, output, ran = harden(
        {
            "a": {"first": audit(), "second": audit("pass")},
            "b": {"first": audit(), "sshd": refused},
            "c": {"first": audit(), "second": audit("pass")},
            "d": {"first": audit()},
        },
        nself_harden_serial="1,2,100%",
    )
    assert rc == 2
    assert ran == {"a": ROLES, "b": ROLES[: ROLES.index("sshd") + 1], "c": ROLES, "d": ()}
    assert "a: hardened, score 33 → 59, 1 better, 0 left" in output
    assert "b: failed: sshd (Change things): AllowUsers would leave out deploy, who is" in output
    assert "4 hosts: 1 failed, 2 hardened, 1 not begun" in output
    assert "d: the rollout stopped before" in output
    assert "hardening b failed; d was not begun, since the rollout stopped" in output
    assert "Traceback" not in output


def test_where_the_deployment_cannot_be_changed_the_host_is_hardened_all_the_same(harden):
    refused = {"failed": True, "msg": "own.conf has a mistake"}
    rc, output, ran = harden({"a": {"first": audit(), "second": audit("pass"), "hasura": refused}})
    assert rc == 2
    assert ran["a"] == tuple(role for role in ROLES if role not in ("auth", "minio", "redis", "nginx"))
    assert "HARDENING FAILED: hasura (Change things): own.conf has a mistake" in output


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs an ssh client")
def test_hosts_that_cannot_be_hardened_are_said_and_stop_nobody(harden):
    gone = {"ansible_connection": "ssh", "ansible_port": 1}
    unprivileged = audit(privileged=False, notes=["could not become root (sudo asks for a password)"])
    other = audit(platform={"id": "alpine", "name": "Alpine Linux v3.20"})
    rc, output, ran = harden(
        {
            "a": {"first": audit("pass"), "variables": gone},
            "b": {"first": unprivileged},
            "c": {"first": other},
            "d": {"first": {"failed": True, "msg": "The disk is broken"}},
            "e": {"first": audit("pass")},
        },
        "--tags", "sshd",
    )  # fmt: skip
    assert rc == 2
    assert ran == {"a": (), "b": (), "c": (), "d": (), "e": ("sshd",)}
    assert re.search(r"^  a: Failed to connect to the host via ssh", output, re.M)
    assert "b: hardening needs root: audited as " in output
    assert "c: it is no Debian or Ubuntu, but Alpine Linux v3.20" in output
    assert "d: The disk is broken" in output
    assert "a, b, c, d could not be hardened" in output
    assert "Traceback" not in output


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs an ssh client")
def test_a_host_that_is_lost_in_the_middle_stops_the_rollout(harden):
    lost = {"changed": True, "cut_off": True}
    rc, output, ran = harden(
        {"a": {"first": audit(), "ufw": lost}, "b": {"first": audit(), "second": audit("pass")}, "c": {"first": audit()}},
        "--tags", "sshd,ufw,sysctl",
        nself_harden_serial=[2, 1],
    )  # fmt: skip
    assert rc != 0
    assert ran == {"a": ("sshd", "ufw"), "b": ("sshd", "ufw", "sysctl"), "c": ()}
    assert "a: lost: it gave no answer to a role any more" in output
    assert "a did not answer any more; c was not begun" in output


def test_nobody_to_harden(harden):
    rc, output, ran = harden({"a": {"first": {"failed": True, "msg": "no"}}}, "--tags", "sshd")
    assert rc == 2
    assert ran["a"] == ()
    assert "Host a: Not hardened: no" in output
    assert "WARNING" not in output and "Traceback" not in output


@pytest.mark.parametrize(
    "options, message",
    [
        ({"nself_harden_fail_on": "always"}, "nself_harden_fail_on takes none, critical, warning, not always"),
        ({"nself_harden_seriel": 1}, "unknown variable nself_harden_seriel; known are: nself_harden_verbose"),
        ({"nself_check_polcy": {}}, "unknown variable nself_check_polcy"),
        ({"nself_check_policy": {"nonsense": 1}}, "nself_check_policy: unknown policy nonsense"),
        (
            {"nself_harden_serial": "1,half"},
            "nself_harden_serial takes numbers of hosts or percentages, such as 1,25%,100%",
        ),
        ({"nself_harden_max_fail_percentage": "many"}, "nself_harden_max_fail_percentage takes a number from 0 to 100"),
        ({"nself_harden_output": "report.pdf"}, "nself_harden_output takes a file that ends in .json"),
    ],
)
def test_a_wrong_option_ends_the_run_before_any_host_is_touched(harden, options, message):
    rc, output, ran = harden({"a": {"first": audit()}, "b": {"first": audit()}}, **options)
    assert rc == 2
    assert message in output
    assert ran == {"a": (), "b": ()}
    assert "TASK [Audit the host]" not in output and "Traceback" not in output

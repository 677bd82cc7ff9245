# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's audit: its rules, what is left out of them, and what is in force."""

from __future__ import annotations

import json

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.checks.auditd import auditd as judge
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.auditd import collect
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.audit_rules import WATCHED
from ansible_collections.nself.prod.plugins.module_utils.change import changes as changes_module
from ansible_collections.nself.prod.plugins.module_utils.change.auditd import OURS, work
from ansible_collections.nself.prod.plugins.module_utils.change.auditd_rules import (
    Project,
    daemon_config,
    data_folders,
    foreign,
    left_out,
    render,
)
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from ansible_collections.nself.prod.plugins.module_utils.parse.audit_rules import parse_rules
from fake_host import FakeHost

OPTIONS = {"project_dir": None, "rules": [], "immutable": False}
STOCK = "-D\n-b 8192\n--backlog_wait_time 60000\n-f 1\n"
UNIT = "Id=auditd.service\nLoadState=loaded\nActiveState=%s\nUnitFileState=%s\nFragmentPath=/usr/lib/x\n"


class Machine(FakeHost):
    """A host with auditd, whose kernel takes what augenrules loads."""

    def __init__(self, enabled="1", **more):
        paths = [path for _group, paths in WATCHED for path in paths if path != "/etc/docker"]
        super().__init__(
            {
                **dict.fromkeys(paths, "x"),
                "/etc/ssh/sshd_config": "",
                "/run/systemd/system/x": "",
                "/proc/1/environ": "",
                "/proc/cmdline": "quiet\n",
                "/etc/nself-prod/x": "",
                "/etc/os-release": "ID=debian\n",
                "/etc/audit/rules.d/audit.rules": STOCK,
                "/etc/audit/auditd.conf": daemon_config(""),
                "/opt/nself/docker-compose.yml": "",
                "/opt/nself/backups/a": "",
            },
            commands={
                "uname -m": "x86_64\n",
                "auditctl": self._auditctl,
                "augenrules --load": self._load,
                "systemctl": self._systemctl,
            },
        )
        del self.files["/etc/ssh"], self.files["/etc/sudoers.d"]
        self.files["/etc/sudoers.d/README"] = ""
        self.enabled, self.pid, self.state, self.loaded, self.sent = (
            enabled,
            "7",
            ["active", "enabled"],
            "No rules\n",
            [],
        )
        self.refused = ()

    def _auditctl(self, argv, _stdin, _env):
        if argv[1] == "-s":
            return "enabled %s\nfailure 1\npid %s\n" % (self.enabled, self.pid)
        if argv[1] == "-e":
            self.enabled = argv[2]
            return ""
        return self.loaded

    def _load(self, *_call):
        lines = [
            line
            for name in sorted(self.files)
            if name.startswith("/etc/audit/rules.d/")
            for line in self.files[name].splitlines()
        ]
        self.loaded = "\n".join(
            line for line in lines if line[:2] in ("-w", "-a") and not any(word in line for word in self.refused)
        )
        return ""

    def _systemctl(self, argv, _stdin, _env):
        if argv[1] == "show":
            return UNIT % tuple(self.state)
        self.sent.append(argv[1])
        self.state = ["active", "enabled"]
        self.pid = "7"
        return ""

    def audit(self):
        deployment = {"state": "found", "directory": "/opt/nself"}
        return judge.judge(
            Facts({"auditd": collect(self, lambda _name: {"container": None}), "deployment": deployment}), None
        )


def run(host, monkeypatch, check=False, **options):
    monkeypatch.setattr(
        changes_module, "_replace", lambda path, data, *access: host.files.__setitem__(path, data.decode("utf-8"))
    )
    monkeypatch.setattr(
        changes_module.Changes, "_stat", lambda self, path: None if path not in host.files else _info(path)
    )
    changes = Changes(host, check)
    return changes, work(host, changes, dict(OPTIONS, **options))


def _info(path):
    from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo

    return FileInfo(0o640 if path == OURS else 0o644, 0, 0, 0, 0.0, "file")


def test_the_audit_passes_afterwards_and_the_second_run_changes_nothing(monkeypatch):
    host = Machine()
    assert host.audit().status == "fail"
    told, first = run(host, monkeypatch, check=True)
    done, second = run(host, monkeypatch)
    assert told.result() == done.result() and first == second
    assert (second["project"], second["left_out"]) == ("/opt/nself", ["/opt/nself/backups"])
    assert host.audit().status == "pass", host.audit()
    again, _result = run(host, monkeypatch)
    assert again.result() == {"changed": False, "diff": []}


def test_rules_that_were_taken_out_of_the_kernel_are_loaded_again(monkeypatch):
    host = Machine()
    run(host, monkeypatch)
    host.loaded = "No rules\n"
    assert run(host, monkeypatch)[0].changed
    assert "/etc/passwd" in host.loaded


def test_a_rule_that_the_kernel_does_not_take_is_an_error(monkeypatch):
    host = Machine()
    host.refused = ("/etc/shadow",)
    with pytest.raises(ChangeError, match="1 rules are not loaded, such as `-w /etc/shadow -p wa -k identity`"):
        run(host, monkeypatch)


def test_a_daemon_that_is_off_is_started_and_the_audit_turned_on(monkeypatch):
    host = Machine(enabled="0")
    host.state, host.pid = ["inactive", "disabled"], "0"
    run(host, monkeypatch)
    assert host.sent == ["enable", "start"] and host.enabled == "1"


def test_locked_rules_wait_for_the_next_boot(monkeypatch):
    host = Machine(enabled="2")
    changes, result = run(host, monkeypatch)
    assert changes.changed and result["service"]["state"] == "locked" and "next reboot" in result["warnings"][0]
    assert "augenrules" not in str(host.ran)


def test_a_container_gets_the_files_and_no_daemon(monkeypatch):
    host = Machine()
    host.files["/run/systemd/container"] = "lxc\n"
    _changes, result = run(host, monkeypatch)
    assert result["service"]["state"] == "not_applicable" and host.sent == ["disable"]
    assert not [argv for argv, _stdin, _env in host.ran if argv[0] == "auditctl"]


def test_before_it_is_installed_a_check_tells_what_will_be(monkeypatch):
    host = Machine()
    del host.commands["auditctl"]
    changes, result = run(host, monkeypatch, check=True)
    assert changes.changed and result["service"]["state"] == "absent"
    with pytest.raises(ChangeError, match="install the package auditd first"):
        run(host, monkeypatch)


def test_a_rule_that_stops_everything_becomes_a_comment_and_others_are_named(monkeypatch):
    host = Machine()
    host.files["/etc/audit/rules.d/10-no.rules"] = "# none\n-a never,task\n"
    host.files["/etc/audit/rules.d/zz-final.rules"] = "-b 320\n-f 2\n-D -k identity\n-e 2\n"
    _changes, result = run(host, monkeypatch)
    assert host.files["/etc/audit/rules.d/10-no.rules"].endswith("audited: -a never,task\n")
    assert [text.split(" ", 1)[1] for text in result["warnings"]] == [
        "makes the buffer smaller (-b 320)",
        "halts the kernel when a record cannot be written (-f 2)",
        "deletes rules that were loaded before it (-D -k identity)",
        "locks the rules until the next boot (-e 2)",
    ]
    assert not foreign({"x": "-e 2\n"}, True).told


def test_several_projects_are_told_and_a_wrong_folder_is_refused(monkeypatch):
    host = Machine()
    host.files["/var/www/nself/docker-compose.yml"] = ""
    _changes, result = run(host, monkeypatch)
    assert result["project"] is None and "2 nself projects" in result["warnings"][0]
    with pytest.raises(ChangeError, match="auditd_project_dir: .*/srv/none does not exist"):
        run(host, monkeypatch, project_dir="/srv/none")


def test_a_project_that_only_docker_knows_stays_watched_while_docker_is_stopped(monkeypatch):
    host = Machine()
    host.files["/srv/shop/docker-compose.yml"] = host.files.pop("/opt/nself/docker-compose.yml")
    run(host, monkeypatch, project_dir="/srv/shop")
    changes, result = run(host, monkeypatch)
    assert not changes.changed and result["project"] == "/srv/shop"


def test_dockers_socket_is_watched_whether_or_not_it_is_there(monkeypatch):
    host = Machine()
    host.files["/usr/lib/systemd/system/docker.socket"] = ""
    run(host, monkeypatch)
    assert "-w /run/docker.sock -p wa -k docker\n" in host.files[OURS]


def test_every_rule_is_one_and_the_first_ones_leave_data_out():
    project = Project("/srv/shop", ("/srv/shop/backups",))
    text = render(["/etc/passwd", "/etc/docker"], "x86_64", project, ["-w /srv/b -p r -k b"], True)
    rules = parse_rules(text)
    assert rules[0].when == ("exit", "never") and rules[0].path == "/srv/shop/backups"
    assert {"/etc/passwd", "/etc/docker", "/srv/shop", "/srv/b"} <= {rule.path for rule in rules}
    assert not [rule for rule in rules if "execve" in rule.calls or rule.path.startswith("/var/lib")]
    assert text.endswith("-e 2\n") and left_out(text) == ["/srv/shop/backups"]
    assert "b32" not in render([], "aarch64", None, [], False)


@pytest.mark.parametrize("rule", ["-w", "rm -rf /", "-w /a -p wa\n-D", "-D", "# x", ""])
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(ChangeError, match="auditd_rules"):
        render([], "x86_64", None, [rule], False)


def test_what_containers_write_is_data_but_never_the_configuration():
    mounts = [
        {"Type": "bind", "RW": True, "Source": "/srv/shop/pg/data"},
        {"Type": "bind", "RW": True, "Source": "/srv/shop/pg/data/base"},
        {"Type": "bind", "RW": True, "Source": "/srv/shop/nginx/logs"},
        {"Type": "bind", "RW": False, "Source": "/srv/shop/hasura"},
        {"Type": "bind", "RW": True, "Source": "/srv/shop"},
        {"Type": "bind", "RW": True, "Source": "/srv/shopping"},
        {"Type": "volume", "RW": True, "Source": "/var/lib/docker/volumes/x"},
    ]
    found = data_folders(
        "/srv/shop", ["logs", "nginx"], json.loads(json.dumps([{"Mounts": mounts}, {}])), ["/srv/shop/old", "/else"]
    )
    assert found == ["/srv/shop/logs", "/srv/shop/old", "/srv/shop/pg/data"]


def test_nothing_halts_the_host_and_the_rest_of_the_file_stays():
    text = "# c\nlog_file = /x\nMax_Log_File_Action = KEEP_LOGS\nspace_left_action = email\ndisk_full_action = HALT\nadmin_space_left_action = single"
    after = daemon_config(text)
    assert after.splitlines() == [
        "# c",
        "log_file = /x",
        "max_log_file_action = ROTATE",
        "space_left_action = email",
        "disk_full_action = SUSPEND",
        "admin_space_left_action = SUSPEND",
        "disk_error_action = SUSPEND",
    ]
    assert daemon_config(after) == after


def test_a_kernel_without_audit_says_so(monkeypatch):
    host = Machine()
    host.files["/proc/cmdline"] = "quiet audit=0\n"
    result = run(host, monkeypatch)[1]
    assert result["service"]["state"] == "not_applicable" and "audit=0" in result["warnings"][0]


def test_a_command_that_fails_is_named(monkeypatch):
    host = Machine()
    host.commands["auditctl"] = Completed(1, "", "Operation not permitted\n")
    with pytest.raises(ChangeError, match="`auditctl -s` ended with 1: Operation not permitted"):
        run(host, monkeypatch)

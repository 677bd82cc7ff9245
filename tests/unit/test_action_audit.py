# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of one host: root where that works, else the login user, and one clear line where nothing works.

The texts are what ansible-core 2.19 hands up, recorded over ssh and locally.
"""

from __future__ import annotations

import types

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.nself.prod.plugins.action import nself_audit
from ansible_collections.nself.prod.plugins.plugin_utils import failure
from report_samples import report


class Sudo:
    name = "sudo"


class Connection:
    """As much of a connection as the plugin touches."""

    def __init__(self, become):
        self.become = become
        self._shell = types.SimpleNamespace(tmpdir=None)

    def set_become_plugin(self, plugin):
        self.become = plugin

    def get_option(self, name):
        return {"remote_user": "deploy"}[name]


def parsed(**more):
    return dict({"_ansible_parsed": True, "changed": False}, **more)


def unparsed(stderr="", stdout="", rc=1):
    message = "Module result deserialization failed: No start of json char found"
    return {
        "_ansible_parsed": False,
        "failed": True,
        "msg": message,
        "module_stderr": stderr,
        "module_stdout": stdout,
        "rc": rc,
    }


def audited(as_root, as_user=None, become=Sudo, variables=None, **args):
    """Run the plugin on a host that answers so. Return (result, the arguments the module got, the connection)."""
    asked = []
    connection = Connection(become() if become else None)

    class Plugin(nself_audit.ActionModule):
        def __init__(self):
            self._task = types.SimpleNamespace(args=args, async_val=0, check_mode=True, action="nself.prod.nself_audit")
            self._connection = connection

        def _execute_module(self, module_name=None, module_args=None, task_vars=None):
            asked.append(module_args)
            answer = as_root if connection.become else as_user
            if isinstance(answer, Exception):
                raise answer
            return dict(answer)

        def get_become_option(self, option, default=None):
            return {"become_user": None, "become_exe": None}[option]

    return Plugin().run(task_vars=dict(variables or {}, inventory_hostname="web1")), asked, connection


GOOD = parsed(report=report())
AS_USER = parsed(report=report(privileged=False))
UNPRIVILEGED = "audited as deploy, so what needs root is unknown"


def test_a_root_audit_is_passed_on_as_it_is():
    result, asked, _connection = audited(GOOD)
    assert result["report"] == report()
    assert result["changed"] is False and "failed" not in result
    assert asked == [{"host_name": "web1"}]


def test_a_host_name_that_was_given_stays():
    assert audited(GOOD, host_name="other")[1] == [{"host_name": "other"}]


@pytest.mark.parametrize(
    "as_root, reason",
    [
        (AnsibleError("Missing sudo password"), "sudo asks for a password (give it with --ask-become-pass)"),
        (AnsibleError("Incorrect sudo password"), "the password for sudo was not accepted"),
        (
            AnsibleError(
                "Premature end of stream waiting for become success.\n>>> Standard Error\n/bin/sh: 1: sudo: not found"
            ),
            "sudo is not installed",
        ),
        (
            AnsibleError(
                "Premature end of stream waiting for become success.\n>>> Standard Error\nsudo: a password is required"
            ),
            "sudo asks for a password (give it with --ask-become-pass)",
        ),
        (unparsed("/bin/sh: 1: sudo: not found\n", rc=127), "sudo is not installed"),
        (unparsed("bash: sudo: command not found\n", rc=127), "sudo is not installed"),
        (unparsed("deploy is not in the sudoers file.\n"), "the user may not use sudo"),
        (
            unparsed("Sorry, user deploy is not allowed to execute '/bin/sh' as root on web1.\n"),
            "the user may not use sudo",
        ),
        (unparsed("sudo: sorry, you must have a tty to run sudo\n"), "sudo insists on a terminal"),
        (unparsed('sudo: The "no new privileges" flag is set\n'), "privileges cannot be gained on this host"),
        (
            unparsed("sudo: /etc/sudo.conf is owned by uid 1000, should be 0\n"),
            "sudo says: /etc/sudo.conf is owned by uid 1000, should be 0",
        ),
        (
            AnsibleConnectionFailure("Timeout (12s) waiting for privilege escalation prompt: "),
            "sudo did not answer in time",
        ),
        (
            AnsibleConnectionFailure("Timed out waiting for become success or become password prompt."),
            "sudo did not answer in time",
        ),
        (unparsed("\033[31msomething odd\n"), "no answer: ?[31msomething odd"),
    ],
)
def test_without_root_the_audit_runs_as_the_login_user_and_says_why(as_root, reason):
    result, asked, connection = audited(as_root, AS_USER)
    assert result["report"]["notes"] == ["could not become root (%s)" % reason, UNPRIVILEGED]
    assert "failed" not in result and result["changed"] is False
    assert len(asked) == 2
    assert connection.become is not None, "the next task becomes root again"


def test_an_audit_that_was_not_meant_to_become_root_says_so_too():
    result, asked, _connection = audited(None, AS_USER, become=None)
    assert result["report"]["notes"] == [UNPRIVILEGED]
    assert len(asked) == 1


def test_an_unreachable_host_is_unreachable_and_not_asked_twice():
    result, asked, _connection = audited(
        AnsibleConnectionFailure("Failed to connect to the host via ssh: Connection timed out")
    )
    assert result == {
        "unreachable": True,
        "changed": False,
        "msg": "Failed to connect to the host via ssh: Connection timed out",
    }
    assert len(asked) == 1


BROKEN_PIPE = AnsibleConnectionFailure(
    "Data could not be sent to remote host '192.0.2.1'. Make sure this host can be reached over SSH: [Errno 32] Broken pipe"
)


@pytest.mark.parametrize(
    ("printed", "rc", "what"),
    [
        ("sudo: /opt/python9: command not found\n", 1, {"failed": True}),
        ("/bin/sh: 1: /opt/python9: not found\n", 127, {"failed": True}),
        ("", 0, {"unreachable": True}),
    ],
)
def test_a_host_without_its_python_is_reached_also_where_that_broke_the_pipe(monkeypatch, printed, rc, what):
    told = {"rc": rc, "stdout": "", "stderr": printed}
    monkeypatch.setattr(nself_audit.ActionModule, "_low_level_execute_command", lambda self, words: told, raising=False)
    result = audited(BROKEN_PIPE, BROKEN_PIPE, variables={"ansible_python_interpreter": "/opt/python9"})[0]
    assert what.items() <= result.items()
    assert ("there is no Python at /opt/python9" in result["msg"]) == bool(rc)


def test_a_failure_of_the_module_is_its_own_message_and_no_reason_to_drop_root():
    result, asked, _connection = audited(parsed(failed=True, msg="unknown policy x", exception="Traceback …"))
    assert (result["failed"], result["msg"]) == (True, "unknown policy x")
    assert "exception" not in result
    assert len(asked) == 1


CRASH = 'Traceback (most recent call last):\n  File "/tmp/x/payload.zip/audit/run.py", line 7, in audit\nValueError: geheim\n'


@pytest.mark.parametrize(
    "answer, message",
    [
        (
            unparsed("/bin/sh: 1: /usr/bin/python9: not found\n", rc=127),
            "there is no Python at /usr/bin/python9. Set ansible_python_interpreter",
        ),
        (
            {
                "failed": True,
                "_ansible_parsed": False,
                "msg": "The module interpreter '/usr/bin/python9' was not found.",
            },
            "there is no Python at /usr/bin/python9. Set ansible_python_interpreter",
        ),
        (
            parsed(
                failed=True,
                msg="ansible-core requires a minimum of Python version 3.8. Current version: 3.6.8 (default)",
            ),
            "its Python 3.6.8 is too old. Set ansible_python_interpreter",
        ),
        (
            unparsed("Traceback (most recent call last):\nModuleNotFoundError: No module named 'json'\n"),
            "its Python lacks the module json.",
        ),
        (unparsed("OSError: [Errno 28] No space left on device\n"), "its disk is full."),
        (unparsed(CRASH), "crashed with ValueError at run.py:7. Please report this"),
        (unparsed(), "gave no answer: Module result deserialization failed: No start of json char found."),
        (
            AnsibleError("Could not find imported module support code"),
            "gave no answer: Could not find imported module support code.",
        ),
        (parsed(), "it failed without a message"),
    ],
)
def test_where_nothing_works_there_is_one_clear_line(answer, message):
    for result in (audited(answer, answer)[0], audited(None, answer, become=None)[0]):
        assert result["failed"] is True
        assert message in result["msg"]
        assert "\n" not in result["msg"]
        assert "geheim" not in str(result), "an exception's message may quote what was read on the host"
        assert "Traceback" not in str(result)


def test_a_discovered_python_is_remembered():
    result, _asked, _connection = audited(
        parsed(report=report(), ansible_facts={"discovered_interpreter_python": "/usr/bin/python3"})
    )
    assert result["ansible_facts"] == {"discovered_interpreter_python": "/usr/bin/python3"}


def test_a_method_that_is_no_word_of_a_pattern():
    assert failure.why_not_become("my.sudo+", {"module_stderr": "my.sudo+: not found"}) == "my.sudo+ is not installed"

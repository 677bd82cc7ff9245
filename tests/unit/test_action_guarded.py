# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the guard: when a change is confirmed, and what is said where it is not."""

from __future__ import annotations

import types

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.nself.prod.plugins.plugin_utils import guarded
from fake_clock import Clock

GONE = AnsibleConnectionFailure("Failed to connect to the host via ssh: Connection timed out")
NOT_WAITING = {
    "_ansible_parsed": True,
    "failed": True,
    "msg": "the rollback of this run does not wait any more: it has run (ok)",
}
ARMED = {
    "_ansible_parsed": True,
    "changed": True,
    "diff": [],
    "guard": {"armed": True, "seconds": 60, "login_port": None},
}


class Connection:
    """As much of a connection as the plugin touches. Each reset is a new login."""

    def __init__(self):
        self._shell = types.SimpleNamespace(tmpdir="/home/deploy/.ansible/tmp")
        self.options = {"port": 22, "timeout": 10}
        self.logins = 0

    def reset(self):
        self.logins += 1

    def get_option(self, name):
        return self.options[name]

    def set_option(self, name, value):
        self.options[name] = value


@pytest.fixture
def clock(monkeypatch):
    fake = Clock()
    monkeypatch.setattr(guarded, "time", fake)
    return fake


def change(module, host, check=False, connection=None, **args):
    """Run the plugin: module: the guarded module's answer or error; host: a function (args, logins, port) of what nself_guard says.

    Return (result, what the guard was asked, the connection).
    """
    asked, connection = [], connection or Connection()

    class Plugin(guarded.GuardedAction):
        module = "nself.prod.nself_sample"

        def __init__(self):
            self._task = types.SimpleNamespace(args=args, async_val=0, check_mode=check, action=self.module)
            self._connection = connection

        def _execute_module(self, module_name=None, module_args=None, task_vars=None):
            if module_name == self.module:
                self.run_name = module_args["guard_run"]
                answer = module
            else:
                asked.append((module_args, connection.options["port"]))
                answer = host(module_args, self.run_name)
            if isinstance(answer, Exception):
                raise answer
            return dict(answer)

    return Plugin().run(task_vars={}), asked, connection


def good(**more):
    return dict({"_ansible_parsed": True, "changed": False}, **more)


def status(_args, _run, **more):
    return good(**dict({"armed": False, "run": None, "outcome": "ok"}, **more))


def test_unchanged_needs_no_login(clock):
    result, asked, connection = change(good(), None)
    assert not result["changed"] and asked == [] and connection.logins == 0


def test_a_change_is_confirmed_over_a_fresh_login(clock):
    result, asked, connection = change(ARMED, lambda args, run: good())
    assert result["changed"] and "failed" not in result and "guard" not in result
    assert [args["state"] for args, _port in asked] == ["disarmed"] and connection.logins == 1


def test_the_fresh_login_goes_to_the_new_port_and_stays_there(clock):
    moved = dict(ARMED, guard=dict(ARMED["guard"], login_port=2222))
    _result, asked, connection = change(moved, lambda args, run: good())
    assert asked[0][1] == 2222 and connection.options["port"] == 2222


@pytest.mark.parametrize("port", [None, 2222])
def test_a_change_whose_confirmation_got_lost_stays(clock, port):
    connection = Connection()

    def host(args, run):
        answers = clock.now > 70 and connection.options["port"] == (port or 22)
        return status(args, run, outcome="confirmed") if answers else GONE

    moved = dict(ARMED, guard=dict(ARMED["guard"], login_port=port))
    result, _asked, _connection = change(moved, host, connection=connection)
    assert result["changed"] and "failed" not in result
    assert connection.options["port"] == (port or 22)


def test_a_login_that_works_a_little_later_will_do(clock):
    answers = iter([GONE, GONE, good()])
    result, asked, connection = change(ARMED, lambda args, run: next(answers))
    assert "failed" not in result and connection.logins == 3


def test_where_no_login_works_the_host_has_taken_it_back(clock):
    def host(args, run):
        return GONE if clock.now < 62 else status(args, run)

    moved = dict(ARMED, guard=dict(ARMED["guard"], login_port=2222))
    result, asked, connection = change(moved, host)
    assert result["failed"] and result["rolled_back"] and not result["changed"]
    assert "Connection timed out" in result["msg"] and "took the change back by itself" in result["msg"]
    assert asked[-1][1] == 22 and connection.options["port"] == 22


def test_logins_that_are_denied_are_few(clock):
    denied = AnsibleConnectionFailure("deploy@198.51.100.7: Permission denied (publickey).")

    def host(args, run):
        return denied if clock.now < 75 else status(args, run)

    result, asked, _connection = change(ARMED, host)
    assert result["rolled_back"] and "Permission denied" in result["msg"]
    assert len(asked) == 3 and clock.now < 90


def test_the_first_reason_is_the_one_that_is_told(clock):
    answers = iter([GONE, NOT_WAITING])

    def host(args, run):
        return next(answers) if args["state"] == "disarmed" else status(args, run)

    assert "Connection timed out" in change(ARMED, host)[0]["msg"]


def test_a_host_that_never_comes_back_is_unreachable(clock):
    result = change(ARMED, lambda args, run: GONE)[0]
    assert result["unreachable"] and "See the host's console" in result["msg"]
    assert clock.now < 60 + 60 + guarded.GRACE + 5


def test_a_connection_lost_in_the_middle_hastens_the_rollback(clock):
    state = {"armed": True}

    def host(args, run):
        if args["state"] == "rolled_back":
            state["armed"] = False
            return good(changed=True)
        return status(args, run, armed=state["armed"], run=run, outcome=None if state["armed"] else "ok")

    result, asked, _connection = change(GONE, host)
    assert [args["state"] for args, _port in asked] == ["status", "rolled_back", "status"]
    assert result["failed"] and result["rolled_back"] and "lost in the middle" in result["msg"]


# Ansible says this of every connection that ended with 255; what follows are ssh's own words, if it had any.
UNSENT = 'Data could not be sent to remote host "x". Make sure this host can be reached over ssh: '


@pytest.mark.parametrize(
    "said", ["ssh: connect to host x port 22: Connection refused", "deploy@x: Permission denied (publickey)."]
)
def test_a_host_that_was_never_reached_is_not_waited_for(clock, said):
    with pytest.raises(AnsibleConnectionFailure):
        change(AnsibleConnectionFailure(UNSENT + said), None)
    connection = Connection()
    connection.options["reconnection_retries"] = 2
    assert change(AnsibleConnectionFailure(UNSENT + said), status, connection=connection)[0]["rolled_back"]


@pytest.mark.parametrize("said", ["", "Shared connection to x closed."])
def test_a_connection_that_broke_in_the_middle_is_waited_for(clock, said):
    result = change(AnsibleConnectionFailure(UNSENT + said), status)[0]
    assert result["rolled_back"] and "took the change back by itself" in result["msg"]


def test_a_change_that_the_rollback_had_to_end_is_told_as_that(clock):
    killed = {"_ansible_parsed": False, "failed": True, "rc": 137, "msg": "MODULE FAILURE", "module_stderr": "Killed\n"}
    result = change(killed, status)[0]
    assert result["rolled_back"] and "took longer than guard_seconds" in result["msg"]


def test_a_connection_lost_before_anything_changed_is_no_rollback(clock):
    result = change(GONE, lambda args, run: status(args, run, outcome=None))[0]
    assert result["failed"] and "rolled_back" not in result and "nothing of it stays" in result["msg"]


def test_anothers_rollback_is_not_waited_for(clock):
    result = change(GONE, lambda args, run: status(args, run, armed=True, run="other", outcome=None))[0]
    assert "nothing of it stays" in result["msg"] and clock.now < 5


def test_what_could_not_be_put_back_is_told(clock):
    result = change(GONE, lambda args, run: status(args, run, outcome="/etc/x cannot be put back"))[0]
    assert result["failed"] and result["changed"] and "/etc/x cannot be put back" in result["msg"]


def test_a_lost_check_only_says_so(clock):
    result, asked, _connection = change(GONE, None, check=True)
    assert result["failed"] and asked == []


def test_a_login_that_may_not_become_root_confirms_nothing(clock):
    denied = {"_ansible_parsed": False, "failed": True, "msg": "", "module_stderr": "sudo: a password is required\n"}

    def host(args, run):
        return denied if clock.now < 61 else status(args, run)

    result = change(ARMED, host)[0]
    assert result["failed"] and result["rolled_back"] and "a password is required" in result["msg"]
    assert "The module gave no answer" in result["msg"]

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of a guarded change: the fresh login that confirms it, or the word that the host took it back."""

from __future__ import annotations

import itertools
import time
import uuid
from typing import Any, Optional, Sequence

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.nself.prod.plugins.module_utils.change.guard import CONFIRMED
from ansible_collections.nself.prod.plugins.plugin_utils import way
from ansible_collections.nself.prod.plugins.plugin_utils.failure import why_failed
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import clean

GUARD = "nself.prod.nself_guard"
DEFAULT_SECONDS = 60  # as the module's own guard_seconds
ATTEMPT_SECONDS = 5  # for one login: several have to fit into the time that the host waits
PAUSE = 0.5
# sshd's answer to a key or an account that it does not take. Time does not change that, and each such login counts for sshd and for
# fail2ban, whose ban would outlast the rollback: there is no second one until the rollback is due.
DENIED = "Permission denied"
ROLLBACK_SECONDS = 5  # that it takes, on a busy host
DENIED_PAUSE = 10
# What ssh says where it did not get in at all. Ansible's own words are the same for a connection that broke in the middle.
NEVER_THERE = ("ssh: connect to host", "ssh: Could not resolve hostname", "Host key verification failed", DENIED + " (")
KILLED = 128 + 9
# After the rollback is due: how long it may take, and sshd to come back.
GRACE = 60


class GuardedAction(ActionBase):
    """Base of the action plugins of guarded modules. module: the full name of the module."""

    _supports_check_mode = True
    _supports_async = False
    module = ""

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Return the module's result, failed where the change was taken back, unreachable where no login works any more."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = dict(self._task.args, guard_run=uuid.uuid4().hex[:12])
        begun = time.monotonic()
        try:
            answer = self._execute_module(module_name=self.module, module_args=args, task_vars=task_vars)
            lost = "" if answer.get("_ansible_parsed", True) else _why_lost(answer)
        except AnsibleConnectionFailure as error:
            if self._was_never_there(str(error)):
                raise
            answer, lost = {}, "the connection was lost in the middle (%s)" % clean(str(error))
        seconds = _seconds(args)
        if lost:
            if self._task.check_mode:
                return {"failed": True, "changed": False, "msg": lost}
            return self._after_loss(args["guard_run"], lost, seconds, begun, task_vars)
        guard = answer.pop("guard", None) or {}
        if not guard.get("armed"):
            return answer
        return self._confirm(answer, guard, args["guard_run"], task_vars)

    def _was_never_there(self, said: str) -> bool:
        """Tell whether ssh could not even hand the module over: then there is nothing to wait for."""
        return any(words in said for words in NEVER_THERE) and not way.option(self._connection, "reconnection_retries")

    # -- the way it should go ----------------------------------------------------------------------------------------

    def _confirm(
        self, answer: dict[str, Any], guard: dict[str, Any], run: str, task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        begun = time.monotonic()
        old_port = way.option(self._connection, "port")
        if guard.get("login_port"):
            self._connection.set_option("port", int(guard["login_port"]))
        why, patience = "", _Patience(begun + guard["seconds"])
        while time.monotonic() < patience.due:
            said = self._ask({"state": "disarmed", "run": run}, task_vars)
            if not said.get("failed"):
                return answer
            if said["answered"] and "does not wait any more" in said["msg"]:
                why = why or said["msg"]
                break
            why = said["msg"]
            patience.wait(said)
        reason = "no fresh login was possible (%s)" % why
        ports = [old_port, int(guard["login_port"])] if guard.get("login_port") else []
        said = self._taken_back(reason, run, patience, begun, task_vars, ports=ports)
        # It was confirmed, and only the word of that got lost.
        return answer if said.get("confirmed") else said

    # -- and the ways it may go --------------------------------------------------------------------------------------

    def _after_loss(self, run: str, lost: str, seconds: int, begun: float, task_vars: dict[str, Any]) -> dict[str, Any]:
        """The module did not end as it should, so what it did is not known: see to it that it is taken back."""
        return self._taken_back(lost, run, _Patience(begun + seconds), begun, task_vars, hasten=True)

    def _taken_back(
        self,
        reason: str,
        run: str,
        patience: _Patience,
        begun: float,
        task_vars: dict[str, Any],
        hasten: bool = False,
        ports: Sequence[Any] = (),
    ) -> dict[str, Any]:
        """Wait until a login works and the rollback is over; say how it ended. ports: where it may work, if not only where it did."""
        said: dict[str, Any] = {}
        for port in itertools.cycle(ports or [None]):
            if time.monotonic() >= patience.due + GRACE:
                break
            if ports:
                self._connection.set_option("port", port)
            said = self._ask({"state": "status", "run": run}, task_vars)
            if not said.get("failed"):
                if not (said["armed"] and said["run"] == run):
                    break
                if hasten:
                    self._ask({"state": "rolled_back"}, task_vars)
            patience.wait(said)
        took = "a login works again after %.0f s" % (time.monotonic() - begun)
        if said.get("failed"):
            if not said["answered"]:
                later = time.monotonic() - begun
                text = "%s, and no login that becomes root works %d s later: %s. See the host's console." % (
                    reason,
                    later,
                    said["msg"],
                )
                return {"unreachable": True, "changed": True, "msg": text}
            text = "%s; whether it was taken back is not known: %s" % (reason, said["msg"])
            return {"failed": True, "changed": True, "msg": text}
        if said["armed"] and said["run"] == run:
            text = "%s; %s, but the rollback has not run: see `systemctl status nself-prod-rollback.timer` there" % (
                reason,
                took,
            )
            return {"failed": True, "changed": True, "msg": text}
        if said["outcome"] == CONFIRMED:
            return {"confirmed": True}
        if said["outcome"] is None:
            return {"failed": True, "changed": False, "msg": "%s; nothing of it stays, %s" % (reason, took)}
        if said["outcome"] != "ok":
            text = "%s; the host took the change back, but not all of it: %s" % (reason, said["outcome"])
            return {"failed": True, "changed": True, "rolled_back": True, "msg": text}
        text = "%s; the host took the change back by itself, %s" % (reason, took)
        return {"failed": True, "changed": False, "rolled_back": True, "msg": text}

    # -- one login ---------------------------------------------------------------------------------------------------

    def _ask(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Ask the host's guard over a connection that is made anew; `answered` tells whether the host said anything."""
        try:
            reset = getattr(self._connection, "reset", None)
            if reset is not None:
                reset()
            if way.option(self._connection, "timeout") is not None:
                self._connection.set_option("timeout", ATTEMPT_SECONDS)
            # What the last connection found out about the host's folders does not hold for the next.
            self._connection._shell.tmpdir = None
            answer = self._execute_module(module_name=GUARD, module_args=args, task_vars=task_vars)
        except AnsibleError as error:
            return {"failed": True, "answered": False, "msg": clean(str(error))}
        parsed = bool(answer.get("_ansible_parsed", True))
        if answer.get("failed") or answer.get("unreachable") or not parsed:
            return {"failed": True, "answered": parsed, "msg": why_failed(answer, "The module")}
        return dict(answer, answered=True)


class _Patience:
    """The pauses between logins. due: when the host's rollback has begun."""

    def __init__(self, due: float) -> None:
        self.due = due

    def wait(self, said: dict[str, Any]) -> None:
        """Wait before the next login, by what the last one said."""
        denied, left = DENIED in said.get("msg", ""), self.due - time.monotonic()
        if denied and left > 0:
            time.sleep(left + ROLLBACK_SECONDS)
        else:
            time.sleep(DENIED_PAUSE if denied else PAUSE)


def _why_lost(answer: dict[str, Any]) -> str:
    if answer.get("rc") == KILLED:
        return "the change was ended in the middle: it took longer than guard_seconds, or the host has no memory left"
    return "the change did not end as it should (%s)" % why_failed(answer, "The module")


def _seconds(args: dict[str, Any]) -> int:
    try:
        return int(args.get("guard_seconds") or DEFAULT_SECONDS)
    except (TypeError, ValueError):
        return DEFAULT_SECONDS  # the module has refused it

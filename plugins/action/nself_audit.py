# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the audit on a host: as root where that works, as the login user where it does not, and say which."""

from __future__ import annotations

import shlex
from typing import Any, Optional

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.nself.prod.plugins.plugin_utils import way
from ansible_collections.nself.prod.plugins.plugin_utils.failure import is_about_become, why_failed, why_not_become
from ansible_collections.nself.prod.plugins.plugin_utils.outside import look
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import clean

MODULE = "nself.prod.nself_audit"
# The connections that lead to an address, and their options that hold it.
ADDRESS_OPTIONS = {"ssh": "host", "paramiko": "remote_addr"}
PASSED_ON = ("ansible_facts", "warnings", "deprecations")  # of the module's result: a discovered Python, for one


class ActionModule(ActionBase):
    """The controller's side of nself_audit."""

    _supports_check_mode = True
    _supports_async = False
    _module = MODULE

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Return {"report": …} or one clear line of failure. An unreachable host stays Ansible's `unreachable`."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = dict(self._task.args)
        if not args.get("host_name"):
            args["host_name"] = task_vars.get("inventory_hostname", "localhost")
        self._module = str(args.pop("module", None) or MODULE)
        outside = None if args.get("outside") else self._outside(args.get("categories"))
        if outside:
            args["outside"] = outside
        try:
            answer, notes = self._ask(args, task_vars)
        except AnsibleConnectionFailure as error:
            # Returned, not raised: Ansible then prints one line, and no excerpt of the playbook.
            return {"unreachable": True, "changed": False, "msg": clean(str(error))}
        result = {key: answer[key] for key in PASSED_ON if key in answer}
        # A whole report at -v would bury what the reader looks for; the report has a verbosity of its own.
        result.update(changed=False, _ansible_verbose_override=True)
        report = answer.get("report")
        if answer.get("failed") or not isinstance(report, dict):
            return dict(result, failed=True, msg=why_failed(answer))
        if not report.get("privileged"):
            notes.append("audited as %s, so what needs root is unknown" % self._login())
        return dict(result, report=dict(report, notes=notes + list(report.get("notes") or [])))

    def _ask(self, args: dict[str, Any], task_vars: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the module's answer, and what to note about how it was got."""
        become = self._connection.become
        try:
            answer = self._execute(args, task_vars)
        except AnsibleConnectionFailure as error:
            if become is None or not is_about_become(str(error)):
                raise
            answer = {"failed": True, "msg": str(error)}
        if become is None or answer.get("_ansible_parsed"):
            return answer, []
        # No answer at all while becoming another user: perhaps it is only that which does not work.
        self._connection.set_become_plugin(None)
        try:
            second = self._execute(args, task_vars)
        finally:
            self._connection.set_become_plugin(become)
        user = str(self.get_become_option("become_user") or "root")
        reason = why_not_become(str(self.get_become_option("become_exe") or become.name).rsplit("/", 1)[-1], answer)
        return second, ["could not become %s (%s)" % (user, reason)]

    def _execute(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._execute_module(module_name=self._module, module_args=dict(args), task_vars=task_vars)
        except AnsibleConnectionFailure as error:
            answer = self._without_python(task_vars) if "Broken pipe" in str(error) else None
            if answer is None:
                raise
            return answer
        except AnsibleError as error:
            return {"failed": True, "msg": str(error)}

    def _without_python(self, task_vars: dict[str, Any]) -> Optional[dict[str, Any]]:
        """Return the module's answer where nothing was there to read it; None where it was the connection that broke.

        Which of the two Ansible speaks of depends on who is faster: what it sends, or the end of the shell that has found no Python.
        """
        interpreter = str(task_vars.get("ansible_python_interpreter") or "auto")
        if interpreter.startswith("auto"):
            return None  # found on the host, so it is there
        tried = self._low_level_execute_command("%s -c ''" % shlex.quote(interpreter))
        if tried["rc"] == 0:
            return None
        printed = {"module_stdout": tried["stdout"], "module_stderr": tried["stderr"], "rc": tried["rc"]}
        return dict(printed, failed=True, msg="its Python did not start")

    def _outside(self, categories: Any) -> Optional[dict[str, Any]]:
        """Return what can be seen of the host from here; None where there is no such view, or nobody asked for it."""
        names = categories.split(",") if isinstance(categories, str) else categories or []
        if names and "network" not in [str(name).strip() for name in names]:
            return None
        option = ADDRESS_OPTIONS.get(str(getattr(self._connection, "transport", "")))
        if option is None:
            return None  # local, or a container: there is no address between
        if way.is_by_way_of_another(self._connection):
            return None  # behind a jump host the address may be another machine's here, and that is not ours to ask
        address = str(self._connection.get_option(option) or "").strip("[]")
        return look(address, control=int(self._connection.get_option("port") or 22)) if address else None

    def _login(self) -> str:
        return clean(str(self._get_remote_user() or "the login user"))

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what the audits of all hosts registered, print it, write it, and say whether the gate holds."""

from __future__ import annotations

import os
from typing import Any, Optional

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.nself.prod.plugins.plugin_utils import options, output
from ansible_collections.nself.prod.plugins.plugin_utils.play import hosts_of, variables_of
from ansible_collections.nself.prod.plugins.plugin_utils.report import console, fleet, remedy
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import host_report

SPEC = {
    "result": {"type": "str", "default": "nself_check_result"},
    "verbose": {"type": "bool", "default": False},
    "output": {"type": "path"},
    "fail_on": {"type": "raw", "default": "critical"},
    "fail_on_unknown": {"type": "raw", "default": True},
    "waivers": {"type": "raw"},
}


class ActionModule(ActionBase):
    """The whole of nself_report; nothing runs on a host."""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Return the sums over the fleet and why the gate does not hold."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _unused, args = self.validate_argument_spec(SPEC)
        try:
            fail_on = options.fail_on(args["fail_on"])
            fail_on_unknown = options.flag("nself_check_fail_on_unknown", args["fail_on_unknown"])
            path = options.output(args["output"], os.getcwd())
            exceptions = options.exceptions(args["waivers"], user_checks=True)
        except options.OptionError as error:
            raise AnsibleActionFail(str(error)) from None
        results = {host: variables_of(task_vars, host).get(args["result"]) for host in hosts_of(task_vars)}
        if not any(results.values()):
            raise AnsibleActionFail(
                "There is no audit to report on: no host has a result in %s. Run the whole playbook." % args["result"]
            )
        hosts = [host_report(host, result) for host, result in results.items()]
        hosts = [fleet.summed(host) for host in fleet.compare_secrets(hosts, exceptions)]
        remedies = remedy.shipped(output.ROOT, task_vars.get("ansible_inventory_sources") or (), os.getcwd())
        output.show(lambda style: console.render(hosts, style, remedies, args["verbose"]))
        if path is not None:
            output.write(path, hosts, fail_on, fail_on_unknown)
        totals = fleet.summary(hosts)
        gate = fleet.gate(hosts, fail_on, fail_on_unknown)
        return {
            "changed": False,
            "fleet": totals,
            "gate": list(gate.reasons),
            "gate_message": gate.message,
            "output": path,
            "ansible_stats": {"data": {"nself_check": totals}, "per_host": False, "aggregate": False},
            "_ansible_verbose_override": True,
        }

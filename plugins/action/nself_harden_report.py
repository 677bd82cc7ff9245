# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what harden.yml did: a line a host after each batch, with whether the rollout goes on, and the whole report in the end."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.nself.prod.plugins.plugin_utils import options, output
from ansible_collections.nself.prod.plugins.plugin_utils.play import hosts_of, variables_of
from ansible_collections.nself.prod.plugins.plugin_utils.report import (
    deployment,
    fleet,
    hardening,
    hardening_console,
    remedy,
)
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import HostReport, host_report

SPEC = {
    "batch": {"type": "bool", "default": False},
    "verbose": {"type": "bool", "default": False},
    "output": {"type": "path"},
    "fail_on": {"type": "raw", "default": "critical"},
    "fail_on_unknown": {"type": "raw", "default": True},
    "max_fail_percentage": {"type": "int", "default": 0},
    "waivers": {"type": "raw"},
}
# What harden.yml registers on a host.
BEFORE, AFTER, FAILURE, BATCH = ("nself_harden_" + name for name in ("before", "after", "failure", "batch"))


class ActionModule(ActionBase):
    """The whole of nself_harden_report; nothing runs on a host."""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Return how the batch or the run ended."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _unused, args = self.validate_argument_spec(SPEC)
        shipped = remedy.shipped(output.ROOT, task_vars.get("ansible_inventory_sources") or (), os.getcwd())
        roles = hardening.roles_run(
            shipped.roles, task_vars.get("ansible_run_tags") or (), task_vars.get("ansible_skip_tags") or ()
        )
        if args["batch"]:
            return self._batch(args, task_vars, roles)
        return self._whole(args, task_vars, roles, shipped)

    def _batch(self, args: Mapping[str, Any], task_vars: Mapping[str, Any], roles: Sequence[str]) -> dict[str, Any]:
        """Print the lines of the hosts that this batch began with, where there are more than these."""
        everybody = hosts_of(task_vars)
        running = set(task_vars.get("ansible_play_hosts") or everybody)
        told = {name for host in everybody for name in _batch_of(variables_of(task_vars, host)).get("hosts") or ()}
        lost = [host for host in everybody if host not in running and host not in told]
        # Whoever has no second audit yet, and is not lost, is of a later batch.
        begun = [host for host in everybody if host not in told and AFTER in variables_of(task_vars, host)]
        hosts = [self._hardened(host, task_vars, roles, set(lost), False) for host in [*lost, *begun]]
        troubled = [host.host for host in hosts if host.state in hardening.IN_TROUBLE]
        stop = hardening.too_many(hosts, troubled, args["max_fail_percentage"])
        if len(hosts) < len(everybody):
            output.show(
                lambda style: "".join(
                    line + "\n" for host in hosts for line in hardening_console.progress(host, roles, style)
                )
            )
        return {"changed": False, "hosts": [host.host for host in hosts], "lost": lost, "stop": stop}

    def _whole(
        self, args: Mapping[str, Any], task_vars: Mapping[str, Any], roles: Sequence[str], shipped: remedy.Remedies
    ) -> dict[str, Any]:
        try:
            fail_on = options.fail_on(args["fail_on"], "nself_harden_fail_on")
            fail_on_unknown = options.flag("nself_harden_fail_on_unknown", args["fail_on_unknown"])
            path = options.output(args["output"], os.getcwd(), "nself_harden_output")
            exceptions = options.exceptions(args["waivers"], user_checks=True)
        except options.OptionError as error:
            raise AnsibleActionFail(str(error)) from None
        everybody = hosts_of(task_vars)
        batches = [_batch_of(variables_of(task_vars, host)) for host in everybody]
        lost = {name for batch in batches for name in batch.get("lost") or ()}
        if not any(BEFORE in variables_of(task_vars, host) for host in everybody):
            raise AnsibleActionFail("There is nothing to report on: no host was audited. Run the whole playbook.")
        stopped = any(batch.get("stop") for batch in batches)
        hosts = [self._hardened(host, task_vars, roles, lost, stopped) for host in everybody]
        hosts = _compared(hosts, exceptions)
        output.show(lambda style: hardening_console.render(hosts, roles, style, shipped, args["verbose"]))
        last = [host.after or host.before for host in hosts]
        if path is not None:
            output.write(path, last, fail_on, fail_on_unknown)
        gate = hardening.gate(hosts, roles, fail_on, fail_on_unknown)
        outcome = {host.host: hardening.outcome(host, roles) for host in hosts}
        return {
            "changed": False,
            "hosts": outcome,
            "gate": list(gate.reasons),
            "gate_message": gate.message,
            "output": path,
            "ansible_stats": {"data": {"nself_harden": outcome}, "per_host": False, "aggregate": False},
            "_ansible_verbose_override": True,
        }

    def _hardened(
        self, host: str, task_vars: Mapping[str, Any], roles: Sequence[str], lost: set[str], stopped: bool
    ) -> hardening.Hardened:
        """Return what became of a host, from what the playbook registered on it."""
        variables = variables_of(task_vars, host)
        before = fleet.summed(host_report(host, variables.get(BEFORE)))
        after = fleet.summed(host_report(host, variables[AFTER])) if AFTER in variables else None
        failure = hardening.failure_of(variables[FAILURE]) if FAILURE in variables else ""
        answered = hardening.role_results(variables, roles)
        state, message = hardening.state_of(
            before, after, failure, lost=host in lost, stopped=stopped, check=bool(self._task.check_mode)
        )
        # Nothing was changed in check mode, so a second audit says nothing new.
        shown = after if after is not None and after.report is not None and state != hardening.CHECKED else None
        change = deployment.from_answer(variables.get(deployment.RESULT))
        return hardening.Hardened(before.host, state, before, shown, message, answered, change)


def _batch_of(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    batch = variables.get(BATCH)
    return batch if isinstance(batch, Mapping) else {}


def _compared(hosts: Sequence[hardening.Hardened], exceptions: Sequence[Any]) -> list[hardening.Hardened]:
    """Return the hosts with the secrets that they share found, in both audits."""

    def shared(reports: Sequence[HostReport]) -> list[HostReport]:
        return [fleet.summed(report) for report in fleet.compare_secrets(reports, exceptions)]

    befores = shared([host.before for host in hosts])
    afters = shared([host.after or host.before for host in hosts])
    return [
        hardening.replaced(host, before, after if host.after is not None else None)
        for host, before, after in zip(hosts, befores, afters)
    ]

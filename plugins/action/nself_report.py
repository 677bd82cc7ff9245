# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what the audits of all hosts registered, print it, write it, and say whether the gate holds."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sys
from typing import Any, Optional

import yaml
from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils import color
from ansible.utils.display import Display
from ansible_collections.nself.prod.plugins.plugin_utils import options, private_file
from ansible_collections.nself.prod.plugins.plugin_utils.play import hosts_of, variables_of
from ansible_collections.nself.prod.plugins.plugin_utils.report import console, fleet, json_report, remedy
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import HostReport, host_report
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import Style

display = Display()

SPEC = {
    "result": {"type": "str", "default": "nself_check_result"},
    "verbose": {"type": "bool", "default": False},
    "output": {"type": "path"},
    "fail_on": {"type": "raw", "default": "critical"},
    "fail_on_unknown": {"type": "raw", "default": True},
    "waivers": {"type": "raw"},
}
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NARROWEST, WIDEST = 72, 120  # columns: the fleet table needs so many, and longer lines are hard to read


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
        remedies = remedy.shipped(ROOT, task_vars.get("ansible_inventory_sources") or (), os.getcwd())
        _print(hosts, remedies, args["verbose"])
        if path is not None:
            private_file.write(path, json_report.render(hosts, version(ROOT), _when(hosts), fail_on, fail_on_unknown))
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


def _print(hosts: list[HostReport], remedies: remedy.Remedies, verbose: bool) -> None:
    columns = max(NARROWEST, min(display.columns or 79, WIDEST))
    plain = Style(columns, colour=False, unicode=_speaks_unicode())
    coloured = Style(columns, colour=_takes_colour(), unicode=plain.unicode)
    display.display("\n" + console.render(hosts, coloured, remedies, verbose), screen_only=True)
    if C.DEFAULT_LOG_PATH:
        display.display(console.render(hosts, plain, remedies, verbose), log_only=True)


def _takes_colour() -> bool:
    # Ansible looks at the terminal before it forks, but reads NO_COLOR as a boolean; by its convention any text counts.
    return bool(color.ANSIBLE_COLOR and not C.ANSIBLE_NOCOLOR and not os.environ.get("NO_COLOR"))


def _speaks_unicode() -> bool:
    # A worker's sys.stdout is a buffer; the real one is kept by Python.
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    try:
        "✓✗–…".encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def _when(hosts: list[HostReport]) -> str:
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return fleet.newest(hosts) or now.isoformat().replace("+00:00", "Z")


def version(root: str) -> str:
    """Return the collection's version, from the manifest of an installed one or the galaxy.yml of a checkout."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        with open(os.path.join(root, "MANIFEST.json"), encoding="utf-8") as stream:
            return str(json.load(stream)["collection_info"]["version"])
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        with open(os.path.join(root, "galaxy.yml"), encoding="utf-8") as stream:
            return str(yaml.safe_load(stream)["version"])
    return "unknown"

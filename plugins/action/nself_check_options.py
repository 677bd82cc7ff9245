# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the options of a playbook once for all hosts, before any of them is touched."""

from __future__ import annotations

import os
import secrets
from typing import Any, Optional

from ansible.plugins.action import ActionBase
from ansible_collections.nself.prod.plugins.plugin_utils import options
from ansible_collections.nself.prod.plugins.plugin_utils.play import hosts_of, variables_of

SPEC = {
    "playbook": {"type": "str", "choices": [options.CHECK, options.HARDEN], "default": options.CHECK},
    "category": {"type": "raw"},
    "output": {"type": "raw"},
    "fail_on": {"type": "raw", "default": "critical"},
    "fail_on_unknown": {"type": "raw", "default": True},
    "verbose": {"type": "bool", "default": False},
    "policy": {"type": "raw"},
    "waivers": {"type": "raw"},
    "module": {"type": "raw"},
    "serial": {"type": "raw", "default": "100%"},
    "max_fail_percentage": {"type": "raw", "default": 0},
}
BECOME = "nself_check_become"


class ActionModule(ActionBase):
    """The whole of nself_check_options; nothing runs on a host."""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Return the options in one form, and the key of this run; or a failure that names the wrong option."""
        super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(SPEC)
        playbook = args["playbook"]

        def name(option: str) -> str:
            return options.variable(option, playbook)

        try:
            _check_variables(task_vars or {}, playbook)
            options.policy(args["policy"])
            module = options.module(args["module"])
            options.exceptions(args["waivers"], module != options.OWN_MODULE)
            read = {
                "categories": options.categories(args["category"]),
                "fail_on": options.fail_on(args["fail_on"], name("fail_on")),
                "fail_on_unknown": options.flag(name("fail_on_unknown"), args["fail_on_unknown"]),
                "output": options.output(args["output"], os.getcwd(), name("output")),
                "verbose": args["verbose"],
                "module": module,
                "serial": options.serial(name("serial"), args["serial"]),
                "max_fail_percentage": options.percentage(name("max_fail_percentage"), args["max_fail_percentage"]),
                "fingerprint_key": secrets.token_hex(32),
            }
        except options.OptionError as error:
            return {"failed": True, "changed": False, "msg": str(error)}
        # Only a success holds the key; a failure must be shown.
        return dict(read, changed=False, _ansible_no_log=True)


def _check_variables(task_vars: dict[str, Any], playbook: str) -> None:
    """Check what is no argument of the task: how each host is audited, and names that nobody reads. Raises OptionError."""
    options.known_variables(task_vars, playbook)
    for host in hosts_of(task_vars):
        variables = variables_of(task_vars, host)
        options.known_variables(variables, playbook)
        if BECOME in variables:
            # By way of hostvars, which renders it where it is a template.
            options.flag(BECOME, task_vars["hostvars"][host][BECOME])

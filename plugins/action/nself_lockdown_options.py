# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the options of a lockdown once for all hosts, before any of them is touched."""

from __future__ import annotations

import os
from typing import Any, Optional

from ansible.plugins.action import ActionBase
from ansible_collections.nself.prod.plugins.plugin_utils import lockdown, options
from ansible_collections.nself.prod.plugins.plugin_utils.play import hosts_of, variables_of

PREFIX = lockdown.PREFIX
DEFAULTS = {"state": "present", "stop": False, "guard_seconds": 60, "sources": None, "peers": None, "become": True}


class ActionModule(ActionBase):
    """The whole of nself_lockdown_options; nothing runs on a host."""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Return each host's options in one form, and the file to write; or a failure that names the wrong option."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _unused, args = self.validate_argument_spec({"output": {"type": "raw"}})
        try:
            lockdown.known_variables(task_vars)
            output = options.output(args["output"], os.getcwd(), PREFIX + "output")
            hosts = {host: _read(task_vars, host) for host in hosts_of(task_vars)}
        except options.OptionError as error:
            return {"failed": True, "changed": False, "msg": str(error)}
        return {"changed": False, "output": output, "hosts": hosts}


def _read(task_vars: dict[str, Any], host: str) -> dict[str, Any]:
    """Return the options of a host: each may differ, as an inventory says. Raises OptionError."""
    variables = variables_of(task_vars, host)
    try:
        lockdown.known_variables(variables)
        # By way of hostvars, which renders what is a template.
        given = {
            name: task_vars["hostvars"][host][PREFIX + name] if PREFIX + name in variables else default
            for name, default in DEFAULTS.items()
        }
        return {
            "state": lockdown.state(given["state"]),
            "stop": options.flag(PREFIX + "stop", given["stop"]),
            "guard_seconds": lockdown.seconds(given["guard_seconds"]),
            "sources": lockdown.addresses(PREFIX + "sources", given["sources"]),
            "become": options.flag(PREFIX + "become", given["become"]),
            "peers": lockdown.addresses(PREFIX + "peers", given["peers"]),
        }
    except options.OptionError as error:
        raise options.OptionError("%s (host %s)" % (error, host)) from None

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what became of each host of a lockdown, on the screen and in a file."""

from __future__ import annotations

import datetime
import json
from typing import Any, Optional

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.nself.prod.plugins.plugin_utils import lockdown, private_file
from ansible_collections.nself.prod.plugins.plugin_utils.play import hosts_of, variables_of

display = Display()
SPEC = {"options": {"type": "dict", "required": True}}


class ActionModule(ActionBase):
    """The whole of nself_lockdown_report; nothing runs on a host."""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Return {host: message} of the hosts that are not in the state that was asked for."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _unused, args = self.validate_argument_spec(SPEC)
        asked, path = args["options"].get("hosts") or {}, args["options"].get("output")
        if not asked:
            raise AnsibleActionFail("There is no lockdown to report on: run the whole playbook")
        check = bool(self._task.check_mode)
        hosts = {}
        for host in hosts_of(task_vars):
            variables = variables_of(task_vars, host)
            results = [variables.get(lockdown.PREFIX + name) for name in ("result", "containers")]
            wanted = asked.get(host, {}).get("state", "present")
            hosts[host] = dict(lockdown.outcome(wanted, check, *results), state=wanted)
        for line in [""] + lockdown.lines(hosts):
            display.display(line)
        if path:
            private_file.write(path, _json(hosts, check))
        return {
            "changed": False,
            "hosts": hosts,
            "bad": {host: found["message"] for host, found in hosts.items() if not lockdown.good(found)},
            "output": path,
            "_ansible_verbose_override": True,
        }


def _json(hosts: dict[str, dict[str, Any]], check: bool) -> str:
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    report = {
        "format": lockdown.FORMAT,
        "time": now,
        "check_mode": check,
        "hosts": [dict(found, host=host) for host, found in hosts.items()],
    }
    return json.dumps(report, indent=2, ensure_ascii=False, sort_keys=True) + "\n"

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find where a host's sshd listens: on the inventory's port, or on one that an earlier run has moved it to."""

from __future__ import annotations

import re
import socket
from typing import Any, Optional

from ansible.plugins.action import ActionBase

SPEC = {"ports": {"type": "list", "elements": "int", "required": True}, "timeout": {"type": "float", "default": 3.0}}
WAY_OPTIONS = ("ssh_args", "ssh_common_args", "ssh_extra_args")
BY_WAY_OF_ANOTHER = re.compile(r"proxy(jump|command)|(^|\s)-J", re.I)


class ActionModule(ActionBase):
    """The whole of nself_ssh_port; nothing runs on a host."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Return the port to use, and whether it is another one than the inventory's."""
        super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(SPEC)
        address, known = self._address()
        if not address:
            return {"changed": False, "port": known, "moved": False}
        # The inventory's port goes first: where it answers nothing is to be done.
        for port in dict.fromkeys((known, *args["ports"])):
            if speaks_ssh(address, port, args["timeout"]):
                return {"changed": False, "port": port, "moved": port != known}
        return {"changed": False, "port": known, "moved": False}

    def _address(self) -> tuple[str, int]:
        """Return where the host is, an empty address where it is not reached by ssh, or not from here."""
        if getattr(self._connection, "transport", "") != "ssh":
            return "", 22
        port = int(self._option("port") or 22)
        if any(BY_WAY_OF_ANOTHER.search(str(self._option(name) or "")) for name in WAY_OPTIONS):
            return "", port
        return str(self._option("host") or "").strip("[]"), port

    def _option(self, name: str) -> Any:
        try:
            return self._connection.get_option(name)
        except KeyError:
            return None


def speaks_ssh(address: str, port: int, timeout: float) -> bool:
    """Return whether an SSH server greets on that port."""
    try:
        with socket.create_connection((address, port), timeout=timeout) as connection:
            connection.settimeout(timeout)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find where a host's sshd listens: on the inventory's port, or on one that an earlier run has moved it to."""

from __future__ import annotations

import socket
from typing import Any, Optional

from ansible.plugins.action import ActionBase
from ansible_collections.nself.prod.plugins.plugin_utils import way

SPEC = {"ports": {"type": "list", "elements": "int", "required": True}, "timeout": {"type": "float", "default": 3.0}}


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
        port = int(way.option(self._connection, "port") or 22)
        if way.is_by_way_of_another(self._connection):
            return "", port
        return str(way.option(self._connection, "host") or "").strip("[]"), port


def speaks_ssh(address: str, port: int, timeout: float) -> bool:
    """Return whether an SSH server greets on that port."""
    try:
        with socket.create_connection((address, port), timeout=timeout) as connection:
            connection.settimeout(timeout)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False

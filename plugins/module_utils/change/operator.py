# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is changing this host, and where from: what sshd told the session in which Ansible runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Optional

from ansible_collections.nself.prod.plugins.module_utils.host import Host, HostError

DEEPEST = 64  # generations between this process and sshd


@dataclass(frozen=True)
class Operator:
    """A login over SSH. user: the account; address, port: the client's end; server_address, server_port: this host's."""

    user: str
    address: str
    port: int
    server_address: str
    server_port: int


def find(host: Host) -> Optional[Operator]:
    """Return the operator, None where Ansible did not come over SSH.

    sudo and doas take SSH_CONNECTION away, so it is read from the processes above this one. The topmost that has it is the one
    that sshd started, so its owner is the account that logged in. Raises HostError where /proc cannot be read.
    """
    pid, found = "self", None
    for _generation in range(DEEPEST):
        status = _status(host, pid)
        connection = _connection(host, pid)
        if connection is not None:
            found = (connection, int(status["Uid"].split()[0]))
        pid = status.get("PPid", "0")
        if pid in ("0", "1"):
            break
    return _operator(host, *found) if found else None


def _status(host: Host, pid: str) -> Dict[str, str]:
    lines = (line.partition(":") for line in host.read("/proc/%s/status" % pid).splitlines())
    return {name: value.strip() for name, _colon, value in lines}


def _connection(host: Host, pid: str) -> Optional[str]:
    try:
        for variable in host.read("/proc/%s/environ" % pid).split("\0"):
            if variable.startswith("SSH_CONNECTION="):
                return variable.partition("=")[2]
    except HostError:
        pass  # another user's process, or one that is gone: those above may tell
    return None


def _operator(host: Host, connection: str, uid: int) -> Optional[Operator]:
    found = re.match(r"(\S+) (\d+) (\S+) (\d+)\Z", connection)
    user = account(host, uid)
    if not found or user is None:
        return None
    return Operator(user, plain(found.group(1)), int(found.group(2)), plain(found.group(3)), int(found.group(4)))


def plain(address: str) -> str:
    """Return an address without a zone, and an IPv4 one that came in IPv6 clothes as what it is."""
    address = address.partition("%")[0]
    return address[7:] if address.lower().startswith("::ffff:") and "." in address else address


def account(host: Host, uid: int) -> Optional[str]:
    """Return the name of an account of any source the system knows, or None."""
    done = host.run(["getent", "passwd", str(uid)])
    return done.out.partition(":")[0] or None if done.rc == 0 else None

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving sshd to other ports: who may be in the way, what has to let them through, and the socket unit that may own them."""

from __future__ import annotations

import os
import re
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change import sshd_daemon
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.tables import sshd as table
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound

UFW_CONF = "/etc/ufw/ufw.conf"
SELINUX = "/sys/fs/selinux/enforce"


class Moves(NamedTuple):
    """wanted: the ports, none where they stay; new: on which sshd does not listen yet; socket: (path, text) of the socket unit's
    drop-in; open: new ports that ufw does not let through yet."""

    wanted: List[int]
    new: List[int]
    socket: Optional[Tuple[str, str]]
    socket_differs: bool
    open: List[int]

    @property
    def keep(self) -> List[str]:
        if not self.socket or not self.socket_differs:
            return []
        return [self.socket[0]]

    @property
    def undo(self) -> List[List[str]]:
        return [["ufw", "delete", "allow", "%d/tcp" % port] for port in self.open]

    def plan(self, changes: Changes) -> None:
        for port in self.open:
            changes.run(["ufw", "allow", "%d/tcp" % port], "ufw lets port %d through" % port)
        if self.socket:
            changes.directory(os.path.dirname(self.socket[0]))
            changes.file(self.socket[0], self.socket[1])
        if self.new:
            changes.note("sshd moves to port %s" % " and ".join(str(port) for port in self.wanted))

    def preflight(self, host: Any) -> None:
        """Raise Refused where a new port cannot be had."""
        for port in sshd_daemon.taken(host, self.new):
            raise Refused("port %d is taken by another process (see `ss -ltnp`); choose another in sshd_ports" % port)
        if self.new and _selinux_enforces(host):
            missing = [port for port in self.new if port not in _labelled(host)]
            if missing:
                raise Refused(
                    "SELinux keeps sshd from port %d: run `semanage port -a -t ssh_port_t -p tcp %d` first"
                    % (missing[0], missing[0])
                )


def moves(host: Any, daemon: sshd_daemon.Daemon, given: Sequence[int]) -> Moves:
    """Return what moving sshd to these ports takes; none given: nothing. Raises ChangeError, HostError."""
    wanted = list(dict.fromkeys(given))
    for port in wanted:
        if not 0 < port < 65536:
            raise ChangeError("ports: %d is no port" % port)
    if not wanted:
        return Moves([], [], None, False, [])
    new = [port for port in wanted if port not in daemon.ports]
    socket, differs = None, False
    if daemon.at_boot:
        path = table.SOCKET_DROP_IN % daemon.at_boot
        socket = (path, sshd_daemon.socket_drop_in(daemon.listens, wanted))
        differs = _text(host, path) != socket[1] or sorted(wanted) != daemon.ports
    return Moves(wanted, new, socket, differs, _closed_by_ufw(host, new) if new else [])


def _text(host: Any, path: str) -> Optional[str]:
    try:
        return str(host.read(path))
    except NotFound:
        return None


def _closed_by_ufw(host: Any, ports: Sequence[int]) -> List[int]:
    """Return those ports that an active ufw has no rule for."""
    if host.which("ufw") is None or not re.search(r"^ENABLED=yes", _text(host, UFW_CONF) or "", re.M | re.I):
        return []
    shown = command(host, ["ufw", "show", "added"], timeout=30.0).out
    return [port for port in ports if not re.search(r"^ufw allow %d(/tcp)?( comment .*)?$" % port, shown, re.M)]


def _selinux_enforces(host: Any) -> bool:
    return (_text(host, SELINUX) or "").strip() == "1"


def _labelled(host: Any) -> List[int]:
    """Return the ports that SELinux leaves to sshd; none where nobody can tell."""
    try:
        done = host.run(["semanage", "port", "-l"], timeout=30.0)
    except HostError:
        return []
    found: List[int] = []
    for line in done.out.splitlines():
        fields = line.replace(",", " ").split()
        if fields[:2] == ["ssh_port_t", "tcp"]:
            found += [int(word) for word in fields[2:] if word.isdigit()]
    return found

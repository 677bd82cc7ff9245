# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How sshd runs: by itself or through a socket of systemd, since when, with which options, on which addresses."""

from __future__ import annotations

import re
import shlex
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse import sshd

UNITS = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")  # Debian's names and everybody else's
PROPERTIES = "--property=Id,ActiveState,MainPID,Listen"
PID_FILES = ("/run/sshd.pid", "/var/run/sshd.pid")
# Where the service files of Debian and Red Hat take further options of sshd from.
OPTION_FILES = (("/etc/default/ssh", "SSHD_OPTS"), ("/etc/sysconfig/sshd", "OPTIONS"))
LISTEN = "0A"  # the kernel's TCP state of a listening socket
TICKS = 100.0  # of /proc/<pid>/stat a second: fixed in Linux's ABI
UNSEEN = "an SSH server answers, but neither systemd nor a pid file knows of it"

Listens = List[Tuple[str, int]]
Units = Dict[str, Dict[str, List[str]]]


def read_units(host: Any, properties: str = PROPERTIES) -> Units:
    """Return {unit: {property: values}} of what systemd knows of sshd. Raises HostError where it does not answer."""
    done = host.run(["systemctl", "show", properties] + list(UNITS))
    if done.rc != 0:
        raise HostError(Reason.ERROR, "systemctl", first_line(done.err))
    units = {}
    for block in done.out.split("\n\n"):
        unit: Dict[str, List[str]] = {}
        for line in block.splitlines():
            name, _equals, value = line.partition("=")
            unit.setdefault(name, []).append(value)
        if "Id" in unit:
            units[unit["Id"][0]] = unit
    return units


def _active(units: Any, kind: str) -> List[Dict[str, List[str]]]:
    states = ("active", "reloading")
    found = {} if isinstance(units, Unread) else units
    return [unit for name, unit in found.items() if name.endswith(kind) and unit.get("ActiveState", [""])[0] in states]


def socket_listens(units: Any) -> Optional[Listens]:
    """Return the TCP addresses of an active ssh.socket, or None. systemd then listens, and sshd's own Port is without effect."""
    active = _active(units, ".socket")
    return addresses([line for unit in active for line in unit.get("Listen", [])]) if active else None


def addresses(lines: Sequence[str]) -> Listens:
    """Return the TCP addresses among the lines; UNIX and vsock sockets are none."""
    found = []
    for line in lines:
        try:
            found.append(sshd.listen_address(line))
        except ValueError:
            continue
    return found


def read_pid(host: Any, units: Any) -> Optional[int]:
    """Return the listening sshd's process id, from systemd or its pid file; None where none is seen."""
    named = [unit.get("MainPID", [""])[0] for unit in _active(units, ".service")]
    for path in PID_FILES:
        try:
            named.append(host.read(path, 64).strip())
        except HostError:
            continue
    return next((int(pid) for pid in named if pid.isdigit() and pid != "0" and _is_sshd(host, pid)), None)


def _is_sshd(host: Any, pid: str) -> bool:
    """Return whether a process is root's sshd: a pid file may be stale, and anybody may call a process sshd.

    One with a second process id runs in a container, by the container's files.
    """
    try:
        status = host.read("/proc/%s/status" % pid)
    except HostError:
        return False
    return (
        re.search(r"^Name:\s*sshd$", status, re.M) is not None
        and re.search(r"^Uid:\s*0\s+0\s", status, re.M) is not None
        and re.search(r"^NSpid:\s*\d+\s+\d", status, re.M) is None
    )


def read_others(host: Any, main: Optional[int]) -> Dict[int, Listens]:
    """Return {process id: its TCP addresses} of root's other sshds that listen. Raises HostError where that cannot be seen."""
    found = {}
    for name in host.listdir("/proc"):
        if name.isdigit() and int(name) != main and _is_sshd(host, name):
            try:
                listens = read_listens(host, int(name))
            except HostError as error:
                title = "" if isinstance(error, NotFound) else host.read("/proc/%s/cmdline" % name).replace("\0", " ")
                if sshd.is_listener(title):
                    raise
                continue  # a session, perhaps one that has ended
            if listens:
                found[int(name)] = listens
    return found


def read_listens(host: Any, pid: int) -> Listens:
    """Return the TCP addresses that a process listens on. Raises HostError; only root may look at another's sockets."""
    fds = "/proc/%d/fd" % pid
    held = {_target(host, "%s/%s" % (fds, name)) for name in host.listdir(fds)}
    listens = []
    for table in ("tcp", "tcp6"):
        try:
            rows = [line.split() for line in host.read("/proc/%d/net/%s" % (pid, table)).splitlines()[1:]]
        except NotFound:
            continue  # a kernel without IPv6
        listens += [sshd.kernel_address(row[1]) for row in rows if row[3] == LISTEN and "socket:[%s]" % row[9] in held]
    return listens


def _target(host: Any, path: str) -> str:
    try:
        return host.readlink(path)
    except NotFound:
        return ""  # closed since it was listed


def mode(units: Any, pid: Optional[int], answers: bool) -> Any:
    """Return service, socket or stopped; an Unread leaf where that cannot be told. answers: something spoke SSH."""
    if _active(units, ".socket"):
        return "socket"
    if pid is not None or _active(units, ".service"):
        return "service"
    if isinstance(units, Unread):
        return units
    return Unread(Reason.ERROR, UNSEEN) if answers else "stopped"


def read_since(host: Any, pid: Optional[int]) -> Optional[float]:
    """Return when the running sshd read its configuration; None where none is seen. Raises HostError, Missing.

    sshd writes its pid file once its configuration is read, and writes it anew after a SIGHUP, for which it executes itself
    again in the same process. So the file's mtime tells; the start of the process does not, nor systemd after a plain kill.
    """
    if pid is None:
        return None
    for path in PID_FILES:
        try:
            if host.read(path, 64).strip() == str(pid):
                return host.stat(path).mtime
        except NotFound:
            continue
    fields = host.read("/proc/%d/stat" % pid).rpartition(")")[2].split()
    boot = re.search(r"^btime (\d+)$", host.read("/proc/stat"), re.M)
    if len(fields) < 20 or boot is None:
        raise Missing("ssh.daemon.since", Reason.PARSE_ERROR, "/proc/%d/stat holds no start time" % pid)
    return int(boot.group(1)) + 1 + int(fields[19]) / TICKS  # btime is cut to whole seconds


def read_options(host: Any, pid: Optional[int]) -> List[str]:
    """Return the options that the running sshd was given, or that its service file would give it. Raises HostError, Missing."""
    if pid is not None:
        return sshd.daemon_options(host.read("/proc/%d/cmdline" % pid).replace("\0", " "))
    for path, name in OPTION_FILES:
        try:
            found = re.findall(r"^\s*%s=(.*)$" % name, host.read(path), re.M)
            return sshd.effective_options(" ".join(shlex.split(found[-1], comments=True)).split()) if found else []
        except NotFound:
            continue
        except ValueError as error:
            raise Missing("ssh.sessions", Reason.PARSE_ERROR, "%s: %s" % (path, error)) from error
    return []

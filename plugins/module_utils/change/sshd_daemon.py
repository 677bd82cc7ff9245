# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How sshd runs on this host, how it is told of a change, and how it is asked for what it applies."""

from __future__ import annotations

import time
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import ssh_config, ssh_daemon
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.ssh_sessions import CLIENT, LOCAL
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, command
from ansible_collections.nself.prod.plugins.module_utils.change.sshd_wish import Known
from ansible_collections.nself.prod.plugins.module_utils.change.tables import sshd as table
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse import proc_net, sshd

PROPERTIES = "--property=Id,ActiveState,MainPID,Listen,UnitFileState"
ALIVE = ("active", "reloading", "activating")
WILDCARDS = {"0.0.0.0": ("127.0.0.1",), "::": ("127.0.0.1", "::1")}
RELOAD_SECONDS = 15.0
# The second is what it says to who has made too many connections without a login.
GREETINGS = (b"SSH-", b"Not allowed at this time")
PRIVSEP = "Missing privilege separation directory: "

Listens = List[Tuple[str, int]]


class Daemon(NamedTuple):
    """The sshd of this host.

    service: its unit; state: that unit's ActiveState; socket: the unit that listens for it, if one does; at_boot: the one that will
    after the next boot; pid: of the listening sshd; options: of its command line; listens: (address, port).
    """

    service: str
    state: str
    socket: Optional[str]
    at_boot: Optional[str]
    pid: Optional[int]
    options: List[str]
    listens: Listens

    @property
    def ports(self) -> List[int]:
        return sorted({port for _address, port in self.listens})

    def is_down(self, over_ssh: bool) -> bool:
        """Whether sshd should run and does not. over_ssh: somebody came by it, so it was not stopped on purpose."""
        return self.state == "failed" or (over_ssh and not self.listens)

    def apply(self, socket_differs: bool, over_ssh: bool) -> List[List[str]]:
        """Return the commands that put changed files in force; sessions that are open stay open."""
        clear = [["systemctl", "reset-failed", self.service]]
        if self.socket:
            if socket_differs:
                # systemd does not start a socket whose service runs.
                stop = [["systemctl", "daemon-reload"], ["systemctl", "stop", self.service]]
                return stop + clear + [["systemctl", "restart", self.socket]]
            # Told by a signal it would look for sockets of its own; anew it takes over those of systemd.
            return clear + [["systemctl", "try-restart", self.service]]
        if self.state not in ALIVE and self.pid is not None:
            return [["kill", "-HUP", str(self.pid)]]
        if self.state in ALIVE or self.is_down(over_ssh):
            return clear + [["systemctl", "reload-or-restart", self.service]]
        return []


def read(host: Any) -> Daemon:
    """Return how sshd runs. Raises HostError, Missing where that cannot be seen."""
    try:
        units = ssh_daemon.read_units(host, PROPERTIES)
    except HostError:
        units = {}
    known = {name: unit for name, unit in units.items() if _first(unit, "UnitFileState")}
    service = next((name for name in ("ssh.service", "sshd.service") if name in known), "ssh.service")
    socket = next((name for name, unit in known.items() if name.endswith(".socket") and _alive(unit)), None)
    enabled = (
        name for name, unit in known.items() if name.endswith(".socket") and _first(unit, "UnitFileState") == "enabled"
    )
    at_boot = socket or next(enabled, None)
    pid = ssh_daemon.read_pid(host, units)
    if socket:
        listens = ssh_daemon.addresses(known[socket].get("Listen", []))
    else:
        listens = ssh_daemon.read_listens(host, pid) if pid is not None else []
    options = ssh_daemon.read_options(host, pid)
    return Daemon(service, _first(units.get(service, {}), "ActiveState"), socket, at_boot, pid, options, listens)


def _first(unit: Dict[str, List[str]], name: str) -> str:
    return (unit.get(name) or [""])[0]


def _alive(unit: Dict[str, List[str]]) -> bool:
    return _first(unit, "ActiveState") in ALIVE


def stale(host: Any, daemon: Daemon) -> List[str]:
    """Return the files that changed since the running sshd read them."""
    since = ssh_daemon.read_since(host, daemon.pid)
    if since is None:
        return []
    files, _criteria = ssh_config.read_config(host, table.CONFIG)
    return [file["path"] for file in files if file["changed"] > since]


class Login(NamedTuple):
    """A login to ask sshd about. user: may not exist; port: of this host."""

    user: str
    address: str = CLIENT
    server_address: str = LOCAL
    port: int = 22

    def __str__(self) -> str:
        return "%s from %s" % (self.user, self.address)


def ask(host: Any, login: Login, options: Sequence[str], config: Optional[str] = None) -> sshd.Settings:
    """Return what sshd would apply to a login. config: another file than its own. Raises ChangeError with what sshd says."""
    spec = "user=%s,host=%s,addr=%s,laddr=%s,lport=%d,rdomain=" % (
        login.user,
        login.address,  # without UseDNS, which is off unless asked for, sshd knows no other name
        login.address,
        login.server_address,
        login.port,
    )
    words = ["sshd", "-T"] + list(options) + (["-f", config] if config else []) + ["-C", spec]
    done = host.run(words, timeout=10.0)
    if done.rc != 0 and PRIVSEP in done.err:
        # systemd makes it when the service starts, and not before the first connection where a socket unit listens.
        command(host, ["install", "-d", "-m", "0755", done.err.partition(PRIVSEP)[2].strip()])
        done = host.run(words, timeout=10.0)
    try:
        if done.rc != 0:
            raise ValueError(first_line(done.err, 400) or "exit code %d" % done.rc)
        return sshd.parse_settings(done.out)
    except ValueError as error:
        raise ChangeError("sshd refuses its configuration: %s" % error) from error


def other_file(options: Sequence[str]) -> Optional[str]:
    """Return the configuration file that sshd was started with, where it is not the usual one."""
    path = ssh_config.config_file(options)
    return path if path != table.CONFIG else None


def known(host: Any, settings: sshd.Settings) -> Known:
    """Return what this OpenSSH knows. Raises ChangeError, HostError."""
    algorithms = {}
    for _option, _keyword, query in table.ALGORITHMS:
        done = host.run(["ssh", "-Q", query])
        if done.rc != 0:
            raise ChangeError("`ssh -Q %s` ended with %d: %s" % (query, done.rc, first_line(done.err)))
        algorithms[query] = done.out.split()
    return Known(set(settings), algorithms)


def socket_drop_in(listens: Listens, ports: Iterable[int]) -> str:
    """Return the text by which a socket listens on other ports, on the addresses on which it does now."""
    hosts = list(dict.fromkeys(address for address, _port in listens if address not in WILDCARDS))
    everywhere = not hosts or any(address in WILDCARDS for address, _port in listens)
    lines = []
    for port in ports:
        # A bare port is bound for IPv6 and IPv4 at once, and for IPv4 alone where there is no IPv6.
        names = [""] if everywhere else ["[%s]:" % each if ":" in each else "%s:" % each for each in hosts]
        lines += ["ListenStream=%s%d" % (name, port) for name in names]
    return "# Written by the sshd role of nself.prod.\n[Socket]\nListenStream=\n%s\n" % "\n".join(lines)


def taken(host: Any, ports: Iterable[int]) -> List[int]:
    """Return those ports on which something listens already. Raises HostError."""
    used: Set[int] = set()
    for name in ("tcp", "tcp6"):
        try:
            used.update(each.port for each in proc_net.waiting(host.read("/proc/net/" + name), "tcp"))
        except NotFound:
            continue  # a kernel without IPv6
        except ValueError as error:
            raise ChangeError("/proc/net/%s cannot be understood: %s" % (name, error)) from error
    return [port for port in ports if port in used]


def await_answers(host: Any, ports: Sequence[int], seconds: float = RELOAD_SECONDS, pause: float = 0.05) -> Daemon:
    """Return how sshd runs once it has read its files, listens on these ports alone and answers. Raises ChangeError in the end."""
    expires = time.monotonic() + seconds
    while True:
        daemon = read(host)
        why = _not_ready(host, daemon, ports)
        if not why:
            return daemon
        if time.monotonic() > expires:
            raise ChangeError(why)
        time.sleep(pause)
        # Ever longer: sshd from 9.8 on closes itself to who keeps connecting without a login.
        pause = min(pause * 1.5, 2.0)


def _not_ready(host: Any, daemon: Daemon, ports: Sequence[int]) -> str:
    if not daemon.listens:
        return "sshd does not listen any more: see `journalctl -u %s`" % daemon.service
    if ports and daemon.ports != sorted(ports):
        return "sshd listens on port %s instead of %s" % (_joined(daemon.ports), _joined(sorted(ports)))
    old = stale(host, daemon)
    if old:
        return "sshd has not read %s since it changed: see `journalctl -u %s`" % (", ".join(old), daemon.service)
    return next((why for why in [_silent(host, daemon, port) for port in daemon.ports] if why), "")


def _silent(host: Any, daemon: Daemon, port: int) -> str:
    """Return why sshd does not answer on a port; one of its addresses suffices, since not each wildcard leads anywhere."""
    bound = [address for address, number in daemon.listens if number == port]
    whys = []
    # A wildcard of IPv6 may serve IPv4 too, and a host without IPv6 on its loopback may have one.
    for address in dict.fromkeys(each for name in bound for each in WILDCARDS.get(name, (name,))):
        try:
            with host.connect(address, port, timeout=3.0) as stream:
                greeting = stream.receive_line()
        except HostError as error:
            whys.append("sshd does not answer on port %d: %s" % (port, error.detail or error.reason))
            continue
        if greeting.startswith(GREETINGS):
            return ""
        whys.append("what answers on port %d is not sshd" % port)
    return whys[0]


def _joined(ports: Sequence[int]) -> str:
    return " and ".join(str(port) for port in ports)

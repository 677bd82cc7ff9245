# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make fail2ban guard ssh and nginx: one file, the running server, and proof that it does what the file says."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import ssh_daemon
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.fail2ban import CLIENT, collect
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.change import fail2ban_config as config
from ansible_collections.nself.prod.plugins.module_utils.change import fail2ban_nginx as nginx
from ansible_collections.nself.prod.plugins.module_utils.change import operator as operators
from ansible_collections.nself.prod.plugins.module_utils.change import packages
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.fail2ban_config import Jail
from ansible_collections.nself.prod.plugins.module_utils.change.patient import Patient
from ansible_collections.nself.prod.plugins.module_utils.change.tables import fail2ban as tables
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse import fail2ban as parse
from ansible_collections.nself.prod.plugins.module_utils.parse.systemd import parse_show

PACKAGES = ("fail2ban", "python3-systemd")
UNIT = "fail2ban.service"
FILTER = "nself-sshd"
FILTER_PATH = "%s/filter.d/%s.conf" % (config.FOLDER, FILTER)
DROP_IN = "/etc/systemd/system/%s.d" % UNIT
ORDER = DROP_IN + "/zz-nself-prod.conf"
# Docker makes the chain DOCKER-USER that these bans go to.
ORDER_TEXT = config.HEADER + "[Unit]\nAfter=docker.service\n"
START_SECONDS = 40
SETTLE_SECONDS = 8


def work(
    host: Any, changes: Changes, params: Mapping[str, Any], pause: Callable[[float], None] = time.sleep
) -> Dict[str, Any]:
    """Bring fail2ban to what the params (the module's options) say. Return what else the module returns."""
    host = Patient(host)
    _check(params)
    missing = packages.missing(host, PACKAGES + ("iptables" if params["banaction"] == "iptables" else "nftables",))
    if missing and not changes.check:
        raise ChangeError("install the packages %s first" % ", ".join(missing))
    installed = host.which(CLIENT) is not None
    operator = operators.find(host)
    plan = Plan(host, changes, params, operator)
    overruled = config.overruled(config.settings(plan.text), plan.later)
    if overruled:
        raise ChangeError("%s, and is read after %s: rename it or take that out" % (overruled[0], config.PATH))
    wrote = plan.write()
    if not installed:
        if wrote:
            # Else its installation starts it with the files that are there, and nothing is left to do afterwards.
            changes.note("fail2ban is started with these jails as soon as it is installed")
        return dict(plan.result(None), missing=missing)
    seen: Mapping[str, Any] = collect(host, None)
    wrong = [] if wrote else plan.differences(seen)
    own = operator.address if operator is not None and params["ignore_operator"] else None
    unbanned = _unban(host, changes, own, seen)
    if _service(host, changes, seen["state"], wrote, wrong) and not changes.check:
        seen = _settled(host, plan, pause)
        # It takes up the bans that it had when it was stopped.
        unbanned = unbanned or _unban(host, changes, own, seen)
    return dict(plan.result(unbanned), missing=missing)


def _check(params: Mapping[str, Any]) -> None:
    for kind in ("sshd", "nginx"):
        for name in ("maxretry", "findtime"):
            if params["%s_%s" % (kind, name)] < 1:
                raise ChangeError(
                    "%s_%s is %d, and has to be at least 1" % (kind, name, params["%s_%s" % (kind, name)])
                )
        if params[kind + "_bantime"] < 1 and params[kind + "_bantime"] != -1:
            raise ChangeError("%s_bantime is neither a number of seconds nor -1, which is for ever" % kind)
    for word in params["ignoreip"]:
        if not word or any(char.isspace() or char in "%,;#[]=" for char in word) or config.is_no_network(word):
            raise ChangeError("ignoreip holds %r, which is no address, network or name of a host" % word)
    wide = config.foreign_ignored([{"DEFAULT": {"ignoreip": " ".join(params["ignoreip"])}}], ())[1]
    if wide:
        raise ChangeError("ignoreip holds %s: nobody there would ever be banned" % wide[0])
    unknown = [name for name in params["nginx_jails"] if name not in tables.NGINX]
    if unknown:
        raise ChangeError("nginx_jails holds %s; known are %s" % (unknown[0], ", ".join(sorted(tables.NGINX))))


class Plan:
    """What the files have to say, worked out from the options and from what there is."""

    def __init__(self, host: Any, changes: Changes, params: Mapping[str, Any], operator: Optional[Any]) -> None:
        self._host, self._changes, self._params = host, changes, params
        self.left_out: Dict[str, str] = {}
        ours = changes.read(config.PATH) or ""
        before, self.later = _others(host, changes)
        self.banaction = _banaction(host, changes.check, params["banaction"])
        self.source = nginx.Source({})
        self.jails, self.off = self._jails(host, operator, ours)
        known = config.remembered(ours) if params["ignore_operator"] else []
        self.operators = config.operators(
            known, operator.address if operator is not None and params["ignore_operator"] else None
        )
        taken, self.not_ignored = config.foreign_ignored(before, [jail.name for jail in self.jails])
        self.ignored = config.unique(list(config.LOOPBACK) + params["ignoreip"] + taken + self.operators)
        self.text = config.render(self.jails, self.ignored, self.operators, self.off, params["bantime_increment"])

    def _jails(self, host: Any, operator: Optional[Any], ours: str) -> Tuple[List[Jail], List[str]]:
        jails: List[Jail] = []
        off = []
        if not self._params["sshd_enabled"]:
            # Debian switches it on.
            off.append("sshd")
        else:
            ports = _ssh_ports(host, operator)
            if ports:
                jails.append(self._sshd(ports))
            else:
                off.append("sshd")
                self.left_out["sshd"] = "no sshd listens on this host"
        if self._params["nginx_enabled"]:
            jails.extend(self._nginx(host, ours))
        return jails, off

    def _sshd(self, ports: Sequence[int]) -> Jail:
        params = self._params
        words = {"jail": "sshd", "ports": ",".join(str(port) for port in ports)}
        return Jail(
            "sshd",
            params["sshd_maxretry"],
            params["sshd_bantime"],
            params["sshd_findtime"],
            "%s[mode=%s]" % (FILTER, params["sshd_mode"]),
            (tables.HOST_ACTION[self.banaction] % words,),
            tables.HOST_HOOKS[self.banaction],
            ports=tuple(ports),
            matches=tables.SSHD_JOURNAL,
        )

    def _nginx(self, host: Any, ours: str) -> List[Jail]:
        params, names = self._params, self._params["nginx_jails"]
        self.source = nginx.find(host, params["project_dir"])
        if self.source.gone:
            self.source = nginx.kept(host, _earlier(ours), self.source.problem)
        files = {name: tuple(self.source.logs.get(tables.NGINX[name], ())) for name in names}
        self._reasons(host, names, files)
        words = [name for name in names if name not in self.left_out]
        return [self._container_jail(name, files[name]) for name in words]

    def _reasons(self, host: Any, names: Sequence[str], files: Mapping[str, Sequence[str]]) -> None:
        chain = self.banaction == "nftables" or not any(files.values()) or _has_docker_user(host)
        for name in names:
            if not files[name]:
                kind = tables.NGINX[name]
                self.left_out[name] = self.source.problem or "nginx writes no %s log to the host" % kind
            elif not chain:
                self.left_out[name] = "Docker made no chain DOCKER-USER; use banaction nftables"
            elif not _has_filter(host, name):
                self.left_out[name] = "this version of fail2ban has no such filter"

    def _container_jail(self, name: str, files: Sequence[str]) -> Jail:
        params, kind = self._params, self.banaction
        actions = [tables.CONTAINER_ACTION[kind] % {"jail": name}]
        if self.source.host_network:
            actions.append(tables.HOST_ACTION[kind] % {"jail": name + "-host", "ports": "80,443"})
        return Jail(
            name,
            params["nginx_maxretry"],
            params["nginx_bantime"],
            params["nginx_findtime"],
            name,
            tuple(actions),
            tables.CONTAINER_HOOKS[kind],
            files=tuple(files),
            zone=self.source.zone,
        )

    def write(self) -> bool:
        """Write the files. Return whether the server has to learn of it. A file that fail2ban refuses is taken back."""
        changes, texts = self._changes, {FILTER_PATH: config.HEADER + tables.SSHD_FILTER, config.PATH: self.text}
        before = {path: changes.read(path) for path in texts}
        wrote = [path for path in texts if changes.file(path, texts[path])]
        waits = self.banaction == "iptables" and any(jail.files for jail in self.jails)
        if waits:
            changes.directory(DROP_IN)
        if changes.file(ORDER, ORDER_TEXT) if waits else changes.absent(ORDER):
            changes.run(["systemctl", "daemon-reload"], "systemd reads its units anew")
        if wrote and not changes.check:
            try:
                _test(self._host)
            except ChangeError:
                for path in wrote:
                    text = before[path]
                    changes.absent(path) if text is None else changes.file(path, text)
                raise
        return bool(wrote)

    def differences(self, seen: Mapping[str, Any]) -> List[str]:
        if seen["state"] != "running":
            return ["it is %s" % seen["state"]]
        return config.differences(self.jails, self.ignored, self.off, seen["jails"])

    def result(self, unbanned: Optional[str]) -> Dict[str, Any]:
        return {
            "jails": [jail.name for jail in self.jails],
            "left_out": self.left_out,
            "ignored": self.ignored,
            "not_ignored": self.not_ignored,
            "banaction": self.banaction,
            "unbanned": unbanned,
            "left": self._left(),
        }

    def _left(self) -> List[str]:
        """Return what is left to do by hand, in lines for people."""
        lines = ["%s may be banned, though another file ignores it" % word for word in self.not_ignored]
        if self.source.mendable:
            for reason in dict.fromkeys(self.left_out.values()):
                names = [name for name in self.left_out if self.left_out[name] == reason]
                lines.append("no jail %s: %s" % (", ".join(names), reason))
        return lines


# -- what there is -------------------------------------------------------------------------------------------------------


def _others(host: Any, changes: Changes) -> Tuple[List[config.Settings], Dict[str, config.Settings]]:
    """Return what is read before our file, in order, and after it by path. Raises ChangeError for a file that is none of fail2ban's."""
    try:
        names = [config.FOLDER + "/jail.d/" + name for name in host.listdir(config.FOLDER + "/jail.d")]
    except NotFound:
        names = []
    locals_ = [path for path in names if path.endswith(".local") and path != config.PATH]
    first = [config.FOLDER + "/jail.conf"] + [path for path in names if path.endswith(".conf")]
    first += [config.FOLDER + "/jail.local"] + [path for path in locals_ if path < config.PATH]
    found = {}
    for path in first + [path for path in locals_ if path > config.PATH]:
        text = changes.read(path)
        if text is None:
            continue
        try:
            found[path] = config.settings(text)
        except ValueError as error:
            raise ChangeError("%s is not what fail2ban reads: %s" % (path, error)) from None
    return [found[path] for path in first if path in found], {path: found[path] for path in found if path not in first}


def _earlier(ours: str) -> config.Settings:
    """Return what our file says now. One that somebody broke says nothing."""
    try:
        return config.settings(ours)
    except ValueError:
        return {}


def _banaction(host: Any, check: bool, wanted: str) -> str:
    """Return nftables or iptables: what was asked for, else what works here. Raises ChangeError where it does not."""
    works = {"nftables": ["nft", "list", "tables"], "iptables": ["iptables", "-w", "-n", "-L", "INPUT"]}
    problems = []
    for name in [wanted] if wanted != "auto" else list(works):
        if host.which(works[name][0]) is None:
            if check and name == "nftables":
                return name  # it is installed before this is done
            problems.append("%s is not installed" % name)
            continue
        done = host.run(works[name])
        if done.rc == 0:
            return name
        problems.append("%s: %s" % (name, first_line(done.err)))
    raise ChangeError("fail2ban has no way to ban: %s; install the package nftables" % ", ".join(problems))


def _ssh_ports(host: Any, operator: Optional[Any]) -> List[int]:
    """Return the ports on which sshds listen, and the one that Ansible came through."""
    if host.which("sshd") is None:
        return []
    units = ssh_daemon.read_units(host)
    listens = list(ssh_daemon.socket_listens(units) or [])
    pid = ssh_daemon.read_pid(host, units)
    if pid is not None and not listens:
        listens = list(ssh_daemon.read_listens(host, pid))
    for other in ssh_daemon.read_others(host, pid).values():
        listens.extend(other)
    ports = {port for _address, port in listens}
    if operator is not None:
        ports.add(operator.server_port)
    if not ports:
        # It is stopped now: what it will listen on.
        done = command(host, ["sshd", "-T"])
        lines = [line.partition(" ")[2] for line in done.out.splitlines() if line.startswith("listenaddress ")]
        ports = {port for _address, port in ssh_daemon.addresses(lines)}
    return sorted(ports)


def _has_docker_user(host: Any) -> bool:
    return host.which("iptables") is not None and host.run(["iptables", "-w", "-n", "-L", "DOCKER-USER"]).rc == 0


def _has_filter(host: Any, name: str) -> bool:
    """Tell whether fail2ban brings a filter. Before it is installed that is assumed."""
    try:
        names = host.listdir(config.FOLDER + "/filter.d")
    except NotFound:
        return True
    return name + ".conf" in names or name + ".local" in names


# -- the server ----------------------------------------------------------------------------------------------------------


def _test(host: Any) -> None:
    """Raises ChangeError where fail2ban would not start with what the files say."""
    done = host.run([CLIENT, "-t"])
    if done.rc != 0:
        said = first_line(
            "\n".join(line for line in (done.err + done.out).splitlines() if "ERROR" in line)
        ) or first_line(done.err or done.out)
        raise ChangeError(
            "fail2ban refuses its configuration in %s: %s" % (config.FOLDER, said.partition("ERROR")[2].strip() or said)
        )


def _service(host: Any, changes: Changes, state: str, wrote: bool, wrong: Sequence[str]) -> bool:
    """Have the service enabled, and started anew where that is needed. Return whether it was."""
    shown = command(host, ["systemctl", "show", "--property=Id,LoadState,ActiveState,UnitFileState", UNIT])
    unit = (parse_show(shown.out) or [{}])[0]
    enabled = unit.get("UnitFileState", "")
    if enabled.startswith("masked"):
        runtime = ["--runtime"] if enabled.endswith("-runtime") else []
        changes.run(["systemctl", "unmask"] + runtime + [UNIT], "%s is unmasked" % UNIT)
    if enabled not in ("enabled", "static", "alias"):
        changes.run(["systemctl", "enable", UNIT], "%s is enabled" % UNIT)
    running = state == "running" and unit.get("ActiveState") == "active"
    if running and not wrote and not wrong:
        return False
    if not wrote:
        _test(host)
    if unit.get("ActiveState") == "failed":
        changes.run(["systemctl", "reset-failed", UNIT], "%s is allowed to start again" % UNIT)
    if not running:
        reason = "%s is started" % UNIT
    else:
        reason = "%s is restarted%s" % (UNIT, ": " + "; ".join(wrong) if wrong else "")
    # Bans outlive it: fail2ban keeps them in its database.
    changes.run(["systemctl", "restart", UNIT], reason, timeout=90.0)
    return True


def _settled(host: Any, plan: Plan, pause: Callable[[float], None]) -> Mapping[str, Any]:
    """Wait until the server does what the file says. Raises ChangeError where it never does."""
    started = host.now()
    while True:
        seen = collect(host, None)
        wrong = plan.differences(seen)
        if not wrong:
            return seen
        # It answers before it has taken in all that its files say.
        starting = seen["state"] != "running" or any("does not run" in line for line in wrong)
        if host.now() - started >= (START_SECONDS if starting else SETTLE_SECONDS):
            break
        pause(0.3)
    if seen["state"] == "running":
        raise ChangeError("fail2ban does not do what %s says: %s" % (config.PATH, "; ".join(wrong[:3])))
    said = host.run(["journalctl", "-q", "--no-pager", "-o", "cat", "-n", "20", "-u", UNIT]).out
    errors = [line for line in said.splitlines() if "ERROR" in line]
    raise ChangeError(
        "fail2ban did not start: %s" % (first_line("\n".join(errors[-1:])) or "see journalctl -u fail2ban")
    )


def _unban(host: Any, changes: Changes, address: Optional[str], seen: Mapping[str, Any]) -> Optional[str]:
    """Lift a ban of the operator's own address. Return the address where there was one."""
    jails = [name for name, jail in seen["jails"].items() if isinstance(jail["banned"], Unread) or jail["banned"]]
    plain = config.address(address or "")
    if plain is None or not jails:
        return None
    asked = host.run([CLIENT, "-i"], stdin="".join("status %s\n" % name for name in jails))
    try:
        answers = parse.answers(asked.out, len(jails))
    except ValueError as error:
        raise ChangeError("%s: %s" % (CLIENT, error)) from None
    if not any(plain in answer.partition("Banned IP list:")[2].split() for answer in answers):
        return None
    changes.run([CLIENT, "unban", plain], "the ban of %s, where Ansible comes from, is lifted" % plain)
    return plain

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's engine set up for production: live-restore first, so that nothing that comes after stops a container.

A reload puts live-restore in force. What waits for the engine's next start waits for it unless containers live through that.
"""

from __future__ import annotations

import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import containers, docker, project
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Options
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.change import docker_daemon_config as configs
from ansible_collections.nself.prod.plugins.module_utils.change import docker_daemon_unit as units
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.sources import Sources
from ansible_collections.nself.prod.plugins.module_utils.change.tables.docker_daemon import CONFIG, RELOADED
from ansible_collections.nself.prod.plugins.module_utils.host import Host, HostError, NotFound, exists, first_line

SPEC = {
    "live_restore": {"type": "bool", "default": True},
    "log_opts": {"type": "dict", "default": {"max-size": "10m", "max-file": "3"}},
    "insecure_registries": {"type": "list", "elements": "str", "default": []},
    "settings": {"type": "dict", "default": {}},
    "group_users": {"type": "list", "elements": "str", "default": []},
    "group_manage": {"type": "bool", "default": True},
    "group_keep_owner": {"type": "bool", "default": True},
    "restart": {"type": "bool", "default": True},
    "project_dir": {"type": "str"},
}
# Remembered until the engine starts anew: what it was started with is nowhere to be read. Gone with the next boot, as it should be.
WAITING = "/run/nself-prod-docker-restart"
DROP_IN = "/etc/systemd/system/docker.socket.d/zz-nself-prod.conf"
DROP_IN_TEXT = "# Written by nself.prod: whoever reaches this socket is root.\n[Socket]\nSocketMode=0660\n"
UP, RELOADING = 60.0, 10.0  # seconds until the engine answers, and until a reload shows


def work(host: Host, changes: Changes, params: Dict[str, Any]) -> Dict[str, Any]:
    """Do all of it. Returns {"applicable", "restarted", "restart_needed", "left"}."""
    out = {"applicable": False, "restarted": False, "restart_needed": False, "left": []}  # type: Dict[str, Any]
    if host.euid() != 0:
        raise ChangeError("only root can set up Docker's engine; run with become")
    if host.which("dockerd") is None:
        out["left"].append("no Docker engine of the system is installed on this host, so there is nothing to set up")
        return out
    out["applicable"] = True
    unit = units.of(host)
    known = None if unit.running else units.STOPPED
    need = Sources(host, Options(params["project_dir"] or None, "0" * 64), _COLLECTORS, known)
    info = _info(need, unit)
    if not unit.running:
        out["left"].append("Docker's engine does not run: what is set up here holds from its next start on")
    if info is not None:
        out.update(_Setup(host, changes, params, unit, info, out["left"]).run())
        if params["log_opts"]:
            _logs_without_limit(need, out["left"])
    else:
        _written(host, changes, params, unit, configs.Engine(), out["left"])
    _socket(host, changes)
    _group(host, changes, params, need, out["left"])
    return out


_COLLECTORS = tuple(collector for module in (docker, containers, project) for collector in module.COLLECTORS)


def _info(need: Sources, unit: units.Unit) -> Optional[Dict[str, Any]]:
    """Return docker info of the engine, None where it does not run. Raises ChangeError where it runs and gives no answer."""
    if not unit.running:
        return None
    try:
        info = need("docker_engine")["info"]
    except Missing as missing:
        raise ChangeError("Docker's engine runs and cannot be asked: %s" % (missing.detail or missing.reason)) from None
    if info is None:
        raise ChangeError("docker.service runs, but `docker info` reaches no engine: look at `systemctl status docker`")
    return dict(info)


def _written(
    host: Host, changes: Changes, params: Dict[str, Any], unit: units.Unit, engine: configs.Engine, left: List[str]
) -> Tuple[str, Optional[str], List[str]]:
    """Write daemon.json; return (its path, what it said, the keys that changed)."""
    flags = configs.flags_of(unit.arguments)
    path = flags.get("config-file", [CONFIG])[-1]
    before = changes.read(path)
    found = configs.parse(before, path)
    wish = configs.Wish(params["live_restore"], params["log_opts"], params["insecure_registries"], params["settings"])
    plan = configs.plan(found, wish, flags, engine, unit.place)
    left += plan.left
    keys = [key for key in dict.fromkeys(list(found) + list(plan.config)) if found.get(key) != plan.config.get(key)]
    if found != plan.config:
        text = configs.rendered(plan.config)
        _validate(host, path, text, unit.arguments)
        if path == CONFIG:
            changes.directory("/etc/docker", 0o755) if not exists(host, "/etc/docker") else None
        secret = configs.has_secret(text) or configs.has_secret(before or "")
        changes.file(path, text, 0o644 if before is None else None, 0, None if before is not None else 0, secret)
    return path, before, keys


def _validate(host: Host, path: str, text: str, arguments: Sequence[str]) -> None:
    """Have dockerd judge a configuration, beside the flags that it is started with. Raises ChangeError."""
    rest = units.without(arguments, "config-file")
    try:
        done = host.run(["dockerd", "--validate", "--config-file=/dev/stdin"] + rest, timeout=20, stdin=text)
    except HostError as error:
        raise ChangeError("dockerd could not judge the new %s: %s" % (path, error.detail or error.reason)) from error
    # Engines before 23 cannot judge without starting.
    if done.rc != 0 and "unknown flag: --validate" not in done.err:
        raise ChangeError(
            "%s stays as it is, dockerd would not take the new one: %s"
            % (path, first_line(done.err).replace("/dev/stdin", path))
        )


class _Setup:
    """The setting up of a running engine."""

    def __init__(
        self,
        host: Host,
        changes: Changes,
        params: Dict[str, Any],
        unit: units.Unit,
        info: Dict[str, Any],
        left: List[str],
    ) -> None:
        self.host, self.changes, self.params, self.unit, self.info, self.left = host, changes, params, unit, info, left
        self.swarm = str((info.get("Swarm") or {}).get("LocalNodeState") or "inactive") != "inactive"

    def run(self) -> Dict[str, Any]:
        engine = configs.Engine(
            self.swarm, str(self.info.get("LoggingDriver") or ""), tuple(docker.insecure_registries(self.info))
        )
        path, before, keys = _written(self.host, self.changes, self.params, self.unit, engine, self.left)
        config = configs.parse(self.changes.read(path), path)
        live = config.get("live-restore", self.info.get("LiveRestoreEnabled"))
        registries = set(map(str, config.get("insecure-registries") or ()))
        effective = self._effective(self.info, config, live, registries)
        if RELOADED.intersection(keys) or not effective:
            self.changes.run(["systemctl", "reload", "docker.service"], "Docker's engine reads its settings again")
            if not self.changes.check:
                self._wait_for_reload(config, live, registries)
        waits = bool([key for key in keys if key not in RELOADED]) or self._was_waiting()
        running = self._running() if waits else {}
        safe = not running or (bool(live) and not self.swarm)
        out = {"restarted": False, "restart_needed": waits}
        if waits and safe and self.params["restart"]:
            self._restart(path, before if keys else None, running)
            out = {"restarted": not self.changes.check, "restart_needed": False}
        elif waits:
            self.changes.file(WAITING, self.unit.started + "\n", 0o600)
            self.left.append(
                "some settings wait for a restart of docker.service%s"
                % ("" if safe else ", which would stop its containers: do it when that is all right")
            )
        return out

    def _effective(self, info: Dict[str, Any], config: Dict[str, Any], live: Any, registries: "set[str]") -> bool:
        """Tell whether the engine does what the file says, as far as a reload reaches."""
        if "live-restore" in config and bool(info.get("LiveRestoreEnabled")) != bool(live):
            return False
        return "insecure-registries" not in config or set(docker.insecure_registries(info)) <= registries

    def _wait_for_reload(self, config: Dict[str, Any], live: Any, registries: "set[str]") -> None:
        limit = time.monotonic() + RELOADING
        while not self._effective(self._ask(), config, live, registries):
            if time.monotonic() > limit:
                raise ChangeError(
                    "Docker's engine was reloaded and does not do what its file says: look at `journalctl -u docker`"
                )
            time.sleep(0.2)

    def _ask(self) -> Dict[str, Any]:
        found = docker.collect_engine(self.host, None)["info"]
        return dict(found or {})

    def _running(self) -> Dict[str, str]:
        """Return {container: when it started} of those that run."""
        ids = command(self.host, ["docker", "ps", "--quiet", "--no-trunc"], timeout=20).out.split()
        if not ids:
            return {}
        shown = "{{.Id}} {{.State.StartedAt}}"
        done = self.host.run(["docker", "inspect", "--type", "container", "--format", shown] + ids, timeout=20)
        return {line.split()[0]: line.split()[1] for line in done.out.splitlines() if len(line.split()) == 2}

    def _was_waiting(self) -> bool:
        told = self.changes.read(WAITING)
        return told is not None and told.strip() == self.unit.started

    # -- the restart -------------------------------------------------------------------------------------------------

    def _restart(self, path: str, before: Optional[str], running: Dict[str, str]) -> None:
        """Restart the engine. before: what daemon.json said, to be put back where the engine does not come up with the new one."""
        if not self.changes.check:
            # systemd counts starts, and refuses the fourth in a minute.
            self.host.run(["systemctl", "reset-failed", "docker.service"], timeout=20)
        try:
            self.changes.run(["systemctl", "restart", "docker.service"], _told(running), timeout=180.0)
            if not self.changes.check:
                self._wait_for_answer()
        except ChangeError as error:
            self._put_back(path, before)
            raise ChangeError(
                "Docker's engine did not start with the new %s, which was put back: %s" % (path, error)
            ) from error
        if self.changes.read(WAITING) is not None:
            self.changes.absent(WAITING)
        if self.changes.check:
            return
        after = self._running()
        stopped = [item[:12] for item, when in running.items() if after.get(item) != when]
        if stopped:
            raise ChangeError("live-restore was on, yet the engine's restart stopped %s" % ", ".join(stopped))

    def _wait_for_answer(self) -> None:
        limit = time.monotonic() + UP
        while True:
            try:
                if self._ask():
                    return
            except Missing:
                pass  # not yet
            if time.monotonic() > limit:
                raise ChangeError("it gave no answer within %d s" % UP)
            time.sleep(0.3)

    def _put_back(self, path: str, before: Optional[str]) -> None:
        back = Changes(self.host, False)
        if before is None:
            back.absent(path)
        else:
            back.file(path, before, None, None, None, True)
        self.host.run(["systemctl", "reset-failed", "docker.service", "docker.socket"], timeout=20)
        command(self.host, ["systemctl", "restart", "docker.service"], timeout=180.0)
        self._wait_for_answer()


def _told(running: Dict[str, str]) -> str:
    return "Docker's engine is restarted%s" % (
        "; what runs (%d) goes on" % len(running) if running else "; no container runs"
    )


def _logs_without_limit(need: Sources, left: List[str]) -> None:
    """Tell which containers write logs without a limit: the options of its logs are a container's own from its birth."""
    try:
        containers_there = need("docker_containers")
    except Missing as missing:
        left.append("whose logs have no limit is not known: %s" % (missing.detail or missing.reason))
        return
    names = []
    for item in containers_there:
        logs = (item.get("HostConfig") or {}).get("LogConfig") or {}
        if logs.get("Type") == "json-file" and "max-size" not in (logs.get("Config") or {}):
            names.append(str(item.get("Name", "")).lstrip("/"))
    if names:
        left.append("these keep logs without a limit until they are recreated: %s" % ", ".join(sorted(names)))


# -- who commands it -----------------------------------------------------------------------------------------------------


def _socket(host: Host, changes: Changes) -> None:
    """Close the socket to all but root and the group docker: as it is, and as systemd makes it the next time."""
    mode = units.socket_mode(host)
    if mode is not None and mode & 0o007:
        folder = DROP_IN.rpartition("/")[0]
        if not exists(host, folder):
            changes.directory(folder)
        if changes.file(DROP_IN, DROP_IN_TEXT):
            changes.run(["systemctl", "daemon-reload"], "systemd reads its units again")
    path = host.realpath(docker.SOCKET)
    try:
        info = host.stat(path, follow=False)
    except NotFound:
        return
    group = docker.group_of(host)["gid"]
    gid = info.gid if info.gid in (0, group) else (0 if group is None else group)
    changes.access(path, info.mode & 0o660, 0, gid)


def _group(host: Host, changes: Changes, params: Dict[str, Any], need: Sources, left: List[str]) -> None:
    allowed, manage = params["group_users"], params["group_manage"]
    members = docker.group_of(host)["members"]
    listed = _listed(host)
    owner = _owner(host, need) if manage and params["group_keep_owner"] and members else None
    for name in members:
        if name in allowed:
            continue
        if not manage:
            left.append(
                "%s is root through the group docker: name who may be there in docker_daemon_group_users" % name
            )
        elif name == owner:
            left.append(
                "%s owns the project and stays in the group docker, which makes him root: name him in docker_daemon_group_users "
                "and in the audit's policy docker_group_users, or set docker_daemon_group_keep_owner to false" % name
            )
        elif name not in listed:
            left.append("docker is the primary group of %s, which makes him root: give him another (usermod -g)" % name)
        else:
            changes.run(["gpasswd", "-d", name, "docker"], "%s leaves the group docker, from the next login on" % name)


def _listed(host: Host) -> List[str]:
    for line in host.read("/etc/group").splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and fields[0] == "docker":
            return fields[3].split(",")
    return []


def _owner(host: Host, need: Sources) -> Optional[str]:
    """Return the account that the project belongs to, None where that is root or not known."""
    try:
        directory = need("project_place").found.directory
        uid = host.stat(directory).uid if directory else 0
    except (Missing, HostError):
        return None
    names = [line.split(":") for line in host.read("/etc/passwd").splitlines()]
    return next((row[0] for row in names if uid and len(row) > 2 and row[2] == str(uid)), None)

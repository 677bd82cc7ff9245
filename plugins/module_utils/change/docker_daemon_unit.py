# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docker.service and docker.socket as systemd has them: whether the engine runs, and which flags it is started with."""

from __future__ import annotations

import re
import shlex
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, command
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

SERVICE = (
    "LoadState",
    "ActiveState",
    "MainPID",
    "ExecStart",
    "EnvironmentFiles",
    "FragmentPath",
    "DropInPaths",
    "ExecMainStartTimestampMonotonic",
)


# What the audit's collectors would find, without asking: the first word to the socket of a stopped engine starts it and its containers.
STOPPED = {"docker_engine": {"state": "stopped", "info": None}, "docker_containers": []}


class Unit(NamedTuple):
    """docker.service. arguments: dockerd's own; place: what gives it them, for people; started: which of its starts this is."""

    running: bool
    arguments: Tuple[str, ...]
    place: str
    started: str


def of(host: Any) -> Unit:
    """Return the unit. Raises ChangeError where dockerd is installed without one that systemd knows."""
    shown = _show(host, "docker.service", SERVICE)
    if shown.get("LoadState") != "loaded":
        raise ChangeError(
            "dockerd is installed, but systemd has no docker.service (%s): this role does not know how to reload it"
            % shown.get("LoadState", "unknown")
        )
    pid, running = shown.get("MainPID", "0"), shown.get("ActiveState") in ("active", "reloading")
    arguments = _arguments(host, pid) if running and pid != "0" else _would_be(host, shown)
    drop_ins = shown.get("DropInPaths", "").split()
    return Unit(
        running,
        tuple(arguments),
        "docker.service (%s)" % ", ".join([shown.get("FragmentPath", "")] + drop_ins),
        "%s %s" % (pid, shown.get("ExecMainStartTimestampMonotonic", "")),
    )


def sleeps(host: Any) -> bool:
    """Tell whether the engine is stopped, and a word to its socket would start it."""
    try:
        shown = _show(host, "docker.service", ("LoadState", "ActiveState"))
        waiting = _show(host, "docker.socket", ("LoadState", "ActiveState"))
    except ChangeError:
        return False  # without systemd nobody starts it
    return (
        shown.get("LoadState") == waiting.get("LoadState") == "loaded"
        and shown.get("ActiveState") in ("inactive", "failed")
        and waiting.get("ActiveState") == "active"
    )


def socket_mode(host: Any) -> Optional[int]:
    """Return the mode that systemd gives the socket, None where it makes none."""
    shown = _show(host, "docker.socket", ("LoadState", "SocketMode"))
    mode = shown.get("SocketMode", "")
    return int(mode, 8) if shown.get("LoadState") == "loaded" and re.match(r"[0-7]+$", mode) else None


def without(arguments: Sequence[str], name: str) -> List[str]:
    """Return arguments without a flag and its value."""
    out, skip = [], False
    for item in arguments:
        if skip or item.startswith("--%s=" % name):
            skip = False
        elif item == "--" + name:
            skip = True
        else:
            out.append(item)
    return out


def _show(host: Any, unit: str, names: Sequence[str]) -> Dict[str, str]:
    done = command(host, ["systemctl", "show", unit, "--property=" + ",".join(names)], timeout=10.0)
    out: Dict[str, str] = {}
    for line in done.out.splitlines():
        name, sign, value = line.partition("=")
        if sign:
            # Of several environment files, each has a line.
            out[name] = out[name] + "\n" + value if name in out else value
    return out


def _arguments(host: Any, pid: str) -> List[str]:
    try:
        return list(host.read("/proc/%s/cmdline" % pid).split("\0")[1:-1])
    except HostError as error:
        raise ChangeError("dockerd's own arguments cannot be read: %s" % error) from error


def _would_be(host: Any, shown: Dict[str, str]) -> List[str]:
    """Return the arguments that a stopped engine would be started with."""
    match = re.search(r"argv\[\]=(.*?) ; ", shown.get("ExecStart", ""))
    variables = _environment(host, shown.get("EnvironmentFiles", ""))
    out: List[str] = []
    for word in match.group(1).split()[1:] if match else []:
        name = re.match(r"\$\{?(\w+)\}?$", word)
        out += _words(variables.get(name.group(1), "")) if name else [word]
    return out


def _environment(host: Any, files: str) -> Dict[str, str]:
    out = {}
    for line in files.splitlines():
        try:
            text = host.read(line.partition(" (")[0])
        except HostError:
            continue  # systemd starts the engine without it, too, or not at all
        for name, value in re.findall(r"^\s*(\w+)=(.*)$", text, re.M):
            out[name] = " ".join(_words(value)) if value[:1] in "\"'" else value
    return out


def _words(text: str) -> List[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()

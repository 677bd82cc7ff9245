# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop the containers of the deployment for the time of a lockdown, remember them, and start exactly those again."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.lockdown_rules import CONTAINERS
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import (
    AMBIGUOUS,
    FOUND,
    LABEL,
    NONE,
    discover,
)
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line

SPEC = {
    "state": {"type": "str", "choices": ["stopped", "started"], "required": True},
    "project_dir": {"type": "str"},
}
GRACE = 10  # seconds that Docker gives a container to end by itself where nothing else is said
ROOM = 60.0  # seconds on top, for an engine under load
TASKS = "/run/docker/runtime-runc/moby"  # one folder for each that runs

Container = Mapping[str, Any]


def work(host: Any, changes: Changes, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Be the module: return the names of the containers that were stopped, or started, and what there is to say."""
    if params["state"] == "started":
        return _start(host, changes)
    return _stop(host, changes, params["project_dir"])


# -- pure ------------------------------------------------------------------------------------------------------------


def name(container: Container) -> str:
    """Return a container's name."""
    return str(container.get("Name") or container["Id"]).lstrip("/")


def running(containers: Sequence[Container], project: str) -> List[Container]:
    """Return the containers of a project that run. One that restarts over and over would run again in a moment."""
    return [
        item
        for item in containers
        if _label(item, "project") == project
        and any((item.get("State") or {}).get(state) for state in ("Running", "Restarting"))
    ]


def waves(containers: Sequence[Container]) -> List[List[Container]]:
    """Return the containers in the order of a start: what a wave depends on is in those before it."""
    left = list(containers)
    out: List[List[Container]] = []
    while left:
        waiting = {_label(item, "service") for item in left}
        ready = [item for item in left if not (_needs(item) & waiting) - {_label(item, "service")}]
        out.append(ready or left)  # a circle starts as one
        left = [item for item in left if item not in out[-1]]
    return out


def _needs(container: Container) -> set:
    # service:condition:restart,…
    return {word.partition(":")[0] for word in _label(container, "depends_on").split(",")} - {""}


def _label(container: Container, key: str) -> str:
    return str(((container.get("Config") or {}).get("Labels") or {}).get(LABEL + key) or "")


# -- on the host -----------------------------------------------------------------------------------------------------


def _stop(host: Any, changes: Changes, project_dir: Any) -> Dict[str, Any]:
    containers = _inspect(host)
    found = discover(host, containers, project_dir or None)
    if found.state == AMBIGUOUS or (project_dir and found.state not in (FOUND, NONE)):
        raise ChangeError(found.message)
    if found.project is None:
        return {"containers": [], "note": found.message or "no container of the deployment runs on this host"}
    stopping = running(containers, found.project)
    if not stopping:
        return {"containers": [], "note": "no container of %s runs" % found.project}
    remembered = {item["id"]: item["name"] for item in _remembered(changes)}
    remembered.update({str(item["Id"]): name(item) for item in stopping})
    # Before the first one stops: whatever comes in between, it is known which to start again.
    _remember(host, changes, remembered)
    for wave in reversed(waves(stopping)):
        longest = max(_grace(item) for item in wave)
        changes.run(
            ["docker", "stop"] + [str(item["Id"]) for item in wave],
            "stopped: %s" % ", ".join(sorted(map(name, wave))),
            timeout=longest + ROOM,
        )
    return {"containers": sorted(map(name, stopping)), "note": ""}


def _start(host: Any, changes: Changes) -> Dict[str, Any]:
    remembered = {item["id"]: item["name"] for item in _remembered(changes)}
    if not remembered:
        changes.absent(CONTAINERS)
        return {"containers": [], "note": ""}
    there = {str(item["Id"]): item for item in _inspect(host)}
    starting = [
        there[each] for each in remembered if each in there and not (there[each].get("State") or {}).get("Running")
    ]
    for wave in waves(starting):
        changes.run(
            ["docker", "start"] + [str(item["Id"]) for item in wave],
            "started: %s" % ", ".join(sorted(map(name, wave))),
            timeout=ROOM,
        )
    changes.absent(CONTAINERS)
    gone = sorted(remembered[each] for each in remembered if each not in there)
    note = "not there any more: %s; start the stack if they are missing" % ", ".join(gone) if gone else ""
    return {"containers": sorted(map(name, starting)), "note": note}


def _inspect(host: Any) -> List[Dict[str, Any]]:
    """Return docker inspect of all containers; none where there is no Docker. Raises ChangeError where it does not answer."""
    if host.which("docker") is None:
        return []
    try:
        listed = host.run(["docker", "ps", "--all", "--quiet", "--no-trunc"], timeout=20)
        if listed.rc != 0:
            if not _tasks(host):
                return []  # the engine is off, and has left nothing running
            raise ChangeError("docker does not answer: %s" % first_line(listed.err))
        ids = listed.out.split()
        if not ids:
            return []
        done = host.run(["docker", "inspect", "--type", "container"] + ids, timeout=30)
        # One that went in between is named on stderr, and the others are there all the same.
        return list(json.loads(done.out))
    except HostError as error:
        raise ChangeError("docker does not answer: %s" % (error.detail or error.reason)) from error
    except ValueError as error:
        raise ChangeError("docker inspect cannot be read: %s" % error) from error


def _tasks(host: Any) -> bool:
    """Return whether containers of Docker's run, with or without its engine."""
    try:
        return bool(host.listdir(TASKS))
    except NotFound:
        return False


def _grace(container: Container) -> float:
    given = (container.get("Config") or {}).get("StopTimeout")
    return float(given) if isinstance(given, int) and given >= 0 else GRACE


def _remembered(changes: Changes) -> List[Dict[str, str]]:
    text = changes.read(CONTAINERS)
    if text is None:
        return []
    try:
        return [{"id": str(item["id"]), "name": str(item["name"])} for item in json.loads(text)["stopped"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ChangeError(
            "%s cannot be read (%s): start the stack by hand, then remove that file" % (CONTAINERS, error)
        ) from error


def _remember(host: Any, changes: Changes, remembered: Mapping[str, str]) -> None:
    folder = os.path.dirname(CONTAINERS)
    try:
        host.stat(folder)
    except NotFound:
        changes.directory(folder)
    stopped = [{"id": each, "name": remembered[each]} for each in sorted(remembered, key=lambda key: remembered[key])]
    changes.file(CONTAINERS, json.dumps({"stopped": stopped}, indent=2) + "\n", 0o600)

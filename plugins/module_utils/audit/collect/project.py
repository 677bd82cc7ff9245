# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nself project of this host, in clear: where it is, what its env files say, what runs of it and what compose would start.

Hidden `project`: it holds every environment in clear. Other collectors find the container to ask here.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Level, Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.deployment import env_chain
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import (
    FOUND,
    LABEL,
    NONE,
    Discovery,
    discover,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.hasura_flags import with_flags
from ansible_collections.nself.prod.plugins.module_utils.deployment.render import render
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv


@dataclass(frozen=True)
class Project:
    """A discovered project. chain: (environment, settings, files) of read_chain(); each part may be Unread instead.

    state: the discovery's, or Unread where Docker could not be asked and no folder was found.
    """

    found: Discovery
    state: Any
    chain: Any
    rendered: Any
    units: Any

    @property
    def settings(self) -> Mapping[str, env_chain.Setting]:
        """The merged settings in clear; empty where the files could not be read."""
        return {} if isinstance(self.chain, Unread) else self.chain[1]

    def running(self, role: str) -> List[Dict[str, Any]]:
        """Return the running units of a role, in clear. Raises Missing where it is not known what runs."""
        if isinstance(self.units, Unread):
            raise Missing("deployment.units", self.units.reason, self.units.detail)
        return [unit for unit in self.units if unit["role"] == role and unit["level"] == Level.RUNNING]


def collect(host: Any, need: Any) -> Project:
    """Find the project and read it."""
    containers = attempt(lambda: need("docker_containers"))
    found = discover(host, [] if isinstance(containers, Unread) else containers, need.options.project_dir)
    if found.state == NONE:
        # Without Docker's word nobody can say that nothing runs.
        lost = containers if isinstance(containers, Unread) else None
        return Project(found, lost or NONE, ("", {}, []), None, lost or [])
    if found.state != FOUND:
        lost = Unread(Reason.ERROR, found.message)
        return Project(found, found.state, lost, None, lost)
    chain = attempt(lambda: read_chain(host, str(found.directory)))
    running = attempt(lambda: need("container_units"))
    # An engine that does not answer leaves everything unknown, and its compose plugin would hang as well.
    rendered = running if isinstance(running, Unread) else attempt(lambda: _rendered(host, found, chain))
    return Project(found, FOUND, chain, rendered, attempt(lambda: _units(running, found, rendered)))


def read_chain(host: Any, directory: str) -> Tuple[str, Dict[str, env_chain.Setting], List[Dict[str, Any]]]:
    """Return the environment's name, its merged settings, and each file with its unreadable lines.

    Raises HostError where a file that is there cannot be read: what it holds may win.
    """

    def parsed(name: str) -> dotenv.Dotenv:
        return dotenv.parse(host.read(posixpath.join(directory, name)))

    try:
        own = parsed(".env").values
    except NotFound:
        own = {}
    environment = env_chain.environment_name(own, {name: host.variable(name) for name in env_chain.SELECTORS[:2]})
    files, read = [], []
    for name in env_chain.files_of(environment):
        try:
            result = parsed(name)
        except NotFound:
            continue
        read.append((name, result.values))
        files.append({"name": name, "errors": [{"line": line, "problem": problem} for line, problem in result.errors]})
    return environment, env_chain.merge(read), files


def _rendered(host: Any, found: Discovery, chain: Any) -> List[Dict[str, Any]]:
    """Return the units, in clear, that compose would start."""
    if not found.files:
        return []
    if isinstance(chain, Unread):
        raise Missing("deployment.units", chain.reason, chain.detail)
    for file in chain[2]:
        for error in file["errors"]:
            # Neither the shell nor compose reads such a file to its end, so what would start is not known.
            place = "%s/%s line %d" % (found.directory, file["name"], error["line"])
            raise Missing("deployment.units", Reason.PARSE_ERROR, "%s %s" % (place, error["problem"]))
    variables = {name: item.value for name, item in chain[1].items()}
    return render(host, str(found.directory), found.project, variables, found.files)


def _units(started: Any, found: Discovery, rendered: Any) -> List[Dict[str, Any]]:
    """Return the units in clear: a running one for each running container, a rendered one for each other service."""
    if isinstance(started, Unread):
        raise Missing("deployment.units", started.reason, started.detail)
    running = [unit for unit in started if belongs(unit["labels"], found)]
    if isinstance(rendered, Unread):
        if not running:
            raise Missing("deployment.units", rendered.reason, rendered.detail)
        # What runs is known whatever the files say; what they would start besides stands in `rendered` as unread.
        rendered = []
    services = {unit["service"] for unit in running}
    units = running + [unit for unit in rendered if unit["service"] not in services]
    for unit in units:
        if unit["role"] == "hasura":
            unit["environment"] = with_flags(unit["environment"], " ".join(unit["argv"]))
    return units


def belongs(labels: Mapping[str, str], found: Discovery) -> bool:
    """Tell by its labels whether a container is one of the project's."""
    if found.project:
        return labels.get(LABEL + "project") == found.project
    return labels.get(LABEL + "project.working_dir") == found.directory


COLLECTORS = (Collector("project", collect, deadline=18.0, hidden=True),)

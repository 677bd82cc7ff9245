# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nself project of this host, in clear: where it is, what its env files say, what runs of it and what compose would start.

Hidden `project`: it holds every environment in clear. Other collectors find the container to ask here. Whoever asks for what runs
does not wait until compose has rendered the files: that is the hidden `project_rendered`.
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

FACT = "deployment.units"


@dataclass(frozen=True)
class Place:
    """Where the project is. chain: (environment, settings, files) of read_chain(), or Unread.

    state: the discovery's, or Unread where Docker could not be asked and no folder was found.
    """

    found: Discovery
    state: Any
    chain: Any


@dataclass(frozen=True)
class Project(Place):
    """A discovered project. started: its running units in clear, or Unread. need: the collectors' own."""

    started: Any
    need: Any

    @property
    def settings(self) -> Mapping[str, env_chain.Setting]:
        """The merged settings in clear; empty where the files could not be read."""
        return {} if isinstance(self.chain, Unread) else self.chain[1]

    @property
    def rendered(self) -> Any:
        """The units, in clear, that compose would start, or Unread; None without a project. Waits for compose."""
        if self.found.state != FOUND:
            return None
        # An engine that does not answer leaves everything unknown.
        return self.started if isinstance(self.started, Unread) else attempt(lambda: self.need("project_rendered"))

    @property
    def units(self) -> Any:
        """A running unit for each running container, a rendered one for each other service; or Unread. Waits for compose."""
        if self.found.state != FOUND or isinstance(self.started, Unread):
            return self.started
        rendered = self.rendered
        if isinstance(rendered, Unread):
            # What runs is known whatever the files say; what they would start besides stands in `rendered` as unread.
            return list(self.started) if self.started else rendered
        services = {unit["service"] for unit in self.started}
        return self.started + [_flagged(unit) for unit in rendered if unit["service"] not in services]

    def running(self, role: str) -> List[Dict[str, Any]]:
        """Return the running units of a role, in clear. Raises Missing where it is not known what runs."""
        # Where nothing runs, whether that is all there is depends on the files.
        units = self.started or self.units
        if isinstance(units, Unread):
            raise Missing(FACT, units.reason, units.detail)
        return [unit for unit in units if unit["role"] == role and unit["level"] == Level.RUNNING]


def collect_place(host: Any, need: Any) -> Place:
    """Find the project and read its env files."""
    containers = attempt(lambda: need("docker_containers"))
    found = discover(host, [] if isinstance(containers, Unread) else containers, need.options.project_dir)
    if found.state == NONE:
        # Without Docker's word nobody can say that nothing runs.
        return Place(found, containers if isinstance(containers, Unread) else NONE, ("", {}, []))
    if found.state != FOUND:
        return Place(found, found.state, Unread(Reason.ERROR, found.message))
    return Place(found, FOUND, attempt(lambda: read_chain(host, str(found.directory))))


def collect_rendered(host: Any, need: Any) -> List[Dict[str, Any]]:
    """Return the units, in clear, that compose would start."""
    place = need("project_place")
    if place.found.state != FOUND:
        return []
    need("docker_containers")  # the compose plugin of an engine that does not answer would hang as well
    return _rendered(host, place.found, place.chain)


def collect(_host: Any, need: Any) -> Project:
    """Return the project with what runs of it."""
    place = need("project_place")
    started: Any
    if place.found.state == FOUND:
        started = attempt(lambda: need("container_units"))
        if not isinstance(started, Unread):
            started = [_flagged(unit) for unit in started if belongs(unit["labels"], place.found)]
    elif place.found.state == NONE:
        started = place.state if isinstance(place.state, Unread) else []
    else:
        started = place.chain
    return Project(place.found, place.state, place.chain, started, need)


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
        raise Missing(FACT, chain.reason, chain.detail)
    for file in chain[2]:
        for error in file["errors"]:
            # Neither the shell nor compose reads such a file to its end, so what would start is not known.
            place = "%s/%s line %d" % (found.directory, file["name"], error["line"])
            raise Missing(FACT, Reason.PARSE_ERROR, "%s %s" % (place, error["problem"]))
    variables = {name: item.value for name, item in chain[1].items()}
    return render(host, str(found.directory), found.project, variables, found.files)


def _flagged(unit: Dict[str, Any]) -> Dict[str, Any]:
    """Return a unit whose environment says what Hasura was told by flags, too."""
    if unit["role"] != "hasura":
        return unit
    return dict(unit, environment=with_flags(unit["environment"], " ".join(unit["argv"])))


def belongs(labels: Mapping[str, str], found: Discovery) -> bool:
    """Tell by its labels whether a container is one of the project's."""
    if found.project:
        return labels.get(LABEL + "project") == found.project
    return labels.get(LABEL + "project.working_dir") == found.directory


COLLECTORS = (
    Collector("project_place", collect_place, deadline=15.0, hidden=True),
    Collector("project_rendered", collect_rendered, deadline=18.0, hidden=True),
    Collector("project", collect, deadline=18.0, hidden=True),
)

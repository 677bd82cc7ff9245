# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the nself deployment of a host: as told, by Docker's compose labels, then in the folders that nself uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.deployment.compose import FILE_NAMES
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import is_nself
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound

KNOWN_FOLDERS = ("/var/www/nself", "/opt/nself")
LABEL = "com.docker.compose."

FOUND, NONE, AMBIGUOUS, INCOMPLETE = "found", "none", "ambiguous", "incomplete"


@dataclass(frozen=True)
class Discovery:
    """What was found. directory: where the project lives; project: its name where Docker knows it; message: for people."""

    state: str
    directory: Optional[str] = None
    project: Optional[str] = None
    candidates: Tuple[str, ...] = ()
    message: str = ""
    files: Tuple[str, ...] = ()


def discover(host: Any, containers: List[Dict[str, Any]], told: Optional[str]) -> Discovery:
    """Return the deployment. containers: docker inspect of all containers. Raises HostError for a folder that is not readable."""
    projects = labelled_projects(containers)
    if told:
        return _told(host, told.rstrip("/") or "/", projects)
    if len(projects) > 1:
        return _ambiguous("%s (%s)" % (project, folder) for folder, project in projects)
    if projects:
        return _folder(host, *projects[0])
    folders = _known_folders(host)
    if len(folders) > 1:
        return _ambiguous(folders)
    if folders:
        return _folder(host, folders[0], None)
    return Discovery(NONE, message="no nself deployment on this host")


def labelled_projects(containers: List[Dict[str, Any]]) -> List[Tuple[str, str]]:
    """Return (working directory, project name) of the compose projects that are nself, sorted."""
    services: Dict[Tuple[str, str], Dict[str, str]] = {}
    for item in containers:
        config = item.get("Config") or {}
        labels = config.get("Labels") or {}
        folder, project = labels.get(LABEL + "project.working_dir"), labels.get(LABEL + "project")
        if folder and project:
            services.setdefault((folder, project), {})[labels.get(LABEL + "service", "")] = str(
                config.get("Image") or ""
            )
    return sorted(place for place, found in services.items() if is_nself(found))


def _told(host: Any, folder: str, projects: List[Tuple[str, str]]) -> Discovery:
    try:
        if host.stat(folder).kind != "dir":
            return Discovery(
                INCOMPLETE, folder, message="nself_project_dir %s is not a directory on this host" % folder
            )
    except NotFound:
        return Discovery(INCOMPLETE, folder, message="nself_project_dir %s does not exist on this host" % folder)
    here = [(place, project) for place, project in projects if place in (folder, host.realpath(folder))]
    if len(here) > 1:
        return _ambiguous("%s (%s)" % (project, place) for place, project in here)
    return _folder(host, folder, here[0][1] if here else None)


def _folder(host: Any, folder: str, project: Optional[str]) -> Discovery:
    try:
        files = tuple(name for name in host.listdir(folder) if name in FILE_NAMES)
    except NotFound:
        files = ()
    if not files and project is None:
        return Discovery(INCOMPLETE, folder, message="%s has no docker-compose.yml: run `nself build` there" % folder)
    return Discovery(FOUND, folder, project, files=files)


def _known_folders(host: Any) -> List[str]:
    """Return the known folders, or folders in them, that hold a project; where none does, those that hold the beginning of one.

    A folder that cannot be listed may hold a project, so its HostError is the answer.
    """
    whole, begun = [], []
    for base in KNOWN_FOLDERS:
        try:
            names = host.listdir(base)
        except NotFound:
            continue
        if set(names) & set(FILE_NAMES):
            whole.append(base)
            continue
        inside = [base + "/" + name for name in names if _holds_project(host, base + "/" + name)]
        whole += inside
        if not inside and any(name.startswith(".env") for name in names):
            begun.append(base)
    return whole or begun


def _holds_project(host: Any, path: str) -> bool:
    try:
        return host.stat(path).kind == "dir" and bool(set(host.listdir(path)) & set(FILE_NAMES))
    except NotFound:
        return False


def _ambiguous(names: Any) -> Discovery:
    candidates = tuple(names)
    return Discovery(
        AMBIGUOUS,
        candidates=candidates,
        message="%d nself projects on this host: %s. Say which one with nself_project_dir"
        % (len(candidates), ", ".join(candidates)),
    )

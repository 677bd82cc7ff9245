# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a project's compose files as `nself start` would: by docker compose, else by the host's PyYAML."""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.deployment import compose
from ansible_collections.nself.prod.plugins.module_utils.deployment.interpolate import InterpolationError, interpolate
from ansible_collections.nself.prod.plugins.module_utils.deployment.yaml_reader import load
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line

RUNTIME_FILE = ".env.runtime"
# What `nself start` starts beside the services without a profile: the containers that prepare volumes and buckets.
OWN_PROFILES = ("init-containers",)
_NO_COMPOSE = re.compile(r"not a docker command|unknown command|unknown (shorthand )?flag|no such plugin", re.I)
FACT = "deployment.units"


def render(
    host: Any, directory: str, project: Optional[str], variables: Mapping[str, str], files: Sequence[str]
) -> List[Dict[str, Any]]:
    """Return the units that compose would start. variables: the merged env chain, which beats the files, as in nself.

    Raises Missing: parse_error for files that compose refuses, tool_absent where nothing on the host can read them.
    """
    profiles = list(OWN_PROFILES)
    profiles += [name.strip() for name in variables.get("COMPOSE_PROFILES", "").split(",") if name.strip()]
    # nself computes this name; a project whose services ask for it is refused by compose without it.
    name = project or variables.get("PROJECT_NAME") or posixpath.basename(directory)
    variables = dict({"DOCKER_NETWORK": name + "_network"}, **variables)
    model = _by_compose(host, directory, project, profiles, variables, files)
    try:
        if model is None:
            model = _by_yaml(host, directory, variables, files)
        return compose.units(model, directory, profiles)
    except (compose.ComposeError, InterpolationError) as error:
        raise Missing(FACT, Reason.PARSE_ERROR, "%s/%s: %s" % (directory, files[0], error)) from None


def _by_compose(
    host: Any,
    directory: str,
    project: Optional[str],
    profiles: Sequence[str],
    variables: Mapping[str, str],
    files: Sequence[str],
) -> Optional[Any]:
    """Return `docker compose config`, or None where this host has no docker compose."""
    argv = ["docker", "compose"]
    if project:
        argv += ["--project-name", project]
    for profile in profiles:
        argv += ["--profile", profile]
    env_file = next((name for name in (RUNTIME_FILE, ".env") if _exists(host, posixpath.join(directory, name))), None)
    if env_file:
        argv += ["--env-file", env_file]
    try:
        done = host.run(argv + ["config", "--format", "json"], timeout=8, env=dict(variables), cwd=directory)
    except HostError as error:
        if error.reason == Reason.TOOL_ABSENT:
            return None
        raise Missing(FACT, error.reason, "docker compose config: " + str(error)) from error
    if done.rc:
        problem = next(
            (line for line in done.err.splitlines() if "level=warning" not in line and line.strip()),
            "exit code %d" % done.rc,
        )
        if _NO_COMPOSE.search(done.err):
            return None
        raise Missing(
            FACT, Reason.PARSE_ERROR, "%s: docker compose config: %s" % (directory, unquoted(first_line(problem)))
        )
    try:
        return json.loads(done.out)
    except ValueError:
        raise Missing(FACT, Reason.PARSE_ERROR, "docker compose config printed no JSON") from None


def _by_yaml(host: Any, directory: str, variables: Mapping[str, str], files: Sequence[str]) -> Any:
    names = [files[0]] + [name for name in compose.OVERRIDE_NAMES if _exists(host, posixpath.join(directory, name))]
    model: Any = None
    for name in names:
        path = posixpath.join(directory, name)
        try:
            part = load(host.read(path), path)
        except HostError as error:
            raise error.missing(FACT) from error
        if isinstance(part, dict) and ("include" in part or _extends(part)):
            raise Missing(FACT, Reason.TOOL_ABSENT, path + " uses include or extends, which docker compose must read")
        model = part if model is None else compose.merge(model, part)
    return interpolate(model, variables)


def _extends(model: Dict[str, Any]) -> bool:
    services = model.get("services")
    return isinstance(services, dict) and any(
        isinstance(item, dict) and "extends" in item for item in services.values()
    )


def _exists(host: Any, path: str) -> bool:
    try:
        return bool(host.stat(path).kind == "file")
    except NotFound:
        return False


def unquoted(message: str) -> str:
    """Return an error message of compose without what it quotes: a quoted value may be a secret."""
    return re.sub(r"\"[^\"]*\"|'[^']*'|`[^`]*`", "…", message)

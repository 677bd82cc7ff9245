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
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv

# A compose file may include others from the network, which an audit has no business to fetch.
NO_REMOTES = {"COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false", "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false"}
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
    options = ["--project-name", project] if project else []
    for profile in profiles:
        options += ["--profile", profile]
    printed = ask_compose(host, options, ["config", "--format", "json"], env_file(variables), directory)
    if printed is None:
        return None
    try:
        # What is printed is meant to be read by compose again, so each $ stands doubled.
        return interpolate(json.loads(printed), {})
    except (ValueError, RecursionError):
        raise Missing(FACT, Reason.PARSE_ERROR, "docker compose config printed no JSON") from None


def ask_compose(
    host: Any, options: Sequence[str], command: Sequence[str], settings: str, directory: str
) -> Optional[str]:
    """Return what `docker compose` prints with these settings (the text of an env file); None where this host has none.

    Raises Missing for files that compose refuses.
    """
    # The settings go to compose as an env file on standard input. In the environment they would rule the command itself:
    # a PATH, HOME, LD_PRELOAD or DOCKER_CONFIG in the project's .env would make root run the project owner's program.
    argv = ["docker", "compose", *options, "--env-file", "/dev/stdin", *command]
    try:
        done = host.run(argv, timeout=8, stdin=settings, env=NO_REMOTES, cwd=directory)
    except HostError as error:
        if error.reason == Reason.TOOL_ABSENT:
            return None
        raise Missing(FACT, error.reason, "docker compose config: " + str(error)) from error
    if done.rc:
        if _NO_COMPOSE.search(done.err):
            return None
        # Only the place: what compose says of a broken file quotes the file, secrets too.
        place = re.search(r"\bline (\d+)\b", done.err)
        where = "line %s of a file" % place.group(1) if place else "its files"
        raise Missing(
            FACT,
            Reason.PARSE_ERROR,
            "docker compose refuses %s in %s: run `docker compose config -q` there" % (where, directory),
        )
    return str(done.out)


def _by_yaml(host: Any, directory: str, variables: Mapping[str, str], files: Sequence[str]) -> Any:
    model: Any = None
    for path in _compose_files(host, directory, variables, files):
        try:
            part = load(host.read(path), path)
        except HostError as error:
            raise error.missing(FACT) from error
        if isinstance(part, dict) and ("include" in part or _extends(part)):
            raise Missing(FACT, Reason.TOOL_ABSENT, path + " uses include or extends, which docker compose must read")
        model = part if model is None else compose.merge(model, part)
    model = interpolate(model, variables)
    for service in _services(model):
        service["environment"] = _environment(host, directory, service, variables)
    return model


def _compose_files(host: Any, directory: str, variables: Mapping[str, str], files: Sequence[str]) -> List[str]:
    """Return the files that compose would read: those of COMPOSE_FILE, else the project's own and its override."""
    told = variables.get("COMPOSE_FILE", "")
    if told:
        names = told.split(variables.get("COMPOSE_PATH_SEPARATOR") or ":")
        return [posixpath.join(directory, name) for name in names if name]
    overrides = [posixpath.join(directory, name) for name in compose.OVERRIDE_NAMES]
    return [posixpath.join(directory, files[0])] + [path for path in overrides if _exists(host, path)]


def _services(model: Any) -> List[Dict[str, Any]]:
    services = model.get("services") if isinstance(model, dict) else None
    return [item for item in services.values() if isinstance(item, dict)] if isinstance(services, dict) else []


def _environment(host: Any, directory: str, service: Dict[str, Any], variables: Mapping[str, str]) -> Dict[str, str]:
    """Return a service's environment with what its env_file adds and what it takes over from the chain by name."""
    out: Dict[str, str] = {}
    entries = service.get("env_file") or []
    for entry in entries if isinstance(entries, list) else [entries]:
        name, required = (entry.get("path"), entry.get("required", True)) if isinstance(entry, dict) else (entry, True)
        path = posixpath.join(directory, str(name))
        try:
            parsed = dotenv.parse(host.read(path))
        except NotFound:
            if required:
                raise Missing(FACT, Reason.PARSE_ERROR, path + ", an env_file, does not exist") from None
            continue
        except HostError as error:
            raise error.missing(FACT) from error
        if parsed.errors:
            raise Missing(FACT, Reason.PARSE_ERROR, "%s line %d %s" % ((path,) + parsed.errors[0]))
        out.update(parsed.values)
    given = service.get("environment") or {}
    pairs = given.items() if isinstance(given, dict) else (str(item).partition("=")[::2] for item in given)
    bare = {str(item) for item in given if "=" not in str(item)} if isinstance(given, list) else set()
    for name, value in pairs:
        if value is None or name in bare:
            # compose asks its own environment, which nself fills with the chain
            if name in variables:
                out[str(name)] = variables[name]
        else:
            out[str(name)] = compose.scalar(value)
    return out


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


def env_file(variables: Mapping[str, str]) -> str:
    """Return variables as an env file that compose reads literally, whatever the values hold."""
    lines = []
    for name, value in variables.items():
        if not re.match(r"^[A-Za-z_][A-Za-z0-9_.]*$", name):
            continue  # compose refuses such a name, and nothing can refer to it
        if "'" in value:
            escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n")
            lines.append('%s="%s"' % (name, escaped))
        else:
            lines.append("%s='%s'" % (name, value))
    return "\n".join(lines) + "\n"

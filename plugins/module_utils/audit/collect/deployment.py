# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nself deployment: where it is, what its env files declare, and its units, without a secret.

Facts `deployment`: state, directory, project, environment, candidates, message, env_files[], settings{}, units[], host_argv[].
"""

from __future__ import annotations

import posixpath
import re
from typing import Any, Dict, Iterable, List, Mapping, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer, raw_secrets
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.plain_settings import PLAIN
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import is_secret_name
from ansible_collections.nself.prod.plugins.module_utils.deployment import env_chain
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import (
    FOUND,
    LABEL,
    NONE,
    Discovery,
    discover,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.render import render
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv

SHORTEST_SEARCHED = 8  # characters: a shorter secret would be found in ordinary words


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the deployment's facts."""
    containers = attempt(lambda: need("docker_containers"))
    found = discover(host, [] if isinstance(containers, Unread) else containers, need.options.project_dir)
    facts = {
        "state": found.state,
        "directory": found.directory,
        "project": found.project,
        "candidates": list(found.candidates),
        "message": found.message,
    }  # type: Dict[str, Any]
    if found.state == NONE:
        # Without Docker's word nobody can say that nothing runs.
        units: Any = containers if isinstance(containers, Unread) else []
        if isinstance(units, Unread):
            facts["state"] = units
        return dict(facts, environment=None, settings={}, env_files=[], units=units, host_argv=[])
    if found.state != FOUND:
        lost = Unread(Reason.ERROR, found.message)
        return dict(facts, environment=None, settings=lost, env_files=lost, units=lost, host_argv=lost)
    return dict(facts, **_of_project(host, need, found))


def _of_project(host: Any, need: Any, found: Discovery) -> Dict[str, Any]:
    directory = str(found.directory)
    reducer = Reducer(need.options.fingerprint_key)
    chain = attempt(lambda: read_chain(host, directory))
    running = attempt(lambda: need("container_units"))
    # An engine that does not answer leaves everything unknown, and its compose plugin would hang as well.
    rendered = running if isinstance(running, Unread) else attempt(lambda: _rendered(host, found, chain))
    clear = attempt(lambda: _units(running, found, rendered))
    out: Dict[str, Any] = dict.fromkeys(("environment", "settings", "env_files"), chain)
    out.update(units=clear, host_argv=clear, rendered=rendered if isinstance(rendered, Unread) else None)
    settings: Mapping[str, env_chain.Setting] = {}
    if not isinstance(chain, Unread):
        environment, settings, out["env_files"] = chain
        out["environment"] = environment
        out["project"] = found.project or (
            settings["PROJECT_NAME"].value if "PROJECT_NAME" in settings else posixpath.basename(directory)
        )
        out["settings"] = {
            name: {"value": reducer.value(name, item.value), "file": item.file, "others": list(item.others)}
            for name, item in sorted(settings.items())
        }
    if isinstance(clear, Unread):
        return out
    secrets = _searchable(clear, settings)
    images = attempt(lambda: need("docker_images"))
    inside = {pid for unit in clear for pid in unit.get("pids", [])}
    out["units"] = [_public(host, unit, reducer, secrets, images) for unit in clear]
    out["host_argv"] = attempt(lambda: _host_argv(host, inside, secrets))
    return out


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
    variables = {name: item.value for name, item in chain[1].items()}
    return render(host, str(found.directory), found.project, variables, found.files)


def _units(started: Any, found: Discovery, rendered: Any) -> List[Dict[str, Any]]:
    """Return the units in clear: a running one for each running container, a rendered one for each other service."""
    if isinstance(started, Unread):
        raise Missing("deployment.units", started.reason, started.detail)
    running = [unit for unit in started if _belongs(unit["labels"], found)]
    if isinstance(rendered, Unread):
        if not running:
            raise Missing("deployment.units", rendered.reason, rendered.detail)
        # What runs is known whatever the files say; what they would start besides stands in `rendered` as unread.
        return running
    services = {unit["service"] for unit in running}
    return running + [unit for unit in rendered if unit["service"] not in services]


def _belongs(labels: Mapping[str, str], found: Discovery) -> bool:
    if found.project:
        return labels.get(LABEL + "project") == found.project
    return labels.get(LABEL + "project.working_dir") == found.directory


def _searchable(units: Iterable[Mapping[str, Any]], settings: Mapping[str, env_chain.Setting]) -> Dict[str, str]:
    """Return {secret text: name} of every secret of the deployment that is long enough to be searched for.

    A text that is also a harmless value, such as a user's name, is no secret to look for: others tell that it is weak.
    """
    pairs = [(name, value) for unit in units for name, value in unit["environment"].items()]
    pairs += [(name, item.value) for name, item in settings.items()]
    harmless = {value for name, value in pairs if name in PLAIN or not is_secret_name(name)}
    out: Dict[str, str] = {}
    # Called by the secret's own name rather than by a URL that holds it.
    for name, value in sorted(pairs, key=lambda pair: (not is_secret_name(pair[0]), pair)):
        for text, origin in raw_secrets(name, value).items():
            if len(text) >= SHORTEST_SEARCHED and text not in harmless and "${" not in text:
                out.setdefault(text, origin)
    return out


def _public(
    host: Any, unit: Mapping[str, Any], reducer: Reducer, secrets: Mapping[str, str], images: Any
) -> Dict[str, Any]:
    """Return a unit that may leave the collectors: its environment reduced, its command lines searched and dropped."""
    out = {
        key: value for key, value in unit.items() if key not in ("environment", "argv", "pids", "labels", "image_id")
    }
    out["env"] = reducer.environment(unit["environment"])
    texts = list(unit["argv"]) + [_cmdline(host, pid) for pid in unit.get("pids", [])]
    out["argv_secrets"] = names_in(texts, secrets)
    out["image_secrets"] = _image_secrets(unit, images)
    return out


def names_in(texts: Iterable[str], secrets: Mapping[str, str]) -> List[str]:
    """Return the names of the secrets that stand in these texts as a word of their own, sorted."""
    whole = "\0".join(texts)
    return sorted(
        {
            name
            for text, name in secrets.items()
            if text in whole and re.search(r"(?<![A-Za-z0-9])" + re.escape(text) + r"(?![A-Za-z0-9])", whole)
        }
    )


def _image_secrets(unit: Mapping[str, Any], images: Any) -> Any:
    if "image_id" not in unit:
        return []
    if isinstance(images, Unread):
        return images
    pairs = (pair.split("=", 1) for pair in ((images.get(unit["image_id"]) or {}).get("Config") or {}).get("Env") or [])
    return sorted(pair[0] for pair in pairs if len(pair) == 2 and pair[1].strip() and is_secret_name(pair[0]))


def _cmdline(host: Any, pid: str) -> str:
    try:
        return str(host.read("/proc/%s/cmdline" % pid))
    except HostError:
        return ""  # it has ended


def _host_argv(host: Any, inside: "set[str]", secrets: Mapping[str, str]) -> List[Dict[str, Any]]:
    """Return the processes outside the project's containers whose command line shows one of its secrets."""
    out = []
    for pid in host.listdir("/proc") if secrets else []:
        if pid.isdigit() and pid not in inside:
            names = names_in([_cmdline(host, pid)], secrets)
            if names:
                out.append({"process": _comm(host, pid), "secrets": names})
    return sorted(out, key=lambda item: (item["process"], item["secrets"]))


def _comm(host: Any, pid: str) -> str:
    try:
        return str(host.read("/proc/%s/comm" % pid)).strip()
    except HostError:
        return "a process that ended"


COLLECTORS = (Collector("deployment", collect, deadline=20.0),)

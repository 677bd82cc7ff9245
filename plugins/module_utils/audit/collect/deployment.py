# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nself deployment: where it is, what its env files declare, and its units, without a secret.

Facts `deployment`: state, directory, project, environment, candidates, message, env_files[], settings{}, units[], host_argv[],
followed{} (settings that a hardening role has made true: its value then, and the role).
"""

from __future__ import annotations

import posixpath
import re
from typing import Any, Dict, Iterable, List, Mapping

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer, raw_secrets
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.plain_settings import PLAIN
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import is_secret_name
from ansible_collections.nself.prod.plugins.module_utils.deployment import env_chain
from ansible_collections.nself.prod.plugins.module_utils.deployment.compose import OVERRIDE_NAMES
from ansible_collections.nself.prod.plugins.module_utils.deployment.followed import followed
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound

# What only collectors need of a unit, or may see.
PRIVATE = ("environment", "argv", "pid", "pids", "id", "labels", "image_id", "addresses")
SHORTEST_SEARCHED = 8  # characters: a shorter secret would be found in ordinary words


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the deployment's facts."""
    project = need("project")
    found, chain = project.found, project.chain
    reducer = Reducer(need.options.fingerprint_key)
    facts: Dict[str, Any] = {
        "state": project.state,
        "directory": found.directory,
        "project": found.project,
        "candidates": list(found.candidates),
        "message": found.message,
        "rendered": project.rendered if isinstance(project.rendered, Unread) else None,
        "units": project.units,
        "host_argv": project.units,
    }
    facts.update(dict.fromkeys(("environment", "settings", "env_files"), chain))
    if not isinstance(chain, Unread):
        facts["environment"], settings, facts["env_files"] = chain
        facts["settings"] = {
            name: {
                "value": reducer.value(name, item.value),
                "file": item.file,
                "others": list(item.others),
                "differing": list(item.differing),
            }
            for name, item in sorted(settings.items())
        }
        facts["followed"] = attempt(lambda: _followed(host, found.directory, reducer))
        if found.directory:
            named = (
                settings["PROJECT_NAME"].value if "PROJECT_NAME" in settings else posixpath.basename(found.directory)
            )
            facts["project"] = found.project or named
    if isinstance(project.units, Unread):
        return facts
    secrets = _searchable(project.units, project.settings)
    images = attempt(lambda: need("docker_images"))
    inside = {pid for unit in project.units for pid in unit.get("pids", [])}
    facts["units"] = [_public(host, unit, reducer, secrets, images) for unit in project.units]
    facts["host_argv"] = attempt(lambda: _host_argv(host, inside, secrets))
    return facts


def _followed(host: Any, directory: Any, reducer: Reducer) -> Dict[str, Any]:
    out: Dict[str, Any] = {}
    for name in OVERRIDE_NAMES if directory else ():
        try:
            found = followed(host.read(posixpath.join(directory, name)))
        except NotFound:
            continue
        out.update({key: {"value": reducer.value(key, value), "role": role} for key, (role, value) in found.items()})
    return out


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
    out["argv_secrets"] = sorted(set(names_in(texts, secrets)) | set(passed_in(texts)))
    out["image_secrets"] = _image_secrets(unit, images)
    return out


# How programs are handed a secret on their command line, with a value that is no variable for the shell to fill in.
_PASSED = re.compile(
    r"(?:^|[\s\0\"'])(?:(--?(?:requirepass|masterauth|password|pass|admin-secret|secret-key|master-key|jwt-secret|token))[=\s\0]"
    r"|([A-Z0-9_]*(?:PASSWORD|PASSWD|SECRET|TOKEN))=)[\"']?(?![\s\0\"'$-])"
)

# MinIO's client takes them by their place: mc alias set NAME URL ACCESS-KEY SECRET-KEY.
_MINIO_CLIENT = re.compile(
    r"\bmc[ \t]+(?:alias[ \t]+set|config[ \t]+host[ \t]+add)(?:[ \t]+[^\s;|&<>-][^\s;|&<>]*){3}[ \t]+[\"']?[^\s\"'$;|&<>-]"
)


def passed_in(texts: Iterable[str]) -> List[str]:
    """Return the flags and assignments by which these command lines hand over a secret."""
    found = [flag or name for text in texts for flag, name in _PASSED.findall(text)]
    return found + ["mc's access and secret key" for text in texts if _MINIO_CLIENT.search(text)]


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

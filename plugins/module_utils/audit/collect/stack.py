# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are the project's containers those that its files describe, and are they well?

Compose labels each container with a hash of the service that it was made from; `docker compose config --hash` says what that would be
now. A hash is made of the whole service, its secrets too, so the facts hold the comparison and never a hash.

Facts `stack`: containers[] of {service, name, state, health, restart, config}; config is same, differs or gone. absent[]: services that
compose would start and that have no container.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.project import belongs, read_chain
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.deployment.compose import FILE_NAMES, OVERRIDE_NAMES
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import FOUND, LABEL, NONE, discover
from ansible_collections.nself.prod.plugins.module_utils.deployment.render import OWN_PROFILES, ask_compose, env_file
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound

FACT = "stack.containers"
# What a container was started from: files, env files, folder. A project has one such set, or a second after a partial update.
SOURCES = ("project.config_files", "project.environment_file", "project.working_dir")
MOST_SOURCES = 3
WAS = "/etc/nself-prod/was.yml"  # how a rollback of the hardening made containers that were not as their files say; gone since
RUNTIME = ".env.runtime"  # nself writes it at each start, out of its chain of env files
SAME, DIFFERS, GONE = "same", "differs", "gone"
_HASH = re.compile(r"^(\S+) ([0-9a-f]{64})$", re.M)


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts. Raises Missing where it is not known which project this is."""
    containers = need("docker_containers")
    # Found here once more, for little, rather than waiting until the project is rendered: compose runs beside that.
    found = discover(host, containers, need.options.project_dir)
    if found.state == NONE:
        return {"containers": [], "absent": []}
    if found.state != FOUND:
        raise Missing(FACT, Reason.ERROR, found.message)
    mine = [item for item in containers if belongs(_labels(item), found) and not _is_oneoff(item)]
    hashes: Dict[Tuple[str, ...], Any] = {}
    for source, labels in {_source(item): _labels(item) for item in mine}.items():
        if len(hashes) < MOST_SOURCES:
            hashes[source] = _attempted(host, labels)
        else:
            hashes[source] = Unread(Reason.ERROR, "its containers were started from many sets of files")
    version = Version(host)
    out = [_container(item, hashes[_source(item)], version) for item in mine]
    return {"containers": out, "absent": attempt(lambda: _absent(need, {str(item["service"]) for item in out}))}


def _absent(need: Any, there: Set[str]) -> List[str]:
    """Return the services that have no container. What only a profile starts, such as nself's own preparations, may have none."""
    rendered = need("project").rendered
    if isinstance(rendered, Unread):
        raise Missing("stack.absent", rendered.reason, rendered.detail)
    return sorted({str(unit["service"]) for unit in rendered or [] if not unit["profiles"]} - there)


def _labels(item: Mapping[str, Any]) -> Dict[str, str]:
    return (item.get("Config") or {}).get("Labels") or {}


def _is_oneoff(item: Mapping[str, Any]) -> bool:
    """Tell whether somebody started a container by `docker compose run`."""
    return _labels(item).get(LABEL + "oneoff") == "True"


def _source(item: Mapping[str, Any]) -> Tuple[str, ...]:
    labels = _labels(item)
    return tuple(labels.get(LABEL + name, "") for name in SOURCES)


def _attempted(host: Any, labels: Mapping[str, str]) -> Any:
    return attempt(lambda: expected(host, labels))


def expected(host: Any, labels: Mapping[str, str]) -> Dict[str, List[str]]:
    """Return {service: hashes} as compose would start the services now, by the files named in a container's labels.

    Several hashes where the labels name no env file: compose may have read the folder's own .env, or nself's chain.
    """
    files, env_files, folder = (labels.get(LABEL + name, "") for name in SOURCES)
    if not folder:
        raise Missing(FACT, Reason.ERROR, "its labels do not say where its files are")
    options = ["--project-name", labels[LABEL + "project"], "--project-directory", folder]
    options += _file_options(folder, [name for name in files.split(",") if name not in ("", WAS)])
    for profile in ("*",) + OWN_PROFILES:
        options += ["--profile", profile]
    if env_files:
        # Of two files the later wins, as of two lines.
        names = [name for name in env_files.split(",") if name]
        read = [host.read(posixpath.join(folder, name)) for name in names]
        # What nself wrote at the last start says what was started. What would be is said by the chain, which wins.
        made = any(posixpath.basename(name) == RUNTIME for name in names)
        texts = ["\n".join(read + ([_chain(host, folder)] if made else []))]
    else:
        texts = [_own_env(host, folder), _chain(host, folder)]
    out: Dict[str, List[str]] = {}
    for text in dict.fromkeys(texts):
        printed = ask_compose(host, options, ["config", "--hash", "*"], text, folder)
        if printed is None:
            raise Missing(FACT, Reason.TOOL_ABSENT, "docker compose is not installed")
        for service, digest in _HASH.findall(printed):
            out.setdefault(service, []).append(digest)
    if not out:
        raise Missing(FACT, Reason.PARSE_ERROR, "docker compose config --hash printed no hashes")
    return out


def _file_options(folder: str, files: Sequence[str]) -> List[str]:
    """Return how compose is told its files: not at all where it had found them itself, so that it finds a new override too."""
    usual = [posixpath.join(folder, name) for name in (*FILE_NAMES, *OVERRIDE_NAMES)]
    paths = [posixpath.join(folder, name) for name in files]
    return [] if all(path in usual for path in paths) else [word for path in paths for word in ("--file", path)]


def _chain(host: Any, folder: str) -> str:
    _environment, settings, files = read_chain(host, folder)
    for file in files:
        if file["errors"]:
            # Neither the shell nor compose reads such a file to its end.
            raise Missing(FACT, Reason.PARSE_ERROR, "%s/%s has lines that are no setting" % (folder, file["name"]))
    return env_file({name: item.value for name, item in settings.items()})


def _own_env(host: Any, folder: str) -> str:
    try:
        return str(host.read(posixpath.join(folder, ".env")))
    except NotFound:
        return ""


class Version:
    """The installed compose's version, asked for when somebody needs it: another one may hash the same service differently."""

    def __init__(self, host: Any) -> None:
        self._host = host
        self._text: Any = None

    def get(self) -> str:
        """Return the version. Raises Missing."""
        if self._text is None:
            self._text = attempt(self._ask)
        if isinstance(self._text, Unread):
            raise Missing(FACT, self._text.reason, self._text.detail)
        return str(self._text)

    def _ask(self) -> str:
        done = self._host.run(["docker", "compose", "version", "--short"], timeout=5)
        if done.rc or not number(done.out):
            raise Missing(FACT, Reason.ERROR, "docker compose does not tell its version")
        return number(done.out)


def number(text: str) -> str:
    """Return a version without what a distribution adds to it: v2.26.1-4 is 2.26.1."""
    found = re.match(r"v?(\d+\.\d+\.\d+)", text.strip())
    return found.group(1) if found else ""


def _container(item: Mapping[str, Any], hashes: Any, version: Version) -> Dict[str, Any]:
    state = item.get("State") or {}
    labels = _labels(item)
    return {
        "service": labels.get(LABEL + "service", ""),
        "name": str(item.get("Name", "")).lstrip("/"),
        "state": str(state.get("Status") or ""),
        "health": str((state.get("Health") or {}).get("Status") or "none"),
        "restart": str(((item.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name") or "no"),
        "config": hashes if isinstance(hashes, Unread) else attempt(lambda: _compared(labels, hashes, version)),
    }


def _compared(labels: Mapping[str, str], hashes: Mapping[str, List[str]], version: Version) -> str:
    """Return whether a container is what its files describe. Raises Missing where a difference proves nothing."""
    was: Optional[str] = labels.get(LABEL + "config-hash")
    if not was:
        raise Missing(FACT, Reason.ERROR, "it has no label with the hash of its service")
    now = hashes.get(labels.get(LABEL + "service", ""))
    if now and was in now:
        return SAME
    if not labels.get(LABEL + "project.environment_file"):
        raise Missing(FACT, Reason.ERROR, "it does not say with which env file it was started")
    if not now:
        return GONE
    made_by = number(labels.get(LABEL + "version", ""))
    if made_by != version.get():
        detail = "it was started by docker compose %s, and %s is installed" % (made_by or "?", version.get())
        raise Missing(FACT, Reason.ERROR, detail)
    return DIFFERS


COLLECTORS = (Collector("stack", collect, deadline=19.0),)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment that is to be changed, as it runs and as its files say it: what the parts read.

Everything here holds secrets in clear and stays on the host.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import shutil
import tempfile
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import containers, docker, project
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Options
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import is_secret_name
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, text_of
from ansible_collections.nself.prod.plugins.module_utils.change.patient import Patient
from ansible_collections.nself.prod.plugins.module_utils.change.sources import Sources
from ansible_collections.nself.prod.plugins.module_utils.change.stack import compose_files, env_places, reach
from ansible_collections.nself.prod.plugins.module_utils.change.stack import override as overrides
from ansible_collections.nself.prod.plugins.module_utils.change.stack.compose_cli import Compose
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Replace, ReplaceMap, literal
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import FOUND, LABEL, NONE
from ansible_collections.nself.prod.plugins.module_utils.deployment.env_chain import files_of_1x
from ansible_collections.nself.prod.plugins.module_utils.deployment.render import OWN_PROFILES
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import role_of
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, HostError, exists
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv

RUNTIME = ".env.runtime"  # what `nself start` merges and starts the stack with
FIXED = ("ipv4_address", "ipv6_address")  # what two containers of a network cannot both have
LATER = "the env files as nself 1.x reads them"
_COLLECTORS = tuple(collector for module in (docker, containers, project) for collector in module.COLLECTORS)
SHORTEST = 6  # characters of a secret that is looked for in what a program says


class Stack:
    """One project. See find(); the attributes hold what was there when it was read.

    services: those of the compose model of the generated files and of the user's own override, without our documents, filled in as the stack
    was started; raw: the same, not filled in; variables: the env chain, with the env files that the stack was started with over it;
    override: the override file in its pieces; override_path: where it is; cli: compose with the files as they lay when they were looked at.
    """

    def __init__(
        self,
        host: Any,
        directory: str,
        project_name: str,
        inspected: Sequence[Mapping[str, Any]],
        chain: Mapping[str, str],
    ) -> None:
        self.host = host
        self.directory = directory
        self.project = project_name
        self.chain = dict(chain)
        self._containers = {str(compose_files.labels(item).get(LABEL + "service")): dict(item) for item in inspected}
        self._images: Dict[str, Dict[str, Any]] = {}
        self.base, self.override_path = compose_files.files(host, directory, inspected)
        self.env_files = compose_files.env_files(host, directory, inspected)
        self.variables = dict(self.chain)
        for path in self.env_files:
            self.variables.update(dotenv.parse(text_of(host, path) or "").values)
        profiles = list(OWN_PROFILES)
        profiles += [name.strip() for name in self.variables.get("COMPOSE_PROFILES", "").split(",") if name.strip()]
        self.override_text = text_of(host, self.override_path)
        overrides.refuse(self.override_text or "", self.override_path)
        self.override = overrides.split(self.override_text)
        self.stand_in = ""  # an override that is taken instead of the one that lies there, which compose refuses
        self.cli = Compose(host, directory, project_name, self.base, self.env_files, profiles)
        self.cli = self.on_disk()
        self.services: Dict[str, Dict[str, Any]] = {}
        self.raw: Dict[str, Dict[str, Any]] = {}

    # -- reading -----------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Render the models. Raises ChangeError where compose refuses the generated files or the user's own override."""
        generated = self.cli.but(files=self.base)
        model, raw = generated.models()
        self.override.first = first_document(model, raw)
        yours = overrides.Override(self.override.first, self.override.yours, {"none": ""}, self.override.below)
        if overrides.has_content(self.override.yours) or self.override.below.strip():
            with self.scratch() as folder:
                path = folder + "/override.yml"
                write_private(path, overrides.join(yours, ()))
                with_yours = self.cli.but(files=self.base + [path])
                try:
                    model, raw = with_yours.models()
                except ChangeError as error:
                    raise ChangeError(
                        "your own content of %s is not valid: %s"
                        % (self.override_path, str(error).replace(path, self.override_path))
                    ) from None
        self.services = model.get("services") or {}
        self.raw = raw.get("services") or {}

    def unread(self) -> str:
        """Return why the project's next start does not read the override as it is meant, and what to do; "" where it does."""
        return compose_files.unread(self, list(self._containers.values()))

    def on_disk(self) -> Compose:
        """Return compose with the files as they lie now: with the override where there is one."""
        there = [self.stand_in or self.override_path] if exists(self.host, self.override_path) else []
        return self.cli.but(files=self.base + there)

    def defined(self) -> Set[str]:
        """Return every service that the generated files and the user's own override have, those of profiles that are not used among them."""
        own = overrides.Override(self.override.first, self.override.yours, {"none": ""}, self.override.below)
        with self.scratch() as folder:
            path = folder + "/override.yml"
            write_private(path, overrides.join(own, ()))
            cli = self.cli.but(files=self.base + [path])
            profiles = cli.ask("config", "--profiles").split()
            return set(cli.but(profiles=profiles).ask("config", "--services").split())

    def of(self, role: str) -> List[str]:
        """Return the services of a role, as deployment/roles.py names them."""
        return [name for name, item in self.services.items() if role_of(name, str(item.get("image") or "")) == role]

    def role(self, service: str) -> str:
        """Return a service's role, "" where it has none of its own."""
        return role_of(service, str(self.services.get(service, {}).get("image") or ""))

    def inspect(self, service: str) -> Optional[Dict[str, Any]]:
        """Return docker inspect of a service's container, None where it has none."""
        return self._containers.get(service)

    def started(self) -> Dict[str, str]:
        """Return {service: role} of the services that have a container."""
        images = {name: str((item.get("Config") or {}).get("Image") or "") for name, item in self._containers.items()}
        return {name: role_of(name, image) for name, image in images.items()}

    def config_hash(self, service: str) -> Optional[str]:
        """Return the hash of the configuration that a service's container was made from, None where it has no container."""
        return compose_files.labels(self.inspect(service) or {}).get(LABEL + "config-hash")

    def running(self, service: str) -> bool:
        """Tell whether a service's container runs."""
        return bool(((self.inspect(service) or {}).get("State") or {}).get("Running"))

    def steady(self, service: str) -> bool:
        """Tell whether a service's container runs and is not being started again."""
        return self.running(service) and not ((self.inspect(service) or {}).get("State") or {}).get("Restarting")

    def root(self, service: str) -> str:
        """Return where the root of a running container's file system is to be seen from the host, with what is mounted into it."""
        return "/proc/%d/root" % int(((self.inspect(service) or {}).get("State") or {})["Pid"])

    def stopped(self, service: str) -> bool:
        """Tell whether a service has a container that somebody has stopped."""
        state = (self.inspect(service) or {}).get("State") or {}
        return state.get("Status") in ("exited", "created") and not state.get("Restarting")

    def environment(self, service: str) -> Dict[str, str]:
        """Return the environment of a service's container, else that of the model."""
        item = self.inspect(service)
        if item is None:
            given = (self.services.get(service) or {}).get("environment") or {}
            return {str(key): "" if value is None else str(value) for key, value in given.items()}
        pairs = (str(pair).partition("=") for pair in (item.get("Config") or {}).get("Env") or [])
        return {name: value for name, _equals, value in pairs}

    def image(self, service: str) -> Dict[str, Any]:
        """Return docker image inspect of what a service's container was made from, else of the model's; {} where it is not there."""
        item = self.inspect(service)
        name = str((item or {}).get("Image") or (self.services.get(service) or {}).get("image") or "")
        if name and name not in self._images:
            done = self.host.run(["docker", "image", "inspect", "--", name], timeout=20)
            self._images[name] = (json.loads(done.out) or [{}])[0] if done.rc == 0 else {}
        return self._images.get(name, {})

    def subnets(self) -> List[str]:
        """Return the subnets of the networks that the project's containers are on."""
        names = {name for item in self._containers.values() for name in _networks(item)}
        if not names:
            return []
        done = self.host.run(["docker", "network", "inspect", "--"] + sorted(names), timeout=20)
        found = json.loads(done.out or "[]")
        return sorted(
            {
                str(pool["Subnet"])
                for item in found
                for pool in (item.get("IPAM") or {}).get("Config") or []
                if pool.get("Subnet")
            }
        )

    def address(self, service: str) -> str:
        """Return the address of a service's container. Raises ChangeError where it has none."""
        for address in reach.own(self.inspect(service) or {}):
            return address
        raise ChangeError("the container of %s has no address; look at `docker ps`" % service)

    def path(self, relative: str) -> str:
        return posixpath.join(self.directory, relative)

    def place(self, path: str) -> str:
        """Return where a file of the project, relative or absolute, is to be written: the project itself may stand behind a link."""
        path = self.path(path)
        inside = path.startswith(self.directory + "/")
        return str(self.host.realpath(self.directory)) + path[len(self.directory) :] if inside else path

    def read(self, relative: str) -> Optional[str]:
        """Return a file's text, None where there is none. Raises ChangeError."""
        return text_of(self.host, self.path(relative))

    # -- asking ------------------------------------------------------------------------------------------------------

    def exec(
        self,
        service: str,
        argv: Sequence[str],
        stdin: str = "",
        user: str = "",
        timeout: float = 20.0,
        env: Optional[Mapping[str, str]] = None,
    ) -> Completed:
        """Run a command in a service's container. env: variables, whose values are on no command line. Raises HostError."""
        item = self.inspect(service)
        if item is None:
            raise ChangeError("%s has no container to run `%s` in" % (service, " ".join(argv[:2])))
        words = ["docker", "exec", "--interactive"] + (["--user", user] if user else [])
        for name in env or {}:
            words += ["--env", name]
        return self.host.run(words + [str(item["Id"])] + list(argv), timeout=timeout, stdin=stdin, env=dict(env or {}))

    def run_once(self, service: str, argv: Sequence[str], timeout: float = 90.0) -> Completed:
        """Run a command in a container of its own, made as a service's from the files as they now stand. Raises HostError."""
        words = ["run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", argv[0], service] + list(argv[1:])
        given = (self.services.get(service) or {}).get("networks") or {}
        if not any((entry or {}).get(name) for entry in given.values() for name in FIXED):
            return self.cli.run(*words, timeout=timeout)
        # The service's own container has the address as long as it runs.
        given = ((self.cli.model().get("services") or {}).get(service) or {}).get("networks") or {}
        with self.scratch() as folder:
            path = folder + "/once.yml"
            write_private(path, overrides.yaml({"services": {service: {"networks": Replace(given)}}}))
            return self.cli.but(files=self.cli.files + (path,)).run(*words, timeout=timeout)

    def compose(self, argv: Sequence[str], stdin: str = "", timeout: float = 60.0) -> Completed:
        """Run docker compose with the project's files. Raises HostError."""
        return self.cli.run(*argv, timeout=timeout, stdin=stdin)

    def refresh(self) -> None:
        """Look at the containers again."""
        found = project_containers(self.host, self.project)
        self._containers = {str(compose_files.labels(item).get(LABEL + "service")): item for item in found}

    def redact(self, text: str) -> str:
        """Return what a program said without the deployment's secrets."""
        secrets = {value for name, value in self.variables.items() if is_secret_name(name) and len(value) >= SHORTEST}
        for service in self._containers:
            secrets |= {
                value
                for name, value in self.environment(service).items()
                if is_secret_name(name) and len(value) >= SHORTEST
            }
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, "…")
        return text

    @contextlib.contextmanager
    def scratch(self) -> Iterator[str]:
        """Have a folder in memory that only root reads, for as long as it is needed."""
        folder = tempfile.mkdtemp(prefix="nself-prod-", dir="/run")
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def env_sets(self) -> Dict[str, List[str]]:
        """Return {how it is called: env files} of every way in which nself starts the project, with files that are there."""
        sets = {
            "the env files that the stack was started with": list(self.env_files),
            "a bare `docker compose`": [self.path(".env")],
        }
        sets["`nself start`"] = [self.path(RUNTIME)]
        sets[LATER] = [self.path(name) for name in files_of_1x(env_places.environment_of(self))]
        there = {name: [path for path in paths if exists(self.host, path)] for name, paths in sets.items()}
        # With .env alone it is no other way.
        return {name: paths for name, paths in there.items() if name != LATER or len(paths) > 1}


def find(host: Any, told: Optional[str]) -> Tuple[Optional[Stack], str]:
    """Return the host's deployment, not yet loaded; else (None, why there is nothing to harden). Raises ChangeError where that is unclear."""
    # A host that is busy with what we do to it takes its time.
    host = Patient(host)
    if host.which("docker") is None:
        return None, "no Docker is installed on this host, so there is no deployment to harden"
    need = Sources(host, Options(told or None, "0" * 64), _COLLECTORS)
    try:
        runs = need("docker_engine")["state"] == "present"
        inspected = need("docker_containers")
        place = need("project_place")
        if not runs and place.found.state == NONE:
            return None, "Docker's engine does not run on this host, and no project of nself lies where nself keeps it"
        if not runs:
            raise ChangeError(
                "Docker's engine does not run; `systemctl start docker`, and look at `journalctl -u docker`"
            )
    except Missing as missing:
        raise ChangeError("Docker cannot be asked: %s" % (missing.detail or missing.reason)) from None
    found = place.found
    if found.state == NONE:
        return None, "no nself deployment was found on this host"
    if found.state != FOUND:
        raise ChangeError(found.message)
    if isinstance(place.chain, Unread):
        raise ChangeError("the env files of %s cannot be read: %s" % (found.directory, place.chain.detail))
    mine = [
        item
        for item in inspected
        if found.project and compose_files.labels(item).get(LABEL + "project") == found.project
    ]
    if not mine:
        return None, "the deployment in %s has no containers; start it first, then harden it" % found.directory
    done = host.run(["docker", "compose", "version", "--short"], timeout=20)
    if done.rc:
        raise ChangeError(
            "this host has no `docker compose`; install docker-compose-plugin (Docker's) or docker-compose (Debian 13)"
        )
    chain = {name: setting.value for name, setting in place.chain[1].items()}
    return Stack(host, str(found.directory), str(found.project), mine, chain), ""


def project_containers(host: Any, name: str) -> List[Dict[str, Any]]:
    """Return docker inspect of a project's containers, those of one-off runs left out. Raises ChangeError."""
    try:
        listed = host.run(
            ["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", "label=%sproject=%s" % (LABEL, name)],
            timeout=30,
        )
        ids = listed.out.split()
        done = host.run(["docker", "inspect", "--type", "container"] + ids, timeout=30) if ids else None
    except HostError as error:
        raise ChangeError("Docker does not answer: %s" % (error.detail or error.reason)) from error
    if listed.rc:
        raise ChangeError("Docker does not answer; `systemctl status docker`")
    found = json.loads(done.out or "[]") if done else []
    return [item for item in found if compose_files.labels(item).get(LABEL + "oneoff", "False") != "True"]


def first_document(model: Mapping[str, Any], raw: Mapping[str, Any]) -> str:
    """Return the document that names the networks which the generated files take from a variable.

    compose judges an override strictly: a name that a set of env files leaves empty stops every command with it.
    """
    services = {}
    for name, item in (raw.get("services") or {}).items():
        networks = item.get("networks") or {}
        if any("$" in str(network) for network in networks):
            known = (((model.get("services") or {}).get(name) or {}).get("networks")) or {}
            if known and all(known):
                services[name] = {"networks": _as_it_is(known)}
    return overrides.yaml(dict({"x-nself-prod": {"version": 1}}, **({"services": services} if services else {})))


def _as_it_is(networks: Mapping[str, Any]) -> Any:
    """Return a service's networks in the place of what is there: with its other names and its addresses in them."""
    if not any(networks.values()):
        return Replace(networks)
    return ReplaceMap({name: _literal(item) if item else None for name, item in networks.items()})


def _literal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal(item) for item in value]
    return literal(value) if isinstance(value, str) else value


def write_private(path: str, text: str) -> None:
    """Write a file that only root reads, and that is there also when the power goes right after."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _networks(item: Mapping[str, Any]) -> Dict[str, Dict[str, Any]]:
    return (item.get("NetworkSettings") or {}).get("Networks") or {}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment made of dictionaries, for the parts: what change/stack/stack.py reads, without Docker."""

from __future__ import annotations

import posixpath

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.stack.override import Override
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import role_of
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from fake_host import FakeHost


class FakeStack:
    """services, raw: compose models; containers: {service: docker inspect}; images: {service: docker image inspect};
    answers: {(service, first word of the command): Completed or callable(argv, stdin)}; files: {relative path: text}.

    What was run in containers is in `ran`, as (service, argv, stdin, env).
    """

    directory = "/srv/app"
    project = "app"

    def __init__(
        self,
        services=None,
        raw=None,
        containers=None,
        images=None,
        variables=None,
        answers=None,
        files=None,
        host=None,
        subnets=("172.18.0.0/16",),
    ):
        self.services = services or {}
        self.raw = self.services if raw is None else raw
        self.containers = containers or {}
        self.images = images or {}
        self.variables = variables or {}
        self.chain = self.variables
        self.answers = answers or {}
        self.host = host or FakeHost({"/srv/app/" + name: text for name, text in (files or {}).items()})
        self.override = Override()
        self.unused = set()  # services of profiles that are not switched on
        self._subnets = list(subnets)
        self.ran = []

    def of(self, role):
        return [name for name, item in self.services.items() if role_of(name, str(item.get("image") or "")) == role]

    def role(self, service):
        return role_of(service, str(self.services.get(service, {}).get("image") or ""))

    def inspect(self, service):
        return self.containers.get(service)

    def running(self, service):
        return bool((self.containers.get(service) or {}).get("State", {}).get("Running", service in self.containers))

    def root(self, service):
        return ""  # no process of this machine

    def steady(self, service):
        return self.running(service) and not (self.containers[service].get("State") or {}).get("Restarting")

    def started(self):
        return {name: self.role(name) for name in self.containers}

    def place(self, path):
        return self.path(path)

    def defined(self):
        return set(self.services) | self.unused

    def stopped(self, service):
        return service in self.containers and not self.running(service)

    def config_hash(self, service):
        labels = self.containers.get(service, {}).get("Config", {}).get("Labels", {})
        return labels.get("com.docker.compose.config-hash")

    def environment(self, service):
        item = self.containers.get(service)
        if item is None:
            return dict(self.services.get(service, {}).get("environment") or {})
        return dict(pair.split("=", 1) for pair in item.get("Config", {}).get("Env", []))

    def image(self, service):
        return self.images.get(service, {})

    def subnets(self):
        return self._subnets

    def address(self, service):
        if service not in self.containers:
            raise ChangeError("the container of %s has no address" % service)
        return "172.18.0.%d" % (10 + sorted(self.containers).index(service))

    def path(self, relative):
        return posixpath.join("/srv/app", relative)

    def read(self, relative):
        return self.host.files.get(self.path(relative))

    def exec(self, service, argv, stdin="", user="", timeout=20.0, env=None):
        return self._answer(service, argv, stdin, env)

    def run_once(self, service, argv, timeout=90.0):
        return self._answer(service, argv, "", None)

    def compose(self, argv, stdin="", timeout=60.0):
        return self._answer("compose", argv, stdin, None)

    def redact(self, text):
        return text

    def refresh(self):
        pass

    def _answer(self, service, argv, stdin, env):
        self.ran.append((service, list(argv), stdin, dict(env or {})))
        answer = self.answers.get((service, argv[0]), Completed(0, "", ""))
        return answer(argv, stdin) if callable(answer) else answer

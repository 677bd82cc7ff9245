# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: a password that is good, on no command line, known to its clients; protected mode; a health check that can fail."""

from __future__ import annotations

import re
import secrets
from typing import Any, Dict, List

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.secrets import SHORTEST, problem_of
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import redis as probe
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    drift,
    raw,
    redis_clients,
    redis_command,
    units,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part, Plan, literal
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import resp

NAME = redis_command.PASSWORD
REPLACE, KEEP = "replace", "keep"
BYTES = 32  # of a generated password; written in hex, which every URL, shell and file takes as it is
# compose splits the generated command as a shell does, after the password has been filled in, whatever stands in an override.
_CARRIED = re.compile(r"[A-Za-z0-9.,:/?!@#%^*+=_~{}\[\]-]+\Z")
_PROTECTED = re.compile(r"^\s*protected-mode\s+\"?(yes|no)\b", re.M | re.I)
_PASSWORD = re.compile(r"^\s*(requirepass\s+(?!\"\"|'')\S|aclfile\s+\S|user\s+default\s[^\n]*[>#]\S)", re.M | re.I)


class _ShutOut(Exception):
    """A password would shut out who asks without one. The message is what is told."""


class RedisPart(Part):
    name = "redis"
    SPEC = {"password_weak": {"type": "str", "default": REPLACE, "choices": [REPLACE, KEEP]}}
    SECRETS = (NAME,)

    def plan(self) -> Plan:
        plan = Plan()
        given = self.secrets.get(NAME) or ""
        if given:
            _accept(given)
        self._mended: List[str] = []
        for service in self.stack.of("redis"):
            try:
                self._service(plan, service, given)
            except _ShutOut as problem:
                plan.left.append(str(problem))
            except raw.Unclear as problem:
                plan.left.append(
                    "%s: %s, so its password stays where it is; give redis-server and its options as the service's command"
                    % (service, problem)
                )
        plan.recreate = drift.stale(self.stack, plan.fragment, plan.settings)
        return plan

    # -- one server --------------------------------------------------------------------------------------------------

    def _service(self, plan: Plan, service: str, given: str) -> None:
        found = redis_command.server(self._argv(service))
        text = self._file(service, found.file) if found.file else ""
        fragment: Dict[str, Any] = {}
        health = redis_command.health((self._raw(service).get("healthcheck") or {}).get("test"))
        if "requirepass" not in found.secrets and not given and _PASSWORD.search(text):
            # It has a password, or users, and they are on no command line: that file is its owner's.
            if (found.protected or "".join(_PROTECTED.findall(text)[-1:]).lower()) == "no":
                fragment["command"] = self._command(service, found)
            if health and health.named and not health.named.startswith("$$"):
                password = raw.secret(health.named, self.stack.variables)
                if not password.name:
                    raise raw.Unclear("its health check spells its password out")
                fragment["environment"] = {NAME: "${%s}" % password.name}
                fragment["healthcheck"] = {"test": health.test}
        else:
            self._has_shell(service)
            options = ["requirepass"] + [name for name in found.secrets if name != "requirepass"]
            environment, name, value, had = {}, NAME, "", ""
            for option in options:
                passed = raw.secret(found.secrets.get(option, "${%s:-}" % NAME), self.stack.variables)
                variable = passed.name or redis_command.PASSED[option]
                environment[redis_command.PASSED[option]] = "${%s}" % variable
                if option == "requirepass":
                    name, had = variable, passed.value if option in found.secrets else ""
                    if not had and not self._asks_already(service):
                        self._refuse_to_shut_out(service, variable, given)
                    now = passed.value if passed.name else self.stack.variables.get(NAME) or passed.value
                    value = self._password(plan, service, variable, now, given)
                elif not passed.name:
                    plan.settings[variable] = passed.value
            if given or value != self.stack.variables.get(name):
                plan.settings[name] = value
            fragment = dict(redis_command.started(found, options), environment=environment)
            test = (self._raw(service).get("healthcheck") or {}).get("test")
            if health or not test:
                fragment["healthcheck"] = {"test": health.test if health else redis_command.asking()}
            self._clients(plan, service, name, value, bool(had))
        if fragment:
            self._mended.append(service)
            plan.fragment.setdefault("services", {}).setdefault(service, {}).update(fragment)

    def _password(self, plan: Plan, service: str, name: str, now: str, given: str) -> str:
        """Return the password that it is to have."""
        if given:
            return given
        problem = _weakness(now)
        if not problem:
            return now
        if self.options["password_weak"] == KEEP and now.strip():
            plan.left.append(
                "%s: %s is %s and stays, as redis_password_weak says; set redis_password" % (service, name, problem)
            )
            return now
        if name in plan.settings:
            return plan.settings[name]
        return secrets.token_hex(BYTES)

    def _asks_already(self, service: str) -> bool:
        """Tell whether a service has got its first password from this role before."""
        told = self.name in self.stack.override.roles and self.stack.inspect(service) is not None
        return told and bool(self.stack.environment(service).get(NAME))

    def _refuse_to_shut_out(self, service: str, name: str, given: str) -> None:
        """Raise _ShutOut where a service that runs would be shut out by a first password; Refused where one was asked for."""
        hosts = redis_clients.names_of(service, self.stack.services[service])
        others = {key: item for key, item in self.stack.raw.items() if key != service}
        found = redis_clients.clients_of(others, hosts, self.stack.variables, name).without
        clients = [client for client in found if self.stack.running(client)]
        if not clients:
            return
        step = "give %s `%s: ${%s}` as environment in docker-compose.override.yml, and have it log in with that" % (
            " and ".join(clients),
            name,
            name,
        )
        why = "%s would be shut out: it asks %s and holds no password" % (", ".join(clients), service)
        if given:
            raise Refused("redis_password: %s; %s first, nothing was changed" % (why, step))
        raise _ShutOut("%s has no password and stays so, since %s; %s, then run again" % (service, why, step))

    def _clients(self, plan: Plan, service: str, name: str, value: str, had: bool) -> None:
        hosts = redis_clients.names_of(service, self.stack.services[service])
        others = {key: item for key, item in self.stack.raw.items() if key != service}
        clients = redis_clients.clients_of(others, hosts, self.stack.variables, name)
        if redis_clients.SAFE.match(value):
            for client, urls in clients.urls.items():
                wanted = plan.fragment.setdefault("services", {}).setdefault(client, {})
                wanted.setdefault("environment", {}).update(urls)
        else:
            for client in sorted(set(clients.inside) | set(clients.urls)):
                plan.left.append(
                    "%s: %s has characters that a URL does not take as they are, so its URL of %s was not changed; "
                    "choose a password of letters, digits and .-_~" % (client, name, service)
                )
        if not had:
            for client in clients.without:
                plan.left.append(
                    "%s: it does not run, but asks %s, which asks for a password from now on, and holds none; pass it %s"
                    % (client, service, name)
                )

    # -- what is there -----------------------------------------------------------------------------------------------

    def _raw(self, service: str) -> Dict[str, Any]:
        return dict(self.stack.raw.get(service) or {})

    def _argv(self, service: str) -> List[str]:
        """Return the whole command line, not filled in. Raises Unclear."""
        item = self._raw(service)
        entrypoint, command = raw.words(item.get("entrypoint")), raw.words(item.get("command"))
        config = self.stack.image(service).get("Config") or {}
        if entrypoint is None:
            if not config:
                raise raw.Unclear("its image is not here, so how it is started is not known")
            entrypoint = [literal(str(word)) for word in config.get("Entrypoint") or []]
            command = [literal(str(word)) for word in config.get("Cmd") or []] if command is None else command
        return entrypoint + (command or [])

    def _command(self, service: str, found: redis_command.Server) -> List[str]:
        """Return the command with protected mode on: what follows the entrypoint, which stays."""
        own = raw.words(self._raw(service).get("entrypoint"))
        before = (self.stack.image(service).get("Config") or {}).get("Entrypoint") or [] if own is None else own
        at = found.program + 1
        return (found.words[:at] + [found.file] + found.words[at:] + ["--protected-mode", "yes"])[len(before) :]

    def _file(self, service: str, path: str) -> str:
        """Return the text of its configuration file, "" where it cannot be read from here."""
        mounts = [
            (str(item["source"]), str(item["target"]).rstrip("/"))
            for item in self.stack.services[service].get("volumes") or []
            if isinstance(item, dict) and item.get("type") == "bind"
        ]
        for source, target in sorted(mounts, key=lambda pair: -len(pair[1])):
            if path == target or path.startswith(target + "/"):
                try:
                    return str(self.stack.host.read(source + path[len(target) :]))
                except HostError as error:
                    raise raw.Unclear("its configuration cannot be read (%s)" % error) from None
        done = self.stack.exec(service, ["cat", path]) if self.stack.running(service) else None
        return str(done.out) if done is not None and done.rc == 0 else ""

    def _has_shell(self, service: str) -> None:
        """Raise Unclear where the image holds nothing that could write the configuration."""
        if self.stack.running(service) and self.stack.exec(service, ["sh", "-c", "command -v sed >/dev/null"]).rc:
            raise raw.Unclear("its image has no shell or no sed")

    # -- the effect --------------------------------------------------------------------------------------------------

    def verify(self) -> None:
        for service in self._mended:
            if not self.stack.stopped(service):
                self._verify(service)

    def _verify(self, service: str) -> None:
        unit = units.running_unit(self.stack, service)
        answer = probe.instance(self.stack.host, unit)
        if isinstance(answer["answer"], Unread):
            raise Mismatch("%s: %s" % (service, answer["answer"].detail))
        if answer["answer"] != "refused":
            raise Mismatch("%s answers a PING without a password (%s)" % (service, answer["answer"]))
        if answer["protected_mode"] == "no":
            raise Mismatch("%s: protected mode is off" % service)
        password = unit["environment"].get(NAME)
        if not password:
            return  # its own file has it
        try:
            replies = probe.ask_server(self.stack.host, unit, resp.command("AUTH", password) + resp.command("PING"), 2)
        except Missing as problem:
            raise Mismatch("%s: %s" % (service, problem.detail)) from None
        if replies[1:2] != ["PONG"]:
            raise Mismatch("%s does not take its password: PING is not answered by PONG" % service)
        lines = units.command_lines(self.stack.inspect(service))
        lines.append(self.stack.host.read("/proc/%s/cmdline" % unit["pid"]))
        if len(password) >= SHORTEST and any(password in line for line in lines):
            raise Mismatch("%s: its password is still on its command line or its health check's" % service)


def _weakness(value: str) -> str:
    """Return what is wrong with a password, in the words of the check; "" where nothing is."""
    found = Reducer("weak").secret(value, "redis")
    return problem_of(NAME, found, SHORTEST)


def _accept(given: str) -> None:
    """Raise Refused for a password that is worse than one that is made up."""
    if not _CARRIED.match(given):
        raise Refused(
            "redis_password has characters that the command of the generated docker-compose.yml, or an env file, does not carry "
            "(spaces, quotes, or one of $ \\ ` ( ) ; & | < >), so compose would refuse that file; choose another one"
        )
    problem = _weakness(given)
    if problem:
        raise Refused("redis_password is one of those that everybody tries (%s); choose another one" % problem)

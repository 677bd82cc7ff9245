# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make services anew in the order of their dependencies, and wait until each is healthy."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any, Dict, Iterable, List, Mapping, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch
from ansible_collections.nself.prod.plugins.module_utils.change.stack.compose_cli import ANEW, said
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

MOST_RESTARTS = 3  # a container that was started again so often does not come up
STEADY = 2.0  # seconds that a container without a health check has to run
UP = 180.0  # seconds for compose to make the containers of a layer


def layers(
    services: Iterable[str], model: Mapping[str, Mapping[str, Any]], last: Sequence[str] = ()
) -> List[List[str]]:
    """Return the services in layers: each depends, also by way of others, only on those of earlier layers.

    last: services that come after all others, as nginx, which does not start where it cannot resolve a name that it passes requests to.
    """
    left = sorted(services)
    needs = {name: _all_needs(name, model) for name in left}
    out = []  # type: List[List[str]]
    while left:
        ready = [name for name in left if not needs[name].intersection(left) - {name}]
        ready = [name for name in ready if name not in last] or ready
        # A circle is compose's to refuse; here it is one layer.
        ready = ready or left
        out.append(ready)
        left = [name for name in left if name not in ready]
    return out


def _all_needs(name: str, model: Mapping[str, Mapping[str, Any]]) -> "set[str]":
    found, queue = set(), [name]  # type: set[str], List[str]
    while queue:
        needed = (model.get(queue.pop()) or {}).get("depends_on") or {}
        for other in needed:
            if other not in found:
                found.add(other)
                queue.append(other)
    return found


def companions(services: Sequence[str], model: Mapping[str, Mapping[str, Any]], current: "set[str]") -> List[str]:
    """Return what compose has to be told beside these services, so that it leaves alone what they depend on and still counts it.

    It makes the hash by which it tells whether a container is what its files say from the services that it is told of: without those that
    one depends on, the container would never match its files again. current: the services that match; where one that is needed does not,
    it would be made anew too, so none is named.
    """
    needed = sorted({other for name in services for other in _all_needs(name, model)} - set(services))
    return needed if current.issuperset(needed) else []


def as_written(stack: Any, cli: Any) -> "set[str]":
    """Return the services whose container is what the files of a compose call say, those left out that somebody has stopped.

    compose would start those that it is told of. Raises ChangeError.
    """
    asleep = {name for name, item in stack.services.items() if stack.stopped(name) and not ends_by_itself(item)}
    return {name for name, value in cli.hashes().items() if stack.config_hash(name) == value} - asleep


def ends_by_itself(service: Mapping[str, Any]) -> bool:
    """Tell whether a service does its work once and ends, as those that prepare a volume."""
    return str(service.get("restart") or "no") in ("no", "False")


class Recreation:
    """The making anew of some services. wait: seconds until a layer is healthy."""

    def __init__(self, stack: Any, wait: float) -> None:
        self.stack = stack
        self.wait = wait
        self.downtime: Dict[str, float] = {}

    def run(
        self, order: Sequence[Sequence[str]], model: Mapping[str, Mapping[str, Any]], again: Sequence[str] = ()
    ) -> None:
        """Make the services of each layer anew and wait. again: those whose container is only started again.

        Raises Mismatch with what does not come up.
        """
        for layer in order:
            begun = time.monotonic()
            made = [name for name in layer if name not in again]
            if made:
                self.up(made, model)
            for name in layer:
                if name in again:
                    self._restart(name)
            self.stack.refresh()
            waiting = set(layer)
            while waiting:
                for name in sorted(waiting):
                    if self._well(name, model.get(name) or {}):
                        self.downtime[name] = round(time.monotonic() - begun, 1)
                        waiting.discard(name)
                if waiting and time.monotonic() - begun > self.wait:
                    name = sorted(waiting)[0]
                    raise Mismatch(
                        "%s does not become healthy within %d s: %s" % (name, self.wait, self._last_words(name))
                    )
                if waiting:
                    time.sleep(0.5)
                    self.stack.refresh()

    def _restart(self, service: str) -> None:
        item = self.stack.inspect(service) or {}
        command(self.stack.host, ["docker", "restart", str(item.get("Id"))], timeout=UP)

    def up(self, services: Sequence[str], model: Mapping[str, Mapping[str, Any]]) -> None:
        """Have compose make these services anew where their configuration differs. Raises ChangeError."""
        words = list(ANEW) + list(services)
        words += companions(services, model, as_written(self.stack, self.stack.cli))
        try:
            done = self.stack.cli.run(*words, timeout=UP + 10 * len(services))
        except HostError as error:
            raise ChangeError(
                "docker compose up %s: %s" % (" ".join(services), error.detail or error.reason)
            ) from error
        if done.rc:
            raise ChangeError("docker compose up %s: %s" % (" ".join(services), self.stack.redact(said(done))))

    def settled(self, services: Iterable[str], patient: bool = False) -> None:
        """Wait until Docker itself says of no service that it is starting. Raises Mismatch.

        patient: a service may be unhealthy for a while, as one that is started again until those are back that it asks for.
        """
        begun = time.monotonic()
        while True:
            self.stack.refresh()
            states = {name: _health(self.stack.inspect(name) or {}) for name in services}
            bad = [name for name, state in states.items() if state == "unhealthy"]
            if bad and not patient:
                raise Mismatch("%s became unhealthy: %s" % (bad[0], self._last_words(bad[0])))
            starting = [name for name, state in states.items() if state in ("starting", "unhealthy")]
            if not starting:
                return
            if time.monotonic() - begun > self.wait:
                raise Mismatch(
                    "%s does not become healthy within %d s: %s"
                    % (starting[0], self.wait, self._last_words(starting[0]))
                )
            time.sleep(1)

    # -- inner -------------------------------------------------------------------------------------------------------

    def _well(self, name: str, service: Mapping[str, Any]) -> bool:
        item = self.stack.inspect(name)
        if item is None:
            return False
        state = item.get("State") or {}
        if ends_by_itself(service) and state.get("Status") == "exited":
            if int(state.get("ExitCode") or 0):
                raise Mismatch("%s ended with %s: %s" % (name, state.get("ExitCode"), self._last_words(name)))
            return True
        if int(item.get("RestartCount") or 0) >= MOST_RESTARTS:
            raise Mismatch("%s is started again and again: %s" % (name, self._last_words(name)))
        if not state.get("Running") or state.get("Restarting"):
            if state.get("Status") == "exited" and service.get("restart") == "no":
                raise Mismatch("%s ended with %s: %s" % (name, state.get("ExitCode"), self._last_words(name)))
            return False
        health = _health(item)
        if health == "unhealthy":
            raise Mismatch("%s is unhealthy: %s" % (name, self._last_words(name)))
        if health == "":
            return self._steady(item)
        # Docker asks only every so often: the same question is put at once.
        return health == "healthy" or self._asked(name, item)

    def _steady(self, item: Mapping[str, Any]) -> bool:
        time.sleep(STEADY)
        done = self.stack.host.run(["docker", "inspect", "--format", "{{json .State}}", str(item["Id"])], timeout=20)
        state = json.loads(done.out or "{}")
        return bool(state.get("Running")) and not state.get("Restarting")

    def _asked(self, name: str, item: Mapping[str, Any]) -> bool:
        test = list(((item.get("Config") or {}).get("Healthcheck") or {}).get("Test") or [])
        argv = ["/bin/sh", "-c", test[1]] if test[:1] == ["CMD-SHELL"] else test[1:]
        if not argv:
            return False
        try:
            # With its words on no command line of this host: they may hold a secret.
            done = self.stack.exec(
                name, ["/bin/sh", "-s"], stdin=" ".join(shlex.quote(word) for word in argv) + "\n", timeout=10
            )
        except HostError:
            return False
        return bool(done.rc == 0)

    def _last_words(self, name: str) -> str:
        """Return what a service said last, without secrets."""
        item = self.stack.inspect(name)
        if item is None:
            return "it has no container"
        done = self.stack.host.run(["docker", "logs", "--tail", "5", str(item["Id"])], timeout=20)
        lines = [line.strip() for line in (done.out + "\n" + done.err).splitlines() if line.strip()]
        checks = ((item.get("State") or {}).get("Health") or {}).get("Log") or []
        failed = [str(entry.get("Output") or "").strip() for entry in checks if entry.get("ExitCode")]
        words = (failed[-1:] if failed and failed[-1] else []) + lines[-2:]
        return str(self.stack.redact(" | ".join(words) or "it says nothing"))[:500]


def _health(item: Mapping[str, Any]) -> str:
    return str(((item.get("State") or {}).get("Health") or {}).get("Status") or "").replace("none", "")

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make services anew in the order of their dependencies, and wait until each is healthy."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch
from ansible_collections.nself.prod.plugins.module_utils.change.stack.compose_cli import ANEW, said
from ansible_collections.nself.prod.plugins.module_utils.change.stack.health import (
    MOST_RESTARTS,
    UNSTEADY,
    asked,
    health,
    last_words,
    restarts,
)
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

STEADY = 2.0  # seconds that a container without a health check has to run
BRIEF = 10.0  # seconds for what was unwell before to become well after all
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


def never_healthy(unwell: Iterable[str], model: Mapping[str, Mapping[str, Any]]) -> "set[str]":
    """Return those of these services that others wait for until they are healthy: compose would wait in vain, and make nothing."""
    needs = [item.get("depends_on") or {} for item in model.values()]
    return {
        name for name in unwell if any((need.get(name) or {}).get("condition") == "service_healthy" for need in needs)
    }


def ends_by_itself(service: Mapping[str, Any]) -> bool:
    """Tell whether a service does its work once and ends, as those that prepare a volume."""
    return str(service.get("restart") or "no") in ("no", "False")


class Recreation:
    """The making anew of some services. wait: seconds until a layer is healthy; unwell: services that were not well before, and how (health.py)."""

    def __init__(self, stack: Any, wait: float, unwell: Optional[Mapping[str, str]] = None) -> None:
        self.stack = stack
        self.wait = wait
        self.unwell = {} if unwell is None else unwell
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
                    if self._good_enough(name, model.get(name) or {}, time.monotonic() - begun):
                        self.downtime[name] = round(time.monotonic() - begun, 1)
                        waiting.discard(name)
                if waiting and time.monotonic() - begun > self.wait:
                    name = sorted(waiting)[0]
                    raise Mismatch(
                        "%s does not become healthy within %d s: %s" % (name, self.wait, last_words(self.stack, name))
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
        words += companions(services, model, as_written(self.stack, self.stack.cli) - never_healthy(self.unwell, model))
        try:
            done = self.stack.cli.run(*words, timeout=UP + 10 * len(services), noted=True)
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
        services = [name for name in services if name not in self.unwell]
        while True:
            self.stack.refresh()
            states = {name: health(self.stack.inspect(name) or {}) for name in services}
            bad = [name for name, state in states.items() if state == "unhealthy"]
            if bad and not patient:
                raise Mismatch("%s became unhealthy: %s" % (bad[0], last_words(self.stack, bad[0])))
            starting = [name for name, state in states.items() if state in ("starting", "unhealthy")]
            if not starting:
                return
            if time.monotonic() - begun > self.wait:
                raise Mismatch(
                    "%s does not become healthy within %d s: %s"
                    % (starting[0], self.wait, last_words(self.stack, starting[0]))
                )
            time.sleep(1)

    # -- inner -------------------------------------------------------------------------------------------------------

    def _good_enough(self, name: str, service: Mapping[str, Any], passed: float) -> bool:
        """Tell whether a service is well, or at least as it was before: nobody waits long for what was unwell then."""
        if name not in self.unwell:
            return self._well(name, service)
        try:
            if self._well(name, service):
                return True
        except Mismatch:
            pass
        there = self.stack.inspect(name) is not None
        return passed >= BRIEF and there and (self.unwell[name] == UNSTEADY or bool(self.stack.steady(name)))

    def _well(self, name: str, service: Mapping[str, Any]) -> bool:
        item = self.stack.inspect(name)
        if item is None:
            return False
        state = item.get("State") or {}
        if ends_by_itself(service) and state.get("Status") == "exited":
            if int(state.get("ExitCode") or 0):
                raise Mismatch("%s ended with %s: %s" % (name, state.get("ExitCode"), last_words(self.stack, name)))
            return True
        if restarts(item) >= MOST_RESTARTS:
            raise Mismatch("%s is started again and again: %s" % (name, last_words(self.stack, name)))
        if not state.get("Running") or state.get("Restarting"):
            if state.get("Status") == "exited" and service.get("restart") == "no":
                raise Mismatch("%s ended with %s: %s" % (name, state.get("ExitCode"), last_words(self.stack, name)))
            return False
        state_of_health = health(item)
        if state_of_health == "unhealthy":
            raise Mismatch("%s is unhealthy: %s" % (name, last_words(self.stack, name)))
        if state_of_health == "":
            return self._steady(item)
        # Docker asks only every so often: the same question is put at once.
        return state_of_health == "healthy" or asked(self.stack, name)

    def _steady(self, item: Mapping[str, Any]) -> bool:
        time.sleep(STEADY)
        done = self.stack.host.run(["docker", "inspect", "--format", "{{json .State}}", str(item["Id"])], timeout=20)
        state = json.loads(done.out or "{}")
        return bool(state.get("Running")) and not state.get("Restarting")

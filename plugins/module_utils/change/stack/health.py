# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the services ran before a change, and whether all of them run as well after it, also those that it did not make anew.

What was unwell before must not make a good change fail, nor its taking back: it is only held against what it was, and told.
"""

from __future__ import annotations

import shlex
import time
from typing import Any, Collection, Dict, List, Mapping

from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

UNHEALTHY = "unhealthy"  # it runs, and its health check fails
UNSTEADY = "unsteady"  # it ends and is started again
MOST_RESTARTS = 3  # a container that was started again so often does not come up
CALM = 4.0  # seconds for which all services are watched before a change stays
CALM_AGAIN = 12.0  # where one was started again meanwhile; Docker itself takes a container for up after 10
STARTING = 60.0  # seconds to wait before a change for what is just starting, and after it for who lost his database for a moment


def health(item: Mapping[str, Any]) -> str:
    """Return what Docker says of a container's health, "" where it has no check."""
    return str(((item.get("State") or {}).get("Health") or {}).get("Status") or "").replace("none", "")


def restarts(item: Mapping[str, Any]) -> int:
    return int(item.get("RestartCount") or 0)


def asked(stack: Any, name: str) -> bool:
    """Put a container's own question to it at once: Docker does so only every so often."""
    test = list((((stack.inspect(name) or {}).get("Config") or {}).get("Healthcheck") or {}).get("Test") or [])
    argv = ["/bin/sh", "-c", test[1]] if test[:1] == ["CMD-SHELL"] else test[1:]
    if not argv:
        return False
    try:
        # With its words on no command line of this host: they may hold a secret.
        done = stack.exec(
            name, ["/bin/sh", "-s"], stdin=" ".join(shlex.quote(word) for word in argv) + "\n", timeout=10
        )
    except HostError:
        return False
    return bool(done.rc == 0)


def last_words(stack: Any, name: str) -> str:
    """Return what a service said last, without secrets."""
    item = stack.inspect(name)
    if item is None:
        return "it has no container"
    done = stack.host.run(["docker", "logs", "--tail", "5", str(item["Id"])], timeout=20)
    lines = [line.strip() for line in (done.out + "\n" + done.err).splitlines() if line.strip()]
    failed = _failed(item)
    words = ([failed] if failed else []) + lines[-2:]
    return str(stack.redact(" | ".join(words) or "it says nothing"))[:500]


def _failed(item: Mapping[str, Any]) -> str:
    """Return what the health check said when it failed last."""
    checks = ((item.get("State") or {}).get("Health") or {}).get("Log") or []
    return ([str(entry.get("Output") or "").strip() for entry in checks if entry.get("ExitCode")] or [""])[-1]


class Before:
    """How the services ran. unwell: {service: UNHEALTHY or UNSTEADY}; ran: all that ran, those among them."""

    def __init__(self, stack: Any) -> None:
        self.stack = stack
        self.ran: List[str] = []
        self.unwell: Dict[str, str] = {}
        self._restarts: Dict[str, int] = {}
        self._since = 0.0
        self._look()

    def again(self, wait: float) -> None:
        """Look again, now that the change is near: who is still starting is given some time, since nobody knows how he is."""
        begun = time.monotonic()
        while True:
            self.stack.refresh()
            self._look()
            starting = [name for name in self.ran if health(self.stack.inspect(name) or {}) == "starting"]
            starting = [name for name in starting if name not in self.unwell and not asked(self.stack, name)]
            if not starting:
                return
            if time.monotonic() - begun > min(wait, STARTING):
                self.unwell.update(dict.fromkeys(starting, UNHEALTHY))
                return
            time.sleep(1)

    def _look(self) -> None:
        self.ran = []
        for name in self.stack.started():
            item = self.stack.inspect(name) or {}
            state = item.get("State") or {}
            if not (state.get("Running") or state.get("Restarting")):
                continue
            self.ran.append(name)
            seen = self._restarts.setdefault(name, restarts(item))
            if state.get("Restarting") or restarts(item) > seen:
                self.unwell[name] = UNSTEADY
            elif health(item) == "unhealthy":
                self.unwell.setdefault(name, UNHEALTHY)
            elif self.unwell.get(name) == UNHEALTHY:
                del self.unwell[name]

    def told(self) -> List[str]:
        """Return a line for each service that was unwell."""
        out = []
        for name, kind in sorted(self.unwell.items()):
            item = self.stack.inspect(name) or {}
            container = str(item.get("Name") or name).lstrip("/")
            if kind == UNSTEADY:
                what, look = "ended and was started again", "`docker logs %s`" % container
            else:
                said = str(self.stack.redact(" ".join(_failed(item).split())))[:300]
                what = "was unhealthy (%s)" % said if said else "was unhealthy"
                look = "`docker inspect --format '{{json .State.Health}}' %s`" % container
            out.append(
                "%s %s already before the run, so it was not waited for, nor judged by its health; look at %s, "
                "mend it or its health check, then run again" % (name, what, look)
            )
        return out

    def as_before(self, name: str) -> bool:
        """Tell whether a service runs at least as it ran before, its health left out."""
        return self.unwell.get(name) == UNSTEADY or bool(self.stack.steady(name))

    def watch(self) -> None:
        """Begin to watch: all that is to be made anew is there."""
        self._since = time.monotonic()
        self._restarts = {name: restarts(self.stack.inspect(name) or {}) for name in self.stack.started()}

    def hold(self, anew: Collection[str], gone: Collection[str], ending: Collection[str], wait: float) -> None:
        """Wait until each service that ran runs and is as well as before, and stays so for a moment. Raises Mismatch.

        anew: those that were made anew; gone: whose container was removed; ending: that end by themselves.
        """
        begun = time.monotonic()
        names = [name for name in self.ran if name not in gone and self.unwell.get(name) != UNSTEADY]
        first = dict(self._restarts)
        since = dict.fromkeys(names, self._since)
        while True:
            self.stack.refresh()
            waiting: Dict[str, str] = {}
            for name in names:
                item = self.stack.inspect(name) or {}
                count = restarts(item)
                if count != self._restarts.get(name, count):
                    since[name] = time.monotonic()
                self._restarts[name] = count
                again = count > first.get(name, count)
                problem = self._problem(name, item, name in ending)
                if again and count - first[name] >= MOST_RESTARTS or problem == UNHEALTHY and name in anew:
                    raise Mismatch(self._words(name, problem or UNSTEADY))
                if problem or time.monotonic() - since[name] < (CALM_AGAIN if again else CALM):
                    waiting[name] = problem or (UNSTEADY if again else "")
            if not waiting:
                return
            bad = sorted(name for name, problem in waiting.items() if problem)
            if bad and time.monotonic() - begun > min(wait, STARTING):
                raise Mismatch(self._words(bad[0], waiting[bad[0]]))
            time.sleep(0.5)

    def _problem(self, name: str, item: Mapping[str, Any], ends: bool) -> str:
        """Return what is wrong with a service: UNHEALTHY, UNSTEADY, or "" for nothing."""
        state = item.get("State") or {}
        if ends and state.get("Status") == "exited" and not int(state.get("ExitCode") or 0):
            return ""
        if not state.get("Running") or state.get("Restarting"):
            return UNSTEADY
        if name in self.unwell or health(item) in ("", "healthy") or asked(self.stack, name):
            return ""
        return UNHEALTHY

    def _words(self, name: str, problem: str) -> str:
        item = self.stack.inspect(name) or {}
        code = int((item.get("State") or {}).get("ExitCode") or 0)
        what = "was healthy before and is not any more"
        if problem == UNSTEADY:
            what = "ran before and does not stay up any more" + (" (it ended with %d)" % code if code else "")
        return "%s %s: %s" % (name, what, last_words(self.stack, name))

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run collectors concurrently, each with a deadline of its own, into one tree of facts.

A collector that fails, hangs or crashes leaves one Unread leaf in the tree; it can never take the audit down or make it wait longer
than its deadline.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

GRACE = 0.25  # seconds that a collector may overrun before it is given up: its own calls end at the deadline


@dataclass(frozen=True)
class Options:
    """What the user asked of collection. project_dir: the deployment's folder, or None to discover it.

    outside: what the controller saw of the host (plugin_utils/outside.py), None where it has no view of its own.
    """

    project_dir: Optional[str] = None
    fingerprint_key: str = ""
    outside: Optional[Dict[str, Any]] = None


@dataclass(frozen=True)
class Collector:
    """A source of facts.

    run(host, need) returns plain data, which stands in the tree under name; need(other) waits for another collector's
    data and raises Missing where it has none. deadline in seconds. A hidden collector's data is raw material that
    may hold secrets: other collectors may need() it, judges never see it. fact: where the data stands in the tree, if not
    under name: the raw material of a thing and its facts may so go by one word.
    """

    name: str
    run: Callable[[Any, "Need"], Any]
    deadline: float = 5.0
    hidden: bool = False
    fact: str = ""


@dataclass
class _Slot:
    collector: Collector
    done: threading.Event = field(default_factory=threading.Event)
    value: Any = None


class Need:
    """What a collector is given to reach the options and the other collectors' data."""

    def __init__(self, slots: Dict[str, _Slot], options: Options) -> None:
        self._slots = slots
        self.options = options

    def __call__(self, name: str) -> Any:
        """Return another collector's data. Raises Missing where it could not be read."""
        slot = self._slots[name]
        if not slot.done.wait(slot.collector.deadline + GRACE):
            raise Missing(name, Reason.TIMEOUT, "no answer within %g s" % slot.collector.deadline)
        if isinstance(slot.value, Unread):
            raise Missing(name, slot.value.reason, slot.value.detail)
        return slot.value


def attempt(read: Callable[[], Any]) -> Any:
    """Return what read() returns, or an Unread leaf that says why it could not be read."""
    try:
        return read()
    except HostError as error:
        return Unread(error.reason, str(error))
    except Missing as missing:
        return Unread(missing.reason, missing.detail)


def collect_all(host: Any, collectors: Sequence[Collector], options: Options) -> Dict[str, Any]:
    """Run every collector and return {name: data or Unread} of those that are not hidden, in the given order."""
    return start_all(host, collectors, options)()


def start_all(host: Any, collectors: Sequence[Collector], options: Options) -> Callable[[], Dict[str, Any]]:
    """Start every collector and return what waits for them, and then returns what collect_all() does."""
    slots = {collector.name: _Slot(collector) for collector in collectors}
    need = Need(slots, options)
    started = time.monotonic()
    for slot in slots.values():
        # Daemon threads: one stuck on a dead network file system must not keep the module from ending.
        threading.Thread(target=_fill, args=(slot, host, need), daemon=True).start()
    return lambda: _gathered(slots, started)


def _gathered(slots: Dict[str, _Slot], started: float) -> Dict[str, Any]:
    facts = {}
    for name, slot in slots.items():
        left = started + slot.collector.deadline + GRACE - time.monotonic()
        if slot.done.wait(max(0.0, left)):
            value = slot.value
        else:
            value = Unread(Reason.TIMEOUT, "no answer within %g s" % slot.collector.deadline)
        if not slot.collector.hidden:
            facts[slot.collector.fact or name] = value
    return facts


def _fill(slot: _Slot, host: Any, need: Need) -> None:
    def run() -> Any:
        return slot.collector.run(host.within(slot.collector.deadline), need)

    try:
        slot.value = attempt(run)
    except Exception as error:  # pylint: disable=broad-except  # a bug in one source must not hide the others
        # The message of an unforeseen error may quote what was read, so only its type leaves the host.
        slot.value = Unread(
            Reason.ERROR,
            "collector %s crashed with %s at %s" % (slot.collector.name, type(error).__name__, _where(error)),
        )
    slot.done.set()


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return "%s:%d" % (trace.tb_frame.f_code.co_filename.rsplit("/", 1)[-1], trace.tb_lineno)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suites that each name takes, without asking each name for each suite.

Names of one nginx mostly share their settings, but need not: ssl_ciphers counts per server block, certificates of RSA and of
ECDSA go with different suites, and what nginx does with ssl_protocols of a block has changed. Configuration alone does not
tell. So one name of each door is asked for everything, and every other is only asked whether it differs: it must refuse all that
the first one refused, and take something weak where the first one did. One that differs is asked for everything itself.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.tls_suites import weakness
from ansible_collections.nself.prod.plugins.module_utils.probe import tls as probe

PARTS = 4  # in which one name is asked for everything at the same time
ROUNDS = 8  # distinct sets of suites at one door; more are left unknown


def enumerate_all(host: Any, pool: Any, targets: Sequence[Any]) -> None:
    """Add suites and server_order to the facts of each target, which has a door and speaks TLS 1.2."""
    waiting: Dict[Any, List[Any]] = {}
    for target in targets:
        waiting.setdefault(_bucket(target), []).append(target)
    for _round in range(ROUNDS):
        if not waiting:
            break
        first = {key: members.pop(0) for key, members in waiting.items()}
        found = _whole(host, pool, first)
        asked: List[Tuple[Any, Any]] = [(key, target) for key, members in waiting.items() for target in members]
        same = pool.map(attempt, [partial(_same, host, target.door, found[key]) for key, target in asked])
        waiting = {}
        for (key, target), answer in zip(asked, same):
            if answer is True:
                target.facts["suites"] = found[key]
            elif isinstance(answer, Unread):
                target.facts["suites"] = answer
            else:
                waiting.setdefault(key, []).append(target)
    for members in waiting.values():
        for target in members:
            target.facts["suites"] = Unread(Reason.ERROR, "more than %d sets of suites at one port" % ROUNDS)
    orders = pool.map(lambda target: _order(host, target), targets)
    for target, order in zip(targets, orders):
        target.facts["server_order"] = order


def _bucket(target: Any) -> Tuple[Any, ...]:
    """Names that are likely to take the same suites: one door, and certificates of the same kinds."""
    leaves = target.facts.get("leaves")
    kinds = sorted({leaf["key"] for leaf in leaves}) if isinstance(leaves, list) else []
    return (target.door.address, target.door.port) + tuple(kinds)


def _whole(host: Any, pool: Any, first: Dict[Any, Any]) -> Dict[Any, Any]:
    """Ask one target a bucket for every suite and return {bucket: suites}."""
    parts = [
        (key, target.door, probe.ALL_SUITES[number::PARTS]) for key, target in first.items() for number in range(PARTS)
    ]
    answers = pool.map(lambda part: attempt(lambda: probe.accepted(host, part[1], part[2])), parts)
    found: Dict[Any, Any] = {}
    for (key, _door, _suites), answer in zip(parts, answers):
        if isinstance(answer, Unread) or isinstance(found.get(key), Unread):
            found[key] = found[key] if isinstance(found.get(key), Unread) else answer
        else:
            found[key] = found.get(key, []) + answer
    for key, target in first.items():
        if not isinstance(found[key], Unread):
            found[key] = sorted(found[key], key=probe.ALL_SUITES.index)
        target.facts["suites"] = found[key]
    return found


def _same(host: Any, door: probe.Door, suites: Any) -> bool:
    """Tell whether a name is as strict, and as lax, as one that takes these suites."""
    if isinstance(suites, Unread):
        return False
    if probe.takes_one_of(host, door, [number for number in probe.ALL_SUITES if number not in suites]):
        return False
    weak = [number for number in suites if weakness(number)]
    return not weak or probe.takes_one_of(host, door, weak)


def _order(host: Any, target: Any) -> Any:
    suites = target.facts["suites"]
    return suites if isinstance(suites, Unread) else attempt(lambda: probe.keeps_order(host, target.door, suites))

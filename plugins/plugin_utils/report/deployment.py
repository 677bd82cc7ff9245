# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of harden.yml did to the deployment, from what its one change answered: services, their order, how long they were away. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.nself.prod.plugins.plugin_utils.report.text import clean_tree

# In the order in which harden.yml runs them. All of them are one change of the deployment.
ROLES = (
    "containers",
    "postgres_tls",
    "postgres_audit",
    "hasura",
    "auth",
    "minio",
    "redis",
    "nginx",
)
# What harden.yml registers of the change.
RESULT = "nself_harden_deployment"
WHOLE = "deployment"  # what the change is called beside the roles
KILLED = "it was ended in the middle and gave no answer; the host takes back by itself what it had begun: run it again"
NOT_HERE = "there is no deployment to harden"


@dataclass(frozen=True)
class Part:
    """What one role had to do with it. services: those of it that were made anew; settings: names of the guide's settings that it follows;
    left: what stays as it is.
    """

    role: str
    services: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deployment:
    """The change of a host's deployment, made or only planned.

    order: the services that were made anew, layer by layer; removed: those whose container was removed; downtime: {service: seconds for
    which it did not answer}; left: what stays as it is, whichever role it is about; failed: the change was taken back, or never made.
    """

    applicable: bool = True
    failed: bool = False
    changed: bool = False
    order: tuple[tuple[str, ...], ...] = ()
    removed: tuple[str, ...] = ()
    downtime: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    left: tuple[str, ...] = ()


def from_answer(answer: Any) -> Optional[Deployment]:
    """Return what the change of a deployment answered, None where none was tried. A host's answer is not trusted to have the right form."""
    if not isinstance(answer, Mapping) or answer.get("skipped") or not isinstance(answer.get("changed"), bool):
        return None
    answer = clean_tree(answer)
    parts = answer.get("parts")
    parts = parts if isinstance(parts, Mapping) else {}
    return Deployment(
        answer.get("applicable") is not False,
        answer.get("failed") is True,
        answer["changed"],
        _layers(answer.get("order"), _texts(answer.get("recreated"))),
        _texts(answer.get("removed")),
        _seconds(answer.get("downtime")),
        tuple(_part(role, parts[role]) for role in ROLES if isinstance(parts.get(role), Mapping)),
        _texts(answer.get("left")),
    )


def _part(role: str, given: Mapping[str, Any]) -> Part:
    return Part(role, *(_texts(given.get(key)) for key in ("services", "settings", "left")))


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        value = list(value)
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(dict.fromkeys(text for text in value if isinstance(text, str) and text.strip()))


def _layers(order: Any, recreated: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the services in their order; those that it does not name stand last."""
    layers = (
        tuple(_texts([item] if isinstance(item, str) else item) for item in order or ())
        if isinstance(order, list)
        else ()
    )
    known = {service for layer in layers for service in layer}
    rest = tuple(service for service in recreated if service not in known)
    return tuple(layer for layer in (*layers, rest) if layer)


def _seconds(value: Any) -> dict[str, float]:
    given = value.items() if isinstance(value, Mapping) else ()
    return {
        str(service): float(seconds)
        for service, seconds in given
        if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds >= 0
    }


# -- in words ----------------------------------------------------------------------------------------------------------------


def in_order(change: Deployment) -> str:
    """Return the services in the order of their layers, each with how long it was away where that is known."""

    def said(service: str) -> str:
        seconds = change.downtime.get(service)
        return service if seconds is None else "%s (%s)" % (service, duration(seconds))

    return " → ".join(", ".join(map(said, layer)) for layer in change.order)


def longest(change: Deployment) -> str:
    """Return in words which service was away for how long at most; empty where nothing was."""
    if not change.downtime:
        return ""
    service = max(change.downtime, key=lambda name: (change.downtime[name], name))
    return "%s, %s" % (service, duration(change.downtime[service]))


def duration(seconds: float) -> str:
    """Return a time that people read at a glance."""
    if seconds < 10:
        return "%.1f s" % seconds
    return "%d s" % round(seconds) if seconds < 120 else "%d min" % round(seconds / 60)


def excuses(change: Deployment) -> tuple[str, ...]:
    """Return why nothing was done, where the host has nothing to do it to."""
    return () if change.applicable else change.left or (NOT_HERE,)


def by_hand(change: Deployment) -> tuple[str, ...]:
    """Return what is left to people, each said once and with its role where it is one's."""
    if not change.applicable:
        return ()
    told = ["%s: %s" % (part.role, text) for part in change.parts for text in part.left]
    own = {text for part in change.parts for text in part.left}
    return tuple(told + [text for text in change.left if text not in own and text not in told])


def outcome(change: Deployment) -> dict[str, Any]:
    """Return it as plain data."""
    return {
        "applicable": change.applicable,
        "order": [list(layer) for layer in change.order],
        "removed": list(change.removed),
        "downtime": dict(change.downtime),
        "settings": {part.role: list(part.settings) for part in change.parts if part.settings},
        "left": list(by_hand(change)),
    }

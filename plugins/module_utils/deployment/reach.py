# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a unit's port can be reached from the host."""

from __future__ import annotations

from typing import Any, Callable, List, Mapping, Tuple, TypeVar

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

T = TypeVar("T")
_HERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}


def places_of(unit: Mapping[str, Any], port: int) -> List[Tuple[str, int]]:
    """Return (address, port) of a unit's port, best first: its own addresses, what is published, the host's loopback where it shares that.

    Its own first: what is published may lead through a proxy that makes everybody look like the host.
    """
    places = [(str(address), port) for address in unit["addresses"]]
    places += [
        (_HERE.get(item["ip"], item["ip"]), int(item["port"]))
        for item in unit["ports"]
        if str(item["target"]) == str(port)
    ]
    if "network" in unit.get("host_namespaces", ()):
        places.append(("127.0.0.1", port))
    return places


def first_answer(places: List[Tuple[str, int]], ask: Callable[[str, int], T], fact: str, what: str) -> T:
    """Return ask(address, port) of the first place that answers. Raises Missing(fact) where none does."""
    problem = Missing(fact, Reason.ERROR, "%s has no address that this host can reach" % what)
    for address, port in places:
        try:
            return ask(address, port)
        except HostError as error:
            problem = error.missing(fact)
    raise problem

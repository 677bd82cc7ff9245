# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which addresses of this host a port of a running unit is reached."""

from __future__ import annotations

from typing import Any, Callable, List, Mapping, Tuple, TypeVar

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

T = TypeVar("T")
HERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}


def doors_of(unit: Mapping[str, Any], port: int, own_first: bool = False) -> List[Tuple[str, int]]:
    """Return the (address, port) that lead to a TCP port of a unit, best first: published ports, then its own addresses.

    unit: a running unit in clear, as need("project").running() gives it. own_first: where it matters whom the service sees come,
    as what is published may lead through a proxy that makes everybody look like the host.
    """
    published = [
        (HERE.get(item["ip"], item["ip"]), int(item["port"]))
        for item in unit["ports"]
        if str(item["target"]) == str(port) and item.get("proto", "tcp") == "tcp"
    ]
    own = [(address, port) for address in unit["addresses"]]
    # A container in the host's network namespace has no address of its own.
    shared = [("127.0.0.1", port)] if "network" in (unit.get("host_namespaces") or []) else []
    found = (own + published if own_first else published + own) + shared
    return [door for number, door in enumerate(found) if door not in found[:number]]


def first_answer(doors: List[Tuple[str, int]], ask: Callable[[str, int], T], fact: str, what: str) -> T:
    """Return ask(address, port) of the first door that answers. Raises Missing(fact) where none does."""
    problem = Missing(fact, Reason.ERROR, "%s has no address that this host can reach" % what)
    for address, port in doors:
        try:
            return ask(address, port)
        except HostError as error:
            problem = error.missing(fact)
    raise problem

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which addresses of this host a port of a running unit is reached."""

from __future__ import annotations

from typing import Any, List, Mapping, Tuple

HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def doors_of(unit: Mapping[str, Any], port: int) -> List[Tuple[str, int]]:
    """Return the (address, port) that lead to a TCP port of a unit, best first: published ports, then its own addresses.

    unit: a running unit in clear, as need("project").running() gives it.
    """
    published = [
        (HERE.get(item["ip"], item["ip"]), int(item["port"]))
        for item in unit["ports"]
        if item["target"] == str(port) and item.get("proto", "tcp") == "tcp"
    ]
    own = [(address, port) for address in unit["addresses"]]
    # A container in the host's network namespace has no address of its own.
    shared = [("127.0.0.1", port)] if "network" in (unit.get("host_namespaces") or []) else []
    found = published + own + shared
    return [door for number, door in enumerate(found) if door not in found[:number]]

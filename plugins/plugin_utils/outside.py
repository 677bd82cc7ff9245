# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a host's inner ports answer from where the controller stands: plain TCP connects, and not a byte sent."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, Optional

# What belongs inside: PostgreSQL, Redis, Hasura, auth, MinIO and its console, Grafana, Prometheus, Docker's API without and with TLS.
PORTS = (5432, 6379, 8080, 4000, 9000, 9001, 3000, 9090, 2375, 2376)
TIMEOUT = 1.0
OPEN, REFUSED, TIMED_OUT, ERROR = "open", "refused", "timeout", "error"
# A firewall that rejects with an ICMP message instead of a reset.
_TURNED_AWAY = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.EACCES)


def look(
    address: str, ports: Sequence[int] = PORTS, timeout: float = TIMEOUT, control: int = 22
) -> Optional[dict[str, Any]]:
    """Return {address, ports, same_host, control}: how each port answers; None for an address that cannot be resolved.

    control: a port of the host that is known to answer (that of ssh). What it answers tells whether the address leads to the
    host from here at all: behind a jump host silence on the other ports would prove nothing. An address of this machine is
    not asked, for it gives no view from outside.
    """
    try:
        found = socket.getaddrinfo(address, control, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    families: dict[int, Any] = {}
    for family, _type, _protocol, _name, place in found:
        families.setdefault(family, place)  # one address a family is the host; more would be a burst
    if any(_is_here(family, place) for family, place in families.items()):
        return {"address": address, "ports": {}, "same_host": True, "control": ERROR}
    answers = _connect_all(families, tuple(dict.fromkeys((control, *ports))), timeout, control)
    # Where one family leads to the host and the other does not, only the first has a view.
    led = [family for family in families if answers[family, control] == OPEN] or list(families)
    states = {port: _worst([answers[family, port] for family in led]) for port in (control, *ports)}
    return {
        "address": address,
        "ports": {str(port): states[port] for port in ports},
        "same_host": False,
        "control": states[control],
    }


def _worst(states: Sequence[str]) -> str:
    return next(state for state in (OPEN, ERROR, TIMED_OUT, REFUSED) if state in states)


def _is_here(family: int, place: Any) -> bool:
    """Tell whether an address is one of this machine: only its own can be bound."""
    address = ipaddress.ip_address(str(place[0]).partition("%")[0])
    if address.is_loopback or address.is_unspecified:
        return True
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((place[0], 0, *place[2:]))
        except OSError:
            return False
    return True


def _connect_all(families: Mapping[int, Any], ports: Sequence[int], timeout: float, control: int) -> dict[Any, str]:
    """Connect to every port of every address at once. Return {(family, port): state}."""
    answers: dict[Any, str] = {(family, port): TIMED_OUT for family in families for port in ports}
    started = time.monotonic()
    ends = started + timeout
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as waiting:
        for family, place in families.items():
            for port in ports:
                probe = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                probe.setblocking(False)
                code = probe.connect_ex((place[0], port, *place[2:]))
                if code == errno.EINPROGRESS:
                    waiting.register(probe, selectors.EVENT_WRITE, (family, port))
                else:
                    answers[family, port] = _state(code)
        while waiting.get_map() and time.monotonic() < ends:
            for key, _events in waiting.select(max(0.0, ends - time.monotonic())):
                waiting.unregister(key.fileobj)
                code = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # type: ignore[union-attr]
                answers[key.data] = _state(code)
                if key.data[1] == control and code == 0 and len(families) == 1:
                    # It is now known how far away the host is: what is silent ten times as long drops our packets.
                    ends = min(ends, started + max(0.4, 10 * (time.monotonic() - started)))
    return answers


def _state(code: int) -> str:
    if code == 0:
        return OPEN
    if code == errno.ETIMEDOUT:
        return TIMED_OUT
    return REFUSED if code in _TURNED_AWAY else ERROR

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which protocols and cipher suites a TLS server takes, and which certificates it shows, asked with hellos of our own.

No handshake is finished, nothing is agreed on and nothing is sent but hellos. A server that answers with an alert, or twice
closes the connection instead of answering, has refused what was offered; one that says nothing in time has not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.tls_suites import (
    SUITES,
    TLS13_SUITES,
    authentication_of,
    weakness,
)
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import tls_wire as wire

TIMEOUT = 2.0  # seconds for one hello and its answer
ALERTS_LIMIT = 8  # warnings that a server may give before it answers
# Strong ones first: what a server that goes by the client's order then takes is its best.
ALL_SUITES = tuple(sorted(SUITES, key=lambda number: (weakness(number) is not None, number)))


@dataclass(frozen=True)
class Answer:
    """What came back: the choice, or None where it was refused; the certificates where they were asked for."""

    hello: Optional[wire.ServerHello]
    chain: Tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Door:
    """Where to ask, and for which name."""

    address: str
    port: int
    name: str


def ask(host: Any, door: Door, version: int, suites: Sequence[int], chain: bool = False) -> Answer:
    """Offer one version and suites and return the answer, with the certificates where chain is wanted (up to TLS 1.2).

    Raises HostError where nobody answers, or something that is no TLS.
    """
    try:
        hello = wire.client_hello(version, suites, door.name, os.urandom(32))
    except ValueError as error:
        raise HostError(Reason.ERROR, door.name, "cannot be sent as a server name") from error
    for _attempt in range(2):
        with host.connect(door.address, door.port, timeout=TIMEOUT) as stream:
            try:
                stream.send(hello)
                return _read_answer(stream, chain)
            except ValueError as error:
                raise HostError(Reason.PARSE_ERROR, "%s:%d" % (door.address, door.port), str(error)) from error
            except HostError as error:
                if error.reason != Reason.ERROR:
                    raise
                # Closed or reset without a word. Once may be chance.
    return Answer(None)


def _read_answer(stream: Any, chain: bool) -> Answer:
    data, hello, alerts = b"", None, 0
    while True:
        message = wire.message_of(data)
        if message is None:
            kind, length = wire.record_header(stream.receive(5))
            content = stream.receive(length)
            if kind == wire.ALERT:
                alerts += 1
                if wire.parse_alert(content).fatal or alerts > ALERTS_LIMIT:
                    return Answer(hello)
            elif kind != wire.HANDSHAKE:
                raise ValueError("what answers there speaks no TLS")
            else:
                data += content
            continue
        kind, body, length = message
        data = data[length:]
        if hello is None:
            if kind != wire.SERVER_HELLO:
                raise ValueError("a TLS server that begins with message %d" % kind)
            hello = wire.parse_server_hello(body)
            # Anonymous suites come without a certificate, and TLS 1.3 encrypts it.
            if not chain or hello.version >= wire.TLS13:
                return Answer(hello)
        elif kind == wire.CERTIFICATE:
            return Answer(hello, wire.parse_certificate(body))
        else:
            return Answer(hello)


def old_protocols(host: Any, door: Door) -> Dict[str, bool]:
    """Return {name: accepted} of SSL 3.0 to TLS 1.1. A server takes the highest that it shares, so refusing one ends the search."""
    found = {wire.NAMES[version]: False for version in (wire.SSL3, wire.TLS10, wire.TLS11)}
    for version in (wire.TLS11, wire.TLS10, wire.SSL3):
        hello = ask(host, door, version, ALL_SUITES).hello
        if hello is not None and hello.version <= version:
            found[wire.NAMES[hello.version]] = True
        elif version == wire.TLS11:
            # SSL 3.0 knows no extensions: some servers want to be asked in its own way.
            hello = ask(host, door, wire.SSL3, ALL_SUITES).hello
            found[wire.NAMES[wire.SSL3]] = hello is not None and hello.version == wire.SSL3
            break
    return found


def speaks(host: Any, door: Door, version: int) -> bool:
    """Tell whether a server takes a version (TLS 1.2 or 1.3)."""
    hello = ask(host, door, version, TLS13_SUITES if version == wire.TLS13 else ALL_SUITES).hello
    return hello is not None and hello.version == version


def chains(host: Any, door: Door) -> List[Tuple[bytes, ...]]:
    """Return the chains that a server shows over TLS 1.2: the one for RSA suites and the one for ECDSA suites."""
    found = []
    for kind in ("RSA", "ECDSA"):
        suites = [number for number in ALL_SUITES if authentication_of(number) == kind]
        chain = ask(host, door, wire.TLS12, suites, chain=True).chain
        if chain and chain not in found:
            found.append(chain)
    return found


def accepted(host: Any, door: Door, offered: Sequence[int] = ALL_SUITES) -> List[int]:
    """Return every suite of TLS 1.2 that a server takes out of those offered, in the order in which it picks them.

    One hello a suite, and one that is refused.
    """
    left, found = list(offered), []
    while left:
        hello = ask(host, door, wire.TLS12, left).hello
        if hello is None or hello.version != wire.TLS12:
            break
        if hello.suite not in left:
            raise HostError(Reason.PARSE_ERROR, door.name, "the server chose a suite that was not offered")
        left.remove(hello.suite)
        found.append(hello.suite)
    return found


def takes_one_of(host: Any, door: Door, suites: Sequence[int]) -> bool:
    """Tell whether a server takes any of these suites with TLS 1.2."""
    hello = ask(host, door, wire.TLS12, suites).hello if suites else None
    return hello is not None and hello.version == wire.TLS12


def keeps_order(host: Any, door: Door, suites: Sequence[int]) -> Optional[bool]:
    """Tell whether a server goes by its own order: asked in two opposite orders it then chooses the same.

    None where it takes fewer than two of the suites, so that there is nothing to order.
    """
    if len(suites) < 2:
        return None
    first = ask(host, door, wire.TLS12, list(suites)).hello
    second = ask(host, door, wire.TLS12, list(reversed(suites))).hello
    if first is None or second is None:
        raise HostError(Reason.ERROR, door.name, "the server refused what it took before")
    return first.suite == second.suite

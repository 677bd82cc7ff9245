# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How PostgreSQL answers at its door: whether it speaks TLS and with which certificate, and whether it goes on in clear.

Protocol: https://www.postgresql.org/docs/current/protocol-message-formats.html. No password is ever sent.
"""

from __future__ import annotations

import struct
from typing import Any, Dict, Tuple

TIMEOUT = 5.0
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
PROTOCOL = 196608  # 3.0
LONGEST = 65536  # bytes of an answer
REFUSED = "28000"  # invalid_authorization_specification: no rule of pg_hba fits


def certificate(host: Any, address: str, port: int, name: str) -> bytes:
    """Return the certificate (DER) that the server shows in a finished handshake of TLS 1.2 or later; b"" where it speaks no TLS.

    Raises HostError.
    """
    with host.connect(address, port, timeout=TIMEOUT) as stream:
        stream.send(SSL_REQUEST)
        if stream.receive(1) != b"S":
            return b""
        stream.start_tls(name)
        return bytes(stream.certificate())


def in_clear(host: Any, address: str, port: int, user: str, database: str) -> Tuple[bool, str]:
    """Ask to be let in without TLS, and without a password. Return (whether the server goes on, what it said). Raises HostError."""
    with host.connect(address, port, timeout=TIMEOUT) as stream:
        stream.send(startup(user, database))
        kind = stream.receive(1)
        length = struct.unpack("!i", stream.receive(4))[0]
        if not 4 <= length <= LONGEST:
            return True, "an answer that is none of PostgreSQL's"
        body = stream.receive(length - 4)
    if kind != b"E":
        return True, "it asks for the password" if kind == b"R" else "it goes on"
    said = error_of(body)
    return said.get("C") != REFUSED, said.get("M", "an error without words")


def startup(user: str, database: str) -> bytes:
    """Return the first message of a connection."""
    body = b"".join(
        word.encode("utf-8") + b"\0" for word in ("user", user, "database", database, "application_name", "nself-prod")
    )
    return struct.pack("!ii", len(body) + 9, PROTOCOL) + body + b"\0"


def error_of(body: bytes) -> Dict[str, str]:
    """Return an ErrorResponse's fields by their letters: C is the SQLSTATE, M the message."""
    parts = [part for part in body.split(b"\0") if part]
    return {chr(part[0]): part[1:].decode("utf-8", "replace") for part in parts}

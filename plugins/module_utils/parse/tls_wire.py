# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS before anything is encrypted: a ClientHello for any version and suites, and what a server answers to it, by hand.

The local OpenSSL can offer neither old protocols nor old suites, so that it cannot tell whether a server takes them; a
hello that is written by hand can. No key is ever agreed on: the server's first messages hold its choice and, up to
TLS 1.2, its certificates. Sources: RFC 6101 (SSL 3.0), 5246 (TLS 1.2), 8446 (TLS 1.3), 6066 (server names).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Iterator, Optional, Sequence, Tuple

SSL3, TLS10, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
NAMES = {SSL3: "SSLv3", TLS10: "TLSv1", TLS11: "TLSv1.1", TLS12: "TLSv1.2", TLS13: "TLSv1.3"}

ALERT, HANDSHAKE = 21, 22  # types of records
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_HELLO_DONE = 1, 2, 11, 14  # types of handshake messages
RECORD_LIMIT = (1 << 14) + 2048  # RFC 5246 6.2.3: no record is longer
MESSAGE_LIMIT = 1 << 18  # of one handshake message: more than any chain of certificates

# A server picks only what it finds in these, so everything that one may insist on stands here, weak things too.
_GROUPS = (29, 23, 24, 25, 30, 22, 26, 27, 28, 9, 10, 11, 12, 13, 14, 19, 21)  # x25519, NIST, brainpool, sect, secp192
_GROUPS_13 = (
    29,
    23,
    24,
    25,
    30,
    0x11EC,
    256,
    257,
    258,
    259,
    260,
)  # and X25519MLKEM768, ffdhe: not for 1.2 (RFC 7919 4)
_SIGNATURES = (
    # ECDSA, RSA-PSS, Ed25519, Ed448
    (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807, 0x0808, 0x0809, 0x080A, 0x080B, 0x081A, 0x081B, 0x081C)
    # RSA PKCS#1, DSA, SHA-224, SHA-1, MD5
    + (0x0401, 0x0501, 0x0601, 0x0402, 0x0502, 0x0602, 0x0303, 0x0301, 0x0302, 0x0203, 0x0201, 0x0202, 0x0101)
)
_RENEGOTIATION_SCSV = 0x00FF  # RFC 5746: a suite that says what the extension says, for versions without extensions
# RFC 8446 4.1.3: the random of a ServerHello that asks for another hello: the version is settled all the same.
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


@dataclass(frozen=True)
class ServerHello:
    """A server's choice: version (the real one, also where TLS 1.3 hides it) and suite."""

    version: int
    suite: int


@dataclass(frozen=True)
class Alert:
    """A server's refusal, as a number of RFC 8446 6."""

    fatal: bool
    code: int


def client_hello(version: int, suites: Sequence[int], server_name: str = "", random: bytes = b"") -> bytes:
    """Return a record with a ClientHello that offers one highest version. Raises ValueError for a name that cannot be sent.

    TLS 1.3 is offered alone and without a key share, to which a server that speaks it answers that it wants one.
    """
    offered = list(suites)
    if version <= TLS12:
        offered.append(_RENEGOTIATION_SCSV)
    body = struct.pack(">H", min(version, TLS12)) + (random or bytes(32))[:32].ljust(32, b"\0")
    # TLS 1.3 through middle boxes wants a session id (RFC 8446 D.4); a session that nobody knows is started anew.
    body += _vector8(b"nself.prod".ljust(32, b"\0") if version == TLS13 else b"")
    body += _vector16(b"".join(struct.pack(">H", suite) for suite in offered))
    body += _vector8(b"\0")  # no compression
    if version > SSL3:
        body += _vector16(_extensions(version, server_name))
    message = struct.pack(">B", CLIENT_HELLO) + struct.pack(">I", len(body))[1:] + body
    # The record's own version is the lowest that may be meant; RFC 5246 E.1 and RFC 8446 5.1.
    return struct.pack(">BHH", HANDSHAKE, min(version, TLS10), len(message)) + message


def _extensions(version: int, server_name: str) -> bytes:
    out = b""
    if server_name:
        name = server_name.encode("idna" if any(ord(char) > 127 for char in server_name) else "ascii")
        if not 0 < len(name) < 256:
            raise ValueError("a server name has 1 to 255 bytes")
        out += _extension(0, _vector16(b"\0" + _vector16(name)))
    groups = _GROUPS_13 if version == TLS13 else _GROUPS
    out += _extension(10, _vector16(b"".join(struct.pack(">H", group) for group in groups)))
    out += _extension(11, _vector8(b"\0"))  # points as they are, not compressed
    if version >= TLS12:
        out += _extension(13, _vector16(b"".join(struct.pack(">H", scheme) for scheme in _SIGNATURES)))
    if version == TLS13:
        out += _extension(43, _vector8(struct.pack(">H", TLS13)))
        out += _extension(51, _vector16(b""))
    return out


def _extension(number: int, content: bytes) -> bytes:
    return struct.pack(">H", number) + _vector16(content)


def _vector8(content: bytes) -> bytes:
    return struct.pack(">B", len(content)) + content


def _vector16(content: bytes) -> bytes:
    return struct.pack(">H", len(content)) + content


class Reader:
    """Bytes that are taken from the front. Raises ValueError where there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise ValueError("TLS message ends early")
        piece, self._at = self._data[self._at : end], end
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Return what follows its own length of so many bytes."""
        return self.take(self.number(size))

    @property
    def left(self) -> int:
        return len(self._data) - self._at


def record_header(data: bytes) -> Tuple[int, int]:
    """Return (type, length of the content) of a record's five bytes. Raises ValueError for what is no TLS."""
    kind, major, _minor, length = struct.unpack(">BBBH", data)
    if kind not in (20, ALERT, HANDSHAKE, 23) or major != 3 or not 0 < length <= RECORD_LIMIT:
        raise ValueError("what answers there speaks no TLS")
    return kind, length


def message_of(data: bytes) -> Optional[Tuple[int, bytes, int]]:
    """Return (type, body, length of all) of the handshake message at the front; None until it is there as a whole."""
    if len(data) < 4:
        return None
    length = int.from_bytes(data[1:4], "big")
    if length > MESSAGE_LIMIT:
        raise ValueError("a TLS message of %d bytes" % length)
    return (data[0], data[4 : 4 + length], 4 + length) if len(data) >= 4 + length else None


def parse_alert(content: bytes) -> Alert:
    reader = Reader(content)
    return Alert(reader.number(1) == 2, reader.number(1))


def parse_server_hello(body: bytes) -> ServerHello:
    """Return a ServerHello's choice. Raises ValueError."""
    reader = Reader(body)
    version = reader.number(2)
    reader.take(32)
    reader.vector(1)
    suite = reader.number(2)
    reader.take(1)
    if reader.left:
        for number, content in _parse_extensions(reader.vector(2)):
            if number == 43 and len(content) == 2:
                version = int.from_bytes(content, "big")
    if version not in NAMES:
        raise ValueError("a server of the unknown version 0x%04X" % version)
    return ServerHello(version, suite)


def _parse_extensions(data: bytes) -> Iterator[Tuple[int, bytes]]:
    reader = Reader(data)
    while reader.left:
        yield reader.number(2), reader.vector(2)


def parse_certificate(body: bytes) -> Tuple[bytes, ...]:
    """Return the certificates (DER) of a Certificate message up to TLS 1.2, the server's own first. Raises ValueError."""
    reader = Reader(Reader(body).vector(3))
    chain = []
    while reader.left:
        chain.append(reader.vector(3))
    return tuple(chain)

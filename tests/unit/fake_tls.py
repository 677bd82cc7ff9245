# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS servers made of data: what they answer to a hello, and what a host's OpenSSL would say of them."""

from __future__ import annotations

import struct

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.tls_suites import authentication_of
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, Refused
from ansible_collections.nself.prod.plugins.module_utils.parse import tls_wire as wire
from fake_host import FakeConnection, FakeHost

ALERT = bytes([wire.ALERT, 3, 1, 0, 2, 2, 40])


def record(kind, content):
    return struct.pack(">BHH", kind, 0x0303, len(content)) + content


def message(kind, body):
    return bytes([kind]) + struct.pack(">I", len(body))[1:] + body


def vector24(data):
    return struct.pack(">I", len(data))[1:] + data


def server_hello(version, suite):
    extensions = struct.pack(">HHH", 43, 2, version) if version == wire.TLS13 else b""
    body = struct.pack(">H", min(version, wire.TLS12)) + bytes(32) + b"\0" + struct.pack(">H", suite) + b"\0"
    return message(wire.SERVER_HELLO, body + struct.pack(">H", len(extensions)) + extensions)


def parse_hello(data):
    """Return (highest version, suites, server name) of a client's hello."""
    reader = wire.Reader(data[9:])
    version = reader.number(2)
    reader.take(32)
    reader.vector(1)
    packed = reader.vector(2)
    suites = [int.from_bytes(packed[at : at + 2], "big") for at in range(0, len(packed), 2)]
    reader.vector(1)
    name, extensions = "", wire.Reader(reader.vector(2)) if reader.left else None
    while extensions is not None and extensions.left:
        number, content = extensions.number(2), extensions.vector(2)
        if number == 0:
            name = content[5:].decode()
        if number == 43:
            version = int.from_bytes(content[1:3], "big")
    return version, suites, name


class FakeSite:
    """How one name is served. trusted: True, or why this host's OpenSSL refuses the certificate, or a HostError for no handshake."""

    def __init__(self, chains, versions=(wire.TLS12, wire.TLS13), suites=(), own_order=True, trusted=True):
        self.chains, self.versions, self.suites = chains, versions, suites  # chains: {"RSA" or "ECDSA": [DER]}
        self.own_order, self.trusted = own_order, trusted

    def answer(self, version, suites):
        shared = [item for item in self.versions if item <= version and (version < wire.TLS13 or item == version)]
        if not shared:
            return ALERT
        if max(shared) == wire.TLS13:
            return record(wire.HANDSHAKE, server_hello(wire.TLS13, suites[0]))
        usable = [
            item for item in self.suites if item in suites and authentication_of(item) in list(self.chains) + [""]
        ]
        if not usable:
            return ALERT
        chosen = usable[0] if self.own_order else min(usable, key=suites.index)
        chain = self.chains.get(authentication_of(chosen))
        flight = server_hello(max(shared), chosen)
        if chain:
            flight += message(wire.CERTIFICATE, vector24(b"".join(vector24(item) for item in chain)))
        flight += message(wire.SERVER_HELLO_DONE, b"")
        # Messages do not respect the borders of records.
        return b"".join(record(wire.HANDSHAKE, flight[at : at + 700]) for at in range(0, len(flight), 700))


class FakeTls(FakeConnection):
    def __init__(self, sites):
        super().__init__(b"")
        self._sites, self._site = sites, None

    def send(self, data):
        version, suites, name = parse_hello(data)
        site = self._sites.get(name) or next(iter(self._sites.values()))
        self._data += site.answer(version, suites)

    def start_tls(self, server_name, verify=False):
        self._site = self._sites.get(server_name) or next(iter(self._sites.values()))
        if isinstance(self._site.trusted, HostError):
            raise self._site.trusted
        if verify and self._site.trusted is not True:
            raise Refused(Reason.ERROR, "peer", self._site.trusted)

    def certificate(self):
        return next(iter(self._site.chains.values()))[0]


class TlsHost(FakeHost):
    """A host whose peers may be {server name: FakeSite}; the first one answers for other names. Counts connections."""

    connections = 0

    def connect(self, address, port, timeout=3.0):
        self.connections += 1
        if isinstance(self.peers.get((address, port)), dict):
            return FakeTls(self.peers[(address, port)])
        return super().connect(address, port, timeout)

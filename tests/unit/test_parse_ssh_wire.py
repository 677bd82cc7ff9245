# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH protocol's bytes, real ones and broken ones."""

from __future__ import annotations

import base64
import struct

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse import ssh_wire
from hypothesis import given
from hypothesis import strategies as st

# Public halves of keys that were made for this file; the private ones are gone.
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJR2eQHRtmyjMPyjSKFbBuFhOLwCMJfV0y2UBVZIIfia"
ECDSA = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDVKIOtS7flC8U8I7PuVu0xsYMqDgqO5i0Xp9YZnrUvJ3YMH"
    "pA5kB87LR5vd+3qe3wmv24tI8XClqJ6APKH+MVk="
)
RSA_2048 = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCw22IKCBS2hMILZ4qjakIjDKHjGeqkams1qBER3C/vin8cce0pZk4GaQAz/BFj5xqr4pMzf4Lt6hgqGGvmJY"
    "WyRvLX7wsnha7ovQog0YV9IZR1d8nNyM1OI4Uqf6FJIVx/V0sc3HA0b85cygk3+IN/65aZUwqCyaQR76BW7q+RcVc69oVuh0N1Uqtp+QLi2cTFxHrZ1qbIT40E"
    "3Dg/5+qLggUjI8roMyuXAoknZf9V8oBI0VKpjkRdAz/tdtFenIf466qeA3e98Cp8GLaf/F+4yhWCTuUs1iDi7BkwsJrnNf2lCoC66DkmQR+QDqLek9BPLujpWg"
    "JOY0mKCuTRYBAD"
)


def string(data):
    return struct.pack(">I", len(data)) + data


def private_file(blob):
    """Return a file with the layout of an OpenSSH private key whose secret half is zeros."""
    data = (
        b"openssh-key-v1\0"
        + string(b"none")
        + string(b"none")
        + string(b"")
        + struct.pack(">I", 1)
        + string(blob)
        + string(bytes(64))
    )
    text = base64.encodebytes(data).decode()
    marks = "-----%s OPENSSH PRIVATE" + " KEY-----\n"
    return marks % "BEGIN" + text + marks % "END"


@pytest.mark.parametrize(
    "release, first", [("bookworm", "sntrup761x25519-sha512"), ("trixie", "mlkem768x25519-sha256")]
)
def test_offer_of_a_real_server(root, release, first):
    data = base64.b64decode((root / "tests/fixtures/ssh" / ("greeting_%s.b64" % release)).read_text())
    packet = data.split(b"\n", 1)[1]
    padding = packet[4]
    offer = ssh_wire.parse_kexinit(packet[5 : len(packet) - padding])
    assert offer["kex"][0] == first and "kex-strict-s-v00@openssh.com" in offer["kex"]
    assert offer["host_keys"] == ["rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp256", "ssh-ed25519"]
    assert "chacha20-poly1305@openssh.com" in offer["ciphers"] and "hmac-sha1" in offer["macs"]


def test_both_directions_count():
    lists = [b"kex", b"key", b"in", b"out,in", b"mac", b"", b"none", b"none", b"", b""]
    offer = ssh_wire.parse_kexinit(b"\x14" + bytes(16) + b"".join(string(item) for item in lists))
    assert offer["ciphers"] == ["in", "out"] and offer["macs"] == ["mac"]


@given(st.binary(max_size=80))
def test_rubbish_is_refused_clearly(data):
    for read in (ssh_wire.parse_kexinit, ssh_wire.key_of_blob):
        for rubbish in (data, b"\x14" + data):
            try:
                read(rubbish)
            except ValueError:
                pass


@pytest.mark.parametrize(
    "line, kind, bits",
    [(ED25519, "ssh-ed25519", 256), (ECDSA, "ecdsa-sha2-nistp256", 256), (RSA_2048, "ssh-rsa", 2048)],
)
def test_public_keys(line, kind, bits):
    assert ssh_wire.key_of_line(line) == (kind, bits)
    assert ssh_wire.key_of_private_file(private_file(base64.b64decode(line.split()[1]))) == (kind, bits)


def test_private_keys_of_another_format_are_left_to_their_public_file():
    assert ssh_wire.key_of_private_file("-----BEGIN RSA PRIVATE" + " KEY-----\nAAAA\n") is None


def test_authorized_keys():
    text = "\n".join(
        [
            "# comment",
            "",
            ED25519 + " alice@laptop",
            'from="10.0.0.0/8",command="echo \\"ssh-rsa AAAA\\" x" ' + RSA_2048,
            "cert-authority,no-pty " + ECDSA,
            "ssh-rsa " + ED25519.split()[1],
            "not a key",
            "ssh-ed25519",
        ]
    )
    keys = ssh_wire.parse_authorized_keys(text)
    assert [(key["line"], key["type"], key["bits"]) for key in keys] == [
        (3, "ssh-ed25519", 256),
        (4, "ssh-rsa", 2048),
        (5, "ecdsa-sha2-nistp256", 256),
        (6, None, None),
        (7, None, None),
        (8, None, None),
    ]


@given(st.text(max_size=200))
def test_authorized_keys_never_raises(text):
    ssh_wire.parse_authorized_keys(text)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What first bytes tell of a file."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse import magic
from hypothesis import given
from hypothesis import strategies as st

# As `gpg --symmetric` and `gpg --encrypt` (RSA 2048, and to a v6 key) begin.
BY_PASSPHRASE = bytes.fromhex("8c0d04090302") + b"saltsalt" + b"\xff\xd2\x4a\x01"
BY_KEY = bytes.fromhex("85010c03") + b"keyidkey" + b"\x01\x08\x00" + b"\x9a" * 256
BY_NEW_KEY = bytes.fromhex("c15e03") + b"keyidkey" + b"\x12" + b"\x9a" * 80
SIGNED_ONLY = bytes.fromhex("a301") + b"\x9a\x01\x02\x03" * 20  # compressed, then signed


def armored(data):
    return b"-----BEGIN PGP MESSAGE-----\nVersion: 2\n\n" + base64.encodebytes(data) + b"-----END PGP MESSAGE-----\n"


@pytest.mark.parametrize(
    "start, kind",
    [
        (b"age-encryption.org/v1\n-> X25519 abc", "age"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl", "age"),
        (b"Salted__" + b"\x8f" * 60, "openssl enc"),
        (base64.b64encode(b"Salted__" + b"\x8f" * 60), "openssl enc"),
        (BY_PASSPHRASE, "OpenPGP"),
        (BY_KEY, "OpenPGP"),
        (BY_NEW_KEY, "OpenPGP"),
        (armored(BY_KEY), "OpenPGP"),
        (armored(SIGNED_ONLY), "text"),
        (SIGNED_ONLY, "unknown"),
        (gzip.compress(b"a", mtime=0), "gzip"),
        (bz2.compress(b"a"), "bzip2"),
        (lzma.compress(b"a"), "xz"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "zstd"),
        (b"PGDMP\x01\x0e", "pg_dump"),
        (b"db.sql".ljust(257, b"\0") + b"ustar  \0".ljust(255, b"\0"), "tar"),
        (b"--\n-- PostgreSQL database dump\n--\n", "SQL"),
        (b"\nSET statement_timeout = 0;\n", "SQL"),
        (b"INSERT INTO users VALUES (1);", "SQL"),
        (b"# created: 2026-11-25\n# public key: age1x\nAGE-SECRET-KEY-1QQQ\n", "private key"),
        (b"-----BEGIN RSA PRIVATE KEY-----\n", "private key"),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "private key"),
        (b"name,mail\nAda,ada@example.test\n", "text"),
        ("ä".encode() * 255 + "a".encode() + "ä".encode()[:1], "text"),
        (b"", "empty"),
        (b"\x00" * 512, "unknown"),
        (b"\xe3" * 512, "unknown"),
    ],
)
def test_kinds(start, kind):
    assert magic.kind_of(start) == kind


@given(st.binary(max_size=magic.SIZE))
def test_any_bytes_are_of_some_kind(start):
    assert magic.kind_of(start) in magic.ENCRYPTED + magic.PLAIN + (magic.KEY, magic.EMPTY, magic.UNKNOWN)


@given(st.text(max_size=120))
def test_text_is_never_taken_for_encrypted(text):
    # Control characters make bytes of it: what they are then, nobody knows.
    if text.isprintable() and not text.startswith(("Salted__", "U2FsdGVkX1", "age-", "-----BEGIN")):
        assert magic.kind_of(text.encode("utf-8", "replace")) not in magic.ENCRYPTED


def test_accented_letters_are_no_packet():
    assert magic.kind_of("À\u06c0 ".encode() * 60) == "text"


@given(
    st.sampled_from([b"\x1f\x8b", b"PGDMP", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"BZh", b"PK\x03\x04"]),
    st.binary(max_size=200),
)
def test_what_is_compressed_is_plain_whatever_follows(mark, rest):
    assert magic.kind_of(mark + rest) in magic.PLAIN

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file is, by its first bytes: whether a backup is encrypted is seen there, and not in its name."""

from __future__ import annotations

import base64
import re
from typing import Optional, Tuple

SIZE = 512  # bytes that are enough to tell: a tar's mark stands at 257

AGE, PGP, OPENSSL = "age", "OpenPGP", "openssl enc"
ENCRYPTED = (AGE, PGP, OPENSSL)
KEY, TEXT, EMPTY, UNKNOWN = "private key", "text", "empty", "unknown"
# Readable by whoever has the file.
PLAIN = ("gzip", "zstd", "xz", "bzip2", "lz4", "zip", "7z", "pg_dump", "tar", "SQL", "SQLite", TEXT)

_STARTS: Tuple[Tuple[bytes, str], ...] = (
    (b"age-encryption.org/v1\n", AGE),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", AGE),
    (b"Salted__", OPENSSL),
    (b"U2FsdGVkX1", OPENSSL),  # the same in base64
    (b"-----BEGIN PGP PRIVATE KEY BLOCK-----", KEY),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"PGDMP", "pg_dump"),
    (b"SQLite format 3\x00", "SQLite"),
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_AGE_KEY = re.compile(rb"^AGE-SECRET-KEY-1", re.M)
_ARMOR = b"-----BEGIN PGP MESSAGE-----"
_SQL = re.compile(
    rb"\s*(--[^\n]*\n\s*)*"
    rb"(--[^\n]*(PostgreSQL|dump|SQL)|SET\s+\w+|CREATE\s|BEGIN;|INSERT\s+INTO|COPY\s|\\connect|\\restrict|DROP\s|ALTER\s|SELECT\s)",
    re.I,
)


def kind_of(start: bytes) -> str:
    """Return what begins with these bytes: one of ENCRYPTED, PLAIN, KEY, EMPTY, or UNKNOWN where nothing tells."""
    if not start:
        return EMPTY
    for mark, kind in _STARTS:
        if start.startswith(mark):
            return kind
    if _PRIVATE_KEY.match(start.lstrip()) or _AGE_KEY.search(start):
        return KEY
    if start.startswith(_ARMOR):
        return PGP if _is_openpgp(_unarmored(start)) else TEXT
    if start[257:262] == b"ustar":
        return "tar"
    if _SQL.match(start):
        return "SQL"
    # Text first: no session key looks like UTF-8, but a few accented letters may look like a packet's header.
    return TEXT if _is_text(start) else PGP if _is_openpgp(start) else UNKNOWN


def _unarmored(start: bytes) -> bytes:
    """Return the first bytes of an armored message: that it is a message does not say that it is encrypted."""
    _headers, _blank, body = start.replace(b"\r\n", b"\n").partition(b"\n\n")
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)[:256]
    try:
        return base64.b64decode(letters[: len(letters) // 4 * 4])
    except ValueError:
        return b""


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character that the cut goes through is no sign of anything.
        if error.start < len(start) - 3 or len(start) < SIZE:
            return False
        text = start[: error.start].decode("utf-8")
    return all(char.isprintable() or char in "\t\r\n\f" for char in text)


def _is_openpgp(start: bytes) -> bool:
    """Tell whether a binary OpenPGP message begins with an encrypted session key: what gpg writes before what it encrypts.

    RFC 4880 and 9580: the packet's header and the first bytes of its body have to make sense together.
    """
    header = _packet(start)
    if header is None:
        return False
    tag, length, at = header
    body = start[at : at + 2]
    if len(body) < 2:
        return False
    version, second = body[0], body[1]
    if tag == 1:  # to a public key: version, then eight bytes of its id, then the algorithm
        known = {1, 2, 16, 18, 25, 26}
        return (
            version == 3 and 12 <= length <= 2100 and start[at + 9 : at + 10] in {bytes([item]) for item in known}
        ) or (version == 6 and 12 <= length <= 2100 and second in (0, 21, 33))
    if tag == 3:  # by a passphrase: version, cipher, how the passphrase is hashed
        ciphers = range(1, 14)
        return (
            version == 4
            and second in ciphers
            and 4 <= length <= 100
            and start[at + 2 : at + 3] in (b"\0", b"\1", b"\3")
        ) or (version in (5, 6) and 20 <= length <= 200 and len(start) >= length)
    return False


def _packet(start: bytes) -> Optional[Tuple[int, int, int]]:
    """Return an OpenPGP packet's (tag, length, where its body begins); None where there is none."""
    if len(start) < 8 or not start[0] & 0x80:
        return None
    if start[0] & 0x40:
        tag, first = start[0] & 0x3F, start[1]
        if first < 192:
            return tag, first, 2
        if first < 224:
            return tag, ((first - 192) << 8) + start[2] + 192, 3
        return None
    tag, width = (start[0] >> 2) & 0x0F, start[0] & 3
    if width == 3:
        return None
    size = 1 << width
    return tag, int.from_bytes(start[1 : 1 + size], "big"), 1 + size

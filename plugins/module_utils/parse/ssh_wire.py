# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH protocol's strings, its key-exchange offer and its public keys, read by hand.

Sources: RFC 4251 section 5 (strings, mpint), RFC 4253 sections 6 and 7.1 (packet, KEXINIT), RFC 4253 6.6 and RFC 5656 3.1 (key
blobs), PROTOCOL.key of OpenSSH (private key files).
"""

from __future__ import annotations

import base64
import re
import struct
from typing import Any, Dict, List, Optional, Tuple

MSG_KEXINIT = 20
PACKET_LIMIT = 35000  # RFC 4253 6.1: what every implementation must accept

_OFFER = ("kex", "host_keys", "ciphers_in", "ciphers_out", "macs_in", "macs_out")
_MAGIC = b"openssh-key-v1\0"
_PRIVATE = re.compile(r"-----BEGIN OPENSSH PRIVATE KEY-----(.*?)-----END", re.DOTALL)


def read_string(data: bytes, offset: int) -> Tuple[bytes, int]:
    """Return (string, offset after it). Raises ValueError where the data ends before."""
    end = offset + 4
    if end > len(data):
        raise ValueError("SSH data ends early")
    end += struct.unpack(">I", data[offset:end])[0]
    if end > len(data):
        raise ValueError("SSH data ends early")
    return data[offset + 4 : end], end


def parse_kexinit(payload: bytes) -> Dict[str, List[str]]:
    """Return a KEXINIT's name lists: kex, host_keys, ciphers, macs (both directions joined). Raises ValueError."""
    if len(payload) < 17 or payload[0] != MSG_KEXINIT:
        raise ValueError("no KEXINIT message")
    offset, lists = 17, {}  # after the message number and the 16 bytes of the cookie
    for name in _OFFER:
        text, offset = read_string(payload, offset)
        lists[name] = text.decode("ascii").split(",") if text else []
    return {
        "kex": lists["kex"],
        "host_keys": lists["host_keys"],
        "ciphers": _joined(lists["ciphers_in"], lists["ciphers_out"]),
        "macs": _joined(lists["macs_in"], lists["macs_out"]),
    }


def _joined(first: List[str], second: List[str]) -> List[str]:
    return first + [name for name in second if name not in first]


def key_of_blob(blob: bytes) -> Tuple[str, Optional[int]]:
    """Return (type, bits) of a public key blob; bits is None where the type does not say. Raises ValueError."""
    name, offset = read_string(blob, 0)
    kind = name.decode("ascii")
    if kind == "ssh-rsa":
        return kind, _bits(blob, offset, 1)
    if kind == "ssh-dss":
        return kind, _bits(blob, offset, 0)
    curve = re.search(r"nistp(\d+)", kind)
    if curve:
        return kind, int(curve.group(1))
    return kind, 256 if "ed25519" in kind else None


def _bits(blob: bytes, offset: int, skip: int) -> int:
    """Return the length of a multiple-precision integer, so many integers after offset."""
    for _unused in range(skip):
        offset = read_string(blob, offset)[1]
    return int.from_bytes(read_string(blob, offset)[0], "big").bit_length()


def key_of_private_file(text: str) -> Optional[Tuple[str, Optional[int]]]:
    """Return (type, bits) of the public half that an OpenSSH private key file holds in clear; None for another format."""
    found = _PRIVATE.search(text)
    if not found:
        return None
    data = base64.b64decode("".join(found.group(1).split()), validate=True)
    if not data.startswith(_MAGIC):
        raise ValueError("not an OpenSSH private key")
    offset = len(_MAGIC)
    for _unused in range(3):  # cipher, key derivation, its options
        offset = read_string(data, offset)[1]
    return key_of_blob(read_string(data, offset + 4)[0])  # after the number of keys


def key_of_line(line: str) -> Tuple[str, Optional[int]]:
    """Return (type, bits) of a public key line, with or without options before the key. Raises ValueError."""
    for candidate in (line.strip(), _without_options(line.strip())):
        fields = candidate.split(None, 2)
        try:
            kind, bits = key_of_blob(base64.b64decode(fields[1], validate=True))
        except (ValueError, IndexError):
            continue
        if kind == fields[0]:
            return kind, bits
    raise ValueError("no public key")


def _without_options(line: str) -> str:
    """Return what follows the first blank outside double quotes."""
    quoted, position = False, 0
    while position < len(line) and (quoted or line[position] not in " \t"):
        if line[position] == "\\" and line[position + 1 : position + 2] == '"':
            position += 1
        elif line[position] == '"':
            quoted = not quoted
        position += 1
    return line[position:].strip()


def parse_authorized_keys(text: str) -> List[Dict[str, Any]]:
    """Return the keys of an authorized_keys file as {line, type, bits}; type is None where the line holds no readable key."""
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            kind, bits = key_of_line(line)  # type: Tuple[Optional[str], Optional[int]]
        except ValueError:
            kind, bits = None, None
        keys.append({"line": number, "type": kind, "bits": bits})
    return keys

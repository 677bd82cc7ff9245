# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind and size of a PEM key, with the standard library alone: a small DER reader.

Source: RFC 5280 4.1 (SubjectPublicKeyInfo), RFC 8017 A.1 (RSA), RFC 5480 2.1.1 (curves).
"""

from __future__ import annotations

import base64
import re
from typing import List, Optional, Tuple

_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----(.*?)-----END \1-----", re.DOTALL)
_RSA = bytes.fromhex("2a864886f70d010101")
_EC = bytes.fromhex("2a8648ce3d0201")
_ED25519 = bytes.fromhex("2b6570")
_CURVES = {
    bytes.fromhex("2a8648ce3d030107"): 256,
    bytes.fromhex("2b81040022"): 384,
    bytes.fromhex("2b81040023"): 521,
    bytes.fromhex("2b8104000a"): 256,
}

Element = Tuple[int, bytes]


def key_of_pem(text: str) -> Tuple[Optional[str], Optional[int]]:
    """Return (rsa | ec | ed25519, bits) of a PEM key or certificate; (None, None) where it cannot be read."""
    found = _BLOCK.search(text.replace("\\n", "\n"))
    if not found:
        return None, None
    try:
        der = base64.b64decode("".join(found.group(2).split()), validate=True)
        return _search(_elements(der), 0)
    except (ValueError, IndexError):
        return None, None


def _elements(data: bytes) -> List[Element]:
    out = []
    index = 0
    while index < len(data):
        tag, length = data[index], data[index + 1]
        index += 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4:
                raise ValueError("length of a length")
            length = int.from_bytes(data[index : index + size], "big")
            index += size
        if index + length > len(data):
            raise ValueError("element longer than its container")
        out.append((tag, data[index : index + length]))
        index += length
    return out


def _search(elements: List[Element], depth: int) -> Tuple[Optional[str], Optional[int]]:
    """Find the first key: an algorithm sequence followed by its key, or a bare RSA structure."""
    if depth > 8:
        return None, None
    if len(elements) >= 2 and all(tag == 0x02 for tag, _value in elements):
        # PKCS#1: the modulus is the largest of the integers.
        return "rsa", max(int.from_bytes(value, "big").bit_length() for _tag, value in elements)
    for position, (tag, value) in enumerate(elements):
        if tag != 0x30:
            continue
        inner = _elements(value)
        objects = [item for kind, item in inner if kind == 0x06]
        if _ED25519 in objects:
            return "ed25519", 256
        if _EC in objects:
            return "ec", next((_CURVES[item] for item in objects if item in _CURVES), None)
        if _RSA in objects and position + 1 < len(elements):
            kind, body = elements[position + 1]
            return _search(_elements(body[1:] if kind == 0x03 else body), depth + 1)
        found = _search(inner, depth + 1)
        if found[0]:
            return found
    return None, None

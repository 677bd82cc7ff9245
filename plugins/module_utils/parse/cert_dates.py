# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From when until when a certificate is valid: the two dates of an X.509 certificate, and nothing else of it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Tuple

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s*([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
SEQUENCE, INTEGER, UTC_TIME, GENERALIZED_TIME, VERSION = 0x30, 0x02, 0x17, 0x18, 0xA0


class CertError(ValueError):
    """A text that holds no certificate with two dates."""


def dates_of(pem: str) -> Tuple[str, str]:
    """Return (first day, last day) of the first certificate of a PEM text, as ISO dates. Raises CertError."""
    found = _PEM.search(pem)
    if not found:
        raise CertError("holds no certificate")
    try:
        der = base64.b64decode("".join(found.group(1).split()), validate=True)
    except (binascii.Error, ValueError):
        raise CertError("is not base64") from None
    body, _rest = _take(_take(der, SEQUENCE)[0], SEQUENCE)
    if body[:1] == bytes((VERSION,)):
        _skipped, body = _take(body, VERSION)
    for tag in (INTEGER, SEQUENCE, SEQUENCE):  # serial number, signature algorithm, issuer
        _skipped, body = _take(body, tag)
    validity, _rest = _take(body, SEQUENCE)
    first, validity = _date(validity)
    return first, _date(validity)[0]


def _take(data: bytes, tag: int) -> Tuple[bytes, bytes]:
    """Return (content, rest) of the element at the start of data, which must have this tag."""
    if len(data) < 2 or data[0] != tag:
        raise CertError("is no certificate")
    size, at = data[1], 2
    if size & 0x80:
        count = size & 0x7F
        if not 1 <= count <= 4 or len(data) < 2 + count:
            raise CertError("is no certificate")
        size, at = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    if len(data) < at + size:
        raise CertError("is cut off")
    return data[at : at + size], data[at + size :]


def _date(data: bytes) -> Tuple[str, bytes]:
    """Return (ISO date, rest). Both kinds of time are in UTC; two digits of a year mean 1950 to 2049 (RFC 5280)."""
    kind = data[0] if data else 0
    content, rest = _take(data, GENERALIZED_TIME if kind == GENERALIZED_TIME else UTC_TIME)
    text = content.decode("ascii", "replace")
    if kind == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    if not re.match(r"[0-9]{12,14}Z\Z", text):
        raise CertError("has no date")
    return "%s-%s-%s" % (text[:4], text[4:6], text[6:8]), rest

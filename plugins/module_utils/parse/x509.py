# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an X.509 certificate says, read by hand from its DER: names, times, key and signature algorithm.

Nothing is verified here, since that is for the host's OpenSSL. Every broken certificate is a ValueError. Sources: RFC 5280,
ITU-T X.690 (DER), RFC 3279, 5480, 8410 (keys).
"""

from __future__ import annotations

import base64
import binascii
import calendar
import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Tuple

SIZE_LIMIT = 1 << 17  # bytes of one certificate
# Tags of DER (X.690 8.1.2).
INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE, SET, UTC_TIME, GENERAL_TIME = 2, 3, 4, 6, 0x30, 0x31, 0x17, 0x18
VERSION, EXTENSIONS, DNS_NAME, IP_ADDRESS = 0xA0, 0xA3, 0x82, 0x87

COMMON_NAME, ORGANIZATION = "2.5.4.3", "2.5.4.10"
SUBJECT_ALT_NAME = "2.5.29.17"

# object identifier -> (name, hash). The hash is what a forger would have to collide; "" where the key fixes a good one.
SIGNATURES = {
    "1.2.840.113549.1.1.2": ("md2WithRSA", "MD2"),
    "1.2.840.113549.1.1.4": ("md5WithRSA", "MD5"),
    "1.2.840.113549.1.1.5": ("sha1WithRSA", "SHA-1"),
    "1.3.14.3.2.29": ("sha1WithRSA", "SHA-1"),
    "1.2.840.113549.1.1.14": ("sha224WithRSA", "SHA-224"),
    "1.2.840.113549.1.1.11": ("sha256WithRSA", "SHA-256"),
    "1.2.840.113549.1.1.12": ("sha384WithRSA", "SHA-384"),
    "1.2.840.113549.1.1.13": ("sha512WithRSA", "SHA-512"),
    "1.2.840.10040.4.3": ("sha1WithDSA", "SHA-1"),
    "2.16.840.1.101.3.4.3.1": ("sha224WithDSA", "SHA-224"),
    "2.16.840.1.101.3.4.3.2": ("sha256WithDSA", "SHA-256"),
    "1.2.840.10045.4.1": ("sha1WithECDSA", "SHA-1"),
    "1.2.840.10045.4.3.1": ("sha224WithECDSA", "SHA-224"),
    "1.2.840.10045.4.3.2": ("sha256WithECDSA", "SHA-256"),
    "1.2.840.10045.4.3.3": ("sha384WithECDSA", "SHA-384"),
    "1.2.840.10045.4.3.4": ("sha512WithECDSA", "SHA-512"),
    "1.3.101.112": ("Ed25519", ""),
    "1.3.101.113": ("Ed448", ""),
}
RSA_PSS = "1.2.840.113549.1.1.10"
HASHES = {
    "1.3.14.3.2.26": "SHA-1",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
    "2.16.840.1.101.3.4.2.1": "SHA-256",
    "2.16.840.1.101.3.4.2.2": "SHA-384",
    "2.16.840.1.101.3.4.2.3": "SHA-512",
}
RSA_KEYS = ("1.2.840.113549.1.1.1", RSA_PSS)
EC_KEY, DSA_KEY = "1.2.840.10045.2.1", "1.2.840.10040.4.1"
CURVES = {
    "1.2.840.10045.3.1.1": ("P-192", 192),
    "1.3.132.0.33": ("P-224", 224),
    "1.2.840.10045.3.1.7": ("P-256", 256),
    "1.3.132.0.10": ("secp256k1", 256),
    "1.3.132.0.34": ("P-384", 384),
    "1.3.132.0.35": ("P-521", 521),
    "1.3.36.3.3.2.8.1.1.7": ("brainpoolP256r1", 256),
    "1.3.36.3.3.2.8.1.1.11": ("brainpoolP384r1", 384),
    "1.3.36.3.3.2.8.1.1.13": ("brainpoolP512r1", 512),
}
EDWARDS = {"1.3.101.112": ("Ed25519", 256), "1.3.101.113": ("Ed448", 456)}


@dataclass(frozen=True)
class Certificate:
    """A certificate's properties. Times in seconds since the epoch; issuer_dn, subject_dn: DER, for comparing.

    key: RSA, EC, DSA, Ed25519, Ed448 or an object identifier; curve: of an EC key; hash: "" where the algorithm fixes one.
    """

    subject: str
    issuer: str
    issuer_organization: str
    subject_dn: bytes
    issuer_dn: bytes
    names: Tuple[str, ...]
    not_before: float
    not_after: float
    signature: str
    hash: str
    key: str
    bits: int
    curve: str

    @property
    def self_signed(self) -> bool:
        """Whether it names itself as its issuer."""
        return self.subject_dn == self.issuer_dn


class Der:
    """Values of DER, one after the other. Raises ValueError for what is cut, indefinite or longer than it may be."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def peek(self) -> int:
        """Return the next value's tag, -1 at the end."""
        return self._data[self._at] if self else -1

    def next(self, wanted: Optional[int] = None) -> Tuple[int, bytes]:
        """Return (tag, content) of the next value."""
        start = self._at
        if start + 2 > len(self._data):
            raise ValueError("certificate ends early")
        tag, length, at = self._data[start], self._data[start + 1], start + 2
        if tag & 0x1F == 0x1F:
            raise ValueError("certificate has a tag of several bytes")
        if length & 0x80:
            size = length & 0x7F
            if not 0 < size <= 4 or at + size > len(self._data):
                raise ValueError("certificate has a value without a length")
            length = int.from_bytes(self._data[at : at + size], "big")
            at += size
        if at + length > len(self._data):
            raise ValueError("certificate ends early")
        if wanted is not None and tag != wanted:
            raise ValueError("certificate has tag 0x%02x where 0x%02x belongs" % (tag, wanted))
        self._at = at + length
        return tag, self._data[at : at + length]

    def inside(self, wanted: int = SEQUENCE) -> "Der":
        """Return the values inside the next value."""
        return Der(self.next(wanted)[1])

    def whole(self) -> bytes:
        """Return the next value with its tag and length."""
        start = self._at
        self.next()
        return self._data[start : self._at]


def parse(data: bytes) -> Certificate:
    """Return what a certificate (DER) says. Raises ValueError."""
    if len(data) > SIZE_LIMIT:
        raise ValueError("certificate is larger than %d bytes" % SIZE_LIMIT)
    body = Der(data).inside().inside()
    if body.peek() == VERSION:
        body.next()
    body.next(INTEGER)  # serial number
    signature, hashed = _signature(body.inside())
    issuer_dn = body.whole()
    not_before, not_after = _validity(body.inside())
    subject_dn = body.whole()
    key, bits, curve = _key(body.inside())
    names: Tuple[str, ...] = ()
    while body:
        if body.peek() == EXTENSIONS:
            names = _alt_names(body.inside(EXTENSIONS).inside())
        else:
            body.next()
    subject, issuer = _attributes(subject_dn), _attributes(issuer_dn)
    return Certificate(
        subject.get(COMMON_NAME, ""),
        issuer.get(COMMON_NAME, ""),
        issuer.get(ORGANIZATION, ""),
        subject_dn,
        issuer_dn,
        names,
        not_before,
        not_after,
        signature,
        hashed,
        key,
        bits,
        curve,
    )


_PEM = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.*?)-----END", re.DOTALL)


def certificates_of(text: str) -> List[bytes]:
    """Return the certificates (DER) in a PEM file, in order. Raises ValueError for one that is broken."""
    try:
        return [base64.b64decode("".join(body.split()), validate=True) for body in _PEM.findall(text)]
    except binascii.Error as error:
        raise ValueError("a certificate is no base64") from error


def _oid(data: bytes) -> str:
    """Return an object identifier in dots (X.690 8.19)."""
    parts: List[int] = []
    value = 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if value >> 64:
            raise ValueError("object identifier too large")
        if not byte & 0x80:
            parts.append(value)
            value = 0
    if not parts or data[-1] & 0x80:
        raise ValueError("object identifier ends early")
    first = min(parts[0] // 40, 2)
    return ".".join(str(part) for part in [first, parts[0] - 40 * first] + parts[1:])


def _signature(algorithm: Der) -> Tuple[str, str]:
    """Return (name, hash) of an AlgorithmIdentifier."""
    oid = _oid(algorithm.next(OID)[1])
    if oid != RSA_PSS:
        return SIGNATURES.get(oid, (oid, "unknown"))
    hashed = "SHA-1"  # RFC 4055 3.1: what holds where nothing is said
    if algorithm.peek() == SEQUENCE:
        parameters = algorithm.inside()
        if parameters.peek() == 0xA0:
            oid = _oid(parameters.inside(0xA0).inside().next(OID)[1])
            hashed = HASHES.get(oid, "unknown")
    return "RSA-PSS", hashed


def _validity(times: Der) -> Tuple[float, float]:
    return _time(*times.next()), _time(*times.next())


_UTC = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z\Z")
_GENERAL = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z\Z")


def _time(tag: int, content: bytes) -> float:
    """Return a time as RFC 5280 4.1.2.5 has it: UTC, with seconds, and centuries by the rule of 50."""
    found = {UTC_TIME: _UTC, GENERAL_TIME: _GENERAL}.get(tag, _UTC).match(content)
    if tag not in (UTC_TIME, GENERAL_TIME) or not found:
        raise ValueError("certificate has a time that is none")
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    if tag == UTC_TIME:
        year += 1900 if year >= 50 else 2000
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61 and year):
        raise ValueError("certificate has a time that is none")
    return float(calendar.timegm((year, month, day, hour, minute, second)))


def _attributes(name: bytes) -> Dict[str, str]:
    """Return {object identifier: text} of a distinguished name; of several, the last, which is the most specific."""
    out = {}
    sets = Der(name).inside()
    while sets:
        pairs = sets.inside(SET)
        while pairs:
            pair = pairs.inside()
            oid = _oid(pair.next(OID)[1])
            out[oid] = _text(*pair.next())
    return out


def _text(tag: int, content: bytes) -> str:
    """Return a string on one line, whatever its kind: 30 is UTF-16, 12 UTF-8, the others are ASCII or nearly."""
    text = content.decode({30: "utf-16-be", 12: "utf-8"}.get(tag, "latin-1"), "replace")
    return "".join(char if char.isprintable() else "?" for char in text)[:256]


def _key(info: Der) -> Tuple[str, int, str]:
    """Return (type, bits, curve) of a SubjectPublicKeyInfo."""
    algorithm = info.inside()
    oid = _oid(algorithm.next(OID)[1])
    bits = info.next(BIT_STRING)[1]
    if oid in EDWARDS:
        return EDWARDS[oid][0], EDWARDS[oid][1], ""
    if oid == EC_KEY:
        # Curves are named (RFC 5480 2.1.1); one that is spelt out could be anything.
        named = _oid(algorithm.next(OID)[1]) if algorithm.peek() == OID else "an unnamed curve"
        return ("EC",) + tuple(reversed(CURVES.get(named, (named, 0))))  # type: ignore[return-value]
    if oid in RSA_KEYS:
        return "RSA", _length(Der(bits[1:]).inside()), ""
    if oid == DSA_KEY:
        return "DSA", _length(algorithm.inside()), ""
    return oid, 0, ""


def _length(numbers: Der) -> int:
    """Return the bits of the first number: the modulus."""
    return int.from_bytes(numbers.next(INTEGER)[1], "big").bit_length()


def _alt_names(extensions: Der) -> Tuple[str, ...]:
    """Return the DNS names and addresses that a certificate is for."""
    out: List[str] = []
    while extensions:
        extension = extensions.inside()
        if _oid(extension.next(OID)[1]) != SUBJECT_ALT_NAME:
            continue
        if extension.peek() == 1:  # critical
            extension.next()
        out += _general_names(Der(extension.next(OCTET_STRING)[1]).inside())
    return tuple(out)


def _general_names(names: Der) -> Iterator[str]:
    while names:
        tag, content = names.next()
        if tag == DNS_NAME:
            yield _text(tag, content)
        elif tag == IP_ADDRESS and len(content) in (4, 16):
            yield str(ipaddress.ip_address(content))


def properties(certificate: Certificate) -> Dict[str, Any]:
    """Return what a report may say of a certificate."""
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "issuer_organization": certificate.issuer_organization,
        "names": list(certificate.names),
        "signature": certificate.signature,
        "hash": certificate.hash,
        "key": certificate.key,
        "bits": certificate.bits,
        "curve": certificate.curve,
        "self_signed": certificate.self_signed,
    }

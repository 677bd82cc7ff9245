# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Password verifiers of PostgreSQL, as pg_authid.rolpassword holds them: which method, and whether a password fits.

SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> (RFC 5803, base64), or md5 and the hex digest of password and role.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import unicodedata
from typing import NamedTuple, Optional, Tuple

SCRAM, MD5, NONE, UNKNOWN = "scram-sha-256", "md5", "none", "unknown"
_SCRAM = re.compile(r"SCRAM-SHA-256\$([1-9][0-9]{0,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)\Z")
_MD5 = re.compile(r"md5[0-9a-f]{32}\Z")


class Scram(NamedTuple):
    iterations: int
    salt: bytes
    stored_key: bytes


class Unsupported(ValueError):
    """This host computes no such verifiers: a FIPS build has no md5."""


def method_of(verifier: Optional[str]) -> str:
    """Return SCRAM, MD5, NONE for no password, UNKNOWN for what is none of these."""
    if verifier is None:
        return NONE
    if _MD5.match(verifier):
        return MD5
    return SCRAM if scram_of(verifier) else UNKNOWN


def scram_of(verifier: str) -> Optional[Scram]:
    """Return a SCRAM verifier's parts; None where it is no well-formed one."""
    found = _SCRAM.match(verifier)
    if not found:
        return None
    try:
        salt, stored_key, server_key = (base64.b64decode(part, validate=True) for part in found.groups()[1:])
    except (binascii.Error, ValueError):
        return None
    if not salt or len(stored_key) != 32 or len(server_key) != 32:
        return None
    return Scram(int(found.group(1)), salt, stored_key)


def iterations_of(verifier: Optional[str]) -> int:
    """Return how many rounds one try costs: what a caller has to bound."""
    parts = scram_of(verifier) if verifier else None
    return parts.iterations if parts else 0


def fits(verifier: str, role: str, password: str) -> bool:
    """Tell whether a password is the one that a verifier was made of. Raises Unsupported."""
    if _MD5.match(verifier):
        # What PostgreSQL stores, not what we would choose.
        try:
            digest = hashlib.md5((password + role).encode("utf-8", "surrogatepass")).hexdigest()
        except ValueError:
            raise Unsupported("md5 is not available here") from None
        return hmac.compare_digest("md5" + digest, verifier)
    parts = scram_of(verifier)
    if parts is None:
        return False
    return any(hmac.compare_digest(_stored_key(parts, form), parts.stored_key) for form in _forms(password))


def scram(password: str, salt: Optional[bytes] = None, iterations: int = 4096) -> str:
    """Return a SCRAM verifier as PostgreSQL itself would store it; salt: a new one where none is given.

    Raises ValueError for a password that has to be normalized first.
    """
    if not password.isascii() or not password.isprintable():
        raise ValueError("only printable ASCII is hashed here")
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored = hashlib.sha256(hmac.new(salted, b"Client Key", hashlib.sha256).digest()).digest()
    server = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    coded = [base64.b64encode(part).decode("ascii") for part in (salt, stored, server)]
    return "SCRAM-SHA-256$%d:%s$%s:%s" % (iterations, coded[0], coded[1], coded[2])


def _forms(password: str) -> Tuple[bytes, ...]:
    """Return the bytes that a password may have been hashed as: SASLprep normalizes, and leaves alone what it cannot."""
    raw = password.encode("utf-8", "surrogatepass")
    normal = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return (raw,) if raw == normal else (raw, normal)


def _stored_key(parts: Scram, password: bytes) -> bytes:
    salted = hashlib.pbkdf2_hmac("sha256", password, parts.salt, parts.iterations)
    return hashlib.sha256(hmac.new(salted, b"Client Key", hashlib.sha256).digest()).digest()

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reduce an environment to what may leave the collectors: plain settings by an allow-list, secrets as properties.

A reduced value is a string for a setting that a check reads in plain, or a dict with one of these keys:
`secret` (properties of a value), `jwt` (a JWT configuration with its key as properties), `url` (parts of a URL, its password as
properties). No reduced value contains a secret or can be turned back into one without the run's key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from typing import Any, Dict, Mapping, Optional
from urllib.parse import unquote, urlsplit

from ansible_collections.nself.prod.plugins.module_utils.audit.tables.plain_settings import PLAIN
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import (
    FAMILY_OF_SCHEME,
    KNOWN,
    PLACEHOLDER,
    VARIABLE,
    WORDS,
    family_of,
    is_secret_name,
)
from ansible_collections.nself.prod.plugins.module_utils.parse.public_key import key_of_pem

JWT_NAMES = ("HASURA_GRAPHQL_JWT_SECRET",)
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://[^\s]+$", re.I)
_USERINFO = re.compile(r"(://)[^/@,\s]*@")
_QUERY = re.compile(r"(?<=\S)[?#][^,\s]*")
_WORD = re.compile("|".join(sorted(WORDS, key=len, reverse=True)))
_SEQUENCES = ("abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm")


class Reducer:
    """Reduces values with one key, so that equal secrets of a run have equal fingerprints. key: any secret text."""

    def __init__(self, key: str) -> None:
        self._key = key.encode("utf-8")

    def environment(self, variables: Mapping[str, str]) -> Dict[str, Any]:
        """Return {name: reduced value} for a whole environment."""
        return {name: self.value(name, value) for name, value in variables.items()}

    def value(self, name: str, value: str) -> Any:
        """Return one reduced value."""
        if name in JWT_NAMES:
            return {"jwt": self.jwt(value)}
        if name in PLAIN:
            # What is meant to be plain may still be a list of URLs with a password or a token in one of them.
            return _QUERY.sub("", _USERINFO.sub(r"\1…@", value))
        if _URL.match(value):
            url = self.url(name, value)
            if url is not None:
                return {"url": url}
        return {"secret": self.secret(value, family_of(name), is_secret_name(name))}

    def secret(self, value: str, family: str, named: bool = True) -> Dict[str, Any]:
        """Return a value's properties.

        length in characters, bits of estimated entropy, whether it is empty, a placeholder, a variable that nobody
        expanded, or known to everybody;
        family: which secret it is meant to be; named: whether its name says that it is one; print: keyed fingerprint.
        """
        return {
            "length": len(value),
            "bits": entropy_bits(value),
            "empty": not value.strip(),
            "placeholder": bool(PLACEHOLDER.search(value)),
            "variable": bool(VARIABLE.match(value.strip())),
            "known": value.strip().lower() in KNOWN,
            "family": family,
            "named": named,
            "print": hmac.new(self._key, value.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:24],
        }

    def jwt(self, value: str) -> Dict[str, Any]:
        """Return a JWT configuration's properties: valid, problem, type, key, issuer, audience, jwk_url, key_type, key_bits."""
        out: Dict[str, Any] = dict.fromkeys(
            ("problem", "type", "key", "issuer", "audience", "jwk_url", "key_type", "key_bits")
        )
        out["valid"] = False
        if not value.strip():
            return dict(out, problem="is empty")
        try:
            config = json.loads(value)
        except (ValueError, RecursionError):
            return dict(out, problem="is not JSON")
        if not isinstance(config, dict):
            return dict(out, problem="is not a JSON object")
        out["type"] = _text(config.get("type"))
        out["issuer"], out["jwk_url"] = _text(config.get("issuer")), _text(config.get("jwk_url"))
        audience = config.get("audience")
        out["audience"] = ",".join(map(str, audience)) if isinstance(audience, list) else _text(audience)
        key = config.get("key")
        if isinstance(key, str) and key:
            out["key"] = self.secret(key, "jwt")
            # Why a key has no size is told apart from a short one: an unreadable PEM is no strong key.
            out["key_type"], out["key_bits"] = key_of_pem(key) if "-----BEGIN" in key else ("hmac", 8 * len(key))
        out["valid"] = bool(out["jwk_url"] or (out["type"] and out["key"]))
        if not out["valid"]:
            out["problem"] = "has neither jwk_url nor type and key"
        return out

    def url(self, name: str, value: str) -> Optional[Dict[str, Any]]:
        """Return a URL's parts; None where it is malformed. A query may hold secrets, so only sslmode is kept of it.

        user: of a database's URL only. Elsewhere, as in https://TOKEN@host, it may be the secret itself.
        """
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            return None
        family = FAMILY_OF_SCHEME.get(parts.scheme.lower(), name)
        sslmode = re.search(r"(?:^|&)sslmode=([a-z-]+)", parts.query)
        return {
            "scheme": parts.scheme.lower(),
            "user": unquote(parts.username) if family == "postgres" and parts.username else None,
            "host": parts.hostname or "",
            "port": port,
            "sslmode": sslmode.group(1) if sslmode else None,
            "password": self.secret(parts.password, family) if parts.password else None,
        }


def _text(value: Any) -> Optional[str]:
    return value if isinstance(value, str) and value else None


def raw_secrets(name: str, value: str) -> Dict[str, str]:
    """Return the secret texts that a variable holds, as {text: name}: for searching where else they stand.

    They must never become facts.
    """
    out = {}
    if name in JWT_NAMES:
        found = re.search(r'"key"\s*:\s*"([^"]+)"', value)
        return {found.group(1): name} if found else {}
    if _URL.match(value):
        try:
            password = urlsplit(value).password
        except ValueError:
            password = None
        if password:
            out[password] = name
    elif is_secret_name(name):
        out[value] = name
    return out


def entropy_bits(value: str) -> int:
    """Return a value's estimated entropy in bits, from below.

    Words of the trade, runs and repeats are worth little whatever their length; a short alphabetic part between separators is
    taken for a word (13 bits, a word of a diceware list); what is left is worth the logarithm of its alphabet a character.
    """
    rest = _WORD.sub("\0", value.lower())
    bits = 10.0 * (len(_WORD.findall(value.lower())))
    if rest.count("\0"):
        # What stands between words keeps its own alphabet, case is lost: an estimate from below.
        value = rest
    bits += sum(_part_bits(part) for part in re.split(r"[\0\s_.:/-]+", value) if part)
    return int(bits)


def _part_bits(part: str) -> float:
    if re.match(r"^[A-Za-z]?[a-z]{0,11}$|^[A-Z]{1,12}$", part):
        return min(13.0, 4.7 * len(part))
    alphabet = sum(
        size
        for pattern, size in ((r"[a-z]", 26), (r"[A-Z]", 26), (r"[0-9]", 10), (r"[^A-Za-z0-9]", 30))
        if re.search(pattern, part)
    )
    if re.match(r"^[0-9a-f]+$|^[0-9A-F]+$", part):
        alphabet = min(alphabet, 16)
    fresh = sum(1 for index in range(len(part)) if not _predictable(part, index))
    return fresh * math.log2(alphabet)


def _predictable(part: str, index: int) -> bool:
    """Tell whether a character follows from the ones before: a repeat, a run, or a pattern that comes again."""
    if index < 2:
        return False
    three = part[index - 2 : index + 1].lower()
    if len(set(three)) == 1 or any(three in run or three in run[::-1] for run in _SEQUENCES):
        return True
    return part.find(part[index - 3 : index + 1], 0, index) >= 0 if index >= 3 else False

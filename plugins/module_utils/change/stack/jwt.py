# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JWT configuration that Hasura and hasura-auth share: which key stays, and every name that has to hold it.

Pure functions. Nothing here may reach a diff, a log or a message: configurations and keys are secrets.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.jwt import NAME, judge_key
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer

HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
GENERATED_TYPE, GENERATED_BYTES = "HS256", 64
# Names that hold the bare key, the one that nself itself reads first; the others say of which kind it is.
KEY_NAMES = ("AUTH_JWT_SECRET", "HASURA_JWT_KEY", "AUTH_JWT_KEY")
TYPE_NAMES = ("HASURA_JWT_TYPE", "AUTH_JWT_TYPE")
# nself writes a key that everybody knows under these, unless a file of the project has them.
ALWAYS_SET = ("AUTH_JWT_SECRET", "AUTH_JWT_KEY")
SHORTEST_COPY = 8  # characters: a shorter value is the same as the key by accident
_POLICY: Any = Policy()  # what the audit asks for where nobody asks for something else
CLAIMS = "https://hasura.io/jwt/claims"
# A configuration with one of these wants tokens of a form that is its own.
OWN_FORMS = ("claims_namespace", "claims_namespace_path", "claims_map", "claims_format", "audience", "header")


@dataclass(frozen=True)
class Choice:
    """The configuration to be used. key: "" where it is no HMAC; made: the key is new; weak: why the one kept is weak."""

    config: Mapping[str, Any]
    made: bool = False
    weak: str = ""

    @property
    def hmac_key(self) -> str:
        return str(self.config["key"]) if self.config.get("type") in HASHES else ""


def parse(text: Any) -> Optional[Dict[str, Any]]:
    """Return the configuration in a JSON text or a mapping, None where it is none that anybody could use."""
    config = text
    if isinstance(text, str):
        try:
            config = json.loads(text)
        except (ValueError, RecursionError):
            return None
    if not isinstance(config, dict):
        return None
    return config if Reducer("-").jwt(json.dumps(config))["valid"] else None


def problem(config: Mapping[str, Any]) -> str:
    """Return what is wrong with a configuration's key or algorithm, as the audit judges them; "" where nothing is."""
    properties = Reducer("-").jwt(json.dumps(config))
    if properties["jwk_url"]:
        return "" if properties["jwk_url"].startswith("https://") else "its keys come over plain HTTP"
    if properties["type"] not in _POLICY["jwt_algorithms"]:
        return "its algorithm is none that is allowed"
    try:
        good, text = judge_key(properties, _POLICY["jwt_hmac_min_length"], _POLICY["jwt_rsa_min_bits"])
    except Missing as missing:
        return missing.detail or "its key cannot be read"
    return "" if good else text


def of_key(key: str, kind: str) -> Dict[str, Any]:
    """Return the configuration that nself would make of a bare key."""
    return {"type": kind if kind in _POLICY["jwt_algorithms"] else GENERATED_TYPE, "key": key}


def candidates(texts: Iterable[str], variables: Mapping[str, str]) -> List[Dict[str, Any]]:
    """Return the configurations that are about: JSON texts, the nearest first, then the bare keys of the env files."""
    found = [parse(text) for text in texts]
    kind = next((variables[name] for name in TYPE_NAMES if variables.get(name)), GENERATED_TYPE)
    found += [parse(of_key(variables[name], kind)) for name in KEY_NAMES if variables.get(name)]
    return [config for config in found if config]


def choose(
    found: List[Dict[str, Any]], issuer: Optional[str], keep_weak: bool, default_issuer: str, kind: Optional[str] = None
) -> Choice:
    """Return the first good configuration, else a weak one with a new key, or as it is with keep_weak; with an issuer.

    kind: the HMAC algorithm where it is to be another; an asymmetric key has its own.
    """
    # What else a configuration says of tokens stays with a key that came without; a key of another kind goes with its kind.
    kept = {name: value for name, value in (found[0] if found else {}).items() if name in OWN_FORMS + ("issuer",)}
    good = next((config for config in found if not problem(config)), None)
    if good is not None:
        chosen = Choice(dict(kept, **good) if set(good) == {"type", "key"} else good)
    elif keep_weak and found:
        chosen = Choice(found[0], weak=problem(found[0]))
    else:
        chosen = Choice(dict({"type": GENERATED_TYPE, "key": secrets.token_hex(GENERATED_BYTES)}, **kept), made=True)
    if chosen.config.get("jwk_url"):
        # Somebody else signs, under a name that only they know.
        return Choice(dict(chosen.config, issuer=issuer), chosen.made, chosen.weak) if issuer else chosen
    named = issuer or chosen.config.get("issuer") or default_issuer
    config = dict(chosen.config, issuer=named)
    if kind and config.get("type") in HASHES:
        config["type"] = kind
    return Choice(config, chosen.made, chosen.weak)


def text_of(config: Mapping[str, Any]) -> str:
    """Return a configuration as JSON that the shell and docker compose read alike, in one line.

    nself sorts the lines of the env files and lets the shell read them, so no line break, quote or $ may stand in it.
    """
    text = json.dumps(config, separators=(",", ":"), ensure_ascii=True)
    return re.sub(r"['$`!#]", lambda found: "\\u%04x" % ord(found.group()), text)


def settings_of(choice: Choice, variables: Mapping[str, str], old_keys: Iterable[str]) -> Dict[str, str]:
    """Return {name: value} for the env files: the JSON, and every name that holds the key now or is read as the key.

    variables: what the env files say; old_keys: the keys that were in use.
    """
    out = {NAME: text_of(choice.config)}
    key = choice.hmac_key
    if not key:
        return out
    out.update(dict.fromkeys(ALWAYS_SET, key))
    copies = {old for old in old_keys if len(old) >= SHORTEST_COPY}
    for name, value in variables.items():
        if name in KEY_NAMES or value in copies:
            out[name] = key
        elif name in TYPE_NAMES and value:
            out[name] = str(choice.config["type"])
    return out


def keys_of(found: Iterable[Mapping[str, Any]]) -> Tuple[str, ...]:
    """Return the HMAC keys of configurations."""
    return tuple(str(config["key"]) for config in found if config.get("type") in HASHES and config.get("key"))


def can_be_proven(config: Mapping[str, Any]) -> bool:
    """Tell whether a token can be made that Hasura has to take with this configuration."""
    return config.get("type") in HASHES and not any(name in config for name in OWN_FORMS)


def token(config: Mapping[str, Any], role: str, seconds: int = 30) -> str:
    """Return a token that Hasura takes for a user of this role, for these seconds. HMAC only."""
    now = int(time.time())
    claims: Dict[str, Any] = {
        "sub": role,
        "iat": now,
        "exp": now + seconds,
        CLAIMS: {"x-hasura-allowed-roles": [role], "x-hasura-default-role": role, "x-hasura-user-id": role},
    }
    if config.get("issuer"):
        claims["iss"] = config["issuer"]
    body = ".".join(_encoded(json.dumps(part).encode("utf-8")) for part in ({"alg": config["type"]}, claims))
    mac = hmac.new(str(config["key"]).encode("utf-8"), body.encode("ascii"), HASHES[str(config["type"])])
    return body + "." + _encoded(mac.digest())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")

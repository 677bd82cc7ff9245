# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that proves who is logged in: Hasura and hasura-auth must hold the same one, and nobody else may guess it."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import judge_units, level_of, of_role
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide

NAME = "HASURA_GRAPHQL_JWT_SECRET"
BY_HAND = 'Set HASURA_GRAPHQL_JWT_SECRET={"type":"HS256","key":"…","issuer":"…"} in the env file that wins and recreate hasura and auth.'
EC_MIN_BITS = 256


def jwt_of(unit: Record) -> Dict[str, Any]:
    """Return a unit's JWT properties. Raises Missing where the value could not be reduced."""
    value = unit.read("env").get(NAME)
    if value is None:
        return {"valid": False, "problem": "is not set"}
    if not isinstance(value, dict) or not isinstance(value.get("jwt"), dict):
        raise Missing(NAME, Reason.PARSE_ERROR, NAME + " could not be reduced to its properties")
    return value["jwt"]


def judge_key(jwt: Dict[str, Any], length: int, rsa: int) -> Tuple[bool, str]:
    """Judge the key of a JWT configuration's properties: least characters of an HMAC, least bits of an RSA key.

    Raises Missing where its size cannot be told.
    """
    if not jwt["valid"]:
        return False, "%s %s" % (NAME, jwt["problem"])
    if not jwt["key"]:
        raise Missing(NAME, Reason.ERROR, "the key comes from jwk_url and was not fetched")
    if jwt["key"]["known"] or jwt["key"]["placeholder"]:
        return False, "the key is a default that everybody knows" if jwt["key"]["known"] else "the key is a placeholder"
    if jwt["key_type"] is None or jwt["key_bits"] is None:
        raise Missing(NAME, Reason.PARSE_ERROR, "the key's PEM could not be read")
    if jwt["key_type"] == "hmac":
        # Length alone would let 64 times the same letter pass.
        good = jwt["key"]["length"] >= length and jwt["key"]["bits"] >= 128
        return good, "HMAC key of %d characters, about %d bits" % (jwt["key"]["length"], jwt["key"]["bits"])
    return jwt["key_bits"] >= (rsa if jwt["key_type"] == "rsa" else EC_MIN_BITS), "%s key of %d bits" % (
        jwt["key_type"].upper(),
        jwt["key_bits"],
    )


@check(
    "AUTH-12",
    "jwt-key-consistent",
    "Hasura and auth hold the same JWT key",
    Severity.CRITICAL,
    "Where the two differ, either nobody can log in, or Hasura believes tokens of a key that auth no longer uses.",
    "HASURA_GRAPHQL_JWT_SECRET of the Hasura and the auth process: validity, type, keyed fingerprint of the key",
    "both parse, with the same type and key",
    Fix("auth", BY_HAND, ("auth_jwt",), ("hasura", "auth")),
    refs=("s:jwt",),
)
def key_consistent(facts: Any, policy: Any) -> Verdict:
    sides = [(name, unit) for name in ("hasura", "auth") for unit in of_role(facts, name)]
    read = [(name, jwt_of(unit)) for name, unit in sides]
    level = max((level_of(unit) for _name, unit in sides), key=("running", "rendered", "declared").index)
    expected = "both parse, same type and key"
    broken = ["%s: %s %s" % (name, NAME, jwt["problem"]) for name, jwt in read if not jwt["valid"]]
    if broken:
        return decide(False, expected, "; ".join(broken), level)
    first = read[0][1]
    for name, jwt in read[1:]:
        if jwt["type"] != first["type"]:
            return decide(False, expected, "type %s on hasura, %s on %s" % (first["type"], jwt["type"], name), level)
        if not jwt["key"] or not first["key"]:
            if jwt["jwk_url"] and jwt["jwk_url"] == first["jwk_url"]:
                continue
            raise Missing(NAME, Reason.ERROR, "one side names a jwk_url, so the keys cannot be compared")
        if jwt["key"]["print"] != first["key"]["print"]:
            return decide(False, expected, "the keys of hasura and %s differ" % name, level)
    return decide(True, expected, "the same key on both", level)


@check(
    "AUTH-13",
    "jwt-key-strong",
    "JWT key is strong",
    Severity.CRITICAL,
    "Anyone with one token can try keys offline; whoever finds it signs tokens for every user and role.",
    "properties of the key in HASURA_GRAPHQL_JWT_SECRET of the Hasura process",
    "HMAC of at least 64 characters, RSA of at least 2048 bits or EC of at least 256, not a known default",
    Fix(
        "auth",
        "Put the output of `openssl rand -hex 64` into the key of HASURA_GRAPHQL_JWT_SECRET, on hasura and auth alike.",
        ("auth_jwt",),
        ("hasura", "auth"),
    ),
    refs=("s:jwt",),
)
def key_strong(facts: Any, policy: Any) -> Verdict:
    length, rsa = policy["jwt_hmac_min_length"], policy["jwt_rsa_min_bits"]

    return judge_units(
        of_role(facts, "hasura"),
        "HMAC ≥ %d characters, RSA ≥ %d bits, EC ≥ %d bits" % (length, rsa, EC_MIN_BITS),
        lambda unit: judge_key(jwt_of(unit), length, rsa),
    )


@check(
    "AUTH-14",
    "jwt-algorithm",
    "JWT algorithm is allowed",
    Severity.WARNING,
    "The algorithm decides what a signature is worth; keys fetched over plain HTTP can be replaced on the way.",
    "type and jwk_url in HASURA_GRAPHQL_JWT_SECRET of the Hasura process",
    "type in the allowed set; a jwk_url is https",
    Fix("auth", BY_HAND, ("auth_jwt",), ("hasura", "auth")),
    settings=("HASURA_JWT_TYPE", "AUTH_JWT_TYPE"),
    refs=("s:jwt",),
)
def algorithm(facts: Any, policy: Any) -> Verdict:
    allowed = policy["jwt_algorithms"]

    def judge(unit: Record) -> Tuple[bool, str]:
        jwt = jwt_of(unit)
        if not jwt["valid"]:
            return False, "%s %s" % (NAME, jwt["problem"])
        if jwt["jwk_url"]:
            return jwt["jwk_url"].startswith("https://"), "jwk_url is %s" % jwt["jwk_url"].split("://", 1)[0]
        return jwt["type"] in allowed, "type %s" % jwt["type"]

    return judge_units(of_role(facts, "hasura"), "one of " + ", ".join(allowed), judge)


@check(
    "AUTH-15",
    "jwt-issuer-audience",
    "JWT issuer is checked",
    Severity.WARNING,
    "Without an issuer a token that another system signed with the same key is accepted. An audience is not asked for: hasura-auth mints none.",
    "issuer and audience in HASURA_GRAPHQL_JWT_SECRET of the Hasura process",
    "issuer set",
    Fix("auth", BY_HAND, ("auth_jwt_issuer",), ("hasura", "auth")),
    settings=("AUTH_JWT_ISSUER",),
    refs=("s:jwt",),
)
def issuer(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        jwt = jwt_of(unit)
        if not jwt["valid"]:
            return False, "%s %s" % (NAME, jwt["problem"])
        audience = ", audience set" if jwt["audience"] else ", no audience"
        return bool(jwt["issuer"]), ("issuer set" if jwt["issuer"] else "no issuer") + audience

    return judge_units(of_role(facts, "hasura"), "issuer set", judge)


CHECKS = (key_consistent, key_strong, algorithm, issuer)

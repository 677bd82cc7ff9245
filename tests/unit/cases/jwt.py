# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the JWT checks."""

from __future__ import annotations

import json

from cases.units import NO_DEPLOYMENT, RANDOM, UNREADABLE, deployment, unit

NAME = "HASURA_GRAPHQL_JWT_SECRET"
LONG = RANDOM + "f3a9c4e17b60d825"
# Public keys made for these tests; nobody holds their private halves.
RSA_1024 = """-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDEKn7oKUqOD43+M+1OfXm12xaf
y/JIWBZL0zKXpr5OObKPWQ12VhqJSrIeSS/w3u8lDKYKM7BSp5oXHs3L/MqG8tEe
YlFNDabyw3VuRAGjhuqaiwMq6JgZKd60cIp8aF8g6IsHepFHu/NiUf7dY9f/IFuv
kyQ+lVfM6rQuotHFYwIDAQAB
-----END PUBLIC KEY-----"""
RSA_2048 = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuJeivAKy+0DzsIXsfg98
ymt11M3Equ0UaggJ0b0QA1RDvRleUho35507ZMOjCaVyU+lFSIKypUyxCTvisZzi
Kw0N17fh51sPpRmCopO1KMGmRzx2wEwhLGUWXrqbehqsPLXc1eanK/zg6HHNN9KU
7Y1MsFYLxJQbSvWsX8dGDqsYZcsBBZAx43g0X/nWwttZT2LxW+IjKC4df2+DLQ7y
ZieOCT7M+D4O/cOeX7BSTgygQT1juu09uPGzaKrcAERNJDaRkQytLGEoNgPPcZXB
wr3cGR19G1R1Fxe+fQVbEVo/t21pjkUV8tTTdbasUZ0exJQ9H018nHfwDMuYDmTJ
BQIDAQAB
-----END PUBLIC KEY-----"""
EC_P256 = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWp6Z8vvkKuNnrUkHUAG/h4b+JVo+
v3cBuCsQd98vSWwQGE5ixjAGc6Z8A7uumFgss3PK6vRZB4Q8dcm5cOdXpA==
-----END PUBLIC KEY-----"""
ED25519 = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAIGjDvI3anmE6rR6OykU2puDi46x4XZZB179CqfZnWwc=
-----END PUBLIC KEY-----"""


def jwt(**config):
    return json.dumps(config)


def pair(hasura, auth):
    return deployment(
        unit("hasura", "hasura", env={} if hasura is None else {NAME: hasura}),
        unit("auth", "auth", env={} if auth is None else {NAME: auth}),
    )


def one(value):
    return deployment(unit("hasura", "hasura", env={} if value is None else {NAME: value}))


GOOD = jwt(type="HS256", key=LONG, issuer="https://auth.example.com")

CASES = {
    "AUTH-12": {
        "pass": [pair(GOOD, GOOD), pair(jwt(jwk_url="https://a.example/jwks"), jwt(jwk_url="https://a.example/jwks"))],
        "fail": [
            pair(GOOD, None),
            pair(None, GOOD),
            pair("", ""),
            pair(GOOD, LONG),  # bare text where JSON is read
            pair(GOOD, jwt(type="HS256", key=LONG[::-1])),
            pair(GOOD, jwt(type="HS512", key=LONG)),
            pair(GOOD, "{}"),
        ],
        "unknown": [UNREADABLE, pair(jwt(type="HS256", jwk_url="https://a.example/jwks"), jwt(type="HS256", key=LONG))],
        "not_applicable": [NO_DEPLOYMENT, one(GOOD)],
    },
    "AUTH-13": {
        "pass": [
            one(GOOD),
            one(jwt(type="RS256", key=RSA_2048)),
            one(jwt(type="ES256", key=EC_P256)),
            one(jwt(type="Ed25519", key=ED25519)),
        ],
        "fail": [
            one(jwt(type="RS256", key=RSA_1024)),
            one(None),
            one("not json"),
            one(jwt(type="HS256", key=RANDOM)),
            one(jwt(type="HS256", key="x" * 80)),
            one(jwt(type="HS256", key="change-this-secret-in-production")),
            one(jwt(type="HS256", key="demo-jwt-secret-key-minimum-32-characters-long")),
        ],
        "unknown": [
            UNREADABLE,
            one(jwt(jwk_url="https://a.example/jwks")),
            one(jwt(type="RS256", key="-----BEGIN PUBLIC KEY-----\nrubbish\n-----END PUBLIC KEY-----")),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "AUTH-14": {
        "pass": [one(GOOD), one(jwt(jwk_url="https://a.example/jwks"))],
        "fail": [one(None), one(jwt(type="none", key=LONG)), one(jwt(jwk_url="http://a.example/jwks")), one("[]")],
        "unknown": [UNREADABLE],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "AUTH-15": {
        "pass": [one(GOOD)],
        "fail": [one(None), one(jwt(type="HS256", key=LONG)), one("{")],
        "unknown": [UNREADABLE],
        "not_applicable": [NO_DEPLOYMENT],
    },
}
# The name of the service stands in the answer only.
OPTIONAL = {("AUTH-12", "deployment.units.service")}

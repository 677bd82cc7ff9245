# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the hasura-auth checks."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.units import NO_DEPLOYMENT, UNREADABLE, deployment, unit


def auth(**env):
    return deployment(unit("auth", "auth", env=env))


def case(good, bad):
    """Return the cases of a check of auth's environment: dicts of variables that pass and that fail."""
    return {
        "pass": [auth(**env) for env in good],
        "fail": [auth(**env) for env in bad],
        "unknown": [UNREADABLE, deployment(dict(unit("auth", "auth"), env=Unread("needs_root", "denied")))],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit("hasura", "hasura", env={}))],
    }


LOGIN, SIGNUP = "AUTH_RATE_LIMIT_BRUTE_FORCE_", "AUTH_RATE_LIMIT_SIGNUPS_"
ON = {"AUTH_RATE_LIMIT_ENABLE": "true"}
URLS = "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS"

CASES = {
    "AUTH-16": case(
        [{}, {"AUTH_ACCESS_TOKEN_EXPIRES_IN": "900"}],
        [{"AUTH_ACCESS_TOKEN_EXPIRES_IN": value} for value in ("901", "15m", "0", "-5", "never")],
    ),
    "AUTH-17": case(
        [{"AUTH_REFRESH_TOKEN_EXPIRES_IN": "604800"}],
        [{}, {"AUTH_REFRESH_TOKEN_EXPIRES_IN": "2592000"}, {"AUTH_REFRESH_TOKEN_EXPIRES_IN": "7d"}],
    ),
    "AUTH-18": case(
        [{}, {"AUTH_USER_DEFAULT_ROLE": "user", "AUTH_USER_DEFAULT_ALLOWED_ROLES": "me,user"}],
        [{"AUTH_USER_DEFAULT_ROLE": "admin"}, {"AUTH_USER_DEFAULT_ALLOWED_ROLES": "me, Moderator"}],
    ),
    "AUTH-19": case(
        [{"AUTH_PASSWORD_MIN_LENGTH": "12"}],
        [{}, {"AUTH_PASSWORD_MIN_LENGTH": "11"}, {"AUTH_PASSWORD_MIN_LENGTH": "long"}],
    ),
    "AUTH-20": case([{"AUTH_PASSWORD_HIBP_ENABLED": "true"}], [{}, {"AUTH_PASSWORD_HIBP_ENABLED": "false"}]),
    "AUTH-22": case(
        [{"AUTH_MFA_ENABLED": "true", "AUTH_MFA_TOTP_ISSUER": "example"}],
        [{}, {"AUTH_MFA_ENABLED": "true"}, {"AUTH_MFA_ENABLED": "false", "AUTH_MFA_TOTP_ISSUER": "example"}],
    ),
    "AUTH-24": case(
        [
            {"AUTH_REQUIRE_ELEVATED_CLAIM": value, "AUTH_WEBAUTHN_ENABLED": "true"}
            for value in ("recommended", "required")
        ],
        [
            {},
            {"AUTH_REQUIRE_ELEVATED_CLAIM": "disabled", "AUTH_WEBAUTHN_ENABLED": "true"},
            {"AUTH_REQUIRE_ELEVATED_CLAIM": "yes", "AUTH_WEBAUTHN_ENABLED": "true"},
            {"AUTH_REQUIRE_ELEVATED_CLAIM": "required"},
        ],
    ),
    "AUTH-25": case(
        [
            dict(ON, **{LOGIN + "BURST": "5", LOGIN + "INTERVAL": "15m"}),
            dict(ON, **{LOGIN + "BURST": "1", LOGIN + "INTERVAL": "1h0m0s"}),
        ],
        [
            {},
            ON,
            {LOGIN + "BURST": "5", LOGIN + "INTERVAL": "15m"},
            dict(ON, **{LOGIN + "BURST": "6", LOGIN + "INTERVAL": "15m"}),
            dict(ON, **{LOGIN + "BURST": "5", LOGIN + "INTERVAL": "14m59s"}),
            dict(ON, **{LOGIN + "BURST": "5", LOGIN + "INTERVAL": "900"}),
        ],
    ),
    "AUTH-26": case(
        [{"AUTH_DISABLE_SIGNUP": "true"}, dict(ON, **{SIGNUP + "BURST": "3", SIGNUP + "INTERVAL": "1h"})],
        [
            {},
            ON,
            dict(ON, **{SIGNUP + "BURST": "3", SIGNUP + "INTERVAL": "5m"}),
            dict(ON, **{SIGNUP + "BURST": "lots"}),
        ],
    ),
    "AUTH-28": case(
        [{"AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "true"}],
        [{}, {"AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "false"}, {"AUTH_EMAIL_VERIFICATION_REQUIRED": "true"}],
    ),
    "AUTH-29": case(
        [{"AUTH_CONCEAL_ERRORS": "true"}],
        [{}, {"AUTH_CONCEAL_ERRORS": "true", "AUTH_ANONYMOUS_USERS_ENABLED": "true"}],
    ),
    "AUTH-30": case([{}, {"AUTH_ENABLE_CHANGE_ENV": "false"}], [{"AUTH_ENABLE_CHANGE_ENV": "true"}]),
    "AUTH-31": case(
        [
            {URLS: "https://www.example.com,https://app.example.com/in"},
            {URLS: "https://pr-*.example.com"},
            {URLS: "https://*.example.com,com.example.app://callback"},
        ],
        [
            {},
            {"AUTH_ALLOWED_REDIRECT_URLS": "https://www.example.com"},
            {URLS: "http://www.example.com"},
            {URLS: "https://www.example.com,https://localhost:3000"},
            {URLS: "https://*"},
            {URLS: "https://*.com"},
            {URLS: "https://[broken"},
            {URLS: ","},
            {URLS: "https://!(x)"},
            {URLS: "https://127.0.0.2"},
            {URLS: "https://[::1]:3000"},
            {URLS: "https://*.github.io"},
        ],
    ),
}

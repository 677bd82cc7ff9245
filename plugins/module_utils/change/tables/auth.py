# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role auth tells hasura-auth: its options, the names by which hasura-auth reads them, and the defaults.

Names, kinds and what is assumed where nothing is set: docs/cli.md of nhost/hasura-auth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Tuple

BOOL, COUNT, DURATION, WORD, LIST = "bool", "count", "duration", "word", "list"
_TYPES = {BOOL: "bool", COUNT: "int", DURATION: "str", WORD: "str", LIST: "list"}


@dataclass(frozen=True)
class Setting:
    """One option. default: None leaves what is there, or what the part works out from the project. least: of a COUNT."""

    option: str
    name: str
    kind: str
    default: Any = None
    choices: Tuple[str, ...] = ()
    least: int = 0


SETTINGS = (
    Setting("access_token_seconds", "AUTH_ACCESS_TOKEN_EXPIRES_IN", COUNT, 900, least=30),
    Setting("refresh_token_seconds", "AUTH_REFRESH_TOKEN_EXPIRES_IN", COUNT, 604800, least=60),
    Setting("password_min_length", "AUTH_PASSWORD_MIN_LENGTH", COUNT, 12, least=3),
    Setting("password_hibp", "AUTH_PASSWORD_HIBP_ENABLED", BOOL, True),
    Setting("mfa_enabled", "AUTH_MFA_ENABLED", BOOL, True),
    Setting("mfa_issuer", "AUTH_MFA_TOTP_ISSUER", WORD),
    Setting("webauthn_enabled", "AUTH_WEBAUTHN_ENABLED", BOOL, True),
    Setting(
        "elevated_claim",
        "AUTH_REQUIRE_ELEVATED_CLAIM",
        WORD,
        "recommended",
        choices=("disabled", "recommended", "required"),
    ),
    Setting("rate_limit", "AUTH_RATE_LIMIT_ENABLE", BOOL, True),
    Setting("rate_limit_login_burst", "AUTH_RATE_LIMIT_BRUTE_FORCE_BURST", COUNT, 5, least=1),
    Setting("rate_limit_login_interval", "AUTH_RATE_LIMIT_BRUTE_FORCE_INTERVAL", DURATION, "15m"),
    Setting("rate_limit_signup_burst", "AUTH_RATE_LIMIT_SIGNUPS_BURST", COUNT, 3, least=1),
    Setting("rate_limit_signup_interval", "AUTH_RATE_LIMIT_SIGNUPS_INTERVAL", DURATION, "1h"),
    Setting("rate_limit_global_burst", "AUTH_RATE_LIMIT_GLOBAL_BURST", COUNT, 100, least=1),
    Setting("rate_limit_global_interval", "AUTH_RATE_LIMIT_GLOBAL_INTERVAL", DURATION, "1m"),
    Setting("rate_limit_email_burst", "AUTH_RATE_LIMIT_EMAIL_BURST", COUNT, 10, least=1),
    Setting("rate_limit_email_interval", "AUTH_RATE_LIMIT_EMAIL_INTERVAL", DURATION, "1h"),
    Setting("rate_limit_email_is_global", "AUTH_RATE_LIMIT_EMAIL_IS_GLOBAL", BOOL),
    Setting("rate_limit_sms_burst", "AUTH_RATE_LIMIT_SMS_BURST", COUNT, 10, least=1),
    Setting("rate_limit_sms_interval", "AUTH_RATE_LIMIT_SMS_INTERVAL", DURATION, "1h"),
    Setting("email_verified", "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED", BOOL, True),
    Setting("conceal_errors", "AUTH_CONCEAL_ERRORS", BOOL, True),
    Setting("anonymous_users", "AUTH_ANONYMOUS_USERS_ENABLED", BOOL, False),
    Setting("change_env", "AUTH_ENABLE_CHANGE_ENV", BOOL, False),
    Setting("disable_signup", "AUTH_DISABLE_SIGNUP", BOOL),
    Setting("default_role", "AUTH_USER_DEFAULT_ROLE", WORD),
    Setting("default_allowed_roles", "AUTH_USER_DEFAULT_ALLOWED_ROLES", LIST),
    Setting("redirect_urls", "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS", LIST),
    Setting("client_url", "AUTH_CLIENT_URL", WORD),
)

# What hasura-auth gives new users where it is told nothing.
DEFAULT_ROLE, DEFAULT_ALLOWED_ROLES = "user", ("me", "user")
DEFAULT_ISSUER = "hasura-auth"  # what it writes into tokens where the JSON names none: those that are in use stay valid
PORT = "4000"
HMAC_TYPES = ("HS256", "HS384", "HS512")


def _spec() -> Dict[str, Any]:
    out: Dict[str, Any] = {
        "image": {"type": "str"},
        "jwt_issuer": {"type": "str"},
        "jwt_type": {"type": "str", "choices": list(HMAC_TYPES)},
        "jwt_weak": {"type": "str", "choices": ["replace", "keep"], "default": "replace"},
    }
    for setting in SETTINGS:
        entry: Dict[str, Any] = {"type": _TYPES[setting.kind]}
        if setting.kind == LIST:
            entry["elements"] = "str"
        if setting.choices:
            entry["choices"] = list(setting.choices)
        if setting.default is not None:
            entry["default"] = setting.default
        if "token" in setting.option or "password" in setting.option:
            entry["no_log"] = False  # the names only sound like secrets
        out[setting.option] = entry
    return out


SPEC = _spec()

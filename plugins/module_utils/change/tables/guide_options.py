# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which option of which part makes a setting of nself's guide true. Functions stand in change/stack/guide_options.py.

What a setting is, and who reads it, stands in audit/tables/guide_settings.py; here only what is to become of it. The first rule that
matches a name holds: a name before its family.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.tables import auth

# How a value is turned into the option's. FROM_GUIDE: by what the reader of the setting takes, then as text.
TEXT, FROM_GUIDE, BOOL, OPPOSITE, COUNT, SECONDS, DAYS = "text", "guide", "bool", "opposite", "count", "seconds", "days"
DURATION, LIST, WORDS, CHOICE, PATTERN, HEADER = "duration", "list", "words", "choice", "pattern", "header"

# Which of two values is the stricter one: a value of the env files counts where it is not weaker than the default. A tuple: words, the
# weakest first. NEVER: no other value than the default is taken from there. EITHER: there is no weaker one.
LESS, MORE, EITHER, NEVER, SUBSET = "less", "more", "either", "never", "subset"
ON, OFF = MORE, LESS
NO_PRIVILEGE, OWN_SITES = "no privileged role", "own sites"


ALL_PARTS = ("containers", "postgres_tls", "postgres_audit", "hasura", "auth", "minio", "redis", "nginx")
PARTS_OF_READERS = {"compose": ("containers",), "postgres": ("postgres_tls", "postgres_audit")}


@dataclass(frozen=True)
class Rule:
    """One setting, or a family with a star. option: "" where no role follows it, with what to do in `instead`.

    key: where in an option that is a dict the value goes, with a star for what the name has there; choices: of a CHOICE; of a PATTERN the
    expression and what it means; of a HEADER what `true` stands for. asked: only where it is given in nself_settings.
    """

    name: str
    part: str
    option: str
    kind: str = TEXT
    stricter: Any = EITHER
    key: str = ""
    choices: Tuple[str, ...] = ()
    asked: bool = False
    instead: str = ""


def _none(name: str, instead: str) -> Rule:
    return Rule(name, "", "", instead=instead)


_KINDS = {auth.BOOL: BOOL, auth.COUNT: COUNT, auth.DURATION: DURATION, auth.WORD: TEXT, auth.LIST: LIST}
_STRICTER = {
    "access_token_seconds": LESS,
    "refresh_token_seconds": LESS,
    "password_min_length": MORE,
    "password_hibp": ON,
    "mfa_enabled": ON,
    "webauthn_enabled": ON,
    "elevated_claim": ("disabled", "recommended", "required"),
    "rate_limit": ON,
    "email_verified": ON,
    "conceal_errors": ON,
    "anonymous_users": OFF,
    "change_env": OFF,
    "default_role": NO_PRIVILEGE,
    "default_allowed_roles": NO_PRIVILEGE,
    "redirect_urls": OWN_SITES,
}


def _of_auth(setting: auth.Setting) -> Rule:
    stricter = _STRICTER.get(setting.option, EITHER)
    if setting.option.endswith("_burst"):
        stricter = LESS
    elif setting.option.endswith("_interval"):
        stricter = MORE
    kind = CHOICE if setting.choices else _KINDS[setting.kind]
    # hasura-auth has its address of the application from the env files anyway.
    return Rule(
        setting.name,
        "auth",
        setting.option,
        kind,
        stricter,
        choices=setting.choices,
        asked=setting.option == "client_url",
    )


_LOGIN, _SIGNUP = "AUTH_RATE_LIMIT_LOGIN_", "AUTH_RATE_LIMIT_SIGNUP_"

AUTH = tuple(map(_of_auth, auth.SETTINGS)) + (
    Rule("AUTH_JWT_ISSUER", "auth", "jwt_issuer"),
    Rule("AUTH_ACCESS_TOKEN_EXPIRY", "auth", "access_token_seconds", SECONDS, LESS),
    Rule("AUTH_REFRESH_TOKEN_EXPIRY", "auth", "refresh_token_seconds", SECONDS, LESS),
    Rule("AUTH_PASSWORD_PREVENT_COMMON", "auth", "password_hibp", BOOL, ON),
    Rule("AUTH_MFA_TOTP_ENABLED", "auth", "mfa_enabled", BOOL, ON),
    Rule("AUTH_RATE_LIMIT_ENABLED", "auth", "rate_limit", BOOL, ON),
    Rule(_LOGIN + "WINDOW", "auth", "rate_limit_login_interval", DURATION, MORE),
    Rule(_LOGIN + "*", "auth", "rate_limit_login_burst", COUNT, LESS),
    Rule(_SIGNUP + "WINDOW", "auth", "rate_limit_signup_interval", DURATION, MORE),
    Rule(_SIGNUP + "*", "auth", "rate_limit_signup_burst", COUNT, LESS),
    Rule("AUTH_ALLOWED_REDIRECT_URLS", "auth", "redirect_urls", LIST, OWN_SITES),
    Rule("AUTH_EMAIL_VERIFICATION_REQUIRED", "auth", "email_verified", BOOL, ON),
    _none(
        "AUTH_SMTP_HOST", "set it, with its port, user and password, in the env file that wins, and run `nself build`"
    ),
)

RULES = AUTH

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""hasura-auth: token lifetimes, roles, passwords, second factors, rate limits, e-mail and redirects.

The defaults are those of hasura-auth's command line (docs/cli.md of nhost/hasura-auth).
"""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Fix, Severity, Verdict, check
from ansible_collections.nself.prod.plugins.module_utils.audit.redirects import redirect_problem
from ansible_collections.nself.prod.plugins.module_utils.audit.units import (
    go_duration,
    judge_units,
    of_role,
    plain,
    setting,
    switch,
    truthy,
    whole_number,
)

AUTH = ("auth",)
PRIVILEGED_ROLES = ("admin", "moderator", "administrator", "superuser", "staff")


def _fix(text: str, *variables: str) -> Fix:
    return Fix("auth", text, variables, AUTH)


def _at_most(name: str, limit: int) -> Callable[[str], Tuple[bool, str]]:
    def good(value: str) -> Tuple[bool, str]:
        number = whole_number(value)
        if number is None:
            return False, "%s is not a whole number of seconds" % name
        return 0 < number <= limit, "%d s" % number

    return good


@check(
    "AUTH-16",
    "access-token-ttl",
    "Access tokens are short-lived",
    Severity.WARNING,
    "An access token cannot be taken back: whoever steals one is that user until it ends.",
    "AUTH_ACCESS_TOKEN_EXPIRES_IN of the auth process",
    "at most 900 seconds",
    _fix(
        "Set AUTH_ACCESS_TOKEN_EXPIRES_IN=900 (whole seconds; the guide's 15m is read by nothing).",
        "auth_access_token_seconds: 900",
    ),
    settings=("AUTH_ACCESS_TOKEN_EXPIRY", "AUTH_ACCESS_TOKEN_EXPIRES_IN"),
    refs=("s:jwt",),
)
def access_token_ttl(facts: Any, policy: Any) -> Verdict:
    limit, name = policy["access_token_max_seconds"], "AUTH_ACCESS_TOKEN_EXPIRES_IN"
    return setting(facts, "auth", name, "900", "at most %d s" % limit, _at_most(name, limit))


@check(
    "AUTH-17",
    "refresh-token-ttl",
    "Refresh tokens end within a week",
    Severity.WARNING,
    "A refresh token makes new access tokens for as long as it lives.",
    "AUTH_REFRESH_TOKEN_EXPIRES_IN of the auth process",
    "at most 604800 seconds",
    _fix(
        "Set AUTH_REFRESH_TOKEN_EXPIRES_IN=604800 (whole seconds) and recreate the auth service.",
        "auth_refresh_token_seconds: 604800",
    ),
    settings=("AUTH_REFRESH_TOKEN_EXPIRY", "AUTH_REFRESH_TOKEN_EXPIRES_IN"),
    refs=("s:jwt",),
)
def refresh_token_ttl(facts: Any, policy: Any) -> Verdict:
    limit, name = policy["refresh_token_max_seconds"], "AUTH_REFRESH_TOKEN_EXPIRES_IN"
    return setting(facts, "auth", name, "2592000", "at most %d s" % limit, _at_most(name, limit))


@check(
    "AUTH-18",
    "default-role-safe",
    "New users get no privileged role",
    Severity.CRITICAL,
    "Every new account receives these roles without anybody looking.",
    "AUTH_USER_DEFAULT_ROLE and AUTH_USER_DEFAULT_ALLOWED_ROLES of the auth process",
    "neither names admin or moderator",
    _fix(
        "Set AUTH_USER_DEFAULT_ROLE=user and AUTH_USER_DEFAULT_ALLOWED_ROLES=me,user.",
        "auth_default_role",
        "auth_default_allowed_roles",
    ),
    settings=("AUTH_USER_DEFAULT_ROLE", "AUTH_USER_DEFAULT_ALLOWED_ROLES"),
)
def default_role_safe(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        role = plain(unit, "AUTH_USER_DEFAULT_ROLE", "user") or ""
        allowed = (plain(unit, "AUTH_USER_DEFAULT_ALLOWED_ROLES", "me") or "").split(",")
        given = sorted({item.strip() for item in [role] + allowed if item.strip()})
        return not set(item.lower() for item in given) & set(PRIVILEGED_ROLES), "new users get " + ", ".join(given)

    return judge_units(of_role(facts, "auth"), "no " + " or ".join(PRIVILEGED_ROLES[:2]), judge)


@check(
    "AUTH-19",
    "password-min-length",
    "Passwords must be long",
    Severity.WARNING,
    "hasura-auth accepts three characters unless it is told otherwise.",
    "AUTH_PASSWORD_MIN_LENGTH of the auth process (3 where it is not set)",
    "at least 12",
    _fix(
        "Pass AUTH_PASSWORD_MIN_LENGTH=12 to the auth service; nself's compose file does not, so an override must.",
        "auth_password_min_length: 12",
    ),
    settings=("AUTH_PASSWORD_MIN_LENGTH",),
    refs=("s:password",),
)
def password_min_length(facts: Any, policy: Any) -> Verdict:
    least, name = policy["password_min_length"], "AUTH_PASSWORD_MIN_LENGTH"

    def good(value: str) -> Tuple[bool, str]:
        number = whole_number(value)
        if number is None:
            return False, "%s is not a number" % name
        return number >= least, "%d characters" % number

    return setting(facts, "auth", name, "3", "at least %d characters" % least, good)


@check(
    "AUTH-20",
    "breached-passwords-rejected",
    "Breached passwords are refused",
    Severity.WARNING,
    "Passwords from known breaches are tried first by everybody who guesses.",
    "AUTH_PASSWORD_HIBP_ENABLED of the auth process",
    "true",
    _fix("Pass AUTH_PASSWORD_HIBP_ENABLED=true to the auth service.", "auth_password_hibp: true"),
    settings=("AUTH_PASSWORD_PREVENT_COMMON", "AUTH_PASSWORD_HIBP_ENABLED"),
    refs=("s:password",),
)
def breached_passwords_rejected(facts: Any, policy: Any) -> Verdict:
    return switch(facts, "auth", "AUTH_PASSWORD_HIBP_ENABLED", "false", wanted=True)


@check(
    "AUTH-22",
    "mfa-available",
    "Users can set up a second factor",
    Severity.WARNING,
    "A password alone is one phishing mail away from somebody else.",
    "AUTH_MFA_ENABLED and AUTH_MFA_TOTP_ISSUER of the auth process",
    "enabled, with an issuer",
    _fix(
        "Pass AUTH_MFA_ENABLED=true and AUTH_MFA_TOTP_ISSUER=<your name> to the auth service.",
        "auth_mfa_enabled: true",
        "auth_mfa_issuer",
    ),
    settings=("AUTH_MFA_ENABLED",),
    refs=("s:mfa",),
)
def mfa_available(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        if not truthy(plain(unit, "AUTH_MFA_ENABLED", "false") or ""):
            return False, "AUTH_MFA_ENABLED is not true"
        named = plain(unit, "AUTH_MFA_TOTP_ISSUER") is not None
        return named, "enabled" if named else "enabled, AUTH_MFA_TOTP_ISSUER is not set"

    return judge_units(of_role(facts, "auth"), "AUTH_MFA_ENABLED=true and an issuer", judge)


@check(
    "AUTH-24",
    "elevated-claim",
    "Sensitive changes ask for the second factor again",
    Severity.RECOMMENDATION,
    "A stolen access token alone should not be enough to change the password, the e-mail address or the second factor.",
    "AUTH_REQUIRE_ELEVATED_CLAIM of the auth process (disabled where it is not set), and AUTH_WEBAUTHN_ENABLED: elevation is by security key only",
    "recommended or required, with security keys available",
    _fix(
        "Pass AUTH_REQUIRE_ELEVATED_CLAIM=recommended and AUTH_WEBAUTHN_ENABLED=true to the auth service.",
        "auth_elevated_claim: recommended",
    ),
    settings=("AUTH_REQUIRE_ELEVATED_CLAIM",),
)
def elevated_claim(facts: Any, policy: Any) -> Verdict:
    name = "AUTH_REQUIRE_ELEVATED_CLAIM"

    def judge(unit: Record) -> Tuple[bool, str]:
        value = plain(unit, name)
        if value not in ("recommended", "required"):
            return False, "%s is %s" % (name, value or "not set")
        keys = truthy(plain(unit, "AUTH_WEBAUTHN_ENABLED", "false") or "")
        return (
            keys,
            value if keys else "%s, but AUTH_WEBAUTHN_ENABLED is not true: nobody can have a security key" % value,
        )

    return judge_units(of_role(facts, "auth"), "recommended or required", judge)


def _rate(unit: Record, kind: str, most: int, seconds: int) -> Tuple[bool, str]:
    """Judge one of hasura-auth's limits: AUTH_RATE_LIMIT_<kind>_BURST per _INTERVAL (10 per 5 minutes by default)."""
    if not truthy(plain(unit, "AUTH_RATE_LIMIT_ENABLE", "false") or ""):
        return False, "AUTH_RATE_LIMIT_ENABLE is not true"
    burst = plain(unit, "AUTH_RATE_LIMIT_%s_BURST" % kind, "10") or ""
    interval = plain(unit, "AUTH_RATE_LIMIT_%s_INTERVAL" % kind, "5m") or ""
    number, length = whole_number(burst), go_duration(interval)
    if number is None or length is None:
        return False, "the limit is not a number per Go duration (15m, 1h)"
    return number <= most and length >= seconds, "%d per %g s" % (number, length)


@check(
    "AUTH-25",
    "login-rate-limit",
    "Failed logins are limited",
    Severity.WARNING,
    "Without a limit passwords can be guessed as fast as the server answers.",
    "AUTH_RATE_LIMIT_ENABLE and AUTH_RATE_LIMIT_BRUTE_FORCE_BURST and _INTERVAL of the auth process",
    "on, at most 5 per 15 minutes or longer",
    _fix(
        "Pass AUTH_RATE_LIMIT_ENABLE=true, AUTH_RATE_LIMIT_BRUTE_FORCE_BURST=5 and AUTH_RATE_LIMIT_BRUTE_FORCE_INTERVAL=15m.",
        "auth_rate_limit",
    ),
    settings=("AUTH_RATE_LIMIT_ENABLED", "AUTH_RATE_LIMIT_ENABLE"),
    refs=("s:rate",),
)
def login_rate_limit(facts: Any, policy: Any) -> Verdict:
    most, seconds = policy["login_burst_max"], policy["login_interval_min_seconds"]
    return judge_units(
        of_role(facts, "auth"),
        "at most %d per %d s" % (most, seconds),
        lambda unit: _rate(unit, "BRUTE_FORCE", most, seconds),
    )


@check(
    "AUTH-26",
    "signup-rate-limit",
    "Sign-ups are limited",
    Severity.WARNING,
    "Unlimited sign-ups fill the database, send mail in your name and make fake accounts by the thousand.",
    "AUTH_DISABLE_SIGNUP, AUTH_RATE_LIMIT_ENABLE and AUTH_RATE_LIMIT_SIGNUPS_BURST and _INTERVAL of the auth process",
    "sign-up off, or at most 3 per hour or longer",
    _fix(
        "Pass AUTH_RATE_LIMIT_ENABLE=true, AUTH_RATE_LIMIT_SIGNUPS_BURST=3 and AUTH_RATE_LIMIT_SIGNUPS_INTERVAL=1h.",
        "auth_rate_limit",
    ),
    settings=("AUTH_RATE_LIMIT_ENABLED", "AUTH_RATE_LIMIT_ENABLE"),
    refs=("s:rate",),
)
def signup_rate_limit(facts: Any, policy: Any) -> Verdict:
    most, seconds = policy["signup_burst_max"], policy["signup_interval_min_seconds"]

    def judge(unit: Record) -> Tuple[bool, str]:
        if truthy(plain(unit, "AUTH_DISABLE_SIGNUP", "false") or ""):
            return True, "sign-up is off"
        return _rate(unit, "SIGNUPS", most, seconds)

    return judge_units(of_role(facts, "auth"), "sign-up off, or at most %d per %d s" % (most, seconds), judge)


@check(
    "AUTH-28",
    "email-verified",
    "E-mail addresses are verified before login",
    Severity.WARNING,
    "Otherwise anybody can act under an address that is not theirs.",
    "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED of the auth process",
    "true",
    _fix(
        "Set AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED=true (AUTH_EMAIL_VERIFICATION_REQUIRED is read by nothing).",
        "auth_email_verified: true",
    ),
    settings=("AUTH_EMAIL_VERIFICATION_REQUIRED", "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED"),
)
def email_verified(facts: Any, policy: Any) -> Verdict:
    return switch(facts, "auth", "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED", "false", wanted=True)


@check(
    "AUTH-29",
    "enumeration-concealed",
    "Errors do not tell who has an account",
    Severity.WARNING,
    "A list of existing accounts is the first half of every password attack; anonymous users skip the login altogether.",
    "AUTH_CONCEAL_ERRORS and AUTH_ANONYMOUS_USERS_ENABLED of the auth process",
    "errors concealed, anonymous users off",
    _fix(
        "Pass AUTH_CONCEAL_ERRORS=true to the auth service and leave AUTH_ANONYMOUS_USERS_ENABLED off.",
        "auth_conceal_errors: true",
    ),
    settings=("AUTH_CONCEAL_ERRORS",),
)
def enumeration_concealed(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        bad: List[str] = []
        if not truthy(plain(unit, "AUTH_CONCEAL_ERRORS", "false") or ""):
            bad.append("AUTH_CONCEAL_ERRORS is not true")
        if truthy(plain(unit, "AUTH_ANONYMOUS_USERS_ENABLED", "false") or ""):
            bad.append("anonymous users are on")
        return not bad, ", ".join(bad) or "errors concealed, anonymous users off"

    return judge_units(of_role(facts, "auth"), "errors concealed, anonymous users off", judge)


@check(
    "AUTH-30",
    "no-change-env",
    "The auth service's settings cannot be changed over HTTP",
    Severity.CRITICAL,
    "The /change-env endpoint, made for tests, lets anybody rewrite every setting of the running service.",
    "AUTH_ENABLE_CHANGE_ENV of the auth process",
    "not true",
    _fix("Remove AUTH_ENABLE_CHANGE_ENV from the auth service's environment.", "auth_change_env: false"),
    settings=("AUTH_ENABLE_CHANGE_ENV",),
)
def no_change_env(facts: Any, policy: Any) -> Verdict:
    return switch(facts, "auth", "AUTH_ENABLE_CHANGE_ENV", "false", wanted=False)


@check(
    "AUTH-31",
    "redirect-allow-list",
    "Redirects go to your own sites only",
    Severity.WARNING,
    "A login that may redirect anywhere hands its tokens to whoever writes the link.",
    "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS of the auth process",
    "set, https, no localhost, no wildcard for a host",
    _fix(
        "Set AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS to your https origins (AUTH_ALLOWED_REDIRECT_URLS is read by nothing).",
        "auth_redirect_urls",
    ),
    settings=("AUTH_ALLOWED_REDIRECT_URLS", "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS"),
)
def redirect_allow_list(facts: Any, policy: Any) -> Verdict:
    def good(value: str) -> Tuple[bool, str]:
        urls = [url.strip() for url in value.split(",") if url.strip()]
        bad = [problem for problem in map(redirect_problem, urls) if problem]
        if not urls:
            return False, "it names no URL"
        return not bad, "; ".join(bad) if bad else value

    return setting(facts, "auth", "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS", None, "https origins of your own", good)


CHECKS = (
    access_token_ttl,
    refresh_token_ttl,
    default_role_safe,
    password_min_length,
    breached_passwords_rejected,
    mfa_available,
    elevated_claim,
    login_rate_limit,
    signup_rate_limit,
    email_verified,
    enumeration_concealed,
    no_change_env,
    redirect_allow_list,
)

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

# How a value is turned into the option's.
TEXT, BOOL, COUNT, SECONDS, DAYS = "text", "bool", "count", "seconds", "days"
DURATION, LIST, WORDS, CHOICE, ONLY = "duration", "list", "words", "choice", "only"
SWITCH, RATE, SOURCES, PREFIX = "switch", "rate", "sources", "prefix"

# Which of two values is the stricter one: a value of the env files counts where it is not weaker than the default. A tuple: words, the
# weakest first; a number: the most that is taken. EITHER: there is no weaker one. The others: what a value has to be, whatever the default.
LESS, MORE, EITHER, SUBSET = "less", "more", "either", "subset"
ON, OFF = MORE, LESS
NO_PRIVILEGE, OWN_SITES, NOT_ALL = "no privileged role", "own sites", "not everybody"
GOOD_CSP, GOOD_PERMISSIONS = "a policy that holds", "no feature for everybody"
GOOD_SOURCES, NO_STAR = "sources of scripts that are known", "sources that are not everywhere"
GOOD_PREFIX = "a prefix that says who, from where and when"


ALL_PARTS = ("containers", "postgres_tls", "postgres_audit", "hasura", "auth", "minio", "redis", "nginx")
PARTS_OF_READERS = {"compose": ("containers",), "postgres": ("postgres_tls", "postgres_audit")}


@dataclass(frozen=True)
class Rule:
    """One setting, or a family with a star; several rules of one name all hold.

    option: "" where no role follows it, with what to do in `instead`. key: where in an option that is a mapping the value goes, with a star
    for what the name has in that place. choices: of a CHOICE; of an ONLY the words for what the part does anyway, where any other is refused.
    off: what `false` stands for, of a SWITCH, whose `true` is what the part does anyway. asked: the part reads the env files itself, so only
    what is given in nself_settings becomes an option.
    """

    name: str
    part: str
    option: str
    kind: str = TEXT
    stricter: Any = EITHER
    key: str = ""
    choices: Tuple[str, ...] = ()
    off: Any = None
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
    Rule("HASURA_JWT_TYPE", "auth", "jwt_type", CHOICE, choices=auth.HMAC_TYPES, asked=True),
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

_HASURA = "HASURA_GRAPHQL_"

HASURA = (
    Rule(_HASURA + "ENABLE_CONSOLE", "hasura", "console_enabled", BOOL, OFF),
    Rule("HASURA_DEV_MODE", "hasura", "dev_mode", BOOL, OFF),
    Rule(_HASURA + "DEV_MODE", "hasura", "dev_mode", BOOL, OFF),
    Rule(_HASURA + "ENABLE_TELEMETRY", "hasura", "telemetry_enabled", BOOL, OFF),
    Rule(_HASURA + "ENABLE_ALLOWLIST", "hasura", "allowlist_enabled", BOOL, ON),
    Rule(_HASURA + "ENABLED_APIS", "hasura", "enabled_apis", LIST, SUBSET),
    Rule(_HASURA + "UNAUTHORIZED_ROLE", "hasura", "unauthorized_role", TEXT, asked=True),
    Rule(_HASURA + "CORS_DOMAIN", "hasura", "cors_domains", LIST, asked=True),
    Rule("CORS_ALLOWED_ORIGINS", "hasura", "cors_domains", LIST, OWN_SITES),
    Rule("CORS_ALLOWED_ORIGINS", "nginx", "cors_origins", LIST, OWN_SITES),
    Rule("HASURA_LOG_LEVEL", "hasura", "log_level", CHOICE, choices=("debug", "info", "warn", "error"), asked=True),
    Rule(_HASURA + "WEBSOCKET_CONNECTION_INIT_TIMEOUT", "hasura", "websocket_init_timeout", COUNT, LESS),
    Rule(_HASURA + "WS_CONNECTION_INIT_TIMEOUT", "hasura", "websocket_init_timeout", SECONDS, LESS),
    Rule(_HASURA + "PG_CONNECTIONS", "hasura", "pg_connections", COUNT, LESS),
    Rule(_HASURA + "MAX_CONNECTIONS", "hasura", "pg_connections", COUNT, LESS),
)

_YES = ("true", "yes", "on", "1")
_CORS = "Hasura and hasura-auth decide it: the roles hasura and nginx only choose the origins, by CORS_ALLOWED_ORIGINS"
_ZONES = "give a rate such as 30r/s by zone, in nginx_rate_limits"
_REFERRERS = tuple(
    "unsafe-url no-referrer-when-downgrade origin origin-when-cross-origin strict-origin-when-cross-origin same-origin strict-origin "
    "no-referrer".split()
)
_HARMLESS = ("style", "img", "font", "media", "connect")  # sources that run no scripts
# Requests a minute of the role's zones.
_GENERAL, _GRAPHQL, _SIGN_IN = 1800, 300, 10

NGINX = (
    Rule("SSL_PROTOCOLS", "nginx", "tls_protocols", WORDS, SUBSET),
    Rule("SSL_CIPHERS", "nginx", "tls_ciphers", TEXT, SUBSET),
    Rule("SSL_PREFER*", "nginx", "prefer_server_ciphers", BOOL),
    _none("SSL_ENABLED", "nself's sites have TLS anyway"),
    _none("SSL_PROVIDER", "give the certificate to the web server by the tool that renews it"),
    _none("LETSENCRYPT_EMAIL", "give it to the ACME client that renews the certificate"),
    Rule("HSTS_ENABLED", "nginx", "hsts_max_age", SWITCH, MORE, off=0),
    Rule("HSTS_MAX_AGE", "nginx", "hsts_max_age", SECONDS, MORE),
    Rule("HSTS_INCLUDE_SUB*", "nginx", "hsts_include_subdomains", BOOL, ON),
    Rule("HSTS_PRELOAD", "nginx", "hsts_preload", BOOL, ON),
    _none("HSTS_*", "it has HSTS_MAX_AGE, HSTS_INCLUDE_SUBDOMAINS and HSTS_PRELOAD"),
    Rule("CSP_ENABLED", "nginx", "csp", ONLY, choices=_YES),
    _none("CSP_REPORT*", "reports need somebody who reads them: name the place in nginx_csp"),
    Rule("CSP_POLICY", "nginx", "csp", TEXT, GOOD_CSP),
    *(Rule("CSP_%s_SRC" % word.upper(), "nginx", "csp", SOURCES, NO_STAR, key=word + "_src") for word in _HARMLESS),
    Rule("CSP_*", "nginx", "csp", SOURCES, GOOD_SOURCES, key="*"),
    Rule("X_FRAME_OPTIONS", "nginx", "frame_options", CHOICE, ("sameorigin", "deny"), choices=("DENY", "SAMEORIGIN")),
    _none("X_FRAME_*", "it has X_FRAME_OPTIONS"),
    Rule("X_CONTENT_TYPE_OPTIONS", "nginx", "content_type_options", CHOICE, choices=("nosniff",)),
    _none("X_CONTENT_TYPE_*", "it has X_CONTENT_TYPE_OPTIONS"),
    Rule("X_XSS_PROTECTION", "nginx", "xss_protection", CHOICE, choices=("0", "1; mode=block")),
    _none("X_XSS_*", "it has X_XSS_PROTECTION"),
    Rule("REFERRER_POLICY", "nginx", "referrer_policy", CHOICE, _REFERRERS, choices=_REFERRERS),
    Rule("PERMISSIONS_POLICY", "nginx", "permissions_policy", TEXT, GOOD_PERMISSIONS),
    _none("CORS_*", _CORS),
    Rule("NGINX_RATE_LIMIT", "nginx", "rate_limits", RATE, _GENERAL, key="general"),
    Rule("RATE_LIMIT_ENABLED", "nginx", "rate_limits_enabled", BOOL, ON),
    Rule("RATE_LIMIT_GENERAL", "nginx", "rate_limits", RATE, _GENERAL, key="general"),
    Rule("RATE_LIMIT_GLOBAL", "nginx", "rate_limits", RATE, _GENERAL, key="general"),
    Rule("RATE_LIMIT_API", "nginx", "rate_limits", RATE, _GRAPHQL, key="graphql"),
    Rule("RATE_LIMIT_GRAPHQL", "nginx", "rate_limits", RATE, _GRAPHQL, key="graphql"),
    Rule("RATE_LIMIT_AUTH", "nginx", "rate_limits", RATE, _SIGN_IN, key="sign_in"),
    Rule("RATE_LIMIT_LOGIN", "nginx", "rate_limits", RATE, _SIGN_IN, key="sign_in"),
    _none("RATE_LIMIT_*", _ZONES),
)

_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_PATHS = "give postgres_tls_certificate, postgres_tls_key and postgres_tls_ca"

DATA = (
    Rule("POSTGRES_SSL", "postgres_tls", "enabled", BOOL, ON),
    Rule("POSTGRES_SSL_ENABLED", "postgres_tls", "enabled", BOOL, ON),
    Rule("POSTGRES_SSL_MODE", "postgres_tls", "client_mode", CHOICE, _MODES, choices=_MODES),
    Rule("POSTGRES_SSL_REQUIRED", "postgres_tls", "required", BOOL, ON),
    _none("POSTGRES_SSL*", _PATHS),
    Rule("POSTGRES_LOG_CONNECTIONS", "postgres_tls", "log_connections", BOOL, ON),
    Rule("POSTGRES_LOG_DISCONNECTIONS", "postgres_tls", "log_disconnections", BOOL, ON),
    Rule(
        "POSTGRES_LOG_STATEMENT",
        "postgres_tls",
        "log_statement",
        CHOICE,
        ("none", "ddl", "mod", "all"),
        choices=("none", "ddl", "mod", "all"),
    ),
    Rule("POSTGRES_LOG_LINE_PREFIX", "postgres_tls", "log_line_prefix", PREFIX, GOOD_PREFIX),
    _none("POSTGRES_LOG_*", "it has POSTGRES_LOG_CONNECTIONS, _DISCONNECTIONS, _STATEMENT and _LINE_PREFIX"),
    Rule("POSTGRES_MAX_CONNECTIONS", "postgres_tls", "max_connections", COUNT),
    Rule("POSTGRES_ALLOWED_HOSTS", "postgres_tls", "allowed_hosts", WORDS, NOT_ALL),
    Rule("MINIO_SSE_ENABLED", "minio", "kms_generate", BOOL, ON),
    Rule("MINIO_SSE_AUTO_ENCRYPTION", "minio", "kms_generate", BOOL, ON),
    _none("MINIO_SSE_*", "it has MINIO_SSE_ENABLED and MINIO_SSE_MASTER_KEY, which is MinIO's MINIO_KMS_SECRET_KEY"),
    Rule("AUDIT_LOG_ENABLED", "postgres_audit", "log", BOOL, ON),
    Rule("AUDIT_LOG_RETENTION", "postgres_audit", "retention_days", DAYS, MORE),
    Rule("AUDIT_LOG_RETENTION_DAYS", "postgres_audit", "retention_days", DAYS, MORE),
    Rule("AUDIT_LOG_TABLES", "postgres_audit", "tables", WORDS),
)

_BY_SERVICE = "give it by service, in containers_users or containers_capabilities"

CONTAINERS = (
    Rule("DOCKER_NETWORK_INTERNAL", "containers", "network_internal", BOOL, ON),
    # What is published is bound to the host itself, but for the ports that are named.
    Rule("EXPOSE_INTERNAL_PORTS", "containers", "published_ports", ONLY, choices=("false", "no", "off", "0")),
    Rule("*_MEMORY_LIMIT", "containers", "limits", key="*.memory", asked=True),
    Rule("*_CPU_LIMIT", "containers", "limits", key="*.cpus", asked=True),
    Rule("CONTAINER_READ*", "containers", "read_only", BOOL, ON),
    Rule("CONTAINER_NO_NEW_PRIVILEGES", "containers", "no_new_privileges", BOOL, ON),
    Rule("CONTAINER_*DROP*", "containers", "capabilities", ONLY, choices=("all",) + _YES),
    Rule("CONTAINER_*ROOT*", "containers", "users", ONLY, choices=_YES),
    _none("CONTAINER_*", _BY_SERVICE),
)

RULES = AUTH + HASURA + NGINX + DATA + CONTAINERS

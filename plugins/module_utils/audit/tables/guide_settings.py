# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every setting that nself's security guide names, and who reads it really.

One table for two uses: the audit tells whether what is declared is effective, and hardening translates a declared setting to
the name that its reader knows. Functions stand in deployment/guide.py.

The guide names 98 settings. Where the exact name is known it stands here; the others are covered by their family, a name with
a `*` (CONTAINER_*, HSTS_*, …), so a family's verdict is all that is said of them. The first entry that matches a name holds.
hasura-auth's names, kinds and defaults: docs/cli.md of nhost/hasura-auth. Hasura's:
https://hasura.io/docs/2.0/deployment/graphql-engine-flags/reference/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

# What becomes of a setting that is declared.
READ = "read"  # its reader knows it by one of the names in `real`
TRANSLATE = "translate"  # its reader takes it in another form only: as a part of HASURA_GRAPHQL_JWT_SECRET
DEAD = "dead name"  # read by nothing; `real` names what is read instead
UNSUPPORTED = "unsupported"  # read by nothing, and nothing does what it promises

# What a reader takes, and what the guide writes.
SECONDS = "whole seconds"
COUNT = "a whole number"
DURATION = "a Go duration such as 15m or 1h30m"
BOOL = "a boolean"
LIST = "a list with commas"
ENUM = "one of a few words"
URL = "a URL"
SECRET = "a secret"
FREE = "text"
JWT_KEY, JWT_TYPE, JWT_ISSUER = "the JWT key", "the JWT algorithm", "the JWT issuer"

JWT = "HASURA_GRAPHQL_JWT_SECRET"


@dataclass(frozen=True)
class GuideSetting:
    """One name of the guide, or a family of them.

    readers: roles of the services whose processes read it, or nginx, compose, postgres for what no environment governs;
    real: the environment's names there, or the directive; kind: what the reader takes; choices: of an ENUM;
    default: what it assumes where nothing is set, None where that is not one value; instead: what to do, for people.
    """

    name: str
    verdict: str
    readers: Tuple[str, ...] = ()
    real: Tuple[str, ...] = ()
    kind: str = FREE
    default: Optional[str] = None
    choices: Tuple[str, ...] = ()
    instead: str = ""


def _read(
    reader: str, name: str, kind: str, default: Optional[str] = None, real: str = "", choices: Tuple[str, ...] = ()
) -> GuideSetting:
    return GuideSetting(name, READ, (reader,), (real or name,), kind, default, choices)


def _dead(name: str, reader: str, real: str, kind: str = FREE, instead: str = "") -> GuideSetting:
    return GuideSetting(name, DEAD, (reader,), (real,), kind, instead=instead)


def _none(name: str, instead: str) -> GuideSetting:
    return GuideSetting(name, UNSUPPORTED, instead=instead)


_ALGORITHMS = ("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "Ed25519")
_LOCKOUT = "limit sign-in by AUTH_RATE_LIMIT_BRUTE_FORCE_*, an nginx limit_req and a fail2ban jail"
_HEADER = "add_header … always in every server block of nginx"
_IMAGE_USE = "a compose key in docker-compose.override.yml"

JWT_SETTINGS = (
    GuideSetting("HASURA_JWT_KEY", TRANSLATE, ("hasura", "auth"), (JWT,), JWT_KEY),
    GuideSetting("HASURA_JWT_TYPE", TRANSLATE, ("hasura", "auth"), (JWT,), JWT_TYPE, choices=_ALGORITHMS),
    GuideSetting("AUTH_JWT_SECRET", TRANSLATE, ("hasura", "auth"), (JWT,), JWT_KEY),
    GuideSetting("AUTH_JWT_ISSUER", TRANSLATE, ("hasura", "auth"), (JWT,), JWT_ISSUER),
    _none("AUTH_JWT_AUDIENCE", "hasura-auth puts no audience into its tokens, so to require one breaks logins"),
    _dead("AUTH_ACCESS_TOKEN_EXPIRY", "auth", "AUTH_ACCESS_TOKEN_EXPIRES_IN", SECONDS),
    _dead("AUTH_REFRESH_TOKEN_EXPIRY", "auth", "AUTH_REFRESH_TOKEN_EXPIRES_IN", SECONDS),
    _read("auth", "AUTH_ACCESS_TOKEN_EXPIRES_IN", SECONDS, "900"),
    _read("auth", "AUTH_REFRESH_TOKEN_EXPIRES_IN", SECONDS, "2592000"),
)

AUTH_SETTINGS = (
    _read("auth", "AUTH_PASSWORD_MIN_LENGTH", COUNT, "3"),
    _read("auth", "AUTH_PASSWORD_HIBP_ENABLED", BOOL, "false"),
    _dead("AUTH_PASSWORD_PREVENT_COMMON", "auth", "AUTH_PASSWORD_HIBP_ENABLED", BOOL),
    # REQUIRE_*, HISTORY, MAX_AGE and the like: hasura-auth knows a least length and Have I Been Pwned, nothing else.
    _none("AUTH_PASSWORD_*", "hasura-auth knows AUTH_PASSWORD_MIN_LENGTH and AUTH_PASSWORD_HIBP_ENABLED only"),
    _read("auth", "AUTH_MFA_ENABLED", BOOL, "false"),
    _read("auth", "AUTH_MFA_TOTP_ISSUER", FREE, "auth"),
    _dead("AUTH_MFA_TOTP_ENABLED", "auth", "AUTH_MFA_ENABLED", BOOL),
    _none(
        "AUTH_MFA_*",
        "hasura-auth cannot require a second factor by role and has no recovery codes; AUTH_REQUIRE_ELEVATED_CLAIM comes near",
    ),
    _read("auth", "AUTH_REQUIRE_ELEVATED_CLAIM", ENUM, "disabled", choices=("disabled", "recommended", "required")),
    _read("auth", "AUTH_WEBAUTHN_ENABLED", BOOL, "false"),
    _dead("AUTH_RATE_LIMIT_ENABLED", "auth", "AUTH_RATE_LIMIT_ENABLE", BOOL),
    _dead("AUTH_RATE_LIMIT_LOGIN_WINDOW", "auth", "AUTH_RATE_LIMIT_BRUTE_FORCE_INTERVAL", DURATION),
    _dead("AUTH_RATE_LIMIT_LOGIN_*", "auth", "AUTH_RATE_LIMIT_BRUTE_FORCE_BURST", COUNT),
    _dead("AUTH_RATE_LIMIT_SIGNUP_WINDOW", "auth", "AUTH_RATE_LIMIT_SIGNUPS_INTERVAL", DURATION),
    _dead("AUTH_RATE_LIMIT_SIGNUP_*", "auth", "AUTH_RATE_LIMIT_SIGNUPS_BURST", COUNT),
    _read("auth", "AUTH_RATE_LIMIT_ENABLE", BOOL, "false"),
    _read("auth", "AUTH_RATE_LIMIT_BRUTE_FORCE_BURST", COUNT, "10"),
    _read("auth", "AUTH_RATE_LIMIT_BRUTE_FORCE_INTERVAL", DURATION, "5m"),
    _read("auth", "AUTH_RATE_LIMIT_SIGNUPS_BURST", COUNT, "10"),
    _read("auth", "AUTH_RATE_LIMIT_SIGNUPS_INTERVAL", DURATION, "5m"),
    _read("auth", "AUTH_RATE_LIMIT_GLOBAL_BURST", COUNT, "100"),
    _read("auth", "AUTH_RATE_LIMIT_GLOBAL_INTERVAL", DURATION, "1m"),
    _read("auth", "AUTH_RATE_LIMIT_EMAIL_BURST", COUNT, "10"),
    _read("auth", "AUTH_RATE_LIMIT_EMAIL_INTERVAL", DURATION, "1h"),
    _read("auth", "AUTH_RATE_LIMIT_EMAIL_IS_GLOBAL", BOOL, "false"),
    _read("auth", "AUTH_RATE_LIMIT_SMS_BURST", COUNT, "10"),
    _read("auth", "AUTH_RATE_LIMIT_SMS_INTERVAL", DURATION, "1h"),
    _none("AUTH_ACCOUNT_LOCKOUT_*", _LOCKOUT),
    _dead("AUTH_ALLOWED_REDIRECT_URLS", "auth", "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS", LIST),
    _read("auth", "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS", LIST, ""),
    _dead("AUTH_EMAIL_VERIFICATION_REQUIRED", "auth", "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED", BOOL),
    _read("auth", "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED", BOOL, "true"),
    _read("auth", "AUTH_CONCEAL_ERRORS", BOOL, "false"),
    _read("auth", "AUTH_DISABLE_SIGNUP", BOOL, "false"),
    _read("auth", "AUTH_ANONYMOUS_USERS_ENABLED", BOOL, "false"),
    _read("auth", "AUTH_ENABLE_CHANGE_ENV", BOOL, "false"),
    _read("auth", "AUTH_USER_DEFAULT_ROLE", FREE, "user"),
    _read("auth", "AUTH_USER_DEFAULT_ALLOWED_ROLES", LIST, "me"),
    _read("auth", "AUTH_CLIENT_URL", URL),
    _read("auth", "AUTH_SMTP_HOST", FREE),
)

HASURA_SETTINGS = (
    _read("hasura", "HASURA_GRAPHQL_ADMIN_SECRET", SECRET),
    _read("hasura", "HASURA_GRAPHQL_ENABLE_CONSOLE", BOOL, "false"),
    _read("hasura", "HASURA_DEV_MODE", BOOL, "false", real="HASURA_GRAPHQL_DEV_MODE"),
    GuideSetting(
        "HASURA_GRAPHQL_DEV_MODE",
        READ,
        ("hasura",),
        ("HASURA_GRAPHQL_DEV_MODE",),
        BOOL,
        "false",
        instead="nself's compose file fills it from HASURA_DEV_MODE",
    ),
    _read("hasura", "HASURA_GRAPHQL_ENABLE_TELEMETRY", BOOL, "true"),
    _read("hasura", "HASURA_GRAPHQL_UNAUTHORIZED_ROLE", FREE, ""),
    _read("hasura", "HASURA_GRAPHQL_ENABLED_APIS", LIST, "metadata,graphql,pgdump,config"),
    _read("hasura", "HASURA_GRAPHQL_ENABLE_ALLOWLIST", BOOL, "false"),
    _read("hasura", "HASURA_GRAPHQL_CORS_DOMAIN", LIST, "*"),
    _read(
        "hasura",
        "HASURA_LOG_LEVEL",
        ENUM,
        "info",
        real="HASURA_GRAPHQL_LOG_LEVEL",
        choices=("debug", "info", "warn", "error"),
    ),
    _dead(
        "HASURA_GRAPHQL_WS_CONNECTION_INIT_TIMEOUT",
        "hasura",
        "HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT",
        SECONDS,
    ),
    _read("hasura", "HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT", SECONDS, "3"),
    _dead("HASURA_GRAPHQL_MAX_CONNECTIONS", "hasura", "HASURA_GRAPHQL_PG_CONNECTIONS", COUNT),
    _read("hasura", "HASURA_GRAPHQL_PG_CONNECTIONS", COUNT, "50"),
    # hasura-auth reflects every Origin with credentials, hard-coded: for it only nginx can help.
    _dead("CORS_ALLOWED_ORIGINS", "hasura", "HASURA_GRAPHQL_CORS_DOMAIN", LIST),
    _dead("CORS_*", "hasura", "HASURA_GRAPHQL_CORS_DOMAIN", LIST, "for hasura-auth, CORS headers of nginx"),
)

NGINX_SETTINGS = (
    _dead("SSL_PROTOCOLS", "nginx", "ssl_protocols"),
    _dead("SSL_CIPHERS", "nginx", "ssl_ciphers"),
    _dead("SSL_PREFER*", "nginx", "ssl_prefer_server_ciphers"),
    _dead("HSTS_*", "nginx", "Strict-Transport-Security", instead=_HEADER),
    _dead("CSP_*", "nginx", "Content-Security-Policy", instead=_HEADER),
    _dead("X_FRAME_*", "nginx", "X-Frame-Options", instead=_HEADER),
    _dead("X_CONTENT_TYPE_*", "nginx", "X-Content-Type-Options", instead=_HEADER),
    _dead("X_XSS_*", "nginx", "X-XSS-Protection", instead=_HEADER),
    _dead("REFERRER_POLICY", "nginx", "Referrer-Policy", instead=_HEADER),
    _dead("PERMISSIONS_POLICY", "nginx", "Permissions-Policy", instead=_HEADER),
    _dead("SSL_ENABLED", "nginx", "listen … ssl"),
    _dead("SSL_PROVIDER", "nginx", "ssl_certificate"),
    _dead(
        "LETSENCRYPT_EMAIL",
        "nginx",
        "ssl_certificate",
        instead="give it to the ACME client that renews the certificate",
    ),
    _dead("NGINX_RATE_LIMIT", "nginx", "limit_req_zone"),
    _dead("RATE_LIMIT_*", "nginx", "limit_req_zone"),
)

DATA_SETTINGS = (
    _read("postgres", "POSTGRES_PASSWORD", SECRET),
    _dead(
        "POSTGRES_SSL*",
        "postgres",
        "ssl",
        instead="postgres -c ssl=on in an override, and hostssl lines in pg_hba.conf",
    ),
    _dead("POSTGRES_LOG_*", "postgres", "log_statement, log_connections", instead="postgres -c … in an override"),
    _dead(
        "POSTGRES_MAX_CONNECTIONS", "postgres", "max_connections", COUNT, "postgres -c max_connections=… in an override"
    ),
    _dead("POSTGRES_ALLOWED_HOSTS", "postgres", "pg_hba.conf"),
    _none("POSTGRES_DATA_ENCRYPTION*", "PostgreSQL encrypts no files: put its volume on an encrypted block device"),
    _read("minio", "MINIO_ROOT_PASSWORD", SECRET),
    _read("minio", "MINIO_KMS_SECRET_KEY", SECRET),
    _dead(
        "MINIO_SSE_MASTER_KEY",
        "minio",
        "MINIO_KMS_SECRET_KEY",
        SECRET,
        "MINIO_KMS_SECRET_KEY=<name>:<32 bytes in base64>",
    ),
    _dead("MINIO_SSE_*", "minio", "MINIO_KMS_SECRET_KEY", BOOL),
    _none(
        "BACKUP_ENCRYPTION*",
        "nself writes plain files even where it records them as encrypted: encrypt them afterwards",
    ),
    _read("grafana", "GRAFANA_ADMIN_PASSWORD", SECRET, real="GF_SECURITY_ADMIN_PASSWORD"),
    _read("meilisearch", "MEILISEARCH_MASTER_KEY", SECRET, real="MEILI_MASTER_KEY"),
)

CONTAINER_SETTINGS = (
    _dead("DOCKER_NETWORK_INTERNAL", "compose", "networks.….internal", BOOL, _IMAGE_USE),
    _dead("EXPOSE_INTERNAL_PORTS", "compose", "ports", BOOL, _IMAGE_USE),
    _dead("CONTAINER_*", "compose", "user, cap_drop, read_only, security_opt", instead=_IMAGE_USE),
    # nself itself reads X_MEMORY and X_CPU for its custom services.
    _dead("*_MEMORY_LIMIT", "compose", "deploy.resources.limits.memory", instead=_IMAGE_USE),
    _dead("*_CPU_LIMIT", "compose", "deploy.resources.limits.cpus", instead=_IMAGE_USE),
    _none("AUDIT_LOG_*", "a table audit_logs with triggers, pgaudit, and logs that loki keeps"),
    _none("SECURITY_MONITORING_*", "rules for prometheus and loki"),
    _none("ALERT_*", "receivers of alertmanager"),
)

SETTINGS = JWT_SETTINGS + AUTH_SETTINGS + HASURA_SETTINGS + NGINX_SETTINGS + DATA_SETTINGS + CONTAINER_SETTINGS
# The names in environments that a declared setting is compared with.
REAL_NAMES = frozenset(name for entry in SETTINGS if entry.verdict in (READ, TRANSLATE) for name in entry.real)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thresholds that judges compare with: typed, bounded, and none that is not listed here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Tuple, Union


class PolicyError(ValueError):
    """A policy or waiver that the user gave cannot be used. The message names the entry and what it takes."""


@dataclass(frozen=True)
class Number:
    """A whole number within bounds."""

    default: int
    least: int
    most: int
    doc: str

    def parse(self, name: str, value: Any) -> int:
        try:
            if isinstance(value, bool):
                raise ValueError
            number = int(str(value))
        except ValueError:
            raise PolicyError("policy %s takes a whole number, not %r" % (name, value)) from None
        if not self.least <= number <= self.most:
            raise PolicyError("policy %s takes %d to %d, not %d" % (name, self.least, self.most, number))
        return number


@dataclass(frozen=True)
class Names:
    """A list of strings. good: tells whether one is allowed; takes: what it then has to be, in words."""

    default: Tuple[str, ...]
    doc: str
    good: Callable[[str], bool] = bool
    takes: str = "strings"

    def parse(self, name: str, value: Any) -> Tuple[str, ...]:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, (list, tuple)) or not all(
            isinstance(item, (str, int)) and not isinstance(item, bool) for item in value
        ):
            raise PolicyError("policy %s takes a list of %s, not %r" % (name, self.takes, value))
        names = tuple(str(item).strip() for item in value)
        wrong = [item for item in names if not self.good(item)]
        if wrong:
            raise PolicyError("policy %s takes a list of %s, not %s" % (name, self.takes, ", ".join(map(repr, wrong))))
        return names


def _is_port(text: str) -> bool:
    return re.match(r"[1-9][0-9]{0,4}\Z", text) is not None and int(text) <= 65535


Entry = Union[Number, Names]

# Bounds keep a policy from switching a check off: a threshold may be moved, not removed. Waivers are for exceptions.
POLICY: Dict[str, Entry] = {
    "admin_secret_min_length": Number(32, 16, 1024, "characters of the Hasura admin secret"),
    "admin_secret_min_bits": Number(128, 64, 4096, "estimated bits of entropy of the Hasura admin secret"),
    "jwt_hmac_min_length": Number(64, 32, 1024, "characters of a JWT HMAC key"),
    "jwt_rsa_min_bits": Number(2048, 2048, 16384, "bits of a JWT RSA key"),
    "jwt_algorithms": Names(
        ("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "Ed25519"),
        "JWT algorithms that are allowed",
    ),
    "access_token_max_seconds": Number(900, 60, 86400, "lifetime of an access token, seconds"),
    "refresh_token_max_seconds": Number(604800, 3600, 7776000, "lifetime of a refresh token, seconds"),
    "password_min_length": Number(12, 8, 128, "least length of a user's password"),
    "login_burst_max": Number(5, 1, 100, "failed logins allowed in one interval"),
    "login_interval_min_seconds": Number(900, 60, 86400, "that interval, seconds"),
    "signup_burst_max": Number(3, 1, 100, "sign-ups allowed in one interval"),
    "signup_interval_min_seconds": Number(3600, 60, 86400, "that interval, seconds"),
    "certificate_min_days": Number(14, 1, 90, "days that a certificate must still be valid"),
    "certificate_renewal_min_days": Number(
        30, 1, 90, "days before which a certificate must have been renewed by itself"
    ),
    "certificate_rsa_min_bits": Number(2048, 2048, 16384, "bits of a certificate's RSA key"),
    "certificate_private_authorities": Names(
        (), "authorities (common names) of your own that all visitors are known to trust"
    ),
    "sign_in_max_per_minute": Number(60, 1, 600, "requests for sign-in that nginx may let one client make in a minute"),
    "client_timeout_max_seconds": Number(15, 1, 120, "seconds that nginx may wait for a client's header or body"),
    "client_body_max_mib": Number(100, 1, 10240, "MiB of a request's body that nginx may take outside of storage"),
    "public_ports": Names(
        ("80", "443"), "TCP ports that may be public beside the ssh port(s)", _is_port, "port numbers (1 to 65535)"
    ),
    "hsts_min_seconds": Number(31536000, 86400, 63072000, "max-age of Strict-Transport-Security, seconds"),
    "cors_max_age_seconds": Number(86400, 0, 604800, "how long a browser may keep a preflight's answer, seconds"),
    "ssh_max_auth_tries": Number(3, 1, 10, "sshd MaxAuthTries"),
    "ssh_login_grace_max_seconds": Number(60, 1, 600, "sshd LoginGraceTime, seconds"),
    "ssh_rsa_min_bits": Number(3072, 2048, 16384, "bits of an RSA host or user key"),
    "fail2ban_max_retry": Number(3, 1, 20, "failures before a ban of the sshd jail"),
    "fail2ban_min_bantime_seconds": Number(3600, 60, 31536000, "length of a ban of the sshd jail, seconds"),
    "fail2ban_min_findtime_seconds": Number(60, 10, 86400, "window in which the sshd jail counts failures, seconds"),
    "updates_max_age_days": Number(7, 1, 60, "days since security updates last ran"),
    "nopasswd_users": Names((), "accounts that may have NOPASSWD: ALL, or what amounts to it, in sudoers"),
    "docker_group_users": Names((), "accounts that may be members of the group docker"),
    "privileged_services": Names((), "compose services that may be privileged or share host namespaces"),
    "unauthorized_select_tables": Names((), "tables (schema.table) of which everybody may select every row"),
    "hasura_enabled_apis": Names(("graphql", "metadata"), "APIs that Hasura may serve"),
    "selectable_columns": Names(
        (), "columns (schema.table.column) that look like secrets and may be selected all the same"
    ),
    "graphql_max_rows": Number(100, 1, 100000, "rows that one select permission may return"),
    "websocket_init_max_seconds": Number(10, 1, 600, "seconds that a websocket client may take to say who it is"),
    "mount_exempt_services": Names((), "compose services that may mount host paths such as docker.sock"),
    "db_password_min_length": Number(32, 16, 1024, "characters of the database password"),
    "db_password_min_bits": Number(128, 64, 4096, "estimated bits of entropy of the database password"),
    "db_privileged_roles": Names(
        (),
        "database roles that may be superuser, create roles, replicate or bypass row security, beside the one the cluster was made with",
    ),
    "mfa_required_roles": Names(
        ("admin", "moderator", "administrator", "superuser", "staff"), "roles whose users must have a second factor"
    ),
    "audit_log_max_silence_days": Number(7, 1, 90, "days since the newest entry of the audit log"),
    "audit_log_min_days": Number(90, 30, 3650, "days for which the audit log is kept"),
    "secret_max_age_days": Number(90, 7, 730, "days after which a secret must have been rotated"),
    "backup_max_age_hours": Number(26, 1, 744, "hours since the newest backup of the database"),
    "backup_min_percent": Number(50, 1, 100, "size of the newest backup, percent of the median of those before it"),
    "backup_key_min_length": Number(32, 16, 1024, "characters of a key that backups are encrypted with"),
    "offsite_max_age_hours": Number(26, 1, 744, "hours since backups were last copied off the host"),
    "restore_drill_max_days": Number(30, 1, 365, "days since a backup was last restored to try it"),
    "scan_max_age_days": Number(30, 1, 365, "days since an image was scanned"),
    "public_buckets": Names((), "buckets that everybody may read"),
    "minio_password_min_length": Number(16, 8, 256, "characters of the MinIO root password"),
}


class Policy:
    """The thresholds in force. Read one with policy["name"]; a name that is not in POLICY is a KeyError."""

    def __init__(self, given: Optional[Mapping[str, Any]] = None) -> None:
        """given: the user's values. Raises PolicyError for an unknown name or a value out of bounds."""
        unknown = sorted(set(given or {}) - set(POLICY))
        if unknown:
            raise PolicyError("unknown policy %s; known are: %s" % (", ".join(unknown), ", ".join(sorted(POLICY))))
        self._values: Dict[str, Any] = {name: entry.default for name, entry in POLICY.items()}
        for name, value in (given or {}).items():
            self._values[name] = POLICY[name].parse(name, value)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

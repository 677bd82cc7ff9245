# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hardened nginx says: directives of its http block, headers, and what of the services behind it is for operators only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Dict, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_context import seconds, size
from ansible_collections.nself.prod.plugins.module_utils.parse import http_headers

HOME = "/etc/nginx"
MOUNT = HOME + "/nself-prod"  # where our folder is in the container
HEADERS_FILE = MOUNT + "/headers.inc"
# How a block includes it: as a pattern, which may find nothing, so that nginx starts without our folder too.
HEADERS_PATTERN = MOUNT + "/headers*.inc"
PREFIX = "nself_prod_"  # of our variables and zones, so that they meet nobody else's

# -- directives that may stand once in http ------------------------------------------------------------------------------

Good = Callable[[Tuple[str, ...], Tuple[str, ...]], bool]


def _same(found: Tuple[str, ...], wanted: Tuple[str, ...]) -> bool:
    return found == wanted


def _among(found: Tuple[str, ...], wanted: Tuple[str, ...]) -> bool:
    return bool(found) and set(found) <= set(wanted)


# Names of suites, or of groups of them, with forward secrecy and authenticated encryption.
_STRONG = re.compile(r"(?:ECDHE[-+](?:\w+[-+])*(?:AES\d*-?GCM|CHACHA20|AESCCM)|TLS_(?:AES|CHACHA20)_)[\w+-]*\Z")


def _strong(found: Tuple[str, ...], wanted: Tuple[str, ...]) -> bool:
    names = [name for name in found[0].split(":") if not name.startswith("!")] if len(found) == 1 else []
    return bool(names) and all(_STRONG.match(name) for name in names)


def _sooner(found: Tuple[str, ...], wanted: Tuple[str, ...]) -> bool:
    first, second = seconds(" ".join(found)), seconds(" ".join(wanted))
    return first is not None and second is not None and 0 < first <= second


def _smaller(found: Tuple[str, ...], wanted: Tuple[str, ...]) -> bool:
    first, second = size(found[0]) if found else None, size(wanted[0])
    return first is not None and second is not None and 0 < first <= second


def _larger(found: Tuple[str, ...], wanted: Tuple[str, ...]) -> bool:
    first, second = size(found[0]) if found else None, size(wanted[0])
    return first is not None and second is not None and first >= second


@dataclass(frozen=True)
class Single:
    """A directive that nginx takes once a block. option: which holds its value, "" for a fixed one; good: what may stay instead.

    below: whether another value in a server takes the protection away there; when: the option that switches it; silent: whether nginx's own
    default is as good.
    """

    name: str
    option: str = ""
    value: str = ""
    good: Good = _same
    below: bool = False
    when: str = ""
    silent: bool = False


LIMITS, ABUSE = "rate_limits_enabled", "abuse_limits_enabled"
SINGLES = (
    # Names of servers and what is made of them are keys of maps, and may be long.
    Single("map_hash_bucket_size", value="256", good=_larger),
    Single("server_tokens", "server_tokens", below=True),
    Single("ssl_protocols", "tls_protocols", good=_among, below=True),
    Single("ssl_ciphers", "tls_ciphers", good=_strong, below=True),
    Single("ssl_prefer_server_ciphers", "prefer_server_ciphers", below=True),
    Single("ssl_session_tickets", value="off"),
    Single("client_max_body_size", "client_max_body_size", good=_smaller, when=ABUSE),
    Single("client_header_timeout", "client_header_timeout", good=_sooner, below=True, when=ABUSE),
    Single("client_body_timeout", "client_body_timeout", good=_sooner, below=True, when=ABUSE),
    Single("send_timeout", "send_timeout", good=_sooner, when=ABUSE),
    Single("reset_timedout_connection", value="on", when=ABUSE),
    Single("limit_req_status", value="429", below=True, when=LIMITS),
    Single("limit_req_dry_run", value="off", below=True, when=LIMITS, silent=True),
    Single("limit_conn_dry_run", value="off", below=True, when=ABUSE, silent=True),
    Single("limit_conn_status", value="429", when=ABUSE),
)

CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)

# -- headers ---------------------------------------------------------------------------------------------------------------


def _hsts(value: str) -> bool:
    found = http_headers.hsts(value)
    return found is not None and found.subdomains and found.max_age >= 31536000


def _content(value: str) -> bool:
    policies = http_headers.content_policies(value)
    return policies is not None and http_headers.has_default(policies) and not http_headers.script_problem(policies)


def _permissions(value: str) -> bool:
    features = http_headers.permissions_policy(value)
    return bool(features) and not any("*" in allowed for allowed in (features or {}).values())


@dataclass(frozen=True)
class Header:
    """A security header. variable: what its value comes from; good: tells whether somebody's own value may stay.

    own: an expression of what a service sends itself and nginx leaves alone; "" where nginx hides it, and sends its own.
    """

    name: str
    variable: str
    good: Callable[[str], bool]
    own: str = ""

    @property
    def sent(self) -> str:
        """The variable with what the service behind sent."""
        return "$upstream_http_" + self.name.lower().replace("-", "_")


HEADERS = (
    Header("Strict-Transport-Security", "hsts", _hsts),
    Header("X-Content-Type-Options", "nosniff", http_headers.is_nosniff, "~*^nosniff"),
    Header("X-Frame-Options", "frame", lambda value: http_headers.frame_options(value) is not None, "~."),
    Header("Content-Security-Policy", "csp", _content, "~*default-src"),
    Header(
        "Referrer-Policy",
        "referrer",
        lambda value: http_headers.referrer_policy(value) in http_headers.STRICT_REFERRERS,
        "~*^(?:no-referrer|same-origin|strict-origin|strict-origin-when-cross-origin)$",
    ),
    Header("Permissions-Policy", "permissions", _permissions, "~."),
    Header("X-XSS-Protection", "xss", http_headers.xss_filter_is_harmless),
)


def line_of(header: Header) -> str:
    """Return the line that sends a header with its variable's value."""
    return "add_header %s $%s%s always;" % (header.name, PREFIX, header.variable)


def pattern_of(header: Header) -> str:
    """Return the pattern by which a block includes one header only, as the others are its own."""
    return "%s/headers/%s*.inc" % (MOUNT, header.name.lower())


BY_NAME = {item.name.lower(): item for item in HEADERS}
# Options that set a header's value.
HEADER_OPTIONS = {
    "hsts_max_age": "Strict-Transport-Security",
    "hsts_include_subdomains": "Strict-Transport-Security",
    "hsts_preload": "Strict-Transport-Security",
    "content_type_options": "X-Content-Type-Options",
    "frame_options": "X-Frame-Options",
    "csp": "Content-Security-Policy",
    "csp_sites": "Content-Security-Policy",
    "referrer_policy": "Referrer-Policy",
    "permissions_policy": "Permissions-Policy",
    "xss_protection": "X-XSS-Protection",
}
# What nself writes into the files that it generates: nobody chose these, so they are no wish of anybody's.
GENERATED: Dict[str, Tuple[str, ...]] = {
    "x-frame-options": ("SAMEORIGIN",),
    "x-content-type-options": ("nosniff",),
    "x-xss-protection": ("1; mode=block", "0"),
    "referrer-policy": ("strict-origin-when-cross-origin",),
}
VERSIONS = ("X-Powered-By", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Generator")

PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
# default-src 'self' covers what is not named; a page without scripts and styles within itself works with it.
CSP: Dict[str, str] = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
# Consoles whose start pages hold scripts of their own, and that send no policy themselves.
CSP_OF_ROLE: Dict[str, Dict[str, str]] = {
    role: {"script-src": "'self' 'unsafe-inline'"}
    for role in ("prometheus", "alertmanager", "mlflow", "adminer", "phpmyadmin", "admin")
}
FRAMES = {"DENY": "'none'", "SAMEORIGIN": "'self'"}  # X-Frame-Options as frame-ancestors

# -- what is for operators -------------------------------------------------------------------------------------------------

# Roles whose pages ask nobody who he is, or whose own login is the database's.
CONSOLES = (
    "prometheus",
    "alertmanager",
    "mlflow",
    "mailpit",
    "mailhog",
    "maildev",
    "mailcatcher",
    "adminer",
    "phpmyadmin",
    "pgweb",
    "dbgate",
    "redis-commander",
    "bull-board",
    "admin",
)


@dataclass(frozen=True)
class Login:
    """A role that has a login of its own as long as its environment says so: name set to something (or not to one of `off`)."""

    role: str
    name: str
    needed: bool
    words: Tuple[str, ...] = ()

    def asks(self, value: str) -> bool:
        """Tell whether it asks for a login with this value of the variable."""
        if self.needed:
            return bool(value)
        return value.lower() not in self.words


LOGINS = (
    Login("grafana", "GF_AUTH_ANONYMOUS_ENABLED", False, ("true", "1", "t")),
    Login("meilisearch", "MEILI_MASTER_KEY", True),
)
# The first label of the names that nself gives consoles: for sites that a later build adds.
LATER = tuple(
    "adminer admin alertmanager bullboard dbgate mail mailhog mailpit mlflow pgweb phpmyadmin prometheus queues redis-commander".split()
)

# Paths of Hasura that only administrators use, as the engine knows them.
ADMIN_PATHS = r"(?:v1/(?:metadata|query|metrics)|v2/query|v1alpha1/(?:pg_dump|config)|console|dev)(?:/|$)"
ADMIN_PATH = "/v1/metadata"  # one of them
# Providers come back to these with a form of their own: what guards them is OAuth's state.
RETURNS = r"(?:/v1)?/signin/provider/"
# Where an ACME authority asks whether a name is ours; what it asks for is of base64url's letters (RFC 8555, 8.3).
CHALLENGE = r"^/\.well-known/acme-challenge/[A-Za-z0-9_-]+$"
SIGN_IN_PATH = "/signin/email-password"
SIGN_IN = r"(?:/v1)?/(?:signin|signup|mfa|user/password|user/email|pat)(?:/|$)"


@dataclass(frozen=True)
class Zone:
    """A zone of ours for servers that have no limit of their own. rate: the default; burst: how many more at once."""

    name: str
    rate: str
    burst: int


ZONES = (Zone("sign_in", "10r/m", 10), Zone("graphql", "300r/m", 100), Zone("general", "30r/s", 200))


def single(name: str) -> Optional[Single]:
    return next((item for item in SINGLES if item.name == name), None)


# For logrotate, where nginx's logs lie on the host: their folder has to be filled in.
ROTATED = """# Made by nself.prod's role nginx.
%s/*.log {
    daily
    maxsize 100M
    rotate 14
    compress
    delaycompress
    missingok
    notifempty
    copytruncate
    su root root
}
"""

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of each public name, by what stands behind it, and what of an answer may become a fact.

Every request is a read. nself limits requests by role (auth: 10 a minute and 5 more at once, uploads: 5 and 2 more), so a role is asked
no more than two audits in a row may ask.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Tuple

# An origin and a name that nobody has (RFC 6761): what is granted to them is granted to everybody.
STRANGER = "nself-prod-audit.invalid"
FOREIGN_ORIGIN = "https://" + STRANGER
OWN = "own"  # in place of an origin: the first that Hasura is configured to allow


@dataclass(frozen=True)
class Probe:
    """One request. origin: sent as Origin, "" for none; asks: method that a preflight asks for."""

    id: str
    method: str
    path: str
    body: str = ""
    origin: str = ""
    asks: str = ""


ROOT = Probe("root", "GET", "/")
# nself gives some sites a location of its own for it, and with that often other headers.
HEALTH = Probe("health", "GET", "/health")
MISSING = Probe("missing", "GET", "/nself-prod-audit/no-such-page")

_HASURA = (
    # No query at all, so an error in every mode; development mode adds `extensions.internal` to it.
    Probe("malformed", "POST", "/v1/graphql", json.dumps({"query": "query {"})),
    Probe("foreign", "POST", "/v1/graphql", json.dumps({"query": "{__schema{queryType{name}}}"}), FOREIGN_ORIGIN),
    Probe("preflight", "OPTIONS", "/v1/graphql", "", FOREIGN_ORIGIN, "POST"),
    Probe("own_preflight", "OPTIONS", "/v1/graphql", "", OWN, "POST"),
    Probe("console", "GET", "/console"),
    # These APIs know POST only: a GET would be answered 404 though they are open. The export is a read; a document
    # without a type is none of their commands, so no engine obeys it.
    Probe("metadata", "POST", "/v1/metadata", json.dumps({"type": "export_metadata", "version": 2, "args": {}})),
    Probe("query", "POST", "/v2/query", "{}"),
    Probe("pg_dump", "POST", "/v1alpha1/pg_dump", "{}"),
    Probe("config", "GET", "/v1alpha1/config"),
)
_AUTH = (
    Probe("preflight", "OPTIONS", "/signin/email-password", "", FOREIGN_ORIGIN, "POST"),
    Probe("foreign", "GET", "/healthz", "", FOREIGN_ORIGIN),
)

# role: its probes. A console's own API tells better than its start page whether strangers are let in.
PROBES = {
    "hasura": (ROOT, HEALTH, MISSING) + _HASURA,
    "auth": _AUTH,
    "minio": (ROOT,),
    # Its front page only leads on: to /graph up to version 2.
    "prometheus": (
        ROOT,
        HEALTH,
        MISSING,
        Probe("console", "GET", "/api/v1/status/buildinfo"),
        Probe("graph", "GET", "/graph"),
    ),
    "alertmanager": (ROOT, HEALTH, MISSING, Probe("console", "GET", "/api/v2/status")),
    "grafana": (ROOT, HEALTH, MISSING, Probe("console", "GET", "/api/org")),
    "mailpit": (ROOT, HEALTH, MISSING, Probe("console", "GET", "/api/v1/info")),
    "meilisearch": (ROOT, HEALTH, MISSING, Probe("console", "GET", "/indexes")),
}
OTHER: Tuple[Probe, ...] = (ROOT, HEALTH, MISSING)

# Roles whose sites must ask who is there, and the probes that show it, the more telling first.
CONSOLES = {
    "prometheus": ("console", "graph", "root"),
    "alertmanager": ("console", "root"),
    "grafana": ("console", "root"),
    "mailpit": ("console", "root"),
    # Its start page says no more than that it runs; what it holds is behind /indexes.
    "meilisearch": ("console",),
    "minio": ("root",),
    "mlflow": ("root",),
    "mailhog": ("root",),
    "maildev": ("root",),
    "mailcatcher": ("root",),
    "adminer": ("root",),
    "pgadmin": ("root",),
    "phpmyadmin": ("root",),
    "pgweb": ("root",),
    "dbgate": ("root",),
    "redis-commander": ("root",),
    "bull-board": ("root",),
}

# Headers that a fact may hold. None of them carries a session.
HEADERS = (
    "server",
    "x-powered-by",
    "x-aspnet-version",
    "x-aspnetmvc-version",
    "x-generator",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-xss-protection",
    "content-security-policy",
    "referrer-policy",
    "permissions-policy",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-max-age",
    "content-type",
    "location",
    "www-authenticate",
)

# mark: what an answer's body shows, as a regular expression. Bodies themselves never become facts.
MARKS = {
    "hasura-console": r"<title>\s*Hasura Console|consoleMode",
    "grafana": r"grafanaBootData|<title>\s*Grafana",
    "prometheus": r"<title>\s*Prometheus",
    "alertmanager": r"<title>\s*Alertmanager",
    "minio-console": r"<title>\s*MinIO (?:Console|Browser)",
    "mailpit": r"<title>\s*Mailpit",
    "mlflow": r"<title>\s*MLflow",
    "login-form": r"<input\b[^>]{0,500}\btype\s*=\s*[\"']?password",
    "access-denied": r"\"code\"\s*:\s*\"access-denied\"|<Code>AccessDenied</Code>",
}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Issuers whose certificates no visitor's browser trusts, though they look like an authority's.

A developer's machine trusts its own mkcert, and a container may be given a staging root to make tests pass, so that
"trusted on this host" does not yet mean trusted by others. Sources: mkcert (its truststore's names), Let's Encrypt's page on its
staging environment, Pebble, step-ca, Caddy, minica, Traefik, ingress-nginx, Debian's ssl-cert.
"""

from __future__ import annotations

import re
from typing import Optional

# (expression on the issuer's common name or organisation, what it is). The first that matches counts.
ISSUERS = tuple(
    (re.compile(expression, re.IGNORECASE), what)
    for expression, what in (
        (r"^mkcert\b", "mkcert, a development authority"),
        (
            r"^\(staging\)|^fake le |let's encrypt.*\bstaging\b|^staging ",
            "the staging environment of an ACME authority",
        ),
        (r"^pebble (intermediate|root) ca", "Pebble, a test authority"),
        (r"^(minica root ca|caddy local authority)", "a local test authority"),
        (r"^(traefik default cert|kubernetes ingress controller fake certificate)", "a proxy's placeholder"),
        (r"^(internet widgits|default company|snakeoil|acme co$|example)", "a placeholder"),
        (r"^(localhost|nself\b.*)$", "a self-made authority"),
    )
)


def not_public(*issuer: str) -> Optional[str]:
    """Return what an issuer is that browsers do not trust, None where these names are of no such one."""
    return next((what for expression, what in ISSUERS for name in issuer if expression.search(name)), None)

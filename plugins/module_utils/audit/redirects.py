# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a redirect target of hasura-auth's allow-list: a shell pattern of a URL."""

from __future__ import annotations

import ipaddress
import re
from typing import Optional
from urllib.parse import urlsplit

# Domains under which strangers get names of their own: a star under one of them lets everybody in.
SHARED_DOMAINS = (
    "github.io",
    "gitlab.io",
    "vercel.app",
    "netlify.app",
    "pages.dev",
    "workers.dev",
    "web.app",
    "firebaseapp.com",
    "herokuapp.com",
    "onrender.com",
    "fly.dev",
    "azurewebsites.net",
    "cloudfront.net",
    "amazonaws.com",
    "ngrok.io",
    "ngrok-free.app",
    "co.uk",
    "com.au",
)
# An app's own scheme, by convention its reversed domain, is claimed by that app alone.
_APP_SCHEME = re.compile(r"^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+$")
_HOST = re.compile(r"^[a-z0-9*]([a-z0-9*-]*[a-z0-9*])?(\.[a-z0-9*]([a-z0-9*-]*[a-z0-9*])?)*$")


def redirect_problem(url: str) -> Optional[str]:
    """Return what is wrong with a target, None where nothing is."""
    scheme, separator, rest = url.partition("://")
    if separator and _APP_SCHEME.match(scheme.lower()):
        return None
    try:
        host = (
            (urlsplit(url).hostname or "").lower()
            if "*" not in url
            else rest.split("/")[0].rpartition("@")[2].split(":")[0].lower()
        )
    except ValueError:
        return "%s is no URL" % url
    if scheme.lower() != "https":
        return "%s is not https" % url
    if host == "localhost" or host.endswith(".localhost") or _is_local(host):
        return "%s is this machine" % url
    if _is_local(host) is None and not _HOST.match(host):
        return "%s names no host" % url
    return "%s may be anybody's" % url if "*" in host and _is_anybodys(host) else None


def _is_local(host: str) -> Optional[bool]:
    """Tell whether an address is this machine's; None where it is no address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return address.is_loopback or address.is_unspecified


def _is_anybodys(host: str) -> bool:
    """Tell whether a pattern leaves the domain open: pr-*.example.com is one's own, *.com and *.github.io are not."""
    fixed = host.rpartition("*")[2].partition(".")[2]
    return "." not in fixed or fixed in SHARED_DOMAINS

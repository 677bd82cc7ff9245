# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What security headers mean to a browser. Each function takes a header's value, several joined by a comma as a client joins them.

What a browser would ignore or read otherwise than meant is None or False here, never a good answer: a misspelt header protects nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
STRICT_REFERRERS = ("no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin")
_REFERRERS = STRICT_REFERRERS + ("no-referrer-when-downgrade", "origin", "origin-when-cross-origin", "unsafe-url")


def _items(value: str, separator: str = ",") -> List[str]:
    return [item.strip(" \t") for item in value.split(separator)]


# -- Strict-Transport-Security: RFC 6797 ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hsts:
    """max_age in seconds; subdomains: it holds for every name below as well."""

    max_age: int
    subdomains: bool


def hsts(value: str) -> Optional[Hsts]:
    """Return what the first of the headers says: a browser reads no other. None for one that it would ignore."""
    directives: Dict[str, str] = {}
    for item in _items(value.split(",")[0], ";"):
        if not item:
            continue
        name, sign, content = item.partition("=")
        name, content = name.strip().lower(), content.strip()
        if not _TOKEN.match(name) or name in directives or (sign and not content):
            return None
        directives[name] = content[1:-1] if re.match(r'"[^"]*"\Z', content) else content
    age = directives.get("max-age", "")
    if not re.match(r"[0-9]{1,18}\Z", age) or directives.get("includesubdomains"):
        return None
    return Hsts(int(age), "includesubdomains" in directives)


# -- X-Content-Type-Options, X-Frame-Options, X-XSS-Protection, Referrer-Policy --------------------------------------------


def is_nosniff(value: str) -> bool:
    """Tell whether content is never sniffed. https://fetch.spec.whatwg.org/#x-content-type-options-header"""
    return _items(value)[0].lower() == "nosniff"


def frame_options(value: str) -> Optional[str]:
    """Return "deny" or "sameorigin", None for what a browser ignores, ALLOW-FROM among it.

    Two different answers deny. https://html.spec.whatwg.org/multipage/document-lifecycle.html#the-x-frame-options-header
    """
    found = {item.lower() for item in _items(value)}
    if not found <= {"deny", "sameorigin"}:
        return None
    return "sameorigin" if found == {"sameorigin"} else "deny"


def xss_filter_is_harmless(value: str) -> bool:
    """Tell whether the old filter is off or blocks the whole page: where it rewrites pages, it opened holes of its own."""
    return all(re.match(r"(0|1\s*;\s*mode\s*=\s*block)\Z", item, re.I) for item in _items(value))


def referrer_policy(value: str) -> Optional[str]:
    """Return the policy in force: the last that a browser knows. None where it knows none."""
    known = [item.lower() for item in _items(value) if item.lower() in _REFERRERS]
    return known[-1] if known else None


# -- Permissions-Policy: a dictionary of RFC 8941 --------------------------------------------------------------------------

_FEATURE = re.compile(r"[a-z*][a-z0-9_.*-]*\Z")
_ALLOWED = re.compile(r'(?:\*|self|src|none|"[^"\\\s]+")\Z')


def permissions_policy(value: str) -> Optional[Dict[str, Tuple[str, ...]]]:
    """Return {feature: who may use it}; () is nobody. None where a browser drops the whole header: one error is enough."""
    out: Dict[str, Tuple[str, ...]] = {}
    for item in _items(value):
        feature, sign, allowed = (part.strip(" ") for part in item.partition("="))
        if not sign or not _FEATURE.match(feature):
            return None
        listed = re.match(r"\(([^()]*)\)\Z", allowed)
        members = tuple(listed.group(1).split()) if listed else (allowed,)
        if not all(_ALLOWED.match(member) for member in members):
            return None
        out[feature] = members
    return out


# -- Content-Security-Policy: level 3 --------------------------------------------------------------------------------------

DIRECTIVES = frozenset(
    """
    default-src script-src script-src-elem script-src-attr style-src style-src-elem style-src-attr img-src font-src connect-src media-src
    object-src frame-src child-src worker-src manifest-src prefetch-src fenced-frame-src base-uri form-action frame-ancestors navigate-to
    sandbox report-uri report-to upgrade-insecure-requests block-all-mixed-content require-trusted-types-for trusted-types plugin-types
    require-sri-for webrtc
    """.split()
)
_KEYWORDS = frozenset(
    """
    'none' 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' 'strict-dynamic' 'unsafe-hashes' 'report-sample'
    'inline-speculation-rules'
    """.split()
)
_SOURCE = re.compile(
    r"""(?:\*
    | [a-z][a-z0-9+.-]*:                                                                   # a scheme
    | '(?:nonce-|sha(?:256|384|512)-)[a-z0-9+/_=-]+'
    | (?:[a-z][a-z0-9+.-]*://)?(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?::(?:[0-9]+|\*))?(?:/[^\s;,?\#]*)?  # a host
    | (?:[a-z][a-z0-9+.-]*://)\*(?::(?:[0-9]+|\*))?/?                                      # every host
    | (?:[a-z][a-z0-9+.-]*://)?\[[0-9a-f:.]+\](?::(?:[0-9]+|\*))?(?:/[^\s;,?\#]*)?
    )\Z""",
    re.X | re.I,
)
# Written without its quotes a keyword is the name of a host.
_UNQUOTED = frozenset(keyword.strip("'") for keyword in _KEYWORDS)
_ANYBODY = re.compile(r"(?:\*|(?:https?|wss?|data|blob|filesystem):(?://\*(?::.*)?/?)?|\*:(?:[0-9]+|\*))\Z", re.I)

Policy = Dict[str, Tuple[str, ...]]


def content_policies(value: str) -> Optional[List[Policy]]:
    """Return the policies, all of which are in force, each as {directive: sources}. None where one has an error."""
    policies = []
    for text in _items(value):
        policy: Policy = {}
        for item in _items(text, ";"):
            words = item.split()
            if not words:
                continue
            name = words[0].lower()
            if name not in DIRECTIVES or (name.endswith(("-src", "-elem", "-attr")) and _wrong_sources(words[1:])):
                return None
            if name == "frame-ancestors" and _wrong_sources(words[1:]):
                return None
            policy.setdefault(name, tuple(words[1:]))  # a browser ignores a directive that comes again
        if policy:
            policies.append(policy)
    return policies or None


def _wrong_sources(sources: List[str]) -> bool:
    for source in sources:
        if source.lower() in _UNQUOTED:
            return True
        if source.lower() not in _KEYWORDS and not _SOURCE.match(source):
            return True
    return "'none'" in [source.lower() for source in sources] and len(sources) > 1


def has_default(policies: List[Policy]) -> bool:
    """Tell whether what no directive names is governed too."""
    return any("default-src" in policy for policy in policies)


def script_problem(policies: List[Policy]) -> Optional[str]:
    """Return how scripts of others could run in spite of all policies together, None where they cannot."""
    problems = [_script_problem(policy) for policy in policies]
    return None if None in problems else next(iter(problems), "there is no policy")


def _script_problem(policy: Policy) -> Optional[str]:
    sources = policy.get("script-src", policy.get("default-src"))
    if sources is None:
        return "scripts are not limited"
    for name in ("script-src", "script-src-elem"):
        anybody = [source for source in policy.get(name, sources) if _ANYBODY.match(source)]
        # With 'strict-dynamic' hosts and schemes are ignored.
        if anybody and "'strict-dynamic'" not in [source.lower() for source in policy.get(name, sources)]:
            return "scripts may come from %s" % anybody[0]
    if "'unsafe-eval'" in [source.lower() for source in sources]:
        return "'unsafe-eval'"
    return None


def frame_ancestors(policies: List[Policy]) -> Optional[bool]:
    """Tell whether the policies keep strangers' pages from framing this one; None where they do not speak of it."""
    lists = [policy["frame-ancestors"] for policy in policies if "frame-ancestors" in policy]
    if not lists:
        return None
    return any(not any(_ANYBODY.match(source) for source in sources) for sources in lists)


# -- Cross-origin answers: https://fetch.spec.whatwg.org/#http-cors-protocol -----------------------------------------------


def cors_problem(allow_origin: Optional[str], credentials: Optional[str], stranger: str) -> Optional[str]:
    """Return what is wrong with the answer to a foreign origin, None where nothing is. stranger: that origin."""
    if allow_origin is None:
        return None
    origins = [item.lower() for item in _items(allow_origin)]
    with_credentials = credentials is not None and "true" in [item.lower() for item in _items(credentials)]
    if stranger.lower() in origins:
        return "reflects any origin" + (", with credentials" if with_credentials else "")
    if "*" in origins and with_credentials:
        return "allows every origin with credentials"
    if "null" in origins:
        return "allows the origin null, which any sandboxed page has"
    if "*" not in origins and not all(re.match(r"[a-z][a-z0-9+.-]*://[^\s/,]+\Z", item) for item in origins):
        return "allows %s, which is no origin" % (allow_origin[:60] or "an empty origin")
    return None


# -- Server and its like ---------------------------------------------------------------------------------------------------


def names_version(value: str) -> bool:
    """Tell whether a product is named with its version: nginx/1.26.3, PHP 8.2, 4.0.30319."""
    return re.search(r"[/ (]v?\d|\d+\.\d+|^v?\d+\Z", value) is not None

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers that protect a visitor's browser, on every answer of every site, error pages among them."""

from __future__ import annotations

from typing import Any

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Fix, Severity, Verdict, check
from ansible_collections.nself.prod.plugins.module_utils.audit.web_sites import (
    FINE,
    Fault,
    absent,
    header,
    judge_answers,
    shown,
    wrong,
)
from ansible_collections.nself.prod.plugins.module_utils.parse import http_headers as parse

ANSWERS = (
    "of every site's answers at /, /health, a page that is not there, GraphQL and auth, asked with the site's name"
)
VERSION_HEADERS = ("server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator")


def _fix(text: str, *variables: str) -> Fix:
    return Fix("nginx", text, variables, ("nginx",))


def _is_page(answer: Record) -> bool:
    return bool(answer.read("html"))


@check(
    "NET-11",
    "hsts",
    "Browsers are told to use https only",
    Severity.WARNING,
    "Without Strict-Transport-Security a visitor's first request may go out in clear, where anybody on the way can answer it.",
    "Strict-Transport-Security " + ANSWERS,
    "max-age of at least a year, includeSubDomains, on every answer over https",
    _fix(
        'Send `add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;` from every server and from every location that '
        "has an add_header of its own.",
        "nginx_hsts_max_age: 31536000",
    ),
    settings=("HSTS_MAX_AGE", "HSTS_INCLUDE_SUBDOMAINS"),
    refs=("s:tls",),
)
def hsts(facts: Any, policy: Any) -> Verdict:
    least = policy["hsts_min_seconds"]

    def judge(answer: Record) -> Fault:
        value = header(answer, "strict-transport-security")
        if value is None:
            return absent("has no HSTS")
        found = parse.hsts(value)
        if found is None:
            return wrong("has HSTS that no browser obeys: " + shown(value))
        if found.max_age < least:
            return wrong("has max-age=%d" % found.max_age)
        return FINE if found.subdomains else wrong("has no includeSubDomains")

    return judge_answers(
        facts,
        "max-age of at least %d s and includeSubDomains" % least,
        judge,
        wanted=lambda site: bool(site.read("tls")),
        nothing="no site speaks https",
    )


@check(
    "NET-12",
    "nosniff",
    "Browsers do not guess what a file is",
    Severity.WARNING,
    "A browser that guesses runs an uploaded picture as a script when it looks like one.",
    "X-Content-Type-Options " + ANSWERS,
    "nosniff on every answer",
    _fix(
        'Send `add_header X-Content-Type-Options "nosniff" always;` from every server and from every location that has an add_header of its own.'
    ),
    settings=("X_CONTENT_TYPE_OPTIONS",),
    refs=("s:headers",),
)
def nosniff(facts: Any, policy: Any) -> Verdict:
    def judge(answer: Record) -> Fault:
        value = header(answer, "x-content-type-options")
        if value is None:
            return absent("has no X-Content-Type-Options")
        return FINE if parse.is_nosniff(value) else wrong("has X-Content-Type-Options: " + shown(value))

    return judge_answers(facts, "X-Content-Type-Options: nosniff", judge)


@check(
    "NET-13",
    "framing",
    "Pages cannot be framed by strangers",
    Severity.WARNING,
    "A page that is framed invisibly lets a stranger's page steal the clicks of a visitor who is logged in.",
    "X-Frame-Options and Content-Security-Policy frame-ancestors " + ANSWERS,
    "DENY, SAMEORIGIN or frame-ancestors without a wildcard, on every answer",
    _fix(
        'Send `add_header X-Frame-Options "SAMEORIGIN" always;` from every server and from every location that has an add_header of its own.'
    ),
    settings=("X_FRAME_OPTIONS",),
    refs=("s:headers",),
)
def framing(facts: Any, policy: Any) -> Verdict:
    def judge(answer: Record) -> Fault:
        options, policies = header(answer, "x-frame-options"), header(answer, "content-security-policy")
        # Where a policy speaks of it, browsers do not look at X-Frame-Options.
        kept = parse.frame_ancestors(parse.content_policies(policies) or []) if policies is not None else None
        if kept is not None:
            return FINE if kept else wrong("may be framed by anybody by its Content-Security-Policy")
        if options is None:
            return absent("has no X-Frame-Options and no frame-ancestors")
        return FINE if parse.frame_options(options) else wrong("has X-Frame-Options: " + shown(options))

    return judge_answers(facts, "DENY, SAMEORIGIN or frame-ancestors", judge)


@check(
    "NET-14",
    "csp-present",
    "Pages say where their content may come from",
    Severity.WARNING,
    "A Content-Security-Policy is what still holds when somebody manages to plant a script in a page.",
    "Content-Security-Policy of every answer that a browser shows as a page",
    "a policy without an error that has a default-src",
    _fix("Send a Content-Security-Policy with a default-src from every site that serves pages.", "nginx_csp"),
    settings=("CSP_ENABLED", "CSP_DEFAULT_SRC"),
    refs=("s:headers",),
)
def csp_present(facts: Any, policy: Any) -> Verdict:
    def judge(answer: Record) -> Fault:
        value = header(answer, "content-security-policy")
        if value is None:
            return absent("has no Content-Security-Policy")
        policies = parse.content_policies(value)
        if policies is None:
            return wrong("has a policy with an error: " + shown(value))
        return FINE if parse.has_default(policies) else wrong("has a policy without default-src")

    return judge_answers(facts, "a policy with default-src", judge, counts=_is_page, nothing="no site serves pages")


@check(
    "NET-15",
    "csp-strict",
    "Pages run only their own scripts",
    Severity.RECOMMENDATION,
    "A policy that allows scripts from everywhere, or text to be run as a script, stops no planted script.",
    "Content-Security-Policy of every answer that a browser shows as a page",
    "no 'unsafe-eval' and no wildcard for scripts",
    _fix("Name the sources of scripts in script-src, without *, https:, data: and 'unsafe-eval'.", "nginx_csp"),
    settings=("CSP_SCRIPT_SRC",),
    refs=("s:headers",),
)
def csp_strict(facts: Any, policy: Any) -> Verdict:
    def judge(answer: Record) -> Fault:
        value = header(answer, "content-security-policy")
        if value is None:
            return absent("has no Content-Security-Policy")
        policies = parse.content_policies(value)
        if policies is None:
            return wrong("has a policy with an error: " + shown(value))
        problem = parse.script_problem(policies)
        return FINE if problem is None else wrong(problem)

    return judge_answers(
        facts, "scripts from named sources only", judge, counts=_is_page, nothing="no site serves pages"
    )


@check(
    "NET-16",
    "referrer-permissions",
    "Browsers tell other sites little, and pages get few of the device's powers",
    Severity.RECOMMENDATION,
    "Addresses may hold tokens that a Referer header carries to strangers; camera, microphone and location are for pages that need them.",
    "Referrer-Policy and Permissions-Policy " + ANSWERS,
    "strict-origin-when-cross-origin or stricter; a Permissions-Policy that gives nothing to everybody",
    _fix(
        "Send `Referrer-Policy: strict-origin-when-cross-origin` and `Permissions-Policy: camera=(), geolocation=(), microphone=()` from every server "
        "and from every location that has an add_header of its own.",
        "nginx_referrer_policy: strict-origin-when-cross-origin",
        "nginx_permissions_policy",
    ),
    settings=("REFERRER_POLICY", "PERMISSIONS_POLICY"),
    refs=("s:headers",),
)
def referrer_permissions(facts: Any, policy: Any) -> Verdict:
    def judge(answer: Record) -> Fault:
        referrer, permissions = header(answer, "referrer-policy"), header(answer, "permissions-policy")
        if referrer is not None and parse.referrer_policy(referrer) not in parse.STRICT_REFERRERS:
            return wrong("has Referrer-Policy: " + shown(referrer))
        if permissions is not None:
            features = parse.permissions_policy(permissions)
            if not features:
                return wrong("has a Permissions-Policy that no browser obeys: " + shown(permissions))
            given = sorted(name for name, allowed in features.items() if "*" in allowed)
            if given:
                return wrong("gives %s to every page" % ", ".join(given[:3]))
        gone = [
            name
            for name, value in (("Referrer-Policy", referrer), ("Permissions-Policy", permissions))
            if value is None
        ]
        return absent("has no " + " and no ".join(gone)) if gone else FINE

    return judge_answers(facts, "strict-origin-when-cross-origin or stricter, and a Permissions-Policy", judge)


@check(
    "NET-17",
    "x-xss-protection",
    "The old script filter rewrites no pages",
    Severity.RECOMMENDATION,
    "Old browsers' filters, told to rewrite pages, could be tricked into breaking a page's own protection.",
    "X-XSS-Protection " + ANSWERS,
    "absent, 0, or `1; mode=block`",
    _fix("Remove X-XSS-Protection, or send 0."),
    settings=("X_XSS_PROTECTION",),
    refs=("s:headers",),
)
def x_xss_protection(facts: Any, policy: Any) -> Verdict:
    def judge(answer: Record) -> Fault:
        value = header(answer, "x-xss-protection")
        good = value is None or parse.xss_filter_is_harmless(value)
        return FINE if good else wrong("has X-XSS-Protection: " + shown(value or ""))

    return judge_answers(facts, "absent, 0, or 1; mode=block", judge)


@check(
    "NET-19",
    "no-version-leak",
    "Servers do not tell their version",
    Severity.RECOMMENDATION,
    "A version in every answer lets robots pick out the servers that a new hole is in.",
    "Server, X-Powered-By and their like " + ANSWERS,
    "no version in any of them",
    _fix(
        "Set `server_tokens off;` and hide what services add (`proxy_hide_header X-Powered-By;`).",
        "nginx_server_tokens: false",
    ),
    refs=("s:headers",),
)
def no_version_leak(facts: Any, policy: Any) -> Verdict:
    def judge(answer: Record) -> Fault:
        for name in VERSION_HEADERS:
            value = header(answer, name)
            if value is not None and parse.names_version(value):
                return wrong("says %s: %s" % (name, shown(value)))
        return FINE

    return judge_answers(facts, "no version", judge)


CHECKS = (
    hsts,
    nosniff,
    framing,
    csp_present,
    csp_strict,
    referrer_permissions,
    x_xss_protection,
    no_version_leak,
)

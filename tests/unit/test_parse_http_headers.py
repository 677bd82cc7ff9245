# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security headers, read as a browser reads them."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse.http_headers import (
    Hsts,
    content_policies,
    cors_problem,
    frame_ancestors,
    frame_options,
    has_default,
    hsts,
    is_nosniff,
    names_version,
    permissions_policy,
    referrer_policy,
    script_problem,
    xss_filter_is_harmless,
)
from hypothesis import given
from hypothesis import strategies as st

STRANGER = "https://stranger.invalid"
TEXT = st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=0x2FF), max_size=200)


@pytest.mark.parametrize(
    "value, wanted",
    [
        ("max-age=31536000; includeSubDomains", Hsts(31536000, True)),
        ('MAX-AGE="300" ; preload;', Hsts(300, False)),
        # browsers take the first of two headers
        ("max-age=0, max-age=31536000; includeSubDomains", Hsts(0, False)),
        ("includeSubDomains", None),
        ("max-age=31536000 includeSubDomains", None),
        ("max-age=1; max-age=31536000", None),
        ("max-age=-1", None),
        ("max-age=1y", None),
        ("max-age=", None),
        ("max-age=31536000; includeSubDomains=false", None),
        ("", None),
    ],
)
def test_hsts(value, wanted):
    assert hsts(value) == wanted


@pytest.mark.parametrize(
    "value, wanted",
    [("nosniff", True), ("NoSniff, nosniff", True), ("sniff, nosniff", False), ("nosniff;", False), ("", False)],
)
def test_nosniff(value, wanted):
    assert is_nosniff(value) is wanted


@pytest.mark.parametrize(
    "value, wanted",
    [
        ("DENY", "deny"),
        ("sameorigin, SAMEORIGIN", "sameorigin"),
        ("DENY, SAMEORIGIN", "deny"),
        ("ALLOW-FROM https://a.example", None),
        ("ALLOWALL", None),
        ("SAMEORIGIN; DENY", None),
        ("", None),
    ],
)
def test_frame_options(value, wanted):
    assert frame_options(value) == wanted


def test_xss_filter():
    assert all(map(xss_filter_is_harmless, ("0", "1; mode=block", "1;MODE=block, 0")))
    assert not any(map(xss_filter_is_harmless, ("1", "", "1; report=https://x", "1; mode=block; report=x", "on")))


def test_the_last_known_referrer_policy_holds():
    assert referrer_policy("no-referrer, strict-origin-when-cross-origin") == "strict-origin-when-cross-origin"
    assert referrer_policy("strict-origin, new-policy") == "strict-origin"
    assert referrer_policy("strict-origin, unsafe-url") == "unsafe-url"
    assert referrer_policy("strict") is None


def test_permissions_policy():
    assert permissions_policy('camera=(), geolocation=(self "https://a.example"), usb=*') == {
        "camera": (),
        "geolocation": ("self", '"https://a.example"'),
        "usb": ("*",),
    }
    # the older Feature-Policy, and what is cut off
    for rubbish in ("camera 'none'", "camera=(", "camera=(),", "camera", "", "Camera=()", "camera=('self')"):
        assert permissions_policy(rubbish) is None, rubbish


GOOD = "default-src 'self'; script-src 'self' 'nonce-YQ==' https://cdn.example.com:443/js/; frame-ancestors 'none'"


def test_content_security_policy():
    policies = content_policies(GOOD)
    assert has_default(policies) and script_problem(policies) is None and frame_ancestors(policies) is True


@pytest.mark.parametrize(
    "value",
    [
        "",
        ";",
        "default-src self",
        "default-src 'self'; scripts 'self'",
        "default-src 'none' 'self'",
        "default-src 'sel",
    ],
)
def test_a_policy_with_an_error_is_none(value):
    assert content_policies(value) is None


@pytest.mark.parametrize(
    "value, problem",
    [
        ("default-src *", "scripts may come from *"),
        ("default-src 'self'; script-src https:", "scripts may come from https:"),
        ("default-src 'self'; script-src https://*", "scripts may come from https://*"),
        ("default-src 'self'; script-src data: 'self'", "scripts may come from data:"),
        ("default-src 'self'; script-src-elem *", "scripts may come from *"),
        ("default-src 'self' 'unsafe-eval'", "'unsafe-eval'"),
        ("img-src 'self'", "scripts are not limited"),
        ("script-src * 'strict-dynamic' 'nonce-x'", None),
        ("script-src https://*.example.com", None),
        # all policies are in force, so a strict one is enough
        ("default-src *, script-src 'self'", None),
        # the second of two directives is ignored
        ("script-src *; script-src 'self'", "scripts may come from *"),
    ],
)
def test_scripts(value, problem):
    assert script_problem(content_policies(value)) == problem


@pytest.mark.parametrize(
    "value, wanted",
    [
        ("frame-ancestors 'self' https://a.example", True),
        ("frame-ancestors", True),
        ("frame-ancestors *", False),
        ("frame-ancestors https:", False),
        ("frame-ancestors *, frame-ancestors 'self'", True),
        ("default-src 'self'", None),
    ],
)
def test_frame_ancestors(value, wanted):
    assert frame_ancestors(content_policies(value)) is wanted


@pytest.mark.parametrize(
    "origin, credentials, bad",
    [
        (None, "true", False),
        ("https://app.example.com", "true", False),
        ("*", None, False),
        ("*", "true", True),
        (STRANGER, None, True),
        ("HTTPS://Stranger.Invalid", "true", True),
        ("https://app.example.com, " + STRANGER, None, True),
        ("null", None, True),
        ("yes", None, True),
        ("", None, True),
    ],
)
def test_cors(origin, credentials, bad):
    assert bool(cors_problem(origin, credentials, STRANGER)) is bad


def test_versions():
    assert all(map(names_version, ("nginx/1.26.3", "PHP/8.2", "4.0.30319", "Apache 2", "grafana (v11)", "9")))
    assert not any(map(names_version, ("nginx", "Express", "MinIO", "", "web3")))


@given(TEXT)
def test_rubbish_never_crashes_and_never_protects(text):
    found = hsts(text)
    assert found is None or "max-age" in text.lower()
    assert not is_nosniff(text) or "nosniff" in text.lower()
    assert frame_options(text) is None or text.strip(" \t,").lower()[:4] in ("deny", "same")
    assert not xss_filter_is_harmless(text) or set(text.lower()) <= set(
        "01;mode=block, \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0"
    )
    assert referrer_policy(text) is None or "o" in text.lower()
    permissions_policy(text)
    policies = content_policies(text)
    if policies is not None:
        assert not has_default(policies) or "default-src" in text.lower()
        script_problem(policies)
        frame_ancestors(policies)
    names_version(text)
    cors_problem(text, text, STRANGER)


@given(
    st.lists(st.sampled_from(["max-age=31536000", "includeSubDomains", ";", ",", " ", "=", '"', "preload"]), max_size=8)
)
def test_hsts_from_its_own_pieces_needs_one_max_age(pieces):
    found = hsts("".join(pieces))
    assert found is None or found.max_age == 31536000


@given(TEXT)
def test_an_origin_that_is_reflected_is_always_told(text):
    assert cors_problem(STRANGER + ", " + text, None, STRANGER)
    assert cors_problem(text + "," + STRANGER.upper(), "true", STRANGER)

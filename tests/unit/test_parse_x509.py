# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of every kind, made with openssl, and broken ones."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.certificate_issuers import not_public
from ansible_collections.nself.prod.plugins.module_utils.parse import x509
from hypothesis import given
from hypothesis import strategies as st

ALT_NAMES = ("kinds.example.test", "192.0.2.7", "2001:db8::7")


@pytest.fixture(scope="module")
def stored(root):
    text = (root / "tests/fixtures/tls/certificates.json").read_text(encoding="utf-8")
    return {name: base64.b64decode(body) for name, body in json.loads(text).items()}


@pytest.mark.parametrize(
    "name, key, signature, hashed",
    [
        ("ed25519", ("Ed25519", 256, ""), "Ed25519", ""),
        ("ed448", ("Ed448", 456, ""), "Ed448", ""),
        ("p384", ("EC", 384, "P-384"), "sha384WithECDSA", "SHA-384"),
        ("secp224", ("EC", 224, "P-224"), "sha256WithECDSA", "SHA-256"),
        ("explicit", ("EC", 0, "an unnamed curve"), "sha256WithECDSA", "SHA-256"),
        ("pss", ("RSA", 2048, ""), "RSA-PSS", "SHA-512"),
        ("pss_sha1", ("RSA", 1024, ""), "RSA-PSS", "SHA-1"),
        ("md5", ("RSA", 1024, ""), "md5WithRSA", "MD5"),
    ],
)
def test_kinds(stored, name, key, signature, hashed):
    found = x509.parse(stored[name])
    assert (found.key, found.bits, found.curve) == key
    assert (found.signature, found.hash) == (signature, hashed)
    assert found.names == ALT_NAMES and found.self_signed
    assert (found.subject, found.issuer, found.issuer_organization) == ("kinds.example.test",) * 2 + ("Example Org",)
    assert found.not_after - found.not_before == 3650 * 86400


def test_times_beyond_2050_and_names_beyond_ascii(stored):
    found = x509.parse(stored["far"])
    assert found.not_after == 4949240626.0 and found.not_after - found.not_before == 36500 * 86400
    assert found.subject == "Z\u00fcrich" and found.names == ()


def test_pem_files(stored):
    pem = "".join(
        "some text\n-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" % base64.encodebytes(data).decode()
        for data in (stored["p384"], stored["pss"])
    )
    assert x509.certificates_of(pem) == [stored["p384"], stored["pss"]]
    assert x509.certificates_of("no certificate") == []
    with pytest.raises(ValueError):
        x509.certificates_of("-----BEGIN CERTIFICATE-----\n!!!\n-----END")


@given(st.binary(max_size=300))
def test_rubbish_is_a_value_error(data):
    with pytest.raises(ValueError):
        x509.parse(data)


@given(st.data())
def test_spoilt_certificates_never_crash(stored, data):
    whole = bytearray(stored[data.draw(st.sampled_from(sorted(stored)))])
    for _unused in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = x509.parse(bytes(whole))
    except ValueError:
        return
    json.dumps(x509.properties(found))


@given(st.data())
def test_cut_certificates_are_value_errors(stored, data):
    whole = stored[data.draw(st.sampled_from(sorted(stored)))]
    with pytest.raises(ValueError):
        x509.parse(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize(
    "issuer, fake",
    [
        (("mkcert root@box (root)", "mkcert development CA"), True),
        (("(STAGING) Wannabe Watercress R11", "Let's Encrypt"), True),
        (("Pebble Intermediate CA 3a1b", ""), True),
        (("minica root ca 1a2b3c", ""), True),
        (("Caddy Local Authority - 2026 ECC Root", ""), True),
        (("localhost", "nself"), True),
        (("R12", "Let's Encrypt"), False),
        (("E7", "Let's Encrypt"), False),
        (("DigiCert Global G2 TLS RSA SHA256 2020 CA1", "DigiCert Inc"), False),
        (("GTS CA 1P5", "Google Trust Services LLC"), False),
    ],
)
def test_issuers_that_no_visitor_trusts(issuer, fake):
    assert (not_public(*issuer) is not None) is fake

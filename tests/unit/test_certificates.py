# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that are made, kept and given, by the openssl of this machine."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change import certificates
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import postgres_certificate as given_ones
from ansible_collections.nself.prod.plugins.module_utils.host import Host
from ansible_collections.nself.prod.plugins.module_utils.parse import pg_verifier
from fake_host import FakeHost

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
NAMES = ("postgres", "localhost", "127.0.0.1", "::1")


class Later(Host):
    """This machine, so many days from now."""

    def __init__(self, days=0):
        super().__init__()
        self.days = days

    def now(self):
        return super().now() + self.days * 86400


@pytest.fixture(scope="module")
def made():
    authority, leaf, _told = certificates.maintained(Host(), dict.fromkeys(OLD), "app", NAMES)
    return files(authority, leaf)


OLD = ("ca.crt", "ca.key", "server.crt", "server.key")


def files(authority, leaf):
    return dict(zip(OLD, (authority.certificate, authority.key, leaf.certificate, leaf.key)))


def again(old, days=0, names=NAMES):
    authority, leaf, told = certificates.maintained(Later(days), old, "app", names)
    return files(authority, leaf), told


@needs_openssl
def test_a_certificate_is_for_all_names_and_its_authority_vouches_for_it(made):
    leaf = certificates.read(made["server.crt"], "x")[0]
    assert leaf.names == NAMES and not leaf.self_signed
    tool = certificates.OpenSsl(Host())
    assert tool.vouches(made["ca.crt"], made["server.crt"])
    assert tool.fit(certificates.Pair(made["server.crt"], made["server.key"]))
    assert not tool.fit(certificates.Pair(made["server.crt"], made["ca.key"]))
    assert 824 <= certificates.days_left(leaf, Host().now()) <= 825


@needs_openssl
def test_what_is_good_stays_byte_for_byte(made):
    assert again(made) == (made, [])
    assert again(made, 825 - 31)[0] == made


@needs_openssl
@pytest.mark.parametrize(
    ("change", "days", "names", "new"),
    [
        ({}, 825 - 29, NAMES, {"server.crt", "server.key"}),
        ({}, 0, NAMES + ("db.example.test",), {"server.crt", "server.key"}),
        ({"server.key": None}, 0, NAMES, {"server.crt", "server.key"}),
        (
            {"server.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
            0,
            NAMES,
            {"server.crt", "server.key"},
        ),
        ({"ca.key": None}, 0, NAMES, set(OLD)),
        ({}, 3650 - 80, NAMES, set(OLD)),
    ],
)
def test_what_is_not_good_is_made_anew(made, change, days, names, new):
    found, told = again(dict(made, **change), days, names)
    assert {name for name in OLD if found[name] != made[name]} == new
    assert told


@needs_openssl
def test_no_private_key_is_on_a_command_line_or_in_a_file(made, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen = []

    class Watching(Host):
        def run(self, argv, **options):
            seen.append(" ".join(argv))
            seen.extend(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
            return super().run(argv, **options)

    certificates.maintained(Watching(), dict.fromkeys(OLD), "app", NAMES)
    assert seen and not any("PRIVATE" in text for text in seen)
    assert list(tmp_path.iterdir()) == []


def test_a_host_without_openssl_is_told_so():
    with pytest.raises(Refused, match="install the package openssl"):
        certificates.OpenSsl(FakeHost())


@needs_openssl
@pytest.mark.parametrize(
    ("certificate", "key", "ca", "mode", "said"),
    [
        ("server.crt", "ca.key", "", "require", "not the certificate's"),
        ("server.crt", "", "", "require", "belong together"),
        ("server.crt", "server.key", "other", "require", "does not vouch"),
        ("/nowhere.pem", "server.key", "", "require", "is not there"),
        ("server.key", "server.key", "", "require", "holds no certificate"),
    ],
)
def test_a_given_certificate_that_would_not_work_is_refused(made, certificate, key, ca, mode, said):
    other = again(dict.fromkeys(OLD))[0]["ca.crt"] if ca else ""
    with pytest.raises(Refused, match=said):
        given_ones.given(
            Host(), made.get(certificate, certificate), made.get(key, key), other, NAMES, mode, "certificate"
        )


@needs_openssl
def test_a_given_certificate_is_taken_with_its_names(made):
    found = given_ones.given(
        Host(), made["server.crt"], made["server.key"], made["ca.crt"], NAMES, "verify-full", "certificate"
    )
    assert found.names == NAMES and found.left == []
    with pytest.raises(Refused, match="verify-full would refuse"):
        given_ones.given(
            Host(), made["server.crt"], made["server.key"], made["ca.crt"], ("db",), "verify-full", "certificate"
        )


def test_wildcards_are_for_one_label():
    leaf = type("Leaf", (), {"names": ("*.example.test", "::1")})()
    assert certificates.covers(leaf, ["db.example.test", "0:0:0:0:0:0:0:1"])
    assert not certificates.covers(leaf, ["a.db.example.test"])
    assert not certificates.covers(leaf, ["example.test"])


def test_a_verifier_that_is_made_fits_its_password_only():
    verifier = pg_verifier.scram("correct horse", b"0123456789abcdef")
    assert pg_verifier.fits(verifier, "any", "correct horse")
    assert not pg_verifier.fits(verifier, "any", "wrong horse")
    with pytest.raises(ValueError):
        pg_verifier.scram("pässword", b"0123456789abcdef")

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's versions, dpkg's status and archives' indexes."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse.deb import (
    newest_kernel,
    outdated,
    parse_release,
    parse_status,
    version_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

# In the order that `dpkg --compare-versions` gives.
ASCENDING = [
    "0~rc1",
    "0",
    "1.0~~",
    "1.0~rc1-1",
    "1.0~rc1+b1",
    "1.0",
    "1.0-1~bpo12+1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb12u1",
    "1.0-1.1",
    "1.0-2",
    "1.0-10",
    "1.0a",
    "1.0+dfsg-1",
    "1.0.1",
    "1.10",
    "2026b-0+deb12u1",
    "2026f-0+deb12u1",
    "1:0.1",
    "2:0.0.1",
]


@pytest.mark.parametrize("older, newer", list(itertools.combinations(ASCENDING, 2)))
def test_versions_are_ordered_as_dpkg_orders_them(older, newer):
    assert version_key(older) < version_key(newer)


@pytest.mark.parametrize("one, other", [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.0", "1.00"), ("1.", "1.0")])
def test_equal_versions(one, other):
    assert version_key(one) == version_key(other)


STATUS = """\
Package: openssl
Status: install ok installed
Priority: optional
Architecture: amd64
Multi-Arch: foreign
Version: 3.0.20-1~deb12u2
Description: Secure Sockets Layer toolkit
 Version: 9 stands in this text

Package: libssl3
Status: hold ok installed
Architecture: amd64
Version: 3.0.20-1~deb12u2

Package: libssl3
Status: install ok installed
Architecture: i386
Version: 3.0.22-1~deb12u2

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2026b-0+deb12u1

Package: nano
Status: deinstall ok config-files
Architecture: amd64
Version: 7.2-1
"""

PACKAGES = """\
Package: nano
Source: nano
Version: 7.2-1+deb12u1
Architecture: amd64

Package: openssl
Version: 3.0.22-1~deb12u2
Installed-Size: 2272
Architecture: amd64

Package: libssl3
Source: openssl
Version: 3.0.22-1~deb12u2
Architecture: amd64

Package: tzdata
Version: 2026f-0+deb12u1
Architecture: all

Package: unrelated
Version: 9
Architecture: amd64
"""


def test_a_package_on_hold_is_outdated_like_any_other_and_a_removed_one_is_not():
    assert outdated(parse_status(STATUS), PACKAGES) == ["libssl3", "openssl", "tzdata"]


def test_an_index_of_another_architecture_says_nothing():
    assert outdated(parse_status(STATUS), PACKAGES.replace("amd64", "arm64")) == ["tzdata"]


def test_nothing_is_outdated_once_installed():
    newer = STATUS.replace("3.0.20-1~deb12u2", "3.0.22-1~deb12u2").replace("2026b", "2026f")
    assert outdated(parse_status(newer), PACKAGES) == []


RELEASE = """\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

Origin: Debian
Label: Debian-Security
Suite: oldstable-security
Version: 12
Codename: bookworm-security
Date: Sat, 21 Nov 2026 00:53:02 UTC
Valid-Until: Sat, 28 Nov 2026 00:53:02 UTC
SHA256:
 0f23  1234 main/binary-amd64/Packages
"""


def test_release_file():
    assert parse_release(RELEASE) == {
        "origin": "Debian",
        "label": "Debian-Security",
        "suite": "oldstable-security",
        "codename": "bookworm-security",
    }


@pytest.mark.parametrize(
    "running, installed, newest",
    [
        ("6.1.0-9-amd64", ["6.1.0-9-amd64", "6.1.0-40-amd64"], "6.1.0-40-amd64"),
        ("6.1.0-40-amd64", ["6.1.0-40-amd64", "6.12.9-1-cloud-amd64"], "6.1.0-40-amd64"),
        ("6.12.41+deb13-amd64", ["6.12.41+deb13-amd64", "6.12.48+deb13-amd64"], "6.12.48+deb13-amd64"),
        ("6.8.0-45-generic", ["6.8.0-45-generic", "6.8.0-100-generic"], "6.8.0-100-generic"),
        ("6.18.44-fc-v669", ["6.1.0-40-amd64"], ""),
        ("6.1.0-9-amd64", [], ""),
    ],
)
def test_newest_kernel_of_the_running_flavour(running, installed, newest):
    assert newest_kernel(running, installed) == newest


@settings(max_examples=150, deadline=None)
@given(st.text(), st.text())
def test_rubbish_is_ordered_somehow_and_never_raises(one, other):
    assert (version_key(one) < version_key(other)) + (version_key(one) > version_key(other)) <= 1
    text = "Package: a\nStatus: install ok installed\nVersion: %s\n\n%s" % (one, other)
    outdated(parse_status(text), other + "\n\nPackage: a\nVersion: " + other)
    parse_release(one)
    newest_kernel(one, [other])

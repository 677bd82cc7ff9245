# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""apt's configuration and the patterns of unattended-upgrades."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse.apt_config import (
    allows,
    interval_days,
    origin_patterns,
    parse_dump,
)
from hypothesis import given, settings
from hypothesis import strategies as st

# apt-config dump of Debian 13 with unattended-upgrades, shortened.
DEBIAN = """\
APT "";
APT::Architecture "amd64";
APT::NeverAutoRemove "";
APT::NeverAutoRemove:: "^firmware-linux.*";
APT::Periodic "";
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
DPkg::Post-Invoke:: "if [ -d /var/lib/update-notifier ]; then touch "/x"; fi";
Unattended-Upgrade "";
Unattended-Upgrade::Origins-Pattern "";
Unattended-Upgrade::Origins-Pattern:: "origin=Debian,codename=${distro_codename},label=Debian";
Unattended-Upgrade::Origins-Pattern:: "origin=Debian,codename=${distro_codename},label=Debian-Security";
Unattended-Upgrade::Origins-Pattern:: "origin=Debian,codename=${distro_codename}-security,label=Debian-Security";
"""
UBUNTU = """\
Unattended-Upgrade::Allowed-Origins "";
Unattended-Upgrade::Allowed-Origins:: "${distro_id}:${distro_codename}";
Unattended-Upgrade::Allowed-Origins:: "${distro_id}:${distro_codename}-security";
Unattended-Upgrade::Allowed-Origins:: "${distro_id}ESMApps:${distro_codename}-apps-security";
"""
TRIXIE = {"origin": "Debian", "label": "Debian-Security", "suite": "stable-security", "codename": "trixie-security"}
NOBLE = {"origin": "Ubuntu", "label": "Ubuntu", "suite": "noble-security", "codename": "noble", "component": "main"}


def test_dump():
    config = parse_dump(DEBIAN)
    assert config["apt::periodic::unattended-upgrade"] == ["1"]
    assert len(config["unattended-upgrade::origins-pattern"]) == 3
    assert config["dpkg::post-invoke"] == ['if [ -d /var/lib/update-notifier ]; then touch "/x"; fi']


@pytest.mark.parametrize(
    "value, days",
    [("1", 1.0), ("7d", 7.0), ("12h", 0.5), ("always", 0.0), ("0", None), ("", None), ("0d", None), ("90m", 0.0625)],
)
def test_interval(value, days):
    assert interval_days(value) == days


@pytest.mark.parametrize("value", ["yes", "-1", "1w", "1.5", "1" * 99])
def test_not_an_interval(value):
    with pytest.raises(ValueError):
        interval_days(value)


def test_default_patterns_take_the_security_archive():
    assert allows(origin_patterns(parse_dump(DEBIAN), "Debian", "trixie"), TRIXIE)
    assert allows(origin_patterns(parse_dump(UBUNTU), "Ubuntu", "noble"), NOBLE)


def test_patterns_of_the_release_before_take_nothing():
    assert not allows(origin_patterns(parse_dump(DEBIAN), "Debian", "bookworm"), TRIXIE)
    assert not allows(origin_patterns(parse_dump(UBUNTU), "Ubuntu", "jammy"), NOBLE)


@pytest.mark.parametrize(
    "pattern, good",
    [
        ("o=Debian,a=stable-security", True),
        ("origin=*", True),
        ("site=security.debian.org", False),
        ("l=Debian-Security , n=trixie-*", True),
        ("l=Debian-Security,c=contrib", False),
        ("o=Debian\\, the,l=*", False),
        ("origin=debian", False),
    ],
)
def test_pattern(pattern, good):
    assert allows([pattern], dict(TRIXIE, component="main", site="deb.debian.org")) is good


@pytest.mark.parametrize("pattern", ["", "Debian", "o=Debian,colour=red"])
def test_a_pattern_that_stops_unattended_upgrades_is_an_error_even_beside_good_ones(pattern):
    with pytest.raises(ValueError):
        allows(["origin=*", pattern], TRIXIE)


def test_allowed_origins_that_are_none():
    with pytest.raises(ValueError):
        origin_patterns({"unattended-upgrade::allowed-origins": ["a:b:c"]}, "Debian", "trixie")


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_rubbish_raises_nothing_but_value_error(text):
    parse_dump(text)
    for read in (interval_days, lambda value: allows([value], TRIXIE)):
        try:
            read(text)
        except ValueError:
            pass

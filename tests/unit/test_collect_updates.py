# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of updates: what is found without apt's solver."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import updates
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo, HostError
from fake_host import FakeHost
from test_parse_apt_config import DEBIAN
from test_parse_deb import PACKAGES, RELEASE, STATUS

NOW = 1.8e9
LISTS = "/var/lib/apt/lists/"
SECURITY = LISTS + "deb.debian.org_debian-security_dists_bookworm-security_"
TIMERS = """\
NextElapseUSecRealtime=Sat 2027-01-16 08:00:00 UTC
Id=apt-daily.timer
LoadState=loaded
ActiveState=active
UnitFileState=enabled

ExecStart={ path=/usr/lib/apt/apt.systemd.daily ; argv[]=/usr/lib/apt/apt.systemd.daily update ; ignore_errors=no ; pid=0 }
Id=apt-daily.service
LoadState=loaded
ActiveState=inactive
UnitFileState=static

NextElapseUSecRealtime=
Id=apt-daily-upgrade.timer
LoadState=loaded
ActiveState=inactive
UnitFileState=disabled

Id=apt-daily-upgrade.service
LoadState=masked
ActiveState=inactive
UnitFileState=masked
"""


def aged(days):
    return FileInfo(0o644, 0, 0, 1, NOW - days * 86400, "file")


def machine(files=None, stats=None, commands=None):
    everything = {
        "/etc/os-release": "ID=debian\nVERSION_CODENAME=bookworm\n",
        "/var/lib/dpkg/status": STATUS,
        SECURITY + "InRelease": RELEASE,
        SECURITY + "main_binary-amd64_Packages": PACKAGES,
        LISTS + "deb.debian.org_debian_dists_bookworm_InRelease": "Suite: oldstable\n",
        LISTS + "repo.example_opensearch-security_dists_x_InRelease": "Suite: x\nLabel: other\n",
        "/boot/vmlinuz-6.1.0-40-amd64": "",
        "/boot/initrd.img-6.1.0-40-amd64": "",
    }
    everything.update(files or {})
    everything = {path: content for path, content in everything.items() if content is not None}
    known = {"apt-config dump": DEBIAN, "systemctl": TIMERS, "unattended-upgrade": ""}
    known.update(commands or {})
    dates = dict({SECURITY + "InRelease": aged(2.5)}, **(stats or {}))
    return FakeHost(files=everything, stats=dates, commands=known, now=NOW)


def collect(**changes):
    return updates.collect(machine(**changes), None)


def test_a_host():
    facts = collect(stats={updates.LAST_RUN: aged(0.5)})
    assert facts == {
        "installed": True,
        "lists_days": 1.0,
        "upgrade_days": 1.0,
        "left_out": [],
        "timers": [
            {
                "name": "apt-daily.timer",
                "active": True,
                "enabled": True,
                "next_days": 1.0,
                "service": "loaded",
                "runs": "/usr/lib/apt/apt.systemd.daily update",
            },
            {
                "name": "apt-daily-upgrade.timer",
                "active": False,
                "enabled": False,
                "next_days": Unread("parse_error", "when a timer fires next is not known"),
                "service": "masked",
                "runs": "",
            },
        ],
        "last_run_days": 0.5,
        "archives": [
            {
                "name": "Debian-Security oldstable-security",
                "allowed": True,
                "age_days": 2.5,
                "indexes": ["deb.debian.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages"],
            }
        ],
        "pending": ["libssl3", "openssl", "tzdata"],
        "reboot_required": False,
        "kernels": ["6.1.0-40-amd64"],
    }


def test_a_host_that_asks_for_a_restart_and_never_ran():
    facts = collect(files={"/run/reboot-required": "*** System restart required ***\n"})
    assert facts["reboot_required"] is True and facts["last_run_days"] is None


def test_the_stamp_of_a_complete_fetch_makes_an_index_younger():
    assert collect(stats={updates.FETCHED: aged(0.25)})["archives"][0]["age_days"] == 0.25


def test_a_compressed_index_is_read_with_apts_own_tool():
    name = SECURITY + "main_binary-amd64_Packages"
    compressed = {name: None, name + ".lz4": b"\x04\x22\x4d\x18"}
    helper = {"/usr/lib/apt/apt-helper cat-file %s.lz4" % name: PACKAGES}
    assert collect(files=compressed, commands=helper)["pending"] == ["libssl3", "openssl", "tzdata"]
    assert collect(files=compressed)["pending"].reason == "tool_absent"


@pytest.mark.parametrize(
    "missing",
    [
        {SECURITY + "InRelease": None},
        {SECURITY + "main_binary-amd64_Packages": None},
        {"/var/lib/dpkg/status": "rubbish"},
    ],
)
def test_without_security_index_or_status_nothing_is_known_of_pending_updates(missing):
    host = machine(files=missing)
    if SECURITY + "InRelease" in missing:
        del host.stats[SECURITY + "InRelease"]
    assert isinstance(updates.collect(host, None)["pending"], Unread)


def test_periodic_jobs_that_are_off():
    config = DEBIAN + 'APT::Periodic::Enable "0";\n'
    assert collect(commands={"apt-config dump": config})["upgrade_days"] is None
    config = DEBIAN.replace('Unattended-Upgrade "1"', 'Unattended-Upgrade "0"')
    assert collect(commands={"apt-config dump": config})["upgrade_days"] is None
    config = DEBIAN.replace('Unattended-Upgrade "1"', 'Unattended-Upgrade "daily"')
    assert collect(commands={"apt-config dump": config})["upgrade_days"].reason == "parse_error"


def test_patterns_that_take_nothing_or_make_no_sense():
    config = DEBIAN.replace("Debian-Security", "Other")
    assert collect(commands={"apt-config dump": config})["archives"][0]["allowed"] is False
    config = DEBIAN.replace("origin=", "colour=")
    assert collect(commands={"apt-config dump": config})["archives"][0]["allowed"].reason == "parse_error"


def test_without_systemd_or_apt():
    no_bus = Completed(1, "", "System has not been booted with systemd as init system (PID 1). Can't operate.\n")
    assert collect(commands={"systemctl": no_bus})["timers"].reason == "tool_absent"
    with pytest.raises(HostError) as caught:
        updates.collect(FakeHost(), None)
    assert caught.value.reason == "tool_absent"
    with pytest.raises(HostError):
        collect(commands={"apt-config dump": Completed(100, "", "E: Syntax error /etc/apt/apt.conf.d/99x:3\n")})


@pytest.mark.parametrize(
    "config, left_out",
    [
        ('Unattended-Upgrade::Package-Blacklist:: ".*";', list(updates.VITAL)),
        ('Unattended-Upgrade::Package-Blacklist:: "linux-";', ["linux-image-amd64", "linux-image-generic"]),
        ('Unattended-Upgrade::Package-Blacklist:: "postgresql";', []),
        ('Unattended-Upgrade::Package-Whitelist:: "(?!libc6)";', ["libc6"]),
        ('Unattended-Upgrade::Package-Whitelist-Strict "true";', list(updates.VITAL)),
        ('Unattended-Upgrade::Package-Whitelist-Strict "false";', []),
    ],
)
def test_packages_that_are_left_out(config, left_out):
    assert collect(commands={"apt-config dump": DEBIAN + config + "\n"})["left_out"] == left_out


def test_a_list_of_packages_that_makes_no_sense():
    config = DEBIAN + 'Unattended-Upgrade::Package-Blacklist:: "(";\n'
    assert collect(commands={"apt-config dump": config})["left_out"].reason == "parse_error"


def test_stamps_of_the_future_are_not_fresh():
    ahead = {updates.LAST_RUN: aged(-1500), updates.FETCHED: aged(-1500), SECURITY + "InRelease": aged(-1500)}
    facts = collect(stats=ahead)
    assert "dated in the future" in facts["last_run_days"].detail
    assert "dated in the future" in facts["archives"][0]["age_days"].detail
    assert collect(stats={updates.FETCHED: aged(-1500)})["archives"][0]["age_days"] == 2.5
    assert collect(stats={updates.LAST_RUN: aged(-0.01)})["last_run_days"] == 0.0


def test_a_timer_whose_service_runs_just_now():
    running = TIMERS.replace(
        "Id=apt-daily.service\nLoadState=loaded\nActiveState=inactive",
        "Id=apt-daily.service\nLoadState=loaded\nActiveState=activating",
    )
    running = running.replace("Sat 2027-01-16 08:00:00 UTC", "")
    assert collect(commands={"systemctl": running})["timers"][0]["next_days"] == 0.0

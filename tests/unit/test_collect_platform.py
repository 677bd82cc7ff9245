# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of the platform, of its access control and of its clock."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import platform, time_sync
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, HostError
from fake_host import FakeHost

RELEASE = 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'
DENIED = HostError("needs_root", "x", "permission denied")


def machine(**files):
    base = {"/etc/os-release": RELEASE, "/proc/sys/kernel/osrelease": "6.12.48+deb13-amd64\n"}
    base.update({name.replace("__", "/"): value for name, value in files.items()})
    return base


def collect(files, **others):
    return platform.collect(FakeHost(files=files, **others), None)


def test_a_virtual_machine():
    facts = collect(dict(machine(), **{"/run/systemd/system/x": "", "/proc/1/environ": "HOME=/\0"}))
    assert facts["id"] == "debian" and facts["version_id"] == "13"
    assert facts["kernel"] == "6.12.48+deb13-amd64"
    assert facts["container"] is None and facts["systemd"] is True and facts["docker_package"] is None
    assert facts["today"] == "2027-01-15"


@pytest.mark.parametrize(
    "path, content, kind",
    [
        ("/.dockerenv", "", "docker"),
        ("/run/.containerenv", "", "podman"),
        ("/run/systemd/container", "lxc\n", "lxc"),
        ("/proc/1/environ", "A=b\0container=lxc\0", "lxc"),
    ],
)
def test_containers(path, content, kind):
    assert collect(dict(machine(), **{path: content}))["container"] == kind


def test_without_root_systemd_tells_and_else_nobody():
    hidden = dict(machine(), **{"/proc/1/environ": DENIED})
    assert collect(hidden)["container"].reason == "needs_root"
    assert collect(dict(hidden, **{"/run/systemd/system/x": ""}))["container"] is None


def test_where_docker_came_from():
    distribution = {"/var/lib/dpkg/info/docker.io.list": ""}
    assert collect(dict(machine(), **distribution))["docker_package"] == "docker.io"
    both = dict(distribution, **{"/var/lib/dpkg/info/docker-ce.list": ""})
    assert collect(dict(machine(), **both))["docker_package"] == "docker-ce"


def test_os_release_in_usr_or_nowhere():
    assert collect({"/usr/lib/os-release": "ID=arch\n"})["id"] == "arch"
    assert isinstance(collect({})["id"], Unread)


PROFILES = "docker-default (enforce)\n/usr/sbin/ntpd (complain)\nman_filter (enforce)\nplasma (unconfined)\n"


def test_apparmor():
    files = {"/sys/module/apparmor/parameters/enabled": "Y\n", "/sys/kernel/security/apparmor/profiles": PROFILES}
    facts = platform.collect_lsm(FakeHost(files=files), None)
    assert facts["apparmor"] is True and facts["selinux"] is None
    assert facts["profiles"] == {"enforce": 2, "complain": 1, "unconfined": 1}
    files["/sys/kernel/security/apparmor/profiles"] = DENIED
    assert platform.collect_lsm(FakeHost(files=files), None)["profiles"].reason == "needs_root"


@pytest.mark.parametrize("value, state", [("1", "enforcing"), ("0\n", "permissive")])
def test_selinux(value, state):
    facts = platform.collect_lsm(FakeHost(files={"/sys/fs/selinux/enforce": value}), None)
    assert facts == {"apparmor": False, "profiles": {"enforce": 0, "complain": 0}, "selinux": state}


def test_selinux_rubbish():
    facts = platform.collect_lsm(FakeHost(files={"/sys/fs/selinux/enforce": "?"}), None)
    assert facts["selinux"].reason == "parse_error"


NO_BUS = Completed(1, "", "System has not been booted with systemd as init system (PID 1). Can't operate.\n")
TRACKING = "Reference ID    : C0A80001 (192.168.0.1)\nLeap status     : %s\n"


@pytest.mark.parametrize(
    "commands, synchronized",
    [
        ({"timedatectl": "NTPSynchronized=yes\n"}, True),
        ({"timedatectl": "NTPSynchronized=no\n"}, False),
        ({"timedatectl": NO_BUS, "chronyc": TRACKING % "Normal"}, True),
        ({"chronyc": TRACKING % "Not synchronised"}, False),
    ],
)
def test_clock(commands, synchronized):
    assert time_sync.collect(FakeHost(commands=commands), None) == {"synchronized": synchronized}


@pytest.mark.parametrize(
    "commands, reason", [({}, "tool_absent"), ({"timedatectl": NO_BUS}, "error"), ({"timedatectl": "rubbish"}, "error")]
)
def test_clock_unknown(commands, reason):
    with pytest.raises(Missing) as caught:
        time_sync.collect(FakeHost(commands=commands), None)
    assert caught.value.reason == reason

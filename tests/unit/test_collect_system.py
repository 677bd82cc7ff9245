# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of services, kernel settings, accounts and the kernel's audit."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import accounts, auditd, services, sysctl
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo, HostError
from fake_host import FakeHost
from test_parse_audit_rules import LISTED_4, ON_DISK, STATUS

DENIED = HostError("needs_root", "x", "permission denied")
DIRECTORY = FileInfo(0o755, 0, 0, 0, 0.0, "dir")

# systemctl show on Debian 13
UNITS = """\
Id=rpcbind.socket
LoadState=loaded
ActiveState=inactive
UnitFileState=enabled

Id=vsftpd.service
LoadState=loaded
ActiveState=inactive
UnitFileState=disabled

Id=cups.service
LoadState=not-found
ActiveState=inactive
UnitFileState=

Id=avahi-daemon.socket
LoadState=masked
ActiveState=active
UnitFileState=masked
"""


def test_services():
    host = FakeHost(commands={"systemctl": UNITS})
    assert services.collect(host, None)["units"] == [
        {"name": "rpcbind.socket", "active": False, "enabled": True},
        {"name": "vsftpd.service", "active": False, "enabled": False},
        {"name": "avahi-daemon.socket", "active": True, "enabled": False},
    ]
    assert len(host.ran) == 1


@pytest.mark.parametrize("commands", [{}, {"systemctl": Completed(1, "", "Failed to connect to bus: Host is down\n")}])
def test_services_without_systemd(commands):
    with pytest.raises(HostError) as caught:
        services.collect(FakeHost(commands=commands), None)
    assert caught.value.reason == "tool_absent"


def test_sysctl():
    conf = "/proc/sys/net/ipv4/conf/"
    files = {
        "/proc/sys/kernel/randomize_va_space": "2\n",
        "/proc/sys/kernel/kptr_restrict": "rubbish",
        "/proc/sys/fs/protected_fifos": DENIED,
    }
    for name in ("all", "default", "eth0", "eth0.100", "lo", "veth12"):
        files[conf + name + "/rp_filter"] = "1\n"
        files[conf + name + "/forwarding"] = "1\n"
    facts = sysctl.collect(FakeHost(files=files, stats={"/sys/class/net/veth12/brport": DIRECTORY}), None)
    assert facts["values"]["kernel/randomize_va_space"] == 2
    assert facts["values"]["kernel/yama/ptrace_scope"] is None
    assert facts["values"]["kernel/kptr_restrict"].reason == "parse_error"
    assert facts["values"]["fs/protected_fifos"].reason == "needs_root"
    # The loopback and a bridge's port, which no packet's address is looked at on, are left out.
    assert [record["name"] for record in facts["ipv4"]] == ["all", "default", "eth0", "eth0.100"]
    assert facts["ipv4"][2]["rp_filter"] == 1 and facts["ipv4"][2]["log_martians"] is None
    assert facts["ipv6"] is None


def test_sysctl_without_proc():
    with pytest.raises(HostError):
        sysctl.collect(FakeHost(), None)


PASSWD = """\
root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/root:/bin/sh
zero:x:00:0::/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
guest:x:1000:1000::/home/guest:/bin/bash
open::1001:1001::/home/open:/bin/bash
gone:x:1002:1002::/home/gone:/bin/bash
"""
SHADOW = (
    "root:$y$j9T$secret:20000:0:99999:7:::\ntoor:!:::::::\ndaemon:*:20000:0:99999:7:::\nguest::20000:0:99999:7:::\n"
)
SUDOERS = "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"
ACCOUNTS = {
    "/etc/passwd": PASSWD,
    "/etc/shadow": SHADOW,
    "/etc/sudoers": SUDOERS,
    "/etc/sudoers.d/90-deploy": "@include extra\nAGENTS ALL=NOPASSWD: ALL\n",
    "/etc/sudoers.d/extra": "User_Alias AGENTS = deploy\n",
    "/etc/sudoers.d/old.dpkg-old": "left ALL=NOPASSWD: ALL\n",
    "/etc/sudoers.d/copy~": "copy ALL=NOPASSWD: ALL\n",
}


def test_accounts():
    facts = accounts.collect(FakeHost(files=ACCOUNTS, commands={"sudo": ""}), None)
    assert facts == {
        "uid0": ["root", "toor", "zero"],
        "empty_passwords": ["guest", "open"],
        "passwordless_root": ["deploy"],
    }
    assert "secret" not in repr(facts)


def test_accounts_without_root():
    facts = accounts.collect(FakeHost(files=dict(ACCOUNTS, **{"/etc/shadow": DENIED, "/etc/sudoers": DENIED})), None)
    assert facts["empty_passwords"].reason == facts["passwordless_root"].reason == "needs_root"


def test_accounts_without_sudo():
    files = {"/etc/passwd": PASSWD, "/etc/shadow": SHADOW}
    assert accounts.collect(FakeHost(files=files), None)["passwordless_root"] == []
    # sudo without its file refuses to work, but that is not for the audit to say.
    assert accounts.collect(FakeHost(files=files, commands={"sudo": ""}), None)["passwordless_root"].reason == "error"


@pytest.mark.parametrize(
    "sudoers", ["nonsense", "@include /etc/sudoers", "@include /etc/none", "@include /etc/sudoers.%h", "a ALL=(ALL"]
)
def test_sudoers_that_are_not_understood(sudoers):
    facts = accounts.collect(FakeHost(files=dict(ACCOUNTS, **{"/etc/sudoers": sudoers})), None)
    assert facts["passwordless_root"].reason in ("parse_error", "error")


def test_passwd_with_nis_and_rubbish():
    files = dict(ACCOUNTS, **{"/etc/passwd": PASSWD + "+::::::\n+@team\n"})
    assert accounts.collect(FakeHost(files=files), None)["empty_passwords"] == ["guest", "open", "+"]
    for rubbish in ("", "root", "\0\1\2"):
        with pytest.raises(Missing):
            accounts.collect(FakeHost(files=dict(ACCOUNTS, **{"/etc/passwd": rubbish})), None)


def audit(container=None, **changes):
    files = {
        "/etc/audit/rules.d/50-nself.rules": ON_DISK,
        "/etc/audit/rules.d/README": "no rules",
        "/etc/passwd": "",
        "/etc/ssh/sshd_config": "",
    }
    commands = {"auditctl -s": STATUS, "auditctl -l": LISTED_4}
    commands.update(changes.pop("commands", {}))
    files.update(changes.pop("files", {}))
    return auditd.collect(FakeHost(files=files, commands=commands), lambda name: {"container": container})


def test_audit():
    facts = audit()
    assert facts["state"] == "present" and facts["status"] == {"enabled": 1, "pid": 612}
    assert facts["unloaded"] == 0 and facts["stopped"] is False
    assert {"path": "/etc/ssh", "access": "aw"} in facts["watches"]
    assert {"path": "/etc/ssh", "access": "aw"} in facts["disk_watches"]
    assert facts["paths"] == ["/etc/ssh", "/etc/passwd"]


def test_audit_rules_that_are_not_loaded():
    facts = audit(commands={"auditctl -l": "No rules\n"})
    assert facts["unloaded"] == len([line for line in ON_DISK.splitlines() if line[:2] in ("-w", "-a", "-A")])
    assert facts["watches"] == []
    assert audit(commands={"auditctl -l": "-a never,task\n"})["stopped"] is True


def test_audit_without_root():
    refused = Completed(4, "", "You must be root to run this program.\n")
    facts = audit(commands={"auditctl -s": refused, "auditctl -l": refused})
    assert facts["status"].reason == facts["watches"].reason == facts["unloaded"].reason == "needs_root"


def test_audit_rubbish():
    facts = audit(
        commands={"auditctl -s": "rubbish", "auditctl -l": "rubbish"}, files={"/etc/audit/rules.d/x.rules": "rubbish"}
    )
    assert facts["status"].reason == facts["watches"].reason == facts["disk_watches"].reason == "parse_error"


def test_audit_in_a_container_and_absent():
    assert audit("docker") == {"state": "container"}
    assert auditd.collect(FakeHost(), lambda name: {"container": None}) == {"state": "absent"}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unneeded services: by unit, by listener, in inetd's files; and what keeps the clock."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.services import wish, work
from ansible_collections.nself.prod.plugins.module_utils.change.services_found import owner_in, protected
from ansible_collections.nself.prod.plugins.module_utils.change.services_inetd import disabled, without
from fake_host import FakeHost

OPTIONS = {"disabled": [], "keep": [], "mask": False, "stop_strays": False, "clock": True}
HEAD = "  sl  local_address rem_address   st\n"
ROW = "   0: 00000000:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 %d 1\n"
CHRONY = {"chrony.service": ("active", "enabled", "/usr/lib/x")}


class Machine(FakeHost):
    """A host with systemd. units: name -> (ActiveState, UnitFileState, FragmentPath)."""

    def __init__(self, units=None, listeners=(), files=None):
        found = {
            "/run/systemd/system/x": "",
            "/proc/1/environ": "",
            "/proc/mounts": "proc /proc proc rw 0 0\n",
            "/etc/os-release": "ID=debian\n",
            "/proc/net/udp": HEAD,
            "/proc/net/tcp": HEAD + "".join(ROW % (port, 900 + pid) for port, pid, *_rest in listeners),
        }
        links = {}
        for _port, pid, name, group, *words in listeners:
            links["/proc/%d/fd/3" % pid] = "socket:[%d]" % (900 + pid)
            found["/proc/%d/comm" % pid] = name + "\n"
            found["/proc/%d/cgroup" % pid] = group
            found["/proc/%d/cmdline" % pid] = "\0".join(words)
        found.update(files or {})
        super().__init__(found, links=links, commands={"systemctl": self._systemctl, "kill": self._kill})
        self.units = dict(CHRONY if units is None else units)
        self.sent = []
        self.stubborn = set()

    def _systemctl(self, argv, _stdin, _env):
        names = argv[argv.index("--") + 1 :]
        if argv[1] == "show":
            return "\n\n".join(self._shown(name) for name in names)
        self.sent.append((argv[1], names))
        for name in names:
            active, state, path = self.units[name]
            if argv[1] == "stop" and name not in self.stubborn:
                active = "inactive"
            if argv[1] == "disable":
                state = "disabled"
            if argv[1] == "enable":
                active, state = "active", "enabled"
            self.units[name] = (active, "masked" if argv[1] == "mask" else state, path)
        return ""

    def _shown(self, name):
        active, state, path = self.units.get(name, ("inactive", "", ""))
        load = "not-found" if name not in self.units else "masked" if state == "masked" else "loaded"
        return "Id=%s\nLoadState=%s\nActiveState=%s\nUnitFileState=%s\nFragmentPath=%s\n" % (
            name,
            load,
            active,
            state,
            path,
        )

    def _kill(self, argv, _stdin, _env):
        self.sent.append(("kill", argv[2:]))
        return ""


def run(host, check=False, **options):
    changes = Changes(host, check)
    return changes, work(host, changes, dict(OPTIONS, **options))


def test_units_and_their_sockets_go_together_and_stay_away():
    host = Machine(
        {
            **CHRONY,
            "cups.service": ("inactive", "enabled", "/usr/lib/x"),
            "cups.socket": ("active", "enabled", "/usr/lib/x"),
            "rpcbind.service": ("active", "disabled", "/usr/lib/x"),
            "ssh.service": ("active", "enabled", "/usr/lib/x"),
        }
    )
    told, _result = run(host, check=True)
    assert host.sent == []
    done, result = run(host)
    assert told.result() == done.result()
    assert host.sent == [("disable", ["cups.service", "cups.socket"]), ("stop", ["rpcbind.service", "cups.socket"])]
    assert result["disabled"] == ["cups.service", "cups.socket"]
    assert run(host)[0].result() == {"changed": False, "diff": []}


def test_a_unit_that_starts_again_is_an_error():
    host = Machine({**CHRONY, "cups.service": ("active", "enabled", "/usr/lib/x")})
    host.stubborn = {"cups.service"}
    with pytest.raises(ChangeError, match="cups.service is active still"):
        run(host)


def test_a_listener_goes_by_its_unit_whatever_that_is_called():
    host = Machine(
        {**CHRONY, "cache.service": ("active", "enabled", "/etc/systemd/system/cache.service")},
        [
            (23, 50, "busybox", "0::/system.slice/cache.service\n", "/bin/busybox", "telnetd", "-F"),
            (6379, 51, "busybox", "0::/system.slice/own.service\n", "/bin/busybox", "nc"),
            (22, 52, "sshd", "0::/system.slice/ssh.service\n"),
        ],
    )
    _changes, result = run(host)
    assert (result["stopped"], result["disabled"], result["strays"]) == (["cache.service"], ["cache.service"], [])


def test_what_belongs_to_no_unit_is_told_and_ended_on_request_only():
    host = Machine(
        listeners=[
            (23, 50, "in.telnetd", "0::/\n"),
            (21, 51, "vsftpd", "0::/system.slice/docker-5f.scope\n"),
            (69, 52, "in.tftpd", "0::/user.slice/user-1.slice/user@1.service/app.slice/t.service\n"),
            (79, 53, "in.fingerd", "0::/system.slice/ssh.service\n"),
        ]
    )
    changes, result = run(host)
    assert not changes.changed and host.sent == []
    assert [text.split(": ")[1] for text in result["strays"]] == [
        "no unit started it",
        "it runs in a container",
        "t.service of a user started it",
        "it runs in ssh.service",
    ]
    assert len(result["warnings"]) == 4
    run(host, stop_strays=True)
    assert host.sent == [("kill", ["50"]), ("kill", ["52"]), ("kill", ["53"])]


def test_both_hierarchies_of_control_groups_are_read():
    assert owner_in("9:name=systemd:/\n1:cpu:/\n0::/system.slice/odd.service\n") == ("odd.service", "")
    assert owner_in("1:name=systemd:/system.slice/odd.service\n0::/\n") == ("odd.service", "")
    assert owner_in("1:name=systemd:/docker/5f\n0::/\n")[0] is None


def test_what_is_kept_stays_by_unit_by_kind_and_by_process():
    units = {**CHRONY, "snmpd.service": ("active", "enabled", "/usr/lib/x")}
    listeners = [(161, 50, "snmpd", "0::/system.slice/snmpd.service\n")]
    for kept in (["snmp"], ["snmpd.service"], ["snmpd"]):
        assert not run(Machine(units, listeners), keep=kept)[0].changed, kept
    assert run(Machine(units, listeners), keep=["ftp"])[0].changed


def test_more_units_are_turned_off_but_never_the_way_in():
    assert "ModemManager.socket" in wish(["ModemManager"], [], {}).units
    for name in ("ssh", "docker.socket", "systemd-networkd", "NetworkManager.service", "containerd", "sssd"):
        with pytest.raises(ChangeError, match="never turned off"):
            wish([name], [], {})
    assert protected("ssh@1.service") and not protected("telnetd.service")


def test_masking_leaves_the_administrators_own_units():
    units = {
        **CHRONY,
        "snmpd.service": ("inactive", "disabled", "/usr/lib/x"),
        "telnetd.service": ("inactive", "disabled", "/etc/x"),
    }
    host = Machine(units)
    assert run(host, mask=True)[1]["masked"] == ["snmpd.service"]
    assert not run(host, mask=True)[0].changed


def test_a_script_of_old_counts_by_its_link():
    units = {**CHRONY, "atftpd.service": ("inactive", "generated", "/run/systemd/generator.late/atftpd.service")}
    assert not run(Machine(units), check=True)[0].changed
    assert run(Machine(units, files={"/etc/rc3.d/S02atftpd": ""}), check=True)[0].changed


def test_rpcbind_stays_under_a_mount_of_nfs_3():
    units = {**CHRONY, "rpcbind.socket": ("active", "enabled", "/usr/lib/x")}
    host = Machine(units, files={"/proc/mounts": "s:/x /mnt nfs rw,vers=3,hard 0 0\n"})
    changes, result = run(host)
    assert not changes.changed and "/mnt" in result["needed"]["rpc"] and "not turned off" in result["warnings"][0]
    assert run(Machine(units, files={"/proc/mounts": "s:/x /mnt nfs4 rw,vers=4.2 0 0\n"}))[0].changed


def test_entries_of_inetd_and_xinetd():
    text = "# telnet\ntelnet stream tcp nowait root /x telnetd\n127.0.0.1:ftp stream tcp nowait root /x ftpd\ntime stream tcp nowait root internal\n"
    after = without(text, ["telnet", "ftp"])
    assert after.count("#<off># ") == 2 and after.endswith("\ntime stream tcp nowait root internal\n")
    assert without(after, ["telnet", "ftp"]) == after
    text = "service telnet\n{\n\tport = 23\n}\nservice ftp\n{\n\tdisable = no\n}\nservice x\n{\n\tdisable = no\n}\n"
    after = disabled(text, ["telnet", "ftp"])
    assert after.count("disable = yes") == 2 and after.count("disable = no") == 1
    assert disabled(after, ["telnet", "ftp"]) == after


def test_an_inetd_that_is_kept_reads_its_files_again():
    host = Machine(
        {**CHRONY, "inetd.service": ("active", "enabled", "/usr/lib/x")},
        files={"/etc/inetd.conf": "telnet stream tcp nowait root /x telnetd\n"},
    )
    changes, result = run(host, check=True, keep=["inetd"])
    assert result["stopped"] == [] and "reads its files again" in str(changes.result()["diff"])


@pytest.mark.parametrize(
    ("units", "state", "sent"),
    [
        ({}, "absent", []),
        ({"systemd-timesyncd.service": ("active", "enabled", "")}, "present", []),
        (
            {"systemd-timesyncd.service": ("inactive", "disabled", "")},
            "present",
            [("enable", ["systemd-timesyncd.service"])],
        ),
        (
            {"systemd-timesyncd.service": ("inactive", "masked", ""), "chrony.service": ("active", "enabled", "")},
            "present",
            [],
        ),
        ({"systemd-timesyncd.service": ("inactive", "masked", "")}, "masked", []),
    ],
)
def test_something_keeps_the_clock(units, state, sent):
    host = Machine(units)
    _changes, result = run(host)
    assert (result["clock"]["state"], host.sent) == (state, sent)
    assert result["install"] == (["systemd-timesyncd"] if state == "absent" else [])


def test_the_clock_of_a_container_is_its_hosts():
    host = Machine({}, files={"/run/systemd/container": "lxc\n"})
    assert run(host)[1]["clock"]["state"] == "not_applicable"
    assert run(Machine({}), clock=False)[1]["clock"] == {"state": "not_asked"}


def test_a_host_without_systemd_is_told_so():
    host = Machine()
    host.commands["systemctl"] = ""
    with pytest.raises(ChangeError, match="this role needs systemd"):
        run(host)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings: what a host should have, which file wins, and what is written."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.checks import sysctl as checks
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.sysctl import collect
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import sysctl as audited
from ansible_collections.nself.prod.plugins.module_utils.change import changes as changes_module
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.sysctl import work
from ansible_collections.nself.prod.plugins.module_utils.change.sysctl_files import name_for
from ansible_collections.nself.prod.plugins.module_utils.change.sysctl_wish import Machine, Setting, wish
from ansible_collections.nself.prod.plugins.module_utils.parse import sysctl
from fake_host import FakeHost

OPTIONS = {"settings": {}, "rp_filter": "auto", "forwarding": "keep", "kernel": True}
OURS = "/etc/sysctl.d/zz-nself-prod.conf"


class FakeKernel:
    """The kernel of a FakeHost. refuses: key -> why, seen beforehand; takes_not: key -> why, seen when it is tried."""

    def __init__(self, host, refuses=None, takes_not=None):
        self.host, self.refuses, self.takes_not = host, refuses or {}, takes_not or {}
        self.order = []

    def refusal(self, key):
        return self.refuses.get(key)

    def set(self, key, value):
        if key in self.takes_not:
            return self.takes_not[key]
        self.order.append(key)
        self.host.files["/proc/sys/" + key] = value + "\n"
        return None


def machine(interfaces=("all", "default", "eth0", "lo"), **files):
    """A host whose settings are all as loose as they can be."""
    values = {key: 0 for key, _least, _most in audited.NETWORK + audited.KERNEL}
    values.update({"net/ipv4/tcp_rfc1337": 0, "net/ipv4/ip_forward": 1, "kernel/sysrq": 438})
    values["kernel/yama/ptrace_scope"] = 2
    for name in interfaces:
        for setting in ("accept_redirects", "secure_redirects", "send_redirects", "accept_source_route"):
            values["net/ipv4/conf/%s/%s" % (name, setting)] = 1
        values.update({"net/ipv4/conf/%s/%s" % (name, key): 0 for key in ("rp_filter", "log_martians", "forwarding")})
        for setting in ("accept_redirects", "accept_source_route", "accept_ra"):
            values["net/ipv6/conf/%s/%s" % (name, setting)] = 1
        values["net/ipv6/conf/%s/forwarding" % name] = 0
    found = {"/proc/sys/" + key: "%d\n" % value for key, value in values.items()}
    found.update(
        {
            "/proc/self/status": "PPid:\t1\nUid:\t0\t0\t0\t0\n",
            "/proc/self/environ": "",
            "/proc/1/environ": "",
            "/run/systemd/system/x": "",
            "/etc/sysctl.d/README.sysctl": "",
            "/proc/net/route": "Iface\tDestination\n",
        }
    )
    found.update({"/" + name.replace("__", "/"): text for name, text in files.items()})
    rules = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n"
    return FakeHost(found, commands={"ip -4 rule show": rules})


def run(host, monkeypatch, kernel=None, check=False, **options):
    monkeypatch.setattr(
        changes_module, "_replace", lambda path, data, *access: host.files.__setitem__(path, data.decode("utf-8"))
    )
    changes = Changes(host, check)
    result = work(host, changes, dict(OPTIONS, **options), kernel or FakeKernel(host))
    return changes, result


def audit(host):
    facts = Facts({"sysctl": collect(host, None)})
    return checks.sysctl_network.judge(facts, None), checks.sysctl_kernel.judge(facts, None)


def test_keys_in_both_spellings():
    assert sysctl.path_of("net.ipv4.conf.eth0/5.rp_filter") == "net/ipv4/conf/eth0.5/rp_filter"
    assert sysctl.path_of("net/ipv4/conf/eth0.5/rp_filter") == "net/ipv4/conf/eth0.5/rp_filter"
    assert sysctl.dotted("net/ipv4/conf/eth0.5/rp_filter") == "net.ipv4.conf.eth0/5.rp_filter"


def test_a_file_of_settings():
    text = "# c\n; c\n\n-kernel.sysrq = 0\n net/ipv4/tcp_rmem=1  2\t3\n-net.ipv4.conf.x.rp_filter\nnonsense\n"
    assert [(item.number, item.key, item.value) for item in sysctl.parse(text)] == [
        (3, "kernel/sysrq", "0"),
        (4, "net/ipv4/tcp_rmem", "1 2 3"),
        (5, "net/ipv4/conf/x/rp_filter", None),
    ]


def test_the_audit_passes_afterwards_and_the_second_run_changes_nothing(monkeypatch):
    host = machine()
    assert [verdict.status for verdict in audit(host)] == ["fail", "fail"]
    changes, result = run(host, monkeypatch)
    assert changes.changed and not result["refused"]
    assert [verdict.status for verdict in audit(host)] == ["pass", "pass"]
    again, second = run(host, monkeypatch)
    assert (again.result(), second["written"]) == ({"changed": False, "diff": []}, [])


def test_a_check_tells_exactly_what_a_run_does(monkeypatch):
    host = machine(etc__ufw__sysctl__conf="x")
    host.files["/etc/ufw/sysctl.conf"] = "net/ipv4/conf/all/log_martians=0\n"
    told, first = run(host, monkeypatch, check=True)
    done, second = run(host, monkeypatch)
    assert told.result() == done.result()
    assert first == second


def test_a_value_that_drifted_is_mended_although_the_file_is_right(monkeypatch):
    host = machine()
    run(host, monkeypatch)
    host.files["/proc/sys/net/ipv4/tcp_syncookies"] = "0\n"
    host.files["/proc/sys/net/ipv4/conf/eth0/send_redirects"] = "1\n"
    _changes, result = run(host, monkeypatch)
    assert result["written"] == ["net.ipv4.conf.eth0.send_redirects", "net.ipv4.tcp_syncookies"]


def test_a_stricter_value_stays_where_it_runs_and_where_another_file_asks_for_it(monkeypatch):
    host = machine()
    host.files["/etc/sysctl.d/50-mine.conf"] = "kernel.yama.ptrace_scope = 2\n"
    _changes, result = run(host, monkeypatch)
    assert host.files["/proc/sys/kernel/yama/ptrace_scope"] == "2\n"
    assert "kernel.yama.ptrace_scope = 2\n" in host.files[OURS]
    assert result["weaker"] == {}


def test_weaker_lines_that_would_win_become_comments_and_no_others(monkeypatch):
    host = machine()
    host.files.update(
        {
            "/etc/sysctl.conf": "vm.swappiness=5\nnet.ipv4.tcp_syncookies=0",
            "/etc/sysctl.d/10-early.conf": "net.ipv4.tcp_syncookies=0\nnet.ipv4.conf.eth0.send_redirects=1\n",
            "/etc/sysctl.d/zzz-late.conf": "net.ipv4.conf.*.accept_redirects = 1\nkernel.kptr_restrict = 2\n",
            "/etc/ufw/sysctl.conf": "net/ipv4/conf/all/log_martians=0\nnet/ipv4/conf/all/rp_filter=1\n",
        }
    )
    host.links["/etc/sysctl.d/99-sysctl.conf"] = "/etc/sysctl.conf"
    _changes, result = run(host, monkeypatch)
    assert result["weaker"] == {
        "/etc/sysctl.conf": ["net.ipv4.tcp_syncookies=0"],
        # In full it would beat our pattern, although it is read earlier; the other line loses by itself.
        "/etc/sysctl.d/10-early.conf": ["net.ipv4.conf.eth0.send_redirects=1"],
        "/etc/sysctl.d/zzz-late.conf": ["net.ipv4.conf.*.accept_redirects = 1"],
        "/etc/ufw/sysctl.conf": ["net/ipv4/conf/all/log_martians=0"],
    }
    assert (
        host.files["/etc/sysctl.conf"].splitlines()[1]
        == "# nself.prod: weaker than %s: net.ipv4.tcp_syncookies=0" % OURS
    )
    assert not run(host, monkeypatch)[0].changed


def test_a_package_that_is_read_later_or_names_an_interface_is_outdone_and_not_edited(monkeypatch):
    host = machine()
    before = {
        "/usr/lib/sysctl.d/zzz-late.conf": "net.ipv4.tcp_syncookies=0\n",
        "/usr/lib/sysctl.d/10-x.conf": "net.ipv4.conf.eth0.rp_filter=0\n",
    }
    host.files.update(before)
    _changes, result = run(host, monkeypatch)
    assert result["file"] == "/etc/sysctl.d/zzz-nself-prod.conf"
    assert "net.ipv4.conf.eth0.rp_filter = 1\n" in host.files[result["file"]]
    assert {path: host.files[path] for path in before} == before


def test_no_name_is_late_enough_for_some():
    with pytest.raises(ChangeError, match="~x.conf is read after any file"):
        name_for({"~x.conf"})


def test_what_the_kernel_lacks_or_refuses_is_told_and_not_written_again(monkeypatch):
    host = machine()
    kernel = FakeKernel(host, {"kernel/sysrq": "read-only"}, {"kernel/kptr_restrict": "the kernel does not take it"})
    changes, result = run(host, monkeypatch, kernel)
    assert result["refused"] == {"kernel.sysrq": "read-only", "kernel.kptr_restrict": "the kernel does not take it"}
    assert "kernel.kexec_load_disabled" in result["absent"]
    assert "-kernel.kexec_load_disabled = 1\n" in host.files[OURS] and "\nkernel.sysrq = 0\n" in host.files[OURS]
    assert "kernel.sysrq" in result["warnings"][0] + result["warnings"][1]
    again, _result = run(host, monkeypatch, kernel)
    assert changes.changed and not again.changed


def test_a_container_sets_its_own_only(monkeypatch):
    host = machine()
    host.files["/run/systemd/container"] = "lxc\n"
    _changes, result = run(host, monkeypatch, settings={"kernel.shmmax": 5, "vm.swappiness": 1})
    assert {"kernel.kptr_restrict", "fs.suid_dumpable", "net.core.bpf_jit_harden", "vm.swappiness"} <= set(
        result["outside"]
    )
    assert not [key for key in result["written"] if not key.startswith("net.")]
    assert "-kernel.shmmax = 5" in host.files[OURS] and "kptr" not in host.files[OURS]


def test_forwarding_is_never_taken_from_docker():
    docker = Machine(forwards="Docker is on this host")
    assert not [key for key in wish(OPTIONS, docker).settings if "forward" in key]
    for options in (
        {"forwarding": "off"},
        {"settings": {"net.ipv4.ip_forward": 0}},
        {"settings": {"net/ipv4/conf/all/forwarding": False}},
    ):
        with pytest.raises(ChangeError, match="Docker is on this host"):
            wish(dict(OPTIONS, **options), docker)
    assert wish(dict(OPTIONS, forwarding="off"), Machine()).settings["net/ipv4/ip_forward"] == Setting("0")


def test_forwarding_is_written_first_since_it_sets_others_back(monkeypatch):
    host = machine()
    kernel = FakeKernel(host)
    run(host, monkeypatch, kernel, forwarding="off")
    assert kernel.order[0] == "net/ipv4/ip_forward"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            {
                "/sys/class/net/br-1/bridge/x": "",
                "/sys/class/net/br-1/brif/v": "",
                "/sys/class/net/br-2/bridge/x": "",
                "/sys/class/net/br-2/brif/w": "",
            },
            "bridges",
        ),
        (
            {
                "/proc/net/route": "Iface\nens3 00000000 01020304 0003 0 0 0 00000000\nens4 00000000 01020304 0003 0 0 0 00000000\n"
            },
            "default routes",
        ),
    ],
)
def test_senders_are_checked_loosely_where_packets_may_come_by_another_way(monkeypatch, found, reason):
    host = machine()
    host.files.update(found)
    _changes, result = run(host, monkeypatch)
    assert result["rp_filter"]["value"] == "2" and reason in result["rp_filter"]["reason"]


def test_routing_rules_make_it_loose_and_dockers_empty_bridge_does_not(monkeypatch):
    host = machine()
    host.files.update(
        {"/sys/class/net/docker0/bridge/x": "", "/sys/class/net/br-1/bridge/x": "", "/sys/class/net/br-1/brif/v": ""}
    )
    assert run(host, monkeypatch)[1]["rp_filter"]["value"] == "1"
    host.commands["ip -4 rule show"] = "0:\tfrom all lookup local\n9:\tfrom all fwmark 0x1 lookup 51820\n"
    assert run(host, monkeypatch)[1]["rp_filter"]["value"] == "2"


def test_the_operators_own_connection_is_not_filtered_away(monkeypatch):
    host = machine()
    host.files["/proc/self/environ"] = "SSH_CONNECTION=192.0.2.9 4242 198.51.100.5 22\0"
    host.commands.update(
        {
            "getent passwd 0": "root:x:0:0::/root:/bin/sh\n",
            "ip -4 -o route get 192.0.2.9": "192.0.2.9 via 10.0.0.1 dev eth1 src 10.0.0.5\n",
            "ip -4 -o addr show": "2: eth0    inet 198.51.100.5/24 scope global eth0\n3: eth1    inet 10.0.0.5/8 scope global eth1\n",
        }
    )
    assert run(host, monkeypatch, check=True)[1]["rp_filter"]["value"] == "2"
    with pytest.raises(ChangeError, match="would drop the connection that Ansible came over"):
        run(host, monkeypatch, rp_filter="1")


def test_a_host_that_forwards_keeps_its_advertised_route(monkeypatch):
    host = machine()
    host.files["/proc/sys/net/ipv6/conf/eth0/forwarding"] = "1\n"
    assert "accept_ra" not in run(host, monkeypatch)[1]["written"]
    route = "%s 00 %s 00 %s 00000400 00000001 00000000 00450003 eth0\n" % ("0" * 32, "0" * 32, "f" * 32)
    host.files["/proc/net/ipv6_route"] = route
    assert "net.ipv6.conf.eth0.accept_ra" in run(host, monkeypatch)[1]["written"]
    host.files["/proc/net/ipv6_route"] = ""
    assert not run(host, monkeypatch)[0].changed


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"kernel sysrq": 1}, "no name of a kernel setting"),
        ({"net/../kernel/sysrq": 1}, "no name of a kernel setting"),
        ({"kernel.sysrq\n": "1\nkernel.x=2"}, None),
        ({"kernel.*": 1}, "only the name of an interface"),
        ({"kernel.sysrq": [1]}, "a number or a text"),
        ({"kernel.sysrq": ""}, "is empty"),
    ],
)
def test_wrong_settings_are_refused(settings, problem):
    if problem is None:
        assert wish(dict(OPTIONS, settings=settings), Machine()).settings["kernel/sysrq"].value == "1 kernel.x=2"
        return
    with pytest.raises(ChangeError, match=problem):
        wish(dict(OPTIONS, settings=settings), Machine())


def test_ipv6_is_not_turned_off_under_whoever_came_over_it():
    with pytest.raises(ChangeError, match="reaches this host over IPv6"):
        wish(dict(OPTIONS, settings={"net.ipv6.conf.all.disable_ipv6": 1}), Machine(over_ipv6=True))


def test_null_leaves_a_setting_alone_and_a_value_is_exact():
    settings = wish(dict(OPTIONS, settings={"kernel.sysrq": None, "kernel.yama.ptrace_scope": 1}), Machine()).settings
    assert "kernel/sysrq" not in settings
    assert not settings["kernel/yama/ptrace_scope"].accepts("2")


def test_a_crash_kernel_goes_on_being_loaded():
    found = wish(OPTIONS, Machine(crash_kernel=True))
    assert "kernel/kexec_load_disabled" not in found.settings and "kernel.kexec_load_disabled" in found.left


def test_the_hosts_end_of_a_containers_cable_is_passed_over(monkeypatch):
    host = machine(("all", "default", "eth0", "veth1"))
    host.files["/sys/class/net/veth1/brport/x"] = ""
    written = run(host, monkeypatch)[1]["written"]
    assert "net.ipv4.conf.eth0.send_redirects" in written and not [key for key in written if "veth1" in key]

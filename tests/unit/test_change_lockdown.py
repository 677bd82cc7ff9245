# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a lockdown lets in, when it is refused, and what its rollback does."""

from __future__ import annotations

import ipaddress
import json

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change import lockdown_host, operator
from ansible_collections.nself.prod.plugins.module_utils.change import lockdown_rules as rules
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.lockdown import Lockdown
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo
from fake_host import FakeHost

LISTING = "table inet nself_prod_lockdown {\n}\n"
ABSENT = Completed(1, "", "Error: No such file or directory\nlist table inet nself_prod_lockdown")
LIST = " ".join(lockdown_host.LIST.split())
ALICE = operator.Operator("alice", "203.0.113.7", 50000, "192.0.2.1", 22)
UNITS = (
    "Id=ssh.service\nMainPID=99\nActiveState=active\n\n"
    "Id=ssh.socket\nActiveState=active\nListen=0.0.0.0:22 (Stream)\nListen=[::]:2222 (Stream)\n"
)


def link(name, kind="", master=None):
    return {"ifname": name, "master": master, "linkinfo": {"info_kind": kind} if kind else None}


LINKS = [
    link("lo"),
    link("eth0"),
    link("eth1", master="br0"),
    link("br0", "bridge"),
    link("docker0", "bridge"),
    link("br-0123456789ab", "bridge"),
    link("veth1", "veth", "br-0123456789ab"),
    link("veth2", "veth", "br0"),
    link("wg0", "wireguard"),
]


def machine(live=ABSENT, links=None, route="eth0", **files):
    """A host on which ssh.socket listens on 22 and 2222."""
    host = FakeHost(
        files={
            "/usr/sbin/nft": "",
            "/proc/self/mountinfo": "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n",
            "/proc/net/route": "Iface Destination\n",
            "/proc/1/status": "Name: systemd\n",
            "/etc/systemd/system/x": "",
            "/var/lib/x": "",
        },
        commands={
            "systemctl": UNITS,
            "ip -d -j link show": json.dumps(LINKS if links is None else links),
            "ip -j route get 203.0.113.7": json.dumps([{"dev": route}]),
            "unshare": LISTING,
            LIST: live,
            "/usr/sbin/nft": "",
        },
    )
    host.files.update(files)
    return host


def locked(host):
    """The same host, with everything in place that a lockdown of these options writes."""
    change = make(host)
    told = Changes(host, check=True)
    change.plan(told)
    for path in [rules.RULES] + [unit[0] for unit in rules.UNITS] + [rules.RECORD]:
        host.files[path] = told.read(path)
        mode = 0o644 if path.startswith("/etc/systemd") else 0o600
        host.stats[path] = FileInfo(mode, 0, 0, 1, 0.0, "file")
    host.commands[LIST] = LISTING
    return host


def make(host, who=ALICE, **params):
    return Lockdown(host, dict({"state": "present", "sources": [], "peers": []}, **params), who)


def dry(change):
    changes = Changes(change.host, check=True)
    change.plan(changes)
    return changes


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_addresses_are_read_as_they_stand_in_packets():
    assert rules.address("::ffff:192.0.2.1") == ipaddress.ip_address("192.0.2.1")
    assert rules.address("fe80::1%eth0") == ipaddress.ip_address("fe80::1")
    found = rules.networks(["2001:db8::/64", "192.0.2.7", " 192.0.2.7 ", "192.0.2.0/24", "::ffff:198.51.100.1"])
    assert [str(network) for network in found] == ["192.0.2.0/24", "198.51.100.1/32", "2001:db8::/64"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("192.0.2.5/24", "its network is 192.0.2.0/24"),
        ("office", "office is no address"),
        ("", "an empty word is no address"),
        ("192.0.2.300", "192.0.2.300 is no address"),
        ("1.2.3.4; accept", "is no address"),
    ],
)
def test_what_is_no_address_is_refused_by_name(text, message):
    with pytest.raises(rules.Unusable, match=message):
        rules.networks([text])


# -- rules -------------------------------------------------------------------------------------------------------------


def chains(text):
    """{chain: its lines}"""
    out, name = {}, None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("chain "):
            name = line.split()[1]
            out[name] = []
        elif name and line != "}":
            out[name].append(line)
    return out


def test_only_the_sources_reach_the_ports_and_get_answers():
    wish = rules.Wish(rules.networks(["192.0.2.0/24", "2001:db8::1"]), (22, 2222), ("docker0",), ())
    found = chains(rules.rules(wish))
    for port in (22, 2222):
        for family, source in (("ip", "192.0.2.0/24"), ("ip6", "2001:db8::1")):
            assert "%s saddr %s tcp dport %d accept" % (family, source, port) in found["arriving"]
            assert "%s daddr %s tcp sport %d accept" % (family, source, port) in found["leaving"]
    accepted = [line for line in found["arriving"] if line.endswith("accept") and "icmp" not in line]
    assert len(accepted) == 4 + 2 + 2  # ssh; loopback and bridge; DHCP
    assert all(
        "policy drop" in found[name][0] and "priority -350" in found[name][0] for name in found if name != "between"
    )
    assert found["between"] == ['oifname "docker0" accept']


def test_peers_are_let_through_and_containers_are_not_let_out():
    wish = rules.Wish(rules.networks(["192.0.2.1"]), (22,), ("docker0", "br-1"), rules.networks(["198.51.100.9"]))
    found = chains(rules.rules(wish))
    assert "ip saddr 198.51.100.9 accept" in found["arriving"]
    assert "ip daddr 198.51.100.9 accept" in found["leaving"]
    assert found["passing"][1:3] == ['iifname "docker0" jump between', 'iifname "br-1" jump between']
    assert not any("accept" in line for line in found["passing"])
    assert "reject" in found["passing"][-1] and "reject" in found["leaving"][-1]


def test_loading_replaces_an_earlier_lockdown_in_one_transaction():
    text = rules.rules(rules.Wish(rules.networks(["192.0.2.1"]), (22,)))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines[:3] == [
        "add table inet nself_prod_lockdown",
        "delete table inet nself_prod_lockdown",
        "table inet nself_prod_lockdown {",
    ]


def test_the_units_never_lift_it():
    assert not any(line.startswith("ExecStop=") for line in rules.SERVICE.splitlines())
    assert all("delete" not in text for _path, text, _mode in rules.UNITS)


# -- reading the host --------------------------------------------------------------------------------------------------


def test_bridges_with_an_interface_of_the_outside_are_no_inner_ones():
    host = machine()
    assert lockdown_host.inside(host, lockdown_host.links(host)) == ("br-0123456789ab", "docker0")


def test_a_bridge_with_the_default_route_is_no_inner_one():
    host = machine()
    host.files["/proc/net/route"] = "Iface\ndocker0 00000000 010011AC 0003 0 0 0 00000000 0 0 0\n"
    assert lockdown_host.inside(host, lockdown_host.links(host)) == ("br-0123456789ab",)


def test_a_bridge_whose_name_could_be_read_as_a_rule_is_left_out():
    host = machine(links=[link('x" accept', "bridge"), link("docker0", "bridge")])
    assert lockdown_host.inside(host, lockdown_host.links(host)) == ("docker0",)


def test_the_ports_are_those_that_are_listened_on_and_the_one_in_use():
    assert lockdown_host.ssh_ports(machine(), None) == (22, 2222)
    assert lockdown_host.ssh_ports(machine(), 2022) == (22, 2022, 2222)


MOUNTS = """\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:50 / /srv/backup rw - nfs4 nas:/backup rw,vers=4.2,addr=198.51.100.9
3 1 0:51 / /srv/pool rw - ceph 198.51.100.8:6789:/ rw
"""


def test_disks_of_the_network_are_seen():
    host = machine()
    host.files["/proc/self/mountinfo"] = MOUNTS
    host.files["/sys/class/iscsi_connection/connection1:0/persistent_address"] = "169.254.0.2\n"
    host.files["/sys/class/nvme/nvme0/transport"] = "pcie\n"
    host.files["/sys/class/nvme/nvme1/transport"] = "tcp\n"
    host.files["/sys/class/nvme/nvme1/address"] = "traddr=198.51.100.7,trsvcid=4420\n"
    host.files["/sys/block/nbd0/size"] = "0"
    assert lockdown_host.remote_disks(host) == [
        ("/srv/backup (nfs4)", "198.51.100.9"),
        ("/srv/pool (ceph)", ""),
        ("an NVMe disk", "198.51.100.7"),
        ("an iSCSI disk", "169.254.0.2"),
    ]


# -- what is refused ---------------------------------------------------------------------------------------------------


def refused(change):
    with pytest.raises(Refused) as caught:
        assert dry(change).changed
        change.preflight()
    return str(caught.value)


def test_sources_without_the_operator_are_refused():
    message = refused(make(machine(), sources=["192.0.2.0/24"]))
    assert (
        message.startswith("the sources (192.0.2.0/24) leave out 203.0.113.7") and "nself_lockdown_sources" in message
    )


def test_an_operator_among_the_peers_is_let_in():
    change = make(machine(), sources=["192.0.2.0/24"], peers=["203.0.113.0/24"])
    assert dry(change).changed
    change.preflight()


def test_a_local_connection_without_sources_is_refused():
    assert "set nself_lockdown_sources" in refused(make(machine(), who=None))


def test_a_local_connection_with_sources_is_not():
    change = make(machine(), who=None, sources=["192.0.2.1"])
    assert dry(change).changed
    change.preflight()


def test_a_wrong_source_is_refused_by_name():
    assert (
        refused(make(machine(), sources=["nonsense"]))
        == "nself_lockdown_sources: nonsense is no address and no network"
    )


def test_an_operator_who_comes_through_a_tunnel_needs_its_other_end():
    assert "through the tunnel wg0" in refused(make(machine(route="wg0")))
    change = make(machine(route="wg0"), peers=["198.51.100.1"])
    dry(change)
    change.preflight()


def test_a_disk_of_the_network_needs_its_server():
    host = machine()
    host.files["/proc/self/mountinfo"] = MOUNTS
    message = refused(make(host, peers=["198.51.100.8"]))
    assert message.startswith("/srv/backup (nfs4) comes over the network from 198.51.100.9")
    assert message.endswith("nself_lockdown_peers")
    change = make(host, peers=["198.51.100.8", "198.51.100.9"])
    dry(change)
    change.preflight()


def test_a_host_without_nft_or_whose_nft_refuses_is_refused():
    host = machine()
    del host.files["/usr/sbin/nft"]
    assert "Install the package nftables" in refused(make(host))
    host = machine()
    host.commands["unshare"] = Completed(1, "", "Error: Operation not supported\n")
    assert "Operation not supported" in refused(make(host))
    host = machine()
    host.commands["/usr/sbin/nft"] = Completed(1, "", "Error: Could not process rule\n")
    assert "Could not process rule" in refused(make(host))


def test_a_host_without_sshd_is_refused():
    host = machine()
    host.commands["systemctl"] = "Id=ssh.service\nActiveState=inactive\n"
    assert "no sshd listens" in refused(make(host, who=None, sources=["192.0.2.1"]))


# -- what is done ------------------------------------------------------------------------------------------------------


def test_a_second_run_has_nothing_to_do():
    assert not dry(make(locked(machine()))).changed


def test_a_later_time_or_another_operator_of_the_same_sources_is_no_change():
    host = machine()
    both = ["203.0.113.0/24"]
    change = make(host, sources=both)
    told = dry(change)
    locked(host)
    for path in (rules.RULES, rules.RECORD):
        host.files[path] = told.read(path)
    host._now += 3600
    bob = operator.Operator("bob", "203.0.113.9", 1, "192.0.2.1", 22)
    assert not dry(make(host, who=bob, sources=both)).changed
    assert json.loads(host.files[rules.RECORD])["by"] == "alice from 203.0.113.7"


@pytest.mark.parametrize("live", [ABSENT, LISTING + "\n# another rule"])
def test_rules_that_were_flushed_or_edited_by_hand_are_loaded_again(live):
    host = locked(machine())
    host.commands[LIST] = live
    found = dry(make(host))
    assert found.changed
    assert "the rules of the lockdown are loaded" in found.result()["diff"][-1]["prepared"]


def test_a_damaged_record_is_written_anew_and_hinders_nothing():
    host = locked(machine())
    host.files[rules.RECORD] = "not JSON"
    assert dry(make(host)).changed


def test_lifting_what_is_not_there_is_no_change():
    assert not dry(make(machine(), state="absent")).changed


def test_lifting_works_where_its_files_were_removed_by_hand():
    found = dry(make(machine(live=LISTING), state="absent"))
    assert found.changed and "are removed" in found.result()["diff"][-1]["prepared"]
    host = locked(machine())
    host.commands[LIST] = ABSENT
    del host.files[rules.UNIT_FILE], host.stats[rules.UNIT_FILE]
    assert dry(make(host, state="absent")).changed


def test_lifting_without_nft_says_what_is_missing():
    host = locked(machine())
    del host.files["/usr/sbin/nft"]
    assert "install the package nftables" in refused(make(host, state="absent"))


def test_the_rollback_removes_the_rules_or_loads_the_earlier_ones():
    fresh = make(machine())
    dry(fresh)
    assert fresh.undo[0] == ["/usr/sbin/nft", rules.REMOVE]
    for state, sources in (("present", ["203.0.113.0/24"]), ("absent", [])):
        again = make(locked(machine()), state=state, sources=sources)
        dry(again)
        assert again.undo == [["/usr/sbin/nft", "-f", rules.RULES]]
    assert rules.RULES in fresh.keep and rules.UNIT_FILE in fresh.keep and rules.RECORD in fresh.keep


def test_what_is_in_force_is_compared_with_what_was_asked_for():
    change = make(machine())
    dry(change)
    change.host.commands[LIST] = LISTING.replace("}", "\tchain x {\n\t}\n}")
    with pytest.raises(Mismatch, match="nft list ruleset"):
        change.verify()
    change.host.commands[LIST] = LISTING
    change.verify()
    lifted = make(machine(live=LISTING), state="absent")
    with pytest.raises(Mismatch, match="still there"):
        lifted.verify()


def test_a_listing_that_fails_for_another_reason_is_no_absence():
    with pytest.raises(ChangeError, match="Operation not permitted"):
        lockdown_host.in_force(machine(live=Completed(1, "", "Operation not permitted (you must be root)")))


# -- connections -------------------------------------------------------------------------------------------------------

CONNECTIONS = """\
0      0      192.0.2.1:22        203.0.113.7:50000
0      0      192.0.2.1:22        198.51.100.66:4444
0      0      [::ffff:192.0.2.1]:80   [::ffff:203.0.113.7]:50001
0      0      192.0.2.1:41000     198.51.100.66:443
0      0      192.0.2.1:41001     198.51.100.9:2049
0      0      127.0.0.1:5432      127.0.0.1:41002
0      0      192.0.2.1:8080      192.0.2.1:41003
0      0      172.18.0.1:41004    172.18.0.2:8080
0      0      [2001:db8::1]:22    [2001:db8::7]:50002
0      0      [fe80::1]%eth0:22   [fe80::2]:50003
"""


def test_only_connections_that_the_rules_cut_are_ended():
    host = machine()
    host.commands["ss"] = CONNECTIONS
    host.commands["ip -4 -j route show"] = json.dumps(
        [
            {"dst": "default", "dev": "eth0"},
            {"dst": "172.18.0.0/16", "dev": "docker0"},
            {"dst": "192.0.2.0/24", "dev": "eth0"},
        ]
    )
    host.commands["ip -6 -j route show"] = "[]"
    wish = rules.Wish(
        rules.networks(["203.0.113.7", "2001:db8::7"]), (22,), ("docker0",), rules.networks(["198.51.100.9"])
    )
    found = lockdown_host.cut_off(host, wish)
    assert found == [
        ("192.0.2.1:22", "198.51.100.66:4444"),
        ("[::ffff:192.0.2.1]:80", "[::ffff:203.0.113.7]:50001"),
        ("192.0.2.1:41000", "198.51.100.66:443"),
    ]
    lockdown_host.end(host, found[:2])
    assert " ".join(host.ran[-1][0]).endswith(
        "established ( src 192.0.2.1:22 and dst 198.51.100.66:4444 ) or ( src [::ffff:192.0.2.1]:80 and dst [::ffff:203.0.113.7]:50001 )"
    )


def test_nothing_is_ended_where_nothing_is_cut():
    host = machine()
    lockdown_host.end(host, [])
    assert host.ran == []

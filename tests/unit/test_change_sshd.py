# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change of sshd: what is written, what is taken out of force, who is refused."""

from __future__ import annotations

import base64
import struct

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change import sshd_daemon, sshd_files, sshd_keys, sshd_wish
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.operator import Operator
from ansible_collections.nself.prod.plugins.module_utils.change.sshd import SshdChange
from ansible_collections.nself.prod.plugins.module_utils.change.tables import sshd as table
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo
from fake_sshd import ED25519, OPTIONS, OTHER, ROW, TABLE, UNITS, sshd_host

DEPLOY = Operator("deploy", "203.0.113.9", 50000, "192.0.2.1", 22)
ROOT = Operator("root", "203.0.113.9", 50000, "192.0.2.1", 22)
CLOUD = "/etc/ssh/sshd_config.d/50-cloud-init.conf"
EARLIER = "/etc/ssh/sshd_config.d/00-0-earlier.conf"
LATER = "/etc/ssh/sshd_config.d/60-later.conf"


def _blob(*parts):
    return base64.b64encode(b"".join(struct.pack(">I", len(part)) + part for part in parts)).decode()


# Its modulus is made up.
WEAK = "ssh-rsa " + _blob(b"ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 256)


def planned(host, operator=DEPLOY, **options):
    """Return (change, changes) after a dry plan."""
    change = SshdChange(host, dict(OPTIONS, **options), operator)
    changes = Changes(host, check=True)
    change.plan(changes)
    return change, changes


def drop_in(changes):
    return changes.read(table.DROP_IN).splitlines()


def settled(host, **options):
    """Return the host as it is after a run."""
    change, changes = planned(host, **options)
    change.preflight()
    for path, text in change.work.tree.files.texts.items():
        host.files[path] = text
        host.stats[path] = FileInfo(0o600, 0, 0, 0, 0.0, "file")
    return host


# -- what is written ---------------------------------------------------------------------------------------------------


def test_the_drop_in_names_who_has_a_key_and_what_the_server_offers():
    change, changes = planned(sshd_host())
    change.preflight()
    lines = drop_in(changes)
    assert "AllowUsers deploy" in lines
    assert "HostKey /etc/ssh/ssh_host_ed25519_key" in lines
    assert "KexAlgorithms mlkem768x25519-sha256,curve25519-sha256" in lines
    assert "PermitRootLogin no" in lines and "PasswordAuthentication no" in lines
    assert not any(line.startswith(("Port", "ListenAddress", "Subsystem")) for line in lines)


def test_a_directive_that_this_openssh_does_not_know_is_left_out():
    lines = drop_in(planned(sshd_host())[1])
    assert not any(line.startswith(("PermitTunnel", "GatewayPorts")) for line in lines)


def test_a_second_run_changes_nothing():
    host = settled(sshd_host())
    _change, changes = planned(host)
    assert not changes.changed, changes.result()


def test_who_comes_later_is_not_let_in_by_itself_and_the_list_is_not_widened():
    host = settled(sshd_host())
    host.files["/home/anna/.ssh/authorized_keys"] = ED25519
    host.files[EARLIER] = "AllowUsers *\n"
    change, changes = planned(host)
    assert "AllowUsers deploy" in drop_in(changes)
    assert changes.read(EARLIER) == "# nself.prod: AllowUsers *\n"


def test_a_limit_of_others_stays_where_the_user_gives_none():
    change, changes = planned(sshd_host({LATER: "AllowGroups staff\n"}))
    change.preflight()
    assert not any(line.startswith("Allow") and "Forwarding" not in line for line in drop_in(changes))
    assert changes.read(LATER) == "AllowGroups staff\n"


def test_given_lists_are_taken_exactly():
    change, changes = planned(sshd_host({LATER: "AllowUsers anna\nDenyUsers bob\n"}), allow_users=["deploy"])
    change.preflight()
    assert "AllowUsers deploy" in drop_in(changes)
    assert changes.read(LATER) == "# nself.prod: AllowUsers anna\nDenyUsers bob\n"


def test_a_sshd_that_has_not_read_its_files_is_reloaded_although_nothing_else_differs():
    host = settled(sshd_host())
    host.stats["/run/sshd.pid"] = FileInfo(0o644, 0, 0, 3, 5.0, "file")
    assert not planned(host)[1].changed
    host.stats[CLOUD] = FileInfo(0o600, 0, 0, 3, 4.0, "file", 6.0)
    _change, changes = planned(host)
    assert changes.changed and "50-cloud-init.conf" in changes.result()["diff"][-1]["prepared"]


def test_files_that_others_may_read_are_closed():
    host = settled(sshd_host())
    host.stats[CLOUD] = FileInfo(0o644, 0, 0, 3, 0.0, "file")
    assert planned(host)[1].result()["diff"][0]["after"].startswith("mode 0600")


def test_old_names_of_keyboard_interactive_are_written_where_sshd_has_them():
    known = sshd_wish.Known({"kbdinteractiveauthentication", "challengeresponseauthentication"}, ALGORITHMS)
    lines = sshd_wish.directives(OPTIONS, known, sshd_wish.Chosen([], [], [], []))
    assert ("ChallengeResponseAuthentication", "no") in lines and ("KbdInteractiveAuthentication", "no") in lines


ALGORITHMS = {
    "kex": ["curve25519-sha256"],
    "key-sig": ["ssh-ed25519"],
    "cipher": ["aes256-ctr"],
    "mac": ["hmac-sha2-512-etm@openssh.com"],
}


@pytest.mark.parametrize(
    "options, words",
    [
        ({"ciphers": ["no-such"]}, "ssh -Q cipher"),
        ({"macs": []}, "macs is empty"),
        ({"max_auth_tries": 0}, "nobody could log in"),
        ({"settings": {"Port": 2222}}, "use ports instead"),
        ({"settings": {"Match": "User x"}}, "no setting"),
        ({"settings": {"Banner": "a\nPermitRootLogin yes"}}, "one line"),
        ({"allow_users": ["a b"]}, "AllowUsers"),
        ({"ports": [70000]}, "70000 is no port"),
        ({"authorized_keys": {"nobody-here": [ED25519]}}, "no user nobody-here"),
        ({"authorized_keys": {"deploy": ["nonsense"]}}, "no public key"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, words):
    with pytest.raises(ChangeError, match=words):
        planned(sshd_host(), **options)


def test_settings_of_the_user_replace_and_take_out_what_is_set_otherwise():
    lines = drop_in(
        planned(sshd_host(), settings={"X11Forwarding": True, "LogLevel": None, "AcceptEnv": ["A", "B"]})[1]
    )
    assert "X11Forwarding yes" in lines and "AcceptEnv A" in lines and "AcceptEnv B" in lines
    assert not any(line.startswith("LogLevel") for line in lines)


# -- what is taken out of force -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, rest",
    [
        ("PasswordAuthentication yes\n", "# nself.prod: PasswordAuthentication yes\n"),
        ("PasswordAuthentication no\n", "PasswordAuthentication no\n"),
        ("Banner /etc/issue\n", "Banner /etc/issue\n"),
        ('"maxauthtries"=10 # why\n', '# nself.prod: "maxauthtries"=10 # why\n'),
        ("ChallengeResponseAuthentication yes\n", "# nself.prod: ChallengeResponseAuthentication yes\n"),
        ("HostKey /etc/ssh/weak\n", "# nself.prod: HostKey /etc/ssh/weak\n"),
        ("HostKey /etc/ssh/ssh_host_ed25519_key\n", "HostKey /etc/ssh/ssh_host_ed25519_key\n"),
        ("Match User anna\n  MaxAuthTries 9\n", "Match User anna\n# nself.prod:   MaxAuthTries 9\n"),
        ("Match User anna\n  MaxAuthTries 2\n", "Match User anna\n  MaxAuthTries 2\n"),
        ("Match User anna\nForceCommand internal-sftp\n", "Match User anna\nForceCommand internal-sftp\n"),
        ("Match all\nPermitRootLogin prohibit-password", "Match all\n# nself.prod: PermitRootLogin prohibit-password"),
    ],
)
def test_what_wins_against_the_drop_in(text, rest):
    change, changes = planned(sshd_host({EARLIER: text}))
    change.preflight()
    assert changes.read(EARLIER) == rest


def test_kept_foreign_settings_are_refused_with_their_place():
    host = sshd_host({EARLIER: "\nPasswordAuthentication yes\n"})
    change, changes = planned(host, foreign_settings="keep")
    assert changes.read(EARLIER).startswith("\nPass")
    with pytest.raises(ChangeError, match=r"passwordauthentication is yes instead of no .*00-0-earlier.conf:2"):
        change.preflight()


@pytest.mark.parametrize(
    "before, after",
    [
        ("# x\nPort 22\n", sshd_files.INCLUDE_LINES + "# x\nPort 22\n"),
        ("Include /etc/ssh/sshd_config.d/*.conf\nPort 22", "Include /etc/ssh/sshd_config.d/*.conf\nPort 22"),
        ("Include sshd_config.d/*.conf\n", "Include sshd_config.d/*.conf\n"),
        (
            "Port 22\nInclude /etc/ssh/sshd_config.d/*.conf\n",
            sshd_files.INCLUDE_LINES + "Port 22\n# nself.prod: Include /etc/ssh/sshd_config.d/*.conf\n",
        ),
        ("Include /etc/other/*.conf\n", sshd_files.INCLUDE_LINES + "Include /etc/other/*.conf\n"),
    ],
)
def test_the_drop_ins_are_included_first_and_once(before, after):
    assert sshd_files.with_include(before) == after
    assert sshd_files.with_include(after) == after


# -- who is refused ------------------------------------------------------------------------------------------------------

KEYS = "/home/deploy/.ssh/authorized_keys"


@pytest.mark.parametrize(
    "files, stats, operator, options, words",
    [
        ({}, {}, DEPLOY, {"allow_users": ["anna"]}, "AllowUsers anna leaves deploy out"),
        ({}, {}, DEPLOY, {"allow_users": ["deploy@198.51.100.1"]}, "leaves deploy out"),
        ({}, {}, DEPLOY, {"allow_groups": ["admins"]}, "AllowGroups admins leaves deploy"),
        ({LATER: "DenyUsers dep*\n"}, {}, DEPLOY, {}, "DenyUsers dep\\* keeps deploy out"),
        ({LATER: "DenyGroups staff\n"}, {}, DEPLOY, {}, "DenyGroups staff keeps deploy out"),
        ({KEYS: None}, {}, DEPLOY, {}, "deploy has no authorized_keys"),
        ({KEYS: "# none\n"}, {}, DEPLOY, {}, "holds no key"),
        ({}, {KEYS: FileInfo(0o664, 1000, 1000, 9, 0.0, "file")}, DEPLOY, {}, "mode 0664; run chmod"),
        ({}, {KEYS: FileInfo(0o600, 33, 33, 9, 0.0, "file")}, DEPLOY, {}, "owned by uid 33"),
        ({}, {"/home/deploy": FileInfo(0o777, 1000, 1000, 9, 0.0, "dir")}, DEPLOY, {}, "/home/deploy has mode 0777"),
        ({}, {}, ROOT, {}, "PermitRootLogin no closes the login of root"),
        ({KEYS: WEAK}, {}, DEPLOY, {"settings": {"RequiredRSASize": 3072}}, "none of the keys"),
        ({LATER: "Match User deploy\nAuthenticationMethods publickey,password\n"}, {}, DEPLOY, {}, "more than a key"),
        ({"/etc/shadow": "deploy:!x:1:\n"}, {}, DEPLOY, {"settings": {"UsePAM": "no"}}, "is locked"),
        ({}, {}, DEPLOY, {"ports": [8080]}, "8080 is taken"),
        ({}, {}, None, {"allow_users": ["anna"]}, "nobody could log in"),
        ({LATER: "Match User deploy\nPubkeyAuthentication no\n"}, {}, DEPLOY, {"foreign_settings": "keep"}, "instead"),
        ({"/sys/fs/selinux/enforce": "1"}, {}, DEPLOY, {"ports": [2222]}, "semanage port -a"),
    ],
)
def test_who_could_not_come_back_is_refused(files, stats, operator, options, words):
    with pytest.raises(ChangeError, match=words):
        planned(sshd_host(files, stats), operator, **options)[0].preflight()


def test_options_of_keys_are_in_no_diff():
    keys = 'environment="TOKEN=s3cret" ' + WEAK + "\n" + ED25519 + "\n"
    _change, changes = planned(sshd_host({KEYS: keys}), weak_user_keys="disable")
    assert changes.read(KEYS).startswith("# ") and "s3cret" not in str(changes.result())
    assert "weak keys" in str(changes.result())


def test_a_command_that_sshd_would_only_now_learn_of_is_refused():
    host = sshd_host({LATER: "Match User deploy\nForceCommand /bin/false\n"})
    host.stats["/run/sshd.pid"] = FileInfo(0o644, 0, 0, 3, 5.0, "file")
    planned(host)[0].preflight()
    host.stats[LATER] = FileInfo(0o600, 0, 0, 3, 4.0, "file", 6.0)
    with pytest.raises(ChangeError, match="forcecommand /bin/false in force for deploy"):
        planned(host)[0].preflight()


@pytest.mark.parametrize(
    "files, options",
    [
        ({}, {"allow_users": ["deploy@203.0.113.0/24"]}),
        ({}, {"allow_groups": ["staff"]}),
        ({KEYS: None, LATER: "TrustedUserCAKeys /etc/ssh/ca.pub\n"}, {}),
        ({KEYS: None}, {"authorized_keys": {"deploy": [ED25519]}}),
        ({KEYS: None}, {"password_authentication": True}),
    ],
)
def test_who_can_come_back_is_not_refused(files, options):
    planned(sshd_host(files), **options)[0].preflight()


def test_a_host_where_nobody_has_a_key_is_refused():
    with pytest.raises(ChangeError, match="no account on this host has a key"):
        planned(sshd_host({KEYS: None}), None)


def test_a_configuration_that_sshd_refuses_already_is_told_of():
    with pytest.raises(ChangeError, match="50-cloud-init.conf:1"):
        planned(sshd_host({CLOUD: 'Banner "open\n'}))


def test_a_host_without_sshd_is_left_alone():
    host = sshd_host()
    del host.commands["sshd"]
    change, changes = planned(host)
    assert not changes.changed and change.extra()["applicable"] is False


# -- ports and how sshd is told --------------------------------------------------------------------------------------------


def test_a_port_move_opens_ufw_and_sends_the_login_there():
    ufw = {"ufw show added": "Added user rules (see 'ufw status' for running firewall):\nufw allow 22/tcp\n"}
    host = sshd_host({"/etc/ufw/ufw.conf": "ENABLED=yes\n", LATER: "Port 22\n"}, extra=ufw)
    change, changes = planned(host, ports=[2222])
    change.preflight()
    assert "Port 2222" in drop_in(changes) and changes.read(LATER) == "# nself.prod: Port 22\n"
    assert change.login_port == 2222
    assert change.undo[0] == ["ufw", "delete", "allow", "2222/tcp"]
    assert change.undo[-1] == ["systemctl", "reload-or-restart", "ssh.service"]
    assert "ufw lets port 2222 through" in changes.result()["diff"][-1]["prepared"]


def test_a_port_that_sshd_has_already_is_no_move():
    change, _changes = planned(sshd_host(), ports=[22])
    change.preflight()
    assert change.login_port is None and change.work.ports.new == []


def test_a_port_that_an_earlier_run_has_set_stays():
    host = sshd_host({table.DROP_IN: "Port 22\nAllowUsers deploy\n"})
    assert "Port 22" in drop_in(planned(host)[1])


def test_an_address_with_another_port_is_told_of():
    change, _changes = planned(sshd_host({LATER: "ListenAddress 192.0.2.1:22\n"}), ports=[2222])
    with pytest.raises(ChangeError, match="60-later.conf:1 lets sshd listen on port 22 besides"):
        change.preflight()


def test_a_sshd_that_is_down_is_started():
    host = settled(sshd_host())
    host.commands["systemctl"] = UNITS.replace("=active", "=failed").replace("MainPID=90", "MainPID=0")
    del host.files["/run/sshd.pid"]
    change, changes = planned(host)
    assert "it is started" in changes.result()["diff"][-1]["prepared"]
    assert change.undo[-1] == ["systemctl", "reload-or-restart", "ssh.service"]


def test_a_socket_unit_is_moved_along():
    units = UNITS.replace("inactive", "active").replace(
        "Id=ssh.socket\n", "Id=ssh.socket\nListen=0.0.0.0:22 (Stream)\nListen=[::]:22 (Stream)\n"
    )
    change, changes = planned(sshd_host(units=units), ports=[2222])
    assert changes.read("/etc/systemd/system/ssh.socket.d/00-nself-prod.conf").endswith(
        "[Socket]\nListenStream=\nListenStream=2222\n"
    )
    assert ["systemctl", "restart", "ssh.socket"] in change.undo
    change, changes = planned(sshd_host(units=units))
    assert change.undo[-1] == ["systemctl", "try-restart", "ssh.service"]


def test_a_socket_keeps_the_addresses_it_is_bound_to():
    text = sshd_daemon.socket_drop_in([("192.0.2.1", 22), ("2001:db8::1", 22)], [2222])
    assert text.endswith("ListenStream=\nListenStream=192.0.2.1:2222\nListenStream=[2001:db8::1]:2222\n")


def test_ports_are_seen_as_taken_by_what_listens():
    host = sshd_host({"/proc/net/tcp": TABLE + ROW % (443, 9)})
    assert sshd_daemon.taken(host, [443, 2222]) == [443]


# -- keys -----------------------------------------------------------------------------------------------------------------


def test_a_host_key_is_made_where_there_is_no_strong_one():
    host = sshd_host({"/etc/ssh/ssh_host_ed25519_key": None, "/etc/ssh/ssh_host_ed25519_key.pub": None})
    change, changes = planned(host)
    assert change.work.new_host_keys == [table.ED25519_KEY]
    assert "make the host key" in changes.result()["diff"][-1]["prepared"]
    assert table.ED25519_KEY in change.keep


def test_a_weak_host_key_that_is_asked_for_is_refused():
    host = sshd_host({"/etc/ssh/w": "x", "/etc/ssh/w.pub": WEAK})
    with pytest.raises(ChangeError, match="/etc/ssh/w holds ssh-rsa 20"):
        planned(host, host_keys=["/etc/ssh/w"])


def test_keys_are_added_once_and_nobodys_are_taken_away():
    wanted = {"deploy": [ED25519, OTHER + " new"]}
    _change, changes = planned(sshd_host({KEYS: ED25519 + " deploy@desk"}), authorized_keys=wanted)
    assert changes.read(KEYS) == "%s deploy@desk\n%s new\n" % (ED25519, OTHER)


def test_root_does_not_write_through_a_link_in_a_home():
    host = sshd_host()
    del host.stats["/home/deploy/.ssh"]
    host.links["/home/deploy/.ssh"] = "/etc"
    with pytest.raises(ChangeError, match="/home/deploy/.ssh is a link"):
        planned(host, authorized_keys={"deploy": [OTHER]})


def test_weak_keys_go_only_where_a_strong_one_stays():
    host = sshd_host({KEYS: WEAK + " old\n" + ED25519 + "\n", "/home/anna/.ssh/authorized_keys": WEAK + "\n"})
    change, changes = planned(host, weak_user_keys="disable")
    assert changes.read(KEYS).startswith("# nself.prod: ssh-rsa")
    assert changes.read("/home/anna/.ssh/authorized_keys") == WEAK + "\n"
    assert change.extra()["weak_user_keys_left"] == ["/home/anna/.ssh/authorized_keys:1"]
    change.preflight()


def test_weak_keys_go_where_strong_ones_come():
    options = {"weak_user_keys": "disable", "authorized_keys": {"deploy": [OTHER]}}
    change, changes = planned(sshd_host({KEYS: WEAK + "\n"}), **options)
    assert changes.read(KEYS) == "# nself.prod: %s\n%s\n" % (WEAK, OTHER)
    change.preflight()


def test_small_groups_go_and_the_file_is_never_left_empty():
    row = "2024 2 6 100 %d 5 ABCD\n"
    text, gone = sshd_keys.large_moduli("# head\n" + row % 2047 + row % 3071, 3071)
    assert (text, gone) == ("# head\n" + row % 3071, 1)
    with pytest.raises(ChangeError, match="would hold no group"):
        planned(sshd_host({"/etc/ssh/moduli": row % 2047}))

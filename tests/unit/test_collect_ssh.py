# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a machine with sshd to facts: who is asked about, what is found, and what is said where something cannot be seen."""

from __future__ import annotations

import base64
import re

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import ssh
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo, HostError
from fake_host import FakeHost
from test_parse_ssh_wire import ED25519, RSA_2048, private_file

PASSWD = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
git:x:110:110::/srv/git:/bin/sh
backup:x:111:111::/var/backups:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
alice:x:1000:1000::/home/alice:/bin/bash
bob:x:1001:1001::/home/bob:/bin/bash
carol:x:1002:1002::/home/carol:/usr/sbin/nologin
"""
GROUP = "root:x:0:\nsudo:x:27:alice\nsftp:x:500:carol\nalice:x:1000:\nbob:x:1001:\ncarol:x:1002:\nssh_keys:x:998:\n"
UNITS = """MainPID=38
Id=ssh.service
ActiveState=active

MainPID=38
Id=ssh.service
ActiveState=active

Listen=[::]:22 (Stream)
Id=ssh.socket
ActiveState=%s

Id=sshd.socket
ActiveState=inactive
"""
DIRECTORY = FileInfo(0o755, 0, 0, 4096, 50.0, "dir")
OPEN_PORT = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:08AE 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 378214 1 000000007cfbcd3e 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 378299 1 000000007cfbcd3e 100 0 0 10 0
   2: 0100007F:08AE 0100007F:EEEE 01 00000000:00000000 00:00000000 00000000     0        0 378214 1 000000007cfbcd3e 100 0 0 10 0
"""
SYSTEMCTL = "systemctl show --property=Id,ActiveState,MainPID,Listen ssh.service sshd.service ssh.socket sshd.socket"


@pytest.fixture(params=["bookworm", "trixie"])
def real(request, root):
    """What a real sshd prints and sends."""
    folder = root / "tests/fixtures/ssh"
    greeting = base64.b64decode((folder / ("greeting_%s.b64" % request.param)).read_text())
    return (folder / ("sshd_T_%s.txt" % request.param)).read_text(), greeting


class Server:
    """An sshd as root of Debian runs it. rules: (regex on the -C specification, setting, value), the first that fits wins."""

    def __init__(self, real, config="", rules=(), **changes):
        self.settings, greeting = real
        self.rules = rules
        files = {
            "/etc/passwd": PASSWD,
            "/etc/group": GROUP,
            "/etc/nsswitch.conf": "passwd: files systemd\ngroup: files systemd\n",
            "/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n" + config,
            "/run/sshd.pid": "38\n",
            "/proc/38/status": "Name:\tsshd\nUid:\t0\t0\t0\t0\n",
            "/proc/38/cmdline": "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0",
            "/proc/38/net/tcp": OPEN_PORT,
            "/etc/ssh/ssh_host_ed25519_key": private_file(base64.b64decode(ED25519.split()[1])),
            "/home/alice/.ssh/authorized_keys": ED25519 + "\n" + RSA_2048 + "\n",
        }
        files.update(changes.pop("files", {}))
        stats = {
            "/run/sshd.pid": FileInfo(0o644, 0, 0, 3, 100.0, "file"),
            "/etc/ssh/sshd_config.d": DIRECTORY,
            "/etc/ssh/ssh_host_ed25519_key": FileInfo(0o640, 0, 998, 400, 1.0, "file"),
        }
        stats.update(changes.pop("stats", {}))
        links = {"/proc/38/fd/0": "/dev/null", "/proc/38/fd/3": "socket:[378214]"}
        commands = {"sshd": self.sshd, SYSTEMCTL: UNITS % "inactive"}
        commands.update(changes.pop("commands", {}))
        peers = changes.pop("peers", {("127.0.0.1", 2222): greeting})
        files = {path: text for path, text in files.items() if text is not None}
        self.host = FakeHost(files, stats, commands, links, peers, **changes)

    def sshd(self, argv, stdin, env):
        text = self.settings
        for pattern, name, value in self.rules:
            if re.search(pattern, argv[-1]):
                text = re.sub("(?m)^%s .*$" % name, "%s %s" % (name, value), text)
        return text

    def facts(self):
        return ssh.collect(self.host, None)

    def asked(self):
        return [argv[-1] for argv, _stdin, _env in self.host.ran if argv[0] == "sshd"]


def named(records):
    return {record["name"]: record for record in records}


def test_a_host_without_sshd():
    assert ssh.collect(FakeHost(), None) == {"state": "absent", "ports": []}


def test_an_ordinary_server(real):
    server = Server(real)
    facts = server.facts()
    assert facts["state"] == "present"
    assert facts["ports"] == [2222]  # where the process listens, whatever the files say
    assert facts["daemon"] == {"mode": "service", "since": 100.0}
    assert facts["offer"]["software"].startswith("OpenSSH_")
    assert "kex-strict-s-v00@openssh.com" in facts["offer"]["kex"]
    assert [file["path"] for file in facts["config"]] == ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d"]
    assert facts["sessions_complete"] is True and facts["users_complete"] is True
    assert len(facts["sessions"]) == 1 and facts["sessions"][0]["root"] is True
    assert facts["sessions"][0]["values"]["passwordauthentication"] == "yes"
    assert len(server.asked()) <= 2  # nothing tells logins apart, so one answer is everybody's
    assert facts["host_keys"] == [
        {
            "path": "/etc/ssh/ssh_host_ed25519_key",
            "mode": 0o640,
            "uid": 0,
            "group": "ssh_keys",
            "key": {"type": "ssh-ed25519", "bits": 256},
        }
    ]


def test_users_and_their_keys(real):
    server = Server(real, files={"/srv/git/.ssh/authorized_keys": RSA_2048})
    users = named(server.facts()["users"])
    # git has a shell and keys, backup has a shell only, carol and nobody have no shell.
    assert set(users) == {"root", "git", "alice", "bob"}
    (file,) = users["alice"]["files"]
    assert [(key["line"], key["type"], key["bits"]) for key in file["keys"]] == [
        (1, "ssh-ed25519", 256),
        (2, "ssh-rsa", 2048),
    ]
    assert [place["path"] for place in file["trail"]] == [
        "/home/alice/.ssh/authorized_keys",
        "/home/alice/.ssh",
        "/home/alice",
    ]
    assert users["bob"]["files"] == []
    assert users["alice"]["allowed"] is True


def test_no_key_material_in_the_facts(real):
    facts = repr(Server(real).facts())
    for line in (ED25519, RSA_2048):
        assert line.split()[1][20:60] not in facts


def test_a_match_block_that_lets_one_user_use_a_password_from_one_network(real):
    config = "Match User alice Address 10.0.0.0/8\n  PasswordAuthentication yes\n"
    rules = [("", "passwordauthentication", "no"), ("user=alice,.*addr=10\\.", "passwordauthentication", "yes")]
    sessions = Server(real, config, rules).facts()["sessions"]
    assert [s["name"] for s in sessions if s["values"]["passwordauthentication"] == "yes"] == ["alice from 10.0.0.0"]
    assert any("a user that does not exist" in s["name"] for s in sessions)


@pytest.mark.parametrize(
    "config, place",
    [
        ("Match Address 8.0.0.0/8,!8.0.0.0/30,!8.255.255.254/31\n", r"addr=8\.0\.0\.4,"),
        ("Match Address 8.0.0.0/30\nMatch Address 8.255.255.254/31\nMatch Address 8.0.0.0/8\n", r"addr=8\.0\.0\.4,"),
        ("Match LocalAddress 192.0.2.0/24,!192.0.2.0/25\n", r"laddr=192\.0\.2\.128,"),
    ],
)
def test_what_a_range_keeps_of_its_exceptions_is_asked(real, config, place):
    rules = [(place, "passwordauthentication", "yes"), ("", "passwordauthentication", "no")]
    rules.reverse()  # the last one that fits wins in this sshd
    sessions = Server(real, config, rules).facts()["sessions"]
    assert any(session["values"]["passwordauthentication"] == "yes" for session in sessions)


def test_a_match_line_that_no_known_address_meets_leaves_the_sessions_incomplete(real):
    facts = Server(real, "Match Address 8.1.*,!8.1.0.0/16\n").facts()
    assert facts["sessions_complete"].reason == "parse_error"


def second_sshd(**files):
    """Return a second sshd, on port 443, started by hand with a file of its own."""
    found = {
        "/proc/77/status": "Name:\tsshd\nUid:\t0\t0\t0\t0\nNSpid:\t77\n",
        "/proc/77/cmdline": "/usr/sbin/sshd\0-D\0-f\0/etc/ssh/x\0",
        "/proc/77/net/tcp": OPEN_PORT.replace(":08AE 00000000", ":01BB 00000000").replace("378214", "378555"),
        "/proc/77/stat": "77 (sshd) S 1 77 77 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 10000 1 1\n",
        "/proc/stat": "cpu 1 2\nbtime 400\n",
        "/etc/ssh/x": "Port 443\nPasswordAuthentication yes\n",
    }
    return dict(found, **files)


def with_second(real, **options):
    server = Server(real, rules=[("", "passwordauthentication", "no")], **options)
    plain = server.host.commands["sshd"]

    def answer(argv, stdin, env):
        text = plain(argv, stdin, env)
        return text.replace("passwordauthentication no", "passwordauthentication yes") if "/etc/ssh/x" in argv else text

    server.host.commands["sshd"] = answer
    server.host.links["/proc/77/fd/3"] = "socket:[378555]"
    return server


def test_every_sshd_that_listens_is_asked(real):
    facts = with_second(real, files=second_sshd()).facts()
    assert facts["ports"] == [443, 2222] and facts["daemon"] == {"mode": "service", "since": 100.0}
    found = {session["name"]: session["values"]["passwordauthentication"] for session in facts["sessions"]}
    assert list(found.values()) == ["no", "yes"] and list(found)[1].endswith(" to the sshd on port 443")
    assert {file["path"]: file["since"] for file in facts["config"]} == {
        "/etc/ssh/sshd_config": 100.0,
        "/etc/ssh/sshd_config.d": 100.0,
        "/etc/ssh/x": 501.0,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"/proc/77/status": "Name:\tsshd\nUid:\t0\t0\t0\t0\nNSpid:\t77\t1\n"},  # in a container
        {"/proc/77/status": "Name:\tsshd\nUid:\t1000\t1000\t1000\t1000\n"},
        {"/proc/77/net/tcp": OPEN_PORT.replace("378214", "1")},  # a session
    ],
)
def test_other_processes_named_sshd_are_no_servers(real, changes):
    assert with_second(real, files=second_sshd(**changes)).facts()["ports"] == [2222]


def test_a_second_sshd_alone_runs_as_a_service(real):
    server = with_second(real, files=second_sshd(**{"/proc/38/status": None}))
    server.host.commands[SYSTEMCTL] = "Id=ssh.service\nActiveState=inactive\nMainPID=0\n"
    facts = server.facts()
    assert facts["ports"] == [443] and facts["daemon"] == {"mode": "service", "since": 501.0}


def test_without_root_a_second_sshd_hides_the_ports_and_a_session_does_not(real):
    closed = {"/proc/77/fd": HostError("needs_root", "/proc/77/fd", "permission denied")}
    commands = {SYSTEMCTL: UNITS % "active"}
    facts = Server(real, files=second_sshd(**closed), commands=commands, euid=1000).facts()
    assert facts["ports"].reason == "needs_root"
    session = dict(closed, **{"/proc/77/cmdline": "sshd: alice [priv]\0"})
    assert Server(real, files=second_sshd(**session), commands=commands, euid=1000).facts()["ports"] == [22]


def test_an_old_file_copied_over_a_drop_in_is_a_change(real):
    stats = {"/etc/ssh/sshd_config": FileInfo(0o600, 0, 0, 9, 50.0, "file", 101.0)}
    facts = Server(real, stats=stats).facts()
    assert facts["config"][0]["changed"] == 101.0 and isinstance(facts["sessions_complete"], Unread)


def test_a_match_block_in_an_included_file_is_found(real):
    rules = [("user=bob,", "maxauthtries", "9")]
    drop_in = {
        "/etc/ssh/sshd_config.d/50-x.conf": "Match User bob\nMaxAuthTries 9\n",
        "/etc/ssh/sshd_config.d/.hidden.conf": "rubbish",
    }
    sessions = Server(real, rules=rules, files=drop_in).facts()["sessions"]
    assert [s["name"] for s in sessions if s["values"]["maxauthtries"] == "9"] == ["bob"]


def test_members_of_a_matched_group_count_even_without_a_shell(real):
    rules = [("user=carol,", "passwordauthentication", "maybe")]
    facts = Server(real, "Match Group sftp\nForceCommand internal-sftp\n", rules).facts()
    assert [s["name"] for s in facts["sessions"] if s["values"]["passwordauthentication"] == "maybe"] == ["carol"]
    assert named(facts["users"])["carol"]["allowed"] is False


def test_ports_and_the_operator_are_asked_where_match_blocks_look_at_them(real):
    config = "Match LocalPort 2222\n  X11Forwarding no\nMatch Address 198.51.100.*\n  X11Forwarding no\n"
    server = Server(real, config, variables={"SSH_CONNECTION": "192.0.2.77 40000 192.0.2.1 2222"})
    server.facts()
    asked = server.asked()
    assert any("addr=192.0.2.77" in spec for spec in asked)
    assert any("addr=198.51.100.1" in spec for spec in asked)
    assert all("lport=2222" in spec for spec in asked[1:])  # but for the plain first question


def test_an_invalid_user_is_told_to_be_one(real):
    server = Server(real, "Match Invalid-User\n  RefuseConnection yes\n")
    server.facts()
    assert any(
        spec.startswith("user=nself-no-such-user,") and spec.endswith(",invalid-user") for spec in server.asked()
    )


def test_many_users_and_origins_are_cut_and_said_to_be(real):
    passwd = PASSWD + "".join("u%d:x:%d:100::/home/u%d:/bin/sh\n" % (n, 2000 + n, n) for n in range(600))
    config = "".join("Match User u%d Address 10.%d.0.0/16\n" % (n, n % 200) for n in range(60))
    server = Server(real, config, files={"/etc/passwd": passwd})
    facts = server.facts()
    assert len(server.asked()) <= 101
    assert isinstance(facts["sessions_complete"], Unread) and facts["sessions"]
    assert isinstance(facts["users_complete"], Unread) and len(facts["users"]) <= 500


@pytest.mark.parametrize(
    "config, reason",
    [
        ("Match Weather sunny\n", "parse_error"),
        ("Match Address 10.0.0.0/99\n", "parse_error"),
        ("Include /etc/ssh/secret\n", "needs_root"),
    ],
)
def test_a_config_that_is_not_understood_leaves_the_sessions_incomplete(real, config, reason):
    files = {"/etc/ssh/secret": HostError("needs_root", "/etc/ssh/secret", "permission denied")}
    facts = Server(real, config, files=files).facts()
    assert isinstance(facts["sessions_complete"], Unread) and facts["sessions_complete"].reason == reason


def test_a_config_newer_than_the_daemon_makes_sshd_t_no_proof(real):
    facts = Server(real, stats={"/etc/ssh/sshd_config": FileInfo(0o600, 0, 0, 9, 101.0, "file")}).facts()
    assert (
        isinstance(facts["sessions_complete"], Unread) and "/etc/ssh/sshd_config" in facts["sessions_complete"].detail
    )
    assert facts["ports"] == [2222]


@pytest.mark.parametrize(
    "files, complete",
    [
        ({"/etc/nsswitch.conf": "passwd: files ldap\n"}, False),
        ({"/etc/nsswitch.conf": "passwd: sss files\n"}, True),
        ({"/etc/nsswitch.conf": "passwd: sss files\n", "/var/lib/sss/pipes/nss": ""}, False),
        ({"/etc/nsswitch.conf": None}, True),
    ],
)
def test_accounts_of_a_directory_cannot_be_listed(real, files, complete):
    facts = Server(real, files=files).facts()
    assert (facts["users_complete"] is True) is complete
    assert facts["sessions_complete"] is True  # no Match block looks at users
    facts = Server(real, "Match Group sftp\n", files=files).facts()
    assert (facts["sessions_complete"] is True) is complete


def test_certificate_authorities_are_keys_too(real):
    rules = [("", "trustedusercakeys", "/etc/ssh/CA.pub")]
    users = named(Server(real, rules=rules, files={"/etc/ssh/CA.pub": RSA_2048}).facts()["users"])
    assert users["certificate authorities"]["files"][0]["keys"][0]["bits"] == 2048
    assert users["certificate authorities"]["allowed"] is False


def test_the_daemon_is_asked_with_its_own_options(real):
    files = {
        "/proc/38/cmdline": "sshd: /usr/sbin/sshd -D -f /etc/ssh/other -o X=y [listener] 0 of 10-100 startups\0",
        "/etc/ssh/other": "Match User bob\n",
    }
    server = Server(real, files=files)
    assert [file["path"] for file in server.facts()["config"]] == ["/etc/ssh/other"]
    assert all(
        argv[:6] == ("sshd", "-T", "-f", "/etc/ssh/other", "-o", "X=y")
        for argv, _i, _e in server.host.ran
        if argv[0] == "sshd"
    )


def test_a_stale_pid_file_that_names_a_users_process_is_not_believed(real):
    files = {
        "/proc/38/status": "Name:\tsshd\nUid:\t1000\t1000\t1000\t1000\n",
        "/proc/38/cmdline": "/tmp/sshd -f /tmp/evil\0",
    }
    server = Server(
        real, files=files, commands={SYSTEMCTL: "Id=ssh.service\nActiveState=inactive\nMainPID=0\n"}, peers={}
    )
    assert server.facts()["daemon"]["mode"] == "stopped"
    assert not any("/tmp/evil" in argv for argv, _i, _e in server.host.ran)


def test_without_a_pid_file_the_start_of_the_process_counts(real):
    files = {
        "/run/sshd.pid": None,
        "/proc/38/stat": "38 (sshd) S 1 38 38 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 167132 1 1\n",
        "/proc/stat": "cpu 1 2\nbtime 1000\n",
    }
    server = Server(real, files=files)
    del server.host.stats["/run/sshd.pid"]
    assert server.facts()["daemon"]["since"] == pytest.approx(1001 + 1671.32)


def test_a_socket_is_asked_before_sshd_and_its_port_counts(real):
    peers = {("127.0.0.1", 22): real[1]}
    server = Server(real, commands={SYSTEMCTL: UNITS % "active"}, peers=peers)
    facts = server.facts()
    assert facts["ports"] == [22] and facts["daemon"]["mode"] == "socket"
    assert facts["offer"]["kex"]


def test_an_idle_socket_has_no_daemon_yet(real):
    units = (UNITS % "active").replace("ActiveState=active\n\nMainPID=38", "ActiveState=inactive\n\nMainPID=0")
    units = units.replace(
        "MainPID=38\nId=ssh.service\nActiveState=active", "MainPID=0\nId=ssh.service\nActiveState=inactive"
    )
    files = {
        "/run/sshd.pid": None,
        "/proc/38/status": None,
        "/etc/default/ssh": '# options\nSSHD_OPTS="-o MaxAuthTries=9"\n',
    }
    server = Server(real, files=files, commands={SYSTEMCTL: units})
    del server.host.stats["/run/sshd.pid"]
    facts = server.facts()
    assert facts["daemon"] == {"mode": "socket", "since": None}
    assert ("-o", "MaxAuthTries=9") == [argv for argv, _i, _e in server.host.ran if argv[0] == "sshd"][0][2:4]


def test_an_ordinary_user_sees_the_wire_and_the_daemon_only(real):
    files = {"/proc/38/fd": HostError("needs_root", "/proc/38/fd", "permission denied")}
    facts = Server(real, files=files, peers={("127.0.0.1", 22): real[1]}, euid=1000).facts()
    for name in ("sessions", "sessions_complete", "users", "users_complete", "host_keys", "ports"):
        assert isinstance(facts[name], Unread) and facts[name].reason == "needs_root", name
    assert facts["offer"]["kex"] and facts["daemon"]["since"] == 100.0
    assert facts["config"][0]["path"] == "/etc/ssh/sshd_config"


def test_without_systemd_the_pid_file_tells(real):
    server = Server(real)
    del server.host.commands[SYSTEMCTL]
    assert server.facts()["daemon"] == {"mode": "service", "since": 100.0}


def test_a_server_that_nothing_knows_of_is_not_called_stopped(real):
    commands = {SYSTEMCTL: "Id=ssh.service\nActiveState=inactive\nMainPID=0\n"}
    server = Server(real, files={"/proc/38/status": None}, commands=commands, peers={("127.0.0.1", 22): real[1]})
    assert isinstance(server.facts()["daemon"]["mode"], Unread)


@pytest.mark.parametrize(
    "answer",
    [
        Completed(255, "", "/etc/ssh/sshd_config line 3: Bad configuration option: Foo\n"),
        Completed(0, "rubbish\n", ""),
        HostError("timeout", "sshd", "no answer within 5 s"),
    ],
)
def test_an_sshd_that_does_not_answer(real, answer):
    facts = Server(real, commands={"sshd": answer}).facts()
    for name in ("sessions", "sessions_complete", "users", "users_complete", "host_keys"):
        assert isinstance(facts[name], Unread), name
    assert facts["ports"] == [2222] and facts["offer"]["kex"]


@pytest.mark.parametrize(
    "greeting",
    [b"", b"220 mail\r\n" * 60, b"SSH-2.0-x\r\n", b"SSH-2.0-x\r\n" + bytes(40), b"SSH-2.0-x\r\n" + b"\xff" * 40],
)
def test_a_peer_that_speaks_no_ssh(real, greeting):
    assert isinstance(Server(real, peers={("127.0.0.1", 2222): greeting}).facts()["offer"], Unread)


def test_an_unreadable_host_key_hides_no_other(real):
    files = {
        "/etc/ssh/ssh_host_rsa_key": "-----BEGIN RSA PRIVATE" + " KEY-----\n",
        "/etc/ssh/ssh_host_rsa_key.pub": RSA_2048,
    }
    keys = {
        key["path"]: key
        for key in Server(real, files=dict(files, **{"/etc/ssh/ssh_host_ecdsa_key": "rubbish"})).facts()["host_keys"]
    }
    assert keys["/etc/ssh/ssh_host_rsa_key"]["key"] == {"type": "ssh-rsa", "bits": 2048}
    assert isinstance(keys["/etc/ssh/ssh_host_ecdsa_key"]["key"], Unread)
    assert keys["/etc/ssh/ssh_host_ed25519_key"]["key"]["bits"] == 256

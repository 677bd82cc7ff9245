# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with an sshd that reads its configuration as the real one does: includes, first value wins, Match blocks override."""

from __future__ import annotations

import os
import shlex

from ansible_collections.nself.prod.plugins.module_utils.change import sshd_files
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import sshd
from fake_host import FakeHost

ADDING = ("port", "hostkey", "allowusers", "allowgroups", "denyusers", "denygroups", "listenaddress")
DEFAULTS = {
    "port": ["22"],
    "hostkey": ["/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ed25519_key"],
    "permitrootlogin": ["without-password"],
    "passwordauthentication": ["yes"],
    "kbdinteractiveauthentication": ["yes"],
    "pubkeyauthentication": ["yes"],
    "usepam": ["yes"],
    "strictmodes": ["yes"],
    "requiredrsasize": ["1024"],
    "authorizedkeysfile": [".ssh/authorized_keys"],
    "pubkeyacceptedalgorithms": ["ssh-ed25519,rsa-sha2-512"],
    "modulifile": ["/etc/ssh/moduli"],
}
KNOWN = (
    "maxauthtries logingracetime allowtcpforwarding clientaliveinterval clientalivecountmax kexalgorithms ciphers macs "
    "hostkeyalgorithms permitemptypasswords x11forwarding maxsessions loglevel"
).split()
PASSWD = (
    "root:x:0:0::/root:/bin/bash\ndeploy:x:1000:1000::/home/deploy:/bin/bash\nanna:x:1001:1001::/home/anna:/bin/bash\n"
)
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICJ6t7nYb8oXyG8YyLRjUHPZ5uPZ1J1s3H8Wm1uFzVQm"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDJ6t7nYb8oXyG8YyLRjUHPZ5uPZ1J1s3H8Wm1uFzVQm"
UNITS = "Id=ssh.service\nActiveState=active\nMainPID=90\nUnitFileState=enabled\n\nId=ssh.socket\nActiveState=inactive\nUnitFileState=disabled\n"
TABLE = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "   0: 00000000:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 %d 1 0\n"


class _Files:
    """Files on the real disk below a folder, as an Overlay reads them."""

    def read(self, path):
        with open(path, encoding="utf-8") as stream:
            return stream.read()

    def stat(self, path, follow=True):
        if not os.path.exists(path):
            raise NotFound("error", path)
        return FileInfo(0o600, 0, 0, 0, 0.0, "dir" if os.path.isdir(path) else "file")

    def listdir(self, path):
        return sorted(os.listdir(path))


def settings(files, path, user):
    """Return what sshd -T would print."""
    found, matched, applies, criteria = {}, {}, True, ()
    for entry in sshd_files.walk(files, [], path):
        if entry.keyword == "match":
            words = shlex.split(entry.value)
            criteria = words[1].split(",") if words[0].lower() == "user" else ("*",)
        elif entry.keyword != "include":
            applies = not entry.in_match or any(sshd.matches(each, user) for each in criteria)
            target = matched if entry.in_match else found
            values = entry.value.split() if entry.keyword in ADDING else [entry.value]
            if applies and (entry.keyword in ADDING or entry.keyword not in target):
                target.setdefault(entry.keyword, []).extend(values)
    out = dict(dict.fromkeys(KNOWN, ["default"]), **DEFAULTS)
    out.update(found)
    out.update(matched)
    return "".join("%s %s\n" % (name, value) for name, values in out.items() for value in values)


def sshd_host(files=None, stats=None, units=UNITS, extra=None):
    """Return a FakeHost with sshd on port 22, the users deploy and anna, and these files besides."""
    every = {
        "/etc/passwd": PASSWD,
        "/etc/group": "root:x:0:\ndeploy:x:1000:\nanna:x:1001:\nstaff:x:50:deploy\n",
        "/etc/shadow": "root:*:1::::::\ndeploy:$y$x:1::::::\nanna:!:1::::::\n",
        "/etc/nsswitch.conf": "passwd: files\n",
        "/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\nSubsystem sftp /usr/lib/sftp-server\n",
        "/etc/ssh/sshd_config.d/50-cloud-init.conf": "PasswordAuthentication yes\n",
        "/etc/ssh/ssh_host_ed25519_key": "secret",
        "/etc/ssh/ssh_host_ed25519_key.pub": ED25519,
        "/home/deploy/.ssh/authorized_keys": ED25519 + " deploy@desk\n",
        "/run/sshd.pid": "90\n",
        "/proc/90/status": "Name:\tsshd\nUid:\t0\t0\t0\t0\nNSpid:\t90\n",
        "/proc/90/cmdline": "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
        "/proc/90/net/tcp": TABLE + ROW % (22, 7),
        "/proc/90/fd/3": "",
        "/proc/net/tcp": TABLE + ROW % (22, 7) + ROW % (8080, 8),
    }
    every.update(files or {})
    every = {path: text for path, text in every.items() if text is not None}
    kinds = {path: FileInfo(0o600, 0, 0, len(text), 0.0, "file") for path, text in every.items() if "/etc/ssh/" in path}
    for name, uid in (("deploy", 1000), ("anna", 1001)):
        for path, kind in (("", "dir"), ("/.ssh", "dir"), ("/.ssh/authorized_keys", "file")):
            if path == "" or "/home/%s/.ssh/authorized_keys" % name in every:
                kinds["/home/%s%s" % (name, path)] = FileInfo(0o700, uid, uid, 0, 0.0, kind)
    kinds.update(stats or {})
    host = FakeHost(every, kinds, links={"/proc/90/fd/3": "socket:[7]"})

    def answer(argv, _stdin, _env):
        user = argv[argv.index("-C") + 1].split(",")[0].partition("=")[2]
        path = argv[argv.index("-f") + 1] if "-f" in argv else ""
        try:
            return settings(_Files() if path else host, path or "/etc/ssh/sshd_config", user)
        except Exception as error:
            return Completed(255, "", str(error))

    host.commands.update(
        {
            "sshd": answer,
            "systemctl": units,
            "ssh -Q kex": "curve25519-sha256\nmlkem768x25519-sha256\ndiffie-hellman-group1-sha1\n",
            "ssh -Q key-sig": "ssh-ed25519\nrsa-sha2-512\nssh-rsa\n",
            "ssh -Q cipher": "aes256-ctr\n3des-cbc\n",
            "ssh -Q mac": "hmac-sha2-512-etm@openssh.com\nhmac-md5\n",
        }
    )
    host.commands.update(extra or {})
    return host


OPTIONS = {
    "ports": [],
    "allow_users": [],
    "allow_groups": [],
    "authorized_keys": {},
    "weak_user_keys": "keep",
    "permit_root_login": "no",
    "password_authentication": False,
    "kbd_interactive_authentication": False,
    "max_auth_tries": 3,
    "login_grace_time": 60,
    "allow_tcp_forwarding": "no",
    "client_alive_interval": 300,
    "client_alive_count_max": 3,
    "kex_algorithms": ["mlkem768x25519-sha256", "not-yet-invented", "curve25519-sha256"],
    "host_key_algorithms": ["ssh-ed25519"],
    "ciphers": ["aes256-ctr"],
    "macs": ["hmac-sha2-512-etm@openssh.com"],
    "host_keys": [],
    "moduli_minimum": 3071,
    "settings": {},
    "foreign_settings": "disable",
}

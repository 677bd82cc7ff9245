# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Offers and keys of SSH that pass, fail, cannot tell, or have no sshd: INFRA-14, INFRA-15."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

ABSENT = {"ssh": {"state": "absent", "ports": []}}
GOOD_OFFER = {
    "kex": ["sntrup761x25519-sha512@openssh.com", "curve25519-sha256", "kex-strict-s-v00@openssh.com"],
    "host_keys": ["ssh-ed25519", "rsa-sha2-512"],
    "ciphers": ["chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr"],
    "macs": ["hmac-sha2-512-etm@openssh.com", "umac-128-etm@openssh.com", "hmac-sha2-256"],
}
BAD_NAMES = {
    "kex": (
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group1-sha1",
        "diffie-hellman-group-exchange-sha1",
        "ecdh-sha2-nistp256",
        "gss-group14-sha1-toWM5Slw5Ew8Mqkay+al2g==",
    ),
    "host_keys": ("ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "ssh-dss", "ecdsa-sha2-nistp256"),
    "ciphers": (
        "3des-cbc",
        "aes256-cbc",
        "arcfour128",
        "blowfish-cbc",
        "cast128-cbc",
        "rijndael-cbc@lysator.liu.se",
        "none",
    ),
    "macs": ("hmac-sha1", "hmac-sha1-etm@openssh.com", "hmac-md5-96", "hmac-ripemd160@openssh.com", "none"),
}


def offered(offer, mode="service"):
    return {"ssh": {"state": "present", "offer": offer, "daemon": {"mode": mode}}}


def seen(offer):
    return {"ssh": {"state": "present", "offer": offer}}


def without_strict(**lists):
    return seen(dict(GOOD_OFFER, kex=["curve25519-sha256"], **lists))


REFUSED = Unread("error", "Connection refused")

RSA = {"type": "ssh-rsa", "bits": 3072}
ED25519 = {"type": "ssh-ed25519", "bits": 256}
SHORT = {"type": "ssh-rsa", "bits": 2048}
ECDSA = {"type": "ecdsa-sha2-nistp256", "bits": 256}
SESSIONS = [{"values": {"authorizedkeyscommand": "none"}}]


def host_key(key=None, mode=0o600, uid=0, group="root"):
    return {"path": "/etc/ssh/key", "mode": mode, "uid": uid, "group": group, "key": key or ED25519}


def trail(uid=1000, mode=0o600):
    file = {"path": "/home/alice/.ssh/authorized_keys", "uid": uid, "mode": mode}
    return [file, {"path": "/home/alice", "uid": 1000, "mode": 0o755}]


SAFE = trail()


def key_file(*keys, trail=None):
    return {
        "path": "/home/alice/.ssh/authorized_keys",
        "keys": [dict(key, line=1) for key in keys],
        "trail": trail or SAFE,
    }


def user(*files):
    return {"name": "alice", "uid": 1000, "files": list(files)}


def keys(host_keys, users, complete=True, sessions=None):
    return {
        "ssh": {
            "state": "present",
            "host_keys": host_keys,
            "users": users,
            "users_complete": complete,
            "sessions": SESSIONS if sessions is None else sessions,
        }
    }


def with_host_key(**how):
    return keys([host_key(**how)], [user(key_file(ED25519))])


def with_file(*given, **how):
    return keys([host_key()], [user(key_file(*given, **how))])


CASES = {
    "INFRA-14": {
        "pass": [seen(GOOD_OFFER), without_strict(ciphers=["aes256-gcm@openssh.com"], macs=["hmac-sha2-256"])],
        "fail": [
            seen(dict(GOOD_OFFER, **{kind: GOOD_OFFER[kind] + [name]}))
            for kind, names in BAD_NAMES.items()
            for name in names
        ]
        + [without_strict(), without_strict(ciphers=["aes128-ctr"]), without_strict(macs=["hmac-sha2-256"])],
        "unknown": [
            offered(REFUSED),
            offered(REFUSED, "socket"),
            offered(REFUSED, Unread("error")),
            seen(dict(GOOD_OFFER, macs=[])),
            seen({}),
        ],
        "not_applicable": [ABSENT, offered(REFUSED, "stopped")],
    },
    "INFRA-15": {
        "pass": [
            keys([host_key(), host_key(RSA, 0o400)], [user(key_file(ED25519, RSA)), user()]),
            keys(
                [host_key(RSA, 0o640, group="ssh_keys")],
                [user(key_file({"type": "sk-ssh-ed25519@openssh.com", "bits": 256}))],
            ),
            # Root's own file in a user's home is as good as the user's.
            with_file(ED25519, trail=trail(uid=0)),
        ],
        "fail": [
            with_host_key(key=SHORT),
            with_host_key(key=ECDSA),
            with_host_key(mode=0o644),
            with_host_key(mode=0o640),
            with_host_key(mode=0o660, group="ssh_keys"),
            with_host_key(uid=1000),
            with_file(ED25519, SHORT),
            with_file(ECDSA),
            with_file({"type": "ssh-dss", "bits": 1024}),
            with_file(ED25519, trail=trail(mode=0o664)),
            with_file(ED25519, trail=trail(uid=1001)),
            keys([host_key(SHORT)], [], complete=Unread("error", "accounts that come from ldap cannot be listed")),
        ],
        "unknown": [
            keys([], [user(key_file(ED25519))]),
            with_host_key(key=Unread("parse_error")),
            with_file({"type": None, "bits": None}),
            keys([host_key()], [dict(user(), files=Unread("error", "stale NFS handle"))]),
            keys([host_key()], [], complete=Unread("error", "accounts that come from ldap cannot be listed")),
            keys([host_key()], [], sessions=[{"values": {"authorizedkeyscommand": "/usr/bin/keys"}}]),
            keys(Unread("needs_root"), Unread("needs_root")),
        ],
        "not_applicable": [ABSENT],
    },
}
# Where a key stands is told only of a weak one.
OPTIONAL = {("INFRA-15", "ssh.users.files.keys.line")}

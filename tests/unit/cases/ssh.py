# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of sshd that pass, fail, cannot tell, or have no sshd: INFRA-05 to INFRA-13, INFRA-16."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

NEEDS_ROOT = Unread("needs_root", "only root can ask sshd for its settings")
ABSENT = [{"ssh": {"state": "absent", "ports": []}}]


def login(name="alice", **values):
    return {"name": name, "values": values}


def tree(*sessions, complete=True, **others):
    return {"ssh": dict({"state": "present", "sessions": list(sessions), "sessions_complete": complete}, **others)}


def cases(good, *bad):
    """Return the cases of a check that judges each login for itself."""
    overlooked = Unread("error", "accounts that come from ldap cannot be listed")
    return {
        "pass": [tree(login(**good)), tree(login("root", **good), login("alice", **good))],
        "fail": [tree(login(**dict(good, **values))) for values in bad]
        + [tree(login("root", **good), login("alice from 10.0.0.1", **dict(good, **bad[0])))]
        # What is known to be wrong is not hidden by what is not known.
        + [tree(login(**dict(good, **bad[0])), complete=overlooked)],
        "unknown": [
            tree(login(**good), complete=overlooked),
            tree(login(**good), complete=False),
            tree(),
            {"ssh": {"state": "present", "sessions": NEEDS_ROOT, "sessions_complete": NEEDS_ROOT}},
        ],
        "not_applicable": ABSENT,
    }


NO_PASSWORDS = {"passwordauthentication": "no", "permitemptypasswords": "no", "kbdinteractiveauthentication": "no"}
PAM = {"kbdinteractiveauthentication": "yes", "usepam": "yes"}

PASSWORDS = cases(
    NO_PASSWORDS,
    {"passwordauthentication": "yes", "authenticationmethods": ["any"]},
    {"passwordauthentication": "yes", "authenticationmethods": []},
    {"passwordauthentication": "yes", "authenticationmethods": ["publickey", "password"]},
    {"permitemptypasswords": "yes"},
    dict(PAM, authenticationmethods=["any"]),
    dict(PAM, authenticationmethods=["publickey,keyboard-interactive", "keyboard-interactive"]),
)
PASSWORDS["pass"] += [
    tree(login(**{**NO_PASSWORDS, "passwordauthentication": "yes", "authenticationmethods": ["publickey"]})),
    tree(login(**{**NO_PASSWORDS, "passwordauthentication": "yes", "authenticationmethods": ["publickey,password"]})),
    tree(login(**{**NO_PASSWORDS, "kbdinteractiveauthentication": "yes", "usepam": "no"})),
    tree(
        login(
            **dict(
                NO_PASSWORDS, authenticationmethods=["publickey,keyboard-interactive:pam"], **{k: "yes" for k in PAM}
            )
        )
    ),
]

ROOT = cases(
    {"permitrootlogin": "no"}, {"permitrootlogin": "without-password"}, {"permitrootlogin": "forced-commands-only"}
)
for _wanted in ("pass", "fail", "unknown"):
    for _tree in ROOT[_wanted]:
        if not isinstance(_tree["ssh"]["sessions"], Unread):
            for _session in _tree["ssh"]["sessions"]:
                _session["root"] = True
ROOT["unknown"].append(tree(dict(login(permitrootlogin="no"), root=False)))

ED25519 = {"path": "/home/alice/.ssh/authorized_keys", "keys": [{"type": "ssh-ed25519"}]}
NO_SOURCE = {"pubkeyauthentication": "yes", "authorizedkeyscommand": "none", "trustedusercakeys": "none"}


def with_users(*users, values=None, users_complete=True):
    return tree(login(**(values or NO_SOURCE)), users=list(users), users_complete=users_complete)


def user(allowed=True, files=(ED25519,)):
    return {"name": "alice", "allowed": allowed, "files": files if isinstance(files, Unread) else list(files)}


KEYED = tree(
    login(pubkeyauthentication="yes"),
    users=[{"name": "alice", "allowed": True, "files": [{"keys": [{"type": "ssh-rsa"}]}]}],
)
PUBKEY = {
    "pass": [KEYED],
    "fail": [
        with_users(user(), values=dict(NO_SOURCE, pubkeyauthentication="no")),
        with_users(user(allowed=False)),
        with_users(user(files=())),
        with_users(user(files=({"path": "/k", "keys": []},))),
        with_users(user(files=({"path": "/k", "keys": [{"type": None}]},))),
        with_users(),
    ],
    "unknown": [
        with_users(user(files=Unread("error", "stale NFS handle"))),
        with_users(users_complete=Unread("error", "accounts that come from ldap cannot be listed")),
        with_users(values=dict(NO_SOURCE, authorizedkeyscommand="/usr/bin/keys")),
        with_users(values=dict(NO_SOURCE, trustedusercakeys="/etc/ssh/ca.pub")),
        {"ssh": {"state": "present", "sessions": NEEDS_ROOT, "users": NEEDS_ROOT}},
    ],
    "not_applicable": ABSENT,
}

FORWARDING = {
    "disableforwarding": "no",
    "allowtcpforwarding": "no",
    "allowstreamlocalforwarding": "no",
    "permittunnel": "no",
    "x11forwarding": "no",
    "allowagentforwarding": "no",
    "clientaliveinterval": "300",
    "clientalivecountmax": "3",
}
IDLE = cases(
    FORWARDING,
    {"allowtcpforwarding": "local"},
    {"allowstreamlocalforwarding": "yes"},
    {"permittunnel": "point-to-point"},
    {"x11forwarding": "yes"},
    {"x11forwarding": "yes", "disableforwarding": "yes"},
    {"allowagentforwarding": "yes"},
    {"clientaliveinterval": "0"},
    {"clientalivecountmax": "0"},
)
STOPPED_AT_ONCE = ("allowtcpforwarding", "allowstreamlocalforwarding", "permittunnel")
AT_ONCE = {name: value for name, value in FORWARDING.items() if name not in STOPPED_AT_ONCE}
IDLE["pass"].append(tree(login(**dict(AT_ONCE, disableforwarding="yes"))))

GRACE = cases({"logingracetime": "60"}, {"logingracetime": "61"}, {"logingracetime": "0"}, {"logingracetime": "-1"})
# No Match block can change it, so the first login speaks for all.
for _wanted in ("pass", "fail"):
    GRACE[_wanted] = [_tree for _tree in GRACE[_wanted] if len(_tree["ssh"]["sessions"]) == 1]
GRACE["unknown"].append(tree(login(logingracetime="soon")))

PORT_22 = {"state": "present", "ports": [22]}
PORT = {
    "pass": [
        {"ssh": {"state": "present", "ports": [2222]}},
        {"ssh": PORT_22, "fail2ban": {"state": "running", "jails": {"sshd": {}}}},
    ],
    "fail": [
        {"ssh": {"state": "present", "ports": [22, 2222]}, "fail2ban": {"state": "running", "jails": {"nginx": {}}}},
        {"ssh": PORT_22, "fail2ban": {"state": "stopped", "jails": {}}},
        {"ssh": PORT_22, "fail2ban": {"state": "absent"}},
    ],
    "unknown": [
        {"ssh": {"state": "present", "ports": []}},
        {"ssh": {"state": "present", "ports": NEEDS_ROOT}, "fail2ban": {"state": "running", "jails": {"sshd": {}}}},
        {"ssh": PORT_22, "fail2ban": {"state": "running", "jails": Unread("needs_root")}},
    ],
    "not_applicable": ABSENT,
}


def config(mode="service", since=200.0, **file):
    entry = dict(
        {"path": "/etc/ssh/sshd_config", "kind": "file", "uid": 0, "mode": 0o600, "changed": 100.0, "since": since},
        **file,
    )
    return {"ssh": {"state": "present", "daemon": {"mode": mode}, "config": [entry]}}


IDLE_SOCKET = config("socket", None)
del IDLE_SOCKET["ssh"]["config"][0]["changed"]  # nobody has read it yet, so its age proves nothing

CASES = {
    "INFRA-05": PASSWORDS,
    "INFRA-06": PUBKEY,
    "INFRA-07": ROOT,
    "INFRA-08": cases({"kbdinteractiveauthentication": "no"}, {"kbdinteractiveauthentication": "yes"}),
    "INFRA-09": cases(
        {"allowusers": ["deploy"], "allowgroups": []},
        {"allowusers": []},
        {"allowusers": ["deploy", "*"]},
        {"allowusers": ["*@*"]},
        {"allowusers": ["?*"]},
        {"allowusers": ["%s*" % letter for letter in "abcdefghijklmnopqrstuvwxyz"]},
        {"allowusers": ["*@0.0.0.0/1", "*@128.0.0.0/1"]},
        {"allowusers": [], "allowgroups": ["*"]},
    ),
    "INFRA-10": cases({"maxauthtries": "3"}, {"maxauthtries": "4"}),
    "INFRA-11": GRACE,
    "INFRA-12": IDLE,
    "INFRA-13": PORT,
    "INFRA-16": {
        "pass": [config(), config(since=100.0), IDLE_SOCKET, config("socket"), config(kind="dir", mode=0o755)],
        "fail": [
            config(changed=201.0),
            config(kind="dir", mode=0o755, changed=201.0),
            config("socket", changed=201.0),
            {"ssh": dict(config()["ssh"], config=[dict(config()["ssh"]["config"][0], mode=0o644)])},
            {"ssh": dict(config()["ssh"], config=[dict(config()["ssh"]["config"][0], mode=0o775, kind="dir")])},
            config(uid=1000),
            config("socket", None, uid=1000),
        ],
        "unknown": [
            config(since=None),
            config(since=Unread("parse_error")),
            {"ssh": dict(config()["ssh"], config=Unread("needs_root"))},
            {"ssh": dict(config()["ssh"], config=[])},
            config(mode=Unread("error")),
        ],
        "not_applicable": ABSENT + [config("stopped", None)],
    },
}
# That a jail runs is told by its name.
OPTIONAL = {("INFRA-13", "fail2ban.jails.sshd")}

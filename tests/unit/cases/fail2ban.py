# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts for the checks of fail2ban."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

NO_ROOT = Unread("needs_root", "fail2ban-client: only root may ask fail2ban")
JOURNAL = {"kind": "journal", "files": [], "matches": ["_SYSTEMD_UNIT=ssh.service", "+", "_COMM=sshd"]}


def log(*files):
    return {"kind": "file", "files": list(files), "matches": []}


def bans(*places, ports=()):
    return [{"places": list(places), "ports": list(ports)}]


BANS = bans("INPUT", ports=["ssh"])


def ssh(state="running", name="sshd", **change):
    jail = dict({"maxretry": 3, "bantime": 3600, "source": JOURNAL, "source_live": True}, **change)
    limits = {
        "findtime": 600,
        "ignoreip": ["127.0.0.0/8", "10.0.0.0/8", "fc00::/7", "host"],
        "ignorecommand": "",
        "actions": BANS,
    }
    return {
        "ssh": {"ports": [22]},
        "fail2ban": {"state": state, "jails": {name: dict(limits, **jail)} if state == "running" else {}},
    }


def two(one, other):
    return {
        "ssh": {"ports": [22]},
        "fail2ban": {
            "state": "running",
            "jails": {"sshd": one["fail2ban"]["jails"]["sshd"], "sshd-2": other["fail2ban"]["jails"]["sshd"]},
        },
    }


MOUNT = {"source": "/opt/nself/logs/nginx", "target": "/var/log/nginx", "rw": True}
FILE = "/opt/nself/logs/nginx/error.log"


def nginx(
    source=None,
    places=("DOCKER-USER",),
    live=True,
    name="nginx-http-auth",
    mounts=(MOUNT,),
    state="running",
    docker_user=True,
    role="nginx",
):
    jail = {
        "source": source or log(FILE),
        "source_live": live,
        "actions": [{"name": "iptables-multiport", "places": list(places)}],
    }
    return {
        "deployment": {"state": "found", "units": [{"role": role, "name": "app_nginx", "mounts": list(mounts)}]},
        "fail2ban": {"state": state, "jails": {name: jail} if name else {}},
        "firewall": {"v4": {"docker_user": docker_user}},
    }


def without_firewall(tree):
    return {name: value for name, value in tree.items() if name != "firewall"}


TO_JOURNAL = {"kind": "journal", "files": [], "matches": ["CONTAINER_NAME=app_nginx"]}

CASES = {
    "INFRA-17": {
        "pass": [
            ssh(),
            ssh(bantime=-1),
            ssh(maxretry=1, bantime=86400),
            ssh(source=log("/var/log/auth.log")),
            ssh(name="gate"),
            ssh(actions=bans("input")),
            ssh(actions=bans("INPUT", ports=["20-30"])),
            two(ssh(maxretry=9), ssh()),
            ssh(name="my.ssh", source=log("/var/log/auth.log")),
        ],
        "fail": [
            ssh("stopped"),
            ssh("absent"),
            ssh(maxretry=4),
            ssh(bantime=600),
            ssh(findtime=1),
            ssh(actions=[]),
            ssh(actions=bans()),
            ssh(actions=bans("INPUT2")),
            ssh(actions=bans("FORWARD")),
            ssh(actions=bans("INPUT", ports=["http", "2222"])),
            ssh(ignoreip=["0.0.0.0/0"]),
            ssh(ignoreip=["::/0"], ignorecommand="/bin/true <ip>"),
            ssh(ignoreip=["8.0.0.0/8"]),
            ssh(ignoreip=["2001::/16"]),
            ssh(ignoreip=["8.0.0.0/9", "20.0.0.0/9"]),
            ssh(source_live=False),
            ssh(source=log(), source_live=False),
            {"ssh": {"ports": [22]}, "fail2ban": {"state": "running", "jails": {}}},
            ssh(name="recidive", source=log("/var/log/fail2ban.log")),
            two(ssh(maxretry=9), ssh(bantime=60)),
        ],
        "unknown": [
            {"fail2ban": NO_ROOT},
            ssh(maxretry=NO_ROOT),
            ssh(bantime=NO_ROOT),
            ssh(ignorecommand="/bin/true <ip>"),
            dict(ssh(), ssh={"ports": NO_ROOT}),
            ssh(source_live=NO_ROOT),
            {"fail2ban": {"state": "running", "jails": NO_ROOT}},
            two(ssh(maxretry=9), ssh(maxretry=NO_ROOT)),
        ],
    },
    "INFRA-18": {
        "pass": [
            nginx(),
            without_firewall(nginx(places=["FORWARD"])),
            without_firewall(nginx(places=["INPUT", "forward"])),
            without_firewall(nginx(TO_JOURNAL, ["route"], mounts=[])),
            nginx(name="web"),
            nginx(mounts=[dict(MOUNT, source="/opt/nself/logs", target="/var/log")]),
            nginx(
                log("/srv/nginx-error.log"),
                mounts=[dict(MOUNT, source="/srv/nginx-error.log", target="/var/log/nginx/error.log")],
            ),
        ],
        "fail": [
            nginx(state="absent", name=""),
            nginx(state="stopped", name=""),
            nginx(name=""),
            nginx(mounts=[]),
            nginx(log("/var/log/nginx/error.log")),
            nginx(live=False),
            nginx(places=["INPUT"]),
            nginx(places=["input"]),
            nginx(places=[]),
            nginx(docker_user=False),
            nginx(mounts=[dict(MOUNT, target="/etc/nginx")]),
            nginx(mounts=[dict(MOUNT, rw=False)]),
            nginx(dict(JOURNAL, matches=["_COMM=nginx"])),
            nginx(log("/opt/nself/logs/nginx-old/error.log")),
        ],
        "unknown": [
            dict(nginx(), fail2ban=NO_ROOT),
            dict(nginx(), deployment=NO_ROOT),
            nginx(docker_user=NO_ROOT),
            nginx(live=NO_ROOT),
            dict(nginx(), deployment={"state": "found", "units": NO_ROOT}),
            nginx(role=NO_ROOT),
        ],
        "not_applicable": [
            {"deployment": {"state": "none"}},
            nginx(role="redis"),
            {"deployment": {"state": "none", "units": []}, "fail2ban": NO_ROOT},
        ],
    },
}
FREE_MAPS = {"jails"}

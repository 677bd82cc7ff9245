# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of updates: INFRA-19 and INFRA-20."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

NO_APT = {"updates": Unread("tool_absent", "apt-config: is not installed")}
SECURITY = {"name": "Debian-Security stable-security", "allowed": True, "age_days": 0.5}


def timer(name, job):
    return {
        "name": name,
        "active": True,
        "enabled": True,
        "next_days": 0.4,
        "service": "loaded",
        "runs": "/usr/lib/apt/apt.systemd.daily " + job,
    }


def timers(**daily):
    return [
        dict(timer("apt-daily.timer", "update"), **daily),
        timer("apt-daily-upgrade.timer", "install"),
    ]


def automatic(**changes):
    good = {
        "installed": True,
        "lists_days": 1.0,
        "upgrade_days": 1.0,
        "left_out": [],
        "timers": timers(),
        "last_run_days": 0.3,
        "archives": [dict(SECURITY)],
    }
    return {"updates": dict(good, **changes)}


def state(container=None, kernel="6.1.0-40-amd64", **changes):
    good = {
        "pending": [],
        "archives": [{"age_days": 0.5}],
        "reboot_required": False,
        "kernels": ["6.1.0-9-amd64", "6.1.0-40-amd64", "6.12.9-cloud-amd64"],
    }
    return {"platform": {"container": container, "kernel": kernel}, "updates": dict(good, **changes)}


def in_container(**changes):
    tree = {"platform": {"container": "docker"}, "updates": {"pending": [], "archives": [{"age_days": 6.9}]}}
    tree["updates"].update(changes)
    return tree


CASES = {
    "INFRA-19": {
        "pass": [automatic(), automatic(upgrade_days=0.0, last_run_days=7.0)],
        "fail": [
            automatic(installed=False),
            automatic(lists_days=None),
            automatic(upgrade_days=None),
            automatic(upgrade_days=30.0),
            automatic(last_run_days=None),
            automatic(last_run_days=7.5),
            automatic(timers=timers(active=False)),
            automatic(timers=timers(enabled=False)),
            automatic(timers=timers()[:1]),
            automatic(timers=timers(service="masked")),
            automatic(timers=timers(next_days=1200.5)),
            automatic(left_out=["libc6", "openssl"]),
            automatic(archives=[]),
            automatic(archives=[dict(SECURITY, allowed=False)]),
            automatic(archives=[dict(SECURITY), dict(SECURITY, age_days=12.0)]),
        ],
        "unknown": [
            NO_APT,
            automatic(timers=Unread("tool_absent", "systemctl: systemd does not run")),
            automatic(timers=timers(runs="/bin/true")),
            automatic(timers=timers(runs="")),
            automatic(timers=timers(next_days=Unread("parse_error", "when a timer fires next is not known"))),
            automatic(last_run_days=Unread("error", "upgrade-stamp is dated in the future")),
            automatic(archives=[dict(SECURITY, age_days=Unread("error", "is dated in the future"))]),
        ],
    },
    "INFRA-20": {
        "pass": [state(), in_container()],
        "fail": [
            state(pending=["openssl"]),
            state(pending=["a", "b", "c", "d", "e", "f"], archives=[{"age_days": 90.0}]),
            state(reboot_required=True),
            state(kernel="6.1.0-9-amd64"),
            in_container(pending=["openssl"]),
        ],
        "unknown": [
            NO_APT,
            # An old list that names nothing proves nothing.
            state(archives=[{"age_days": 8.0}]),
            state(archives=[]),
            in_container(archives=[{"age_days": 0.1}, {"age_days": 40.0}]),
            in_container(pending=Unread("error", "no index of a security archive is on this host")),
        ],
    },
}

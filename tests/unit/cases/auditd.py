# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of the kernel's audit: INFRA-24."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

PATHS = ["/etc/docker", "/usr/bin/dockerd", "/etc/ssh", "/etc/sudoers", "/etc/sudoers.d", "/etc/passwd"]
FOUND = {"state": "found", "directory": "/var/www/nself/shop"}


def watches(*paths, access="aw"):
    return [{"path": path, "access": access} for path in paths]


WATCHED = watches(*PATHS, "/var/www/nself")


def tree(deployment=None, status=None, **changes):
    good = {
        "state": "present",
        "status": dict({"enabled": 1, "pid": 612}, **(status or {})),
        "stopped": False,
        "watches": WATCHED,
        "disk_watches": WATCHED,
        "unloaded": 0,
        "paths": PATHS,
    }
    return {"auditd": dict(good, **changes), "deployment": deployment or FOUND}


CASES = {
    "INFRA-24": {
        "pass": [
            tree(),
            tree(status={"enabled": 2}, watches=watches("/etc", "/usr", "/var/www/nself/shop", access="arwx")),
            tree(
                {"state": "none"},
                paths=["/etc/passwd"],
                watches=watches("/etc/passwd"),
                disk_watches=watches("/etc/passwd"),
            ),
        ],
        "fail": [
            {"auditd": {"state": "absent"}},
            tree(status={"enabled": 0}),
            tree(status={"pid": 0}),
            tree(stopped=True),
            tree(unloaded=3),
            tree(watches=[]),
            tree(watches=WATCHED[1:]),
            tree(watches=WATCHED[:-1] + watches("/var/www/nself", access="a")),
            tree(watches=WATCHED[:-1] + watches("/var/www/nself/shop-old")),
            tree(disk_watches=WATCHED[1:]),
        ],
        "unknown": [
            {"auditd": Unread("timeout", "no answer")},
            tree(status=None, watches=Unread("needs_root", "auditctl: must be root")),
            tree(Unread("needs_root", "docker cannot be asked")),
        ],
        "not_applicable": [{"auditd": {"state": "container"}}],
    }
}

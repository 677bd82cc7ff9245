# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of mandatory access control: INFRA-23."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

NONE = {"state": "none"}
APPARMOR = {"selinux": None, "apparmor": True, "profiles": {"enforce": 30}}
NO_LSM = {"selinux": None, "apparmor": False}
ENFORCING = {"selinux": "enforcing", "apparmor": False}


def tree(lsm, container=None, deployment=None):
    return {"platform": {"container": container}, "lsm": lsm, "deployment": deployment or NONE}


def units(apparmor="docker-default (enforce)", selinux="", seccomp="filter", level="running", state="found"):
    mac = {"apparmor": apparmor, "selinux": selinux, "seccomp": seccomp}
    return {"state": state, "units": [{"name": "shop_postgres", "level": level, "mac": mac}]}


CASES = {
    "INFRA-23": {
        "pass": [
            tree(APPARMOR),
            tree({"selinux": "enforcing"}),
            tree(APPARMOR, deployment=units()),
            tree(ENFORCING, deployment=units("", "system_u:system_r:container_t:s0:c1,c2")),
            tree({"apparmor": True}, "lxc", units()),
        ],
        "fail": [
            tree(NO_LSM),
            tree({"selinux": "permissive", "apparmor": False}),
            tree(dict(APPARMOR, profiles={"enforce": 0, "complain": 12})),
            tree(APPARMOR, deployment=units("unconfined")),
            tree(APPARMOR, deployment=units("docker-default (complain)")),
            tree(APPARMOR, deployment=units("")),
            tree(APPARMOR, deployment=units(seccomp="unconfined")),
            tree(APPARMOR, deployment=units("unconfined", level="rendered")),
            tree(ENFORCING, deployment=units("", "system_u:system_r:spc_t:s0")),
            tree(ENFORCING, deployment=units("", "")),
            tree(NO_LSM, "docker", units("", seccomp="unconfined")),
        ],
        "unknown": [
            tree(dict(APPARMOR, profiles=Unread("needs_root", "permission denied"))),
            tree(APPARMOR, deployment=Unread("needs_root", "docker cannot be asked")),
            tree(APPARMOR, deployment={"state": "ambiguous", "units": []}),
            # What does not run shows no profile yet.
            tree(APPARMOR, deployment=units("", level="rendered")),
            tree(ENFORCING, deployment=units("", "", level="rendered")),
            tree(APPARMOR, deployment=units(seccomp="")),
        ],
        "not_applicable": [tree(NO_LSM, "docker")],
    }
}

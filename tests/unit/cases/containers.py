# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the container checks."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Level

from cases.units import NO_DEPLOYMENT, UNREADABLE, deployment, unit

FULL = {"memory": 256 << 20, "cpu": 0.5, "pids": 100}
ALONE = {"privileged": False, "host_namespaces": [], "devices": []}
DEFAULTS = ["AUDIT_WRITE", "CHOWN", "NET_RAW"]


def one(service="app", role=None, **facts):
    return deployment(unit(service, role, **facts))


def mount(source, rw=False):
    return one(mounts=[{"source": source, "rw": rw}])


def case(good, bad, fact):
    return {
        "pass": good,
        "fail": bad,
        "unknown": [UNREADABLE, one(**{fact: Unread("needs_root", "denied")}), one()],
        "not_applicable": [NO_DEPLOYMENT, deployment()],
    }


CASES = {
    "INFRA-31": case(
        [
            one("app", "", uids=[70]),
            one("nginx", "nginx", uids=[0, 101]),
            one("minio-init", "", uids=[0], level=Level.RENDERED, capabilities=["CHOWN", "FOWNER"]),
        ],
        [
            one("app", "", uids=[0]),
            one("app", "", uids=[0, 1000]),
            one("nginx", "nginx", uids=[0]),
            one("minio-init", "", uids=[0], level=Level.RENDERED, capabilities=["CHOWN", "NET_RAW"]),
            one("minio-init", "", uids=[0], level=Level.RUNNING, capabilities=["CHOWN"]),
            deployment(unit("a", "", uids=[70]), unit("b", "", uids=[0])),
        ],
        "uids",
    ),
    "INFRA-32": case(
        [one(**ALONE)],
        [
            deployment(dict(unit("app", **ALONE), privileged=True)),
            deployment(dict(unit("app", **ALONE), host_namespaces=["pid"])),
            deployment(dict(unit("app", **ALONE), devices=["/dev/kmsg"])),
        ],
        "privileged",
    ),
    "INFRA-33": case(
        [
            one("app", "", capabilities=[]),
            one("postgres", "postgres", capabilities=["CHOWN", "SETUID"]),
            one("minio-init", capabilities=["CHOWN"]),
        ],
        [
            one("app", "", capabilities=["NET_RAW"]),
            one("postgres", "postgres", capabilities=DEFAULTS),
            one("app", "", capabilities=["ALL"]),
        ],
        "capabilities",
    ),
    "INFRA-34": case([one(no_new_privileges=True)], [one(no_new_privileges=False)], "no_new_privileges"),
    "INFRA-35": case([one(readonly_rootfs=True)], [one(readonly_rootfs=False)], "readonly_rootfs"),
    "INFRA-36": case(
        [one(limits=FULL)],
        [one(limits=dict(FULL, **{name: None})) for name in FULL],
        "limits",
    ),
    "INFRA-37": case(
        [
            one(mounts=[]),
            mount("/proc"),
            mount("/opt/nself/nginx", rw=True),
            mount("data", rw=True),
            mount("/etc/localtime"),
        ],
        [
            mount("/var/run/docker.sock"),
            mount("/run/docker.sock", rw=True),
            mount("/"),
            mount("/var/run"),
            mount("/etc", rw=True),
            mount("/etc/ssl/../ssh", rw=True),
            mount("/root/.ssh", rw=True),
        ],
        "mounts",
    ),
}

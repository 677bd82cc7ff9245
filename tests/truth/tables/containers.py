# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container may: one key of the compose file changed at a time, and the container made anew."""

from __future__ import annotations

import json

from truth.mutation import Mutation, fails


def service(name, keys, *checks, where="auth", lean=False, **others):
    change = json.dumps({"services": {where: keys}})
    return Mutation(name, "patch '%s' %s" % (change, where), "unpatch %s" % where, fails(*checks, **others), lean)


MUTATIONS = (
    service("a container runs as root", {"user": "0:0"}, "INFRA-31", lean=True),
    service("a container shares the host's processes", {"pid": "host"}, "INFRA-32"),
    service("a container has a capability too many", {"cap_add": ["SYS_ADMIN"]}, "INFRA-33"),
    service("a container may gain privileges", {"security_opt": ["no-new-privileges:false"]}, "INFRA-34"),
    service("a container may write its root", {"read_only": False}, "INFRA-35"),
    service("a container has no limit of processes", {"pids_limit": -1}, "INFRA-36"),
    service(
        "a container has Docker's socket", {"volumes": ["/var/run/docker.sock:/var/run/docker.sock:ro"]}, "INFRA-37"
    ),
    service("a container without a system call filter", {"security_opt": ["seccomp=unconfined"]}, "INFRA-23"),
    service("a container publishes its port", {"ports": ["0.0.0.0:6380:6379"]}, "NET-25", "INFRA-04"),
)

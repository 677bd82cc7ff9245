# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers against their files, for the check of a current stack."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

# The service is for whoever reads the facts; the name is what the verdict goes by.
OPTIONAL = {("INFRA-39", "stack.containers.service")}


def container(name="app-web-1", **more):
    return dict(
        {
            "service": "web",
            "name": name,
            "state": "running",
            "health": "healthy",
            "restart": "unless-stopped",
            "config": "same",
        },
        **more,
    )


def stack(*containers, absent=()):
    absent = absent if isinstance(absent, Unread) else list(absent)
    return {"deployment": {"state": "found"}, "stack": {"containers": list(containers), "absent": absent}}


CASES = {
    "INFRA-39": {
        "pass": [stack(container()), stack(container(), container("app-db-1", health="none"))],
        "fail": [
            stack(container(), container("app-db-1", config="differs")),
            stack(container(config="gone")),
            stack(container(), absent=["auth"]),
            stack(container(health="unhealthy")),
            stack(container(state="restarting")),
            stack(container(), container("app-db-1", state="exited")),
            stack(container(state="paused", restart="no")),
        ],
        "unknown": [
            stack(container(config=Unread("error", "it was started by docker compose 2.1.0, and 2.2.0 is installed"))),
            stack(),
            stack(container(), absent=Unread("parse_error", "docker compose refuses its files")),
            {"deployment": {"state": "found"}, "stack": Unread("needs_root", "docker: permission denied")},
        ],
        "not_applicable": [
            {"deployment": {"state": "none"}, "stack": {"containers": []}},
            stack(container(state="exited", restart="no")),
        ],
    }
}

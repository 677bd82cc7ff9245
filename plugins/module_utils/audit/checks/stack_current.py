# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the containers run what the files say, and do they run well?"""

from __future__ import annotations

from typing import Any, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import NO_DEPLOYMENT
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, resource, summed, unread

RESTARTS = ("always", "unless-stopped", "on-failure")
CONFIG = {
    "same": "as its files describe it",
    "differs": "started from other files or settings than those that are there now",
    "gone": "its service is no longer in the files",
}


@check(
    "INFRA-39",
    "stack-current",
    "The containers run what the files describe, and are healthy",
    Severity.WARNING,
    "A hardened file protects nothing until its container is made anew, and a service that keeps failing is one that nobody watches.",
    "each container's configuration hash against `docker compose config --hash` of the files it was started from; its state, health check and restart policy",
    "every service has a container that matches its files, runs where its restart policy says so, and is not unhealthy",
    Fix(
        "containers",
        "Run `nself start`, or `docker compose up --detach` with the same env file, and look into the logs of what is not healthy.",
        ("containers_recreate_stale: true",),
        ("the services that differ",),
    ),
    refs=("s:updates",),
)
def stack_current(facts: Any, policy: Any) -> Verdict:
    if facts.read("deployment.state") == "none":
        raise NotApplicable(NO_DEPLOYMENT)
    containers = facts.records("stack.containers")
    if not containers:
        raise Missing("stack.containers", Reason.ERROR, "no container of the deployment exists")
    found = each(containers, lambda item: str(item.read("name")), _judge)
    try:
        found += [resource(service, False, "it has no container") for service in facts.read("stack.absent")]
    except Missing as missing:
        found.append(unread("services without a container", missing))
    return summed("as the files describe, and healthy", found, "no container that is to run")


def _judge(item: Record) -> Tuple[bool, str]:
    state, health, restart = item.read("state"), item.read("health"), item.read("restart")
    if state != "running":
        if restart in RESTARTS:
            return False, "it is %s, and its restart policy is %s" % (state, restart)
        if state in ("exited", "created"):
            raise NotApplicable("it ran once and has ended, or is yet to run")
        return False, "it is %s" % state
    if health not in ("healthy", "none", "starting"):
        return False, "it is %s" % health
    config = item.read("config")
    if config not in CONFIG:
        raise Missing("stack.containers", Reason.PARSE_ERROR, "its configuration is not understood")
    return config == "same", CONFIG[config]


CHECKS = (stack_current,)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks that containers meet on, and whether who answers as auth is what it should be."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Status,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import (
    NO_DEPLOYMENT,
    judge_units,
    of_role,
    truthy,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

INTERNAL = "DOCKER_NETWORK_INTERNAL"
REAL_AUTH = "hasura-auth"


@check(
    "NET-27",
    "network-isolation",
    "Data services are on the project's network only",
    Severity.WARNING,
    "Whoever shares a network with a database reaches every port of it, published or not: another project's container as well as a stranger's.",
    "the engine's networks that the containers of PostgreSQL, Redis, MinIO and MeiliSearch are on, and who else is on them; DOCKER_NETWORK_INTERNAL "
    "of the env files",
    "no container of another project on them, neither the host's network nor the engine's default bridge; internal networks where "
    "DOCKER_NETWORK_INTERNAL is true",
    Fix(
        "containers",
        "Give the data services the project's own network only (networks: in compose), take other containers off it, and let an override say "
        "`internal: true` for it where DOCKER_NETWORK_INTERNAL is meant.",
        ("containers_network_internal",),
        ("postgres", "redis", "minio", "meilisearch"),
    ),
    settings=(INTERNAL,),
    refs=("s:firewall", "D:5.30"),
)
def network_isolation(facts: Any, policy: Any) -> Verdict:
    if facts.read("deployment.state") == "none":
        raise NotApplicable(NO_DEPLOYMENT)
    declared = (facts.read("deployment.settings").get(INTERNAL) or {}).get("value")
    internal = isinstance(declared, str) and truthy(declared)

    def judge(service: Record) -> Tuple[bool, str]:
        if service.read("host"):
            return False, "is on the host's own network"
        bad, names = [], []
        for network in service.records("networks"):
            name = str(network.read("name"))
            names.append(name)
            strangers = network.read("strangers")
            if network.read("default"):
                bad.append("is on the engine's default bridge")
            elif strangers:
                bad.append("shares %s with %s" % (name, ", ".join(strangers[:3])))
            if internal and network.read("internal") is not True:
                bad.append("%s is not internal, though %s is true" % (name, INTERNAL))
        return not bad, ", ".join(bad) or ("is on %s" % ", ".join(names) if names else "is on no network")

    services = facts.records("networks.services")
    if not services:
        raise Missing("networks.services", Reason.ERROR, "no data service runs, so its networks are not known")
    expected = "the project's network only" + (", internal" if internal else "")
    verdict = summed(expected, each(services, lambda item: str(item.read("service")), judge))
    # Where it passes, what is declared is what runs.
    return replace(verdict, effective=declared) if verdict.status == Status.PASS else verdict


@check(
    "AUTH-09",
    "real-auth-service",
    "The auth service is hasura-auth",
    Severity.CRITICAL,
    "A stand-in that was started while the real image could not be pulled signs tokens without any of hasura-auth's checks.",
    "the image that the auth container runs",
    "an image of hasura-auth",
    Fix(
        "auth",
        "Set the auth service's image to nhost/hasura-auth with a version, and recreate the service.",
        ("auth_image",),
        ("auth",),
    ),
)
def real_auth_service(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        image = str(unit.read("image"))
        if not image or image.startswith("sha256:"):
            raise Missing("image", Reason.ERROR, "the image has no name")
        name = re.split(r"[:@]", image.rsplit("/", 1)[-1])[0].lower()
        return name == REAL_AUTH, "runs %s" % image

    return judge_units(of_role(facts, "auth"), "an image named %s" % REAL_AUTH, judge)


CHECKS = (network_isolation, real_auth_service)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that run in several containers: a run keeps as many, and waits for each, not only for the one that is asked afterwards."""

from __future__ import annotations

import collections
import time
from typing import Any, Collection, Dict, Iterable, List, Mapping, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack.compose_files import labels
from ansible_collections.nself.prod.plugins.module_utils.change.stack.health import health
from ansible_collections.nself.prod.plugins.module_utils.change.stack.recreate import ends_by_itself
from ansible_collections.nself.prod.plugins.module_utils.change.stack.stack import project_containers
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import LABEL
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

Model = Mapping[str, Mapping[str, Any]]


def said(service: Mapping[str, Any]) -> int:
    """Return in how many containers a service of the model runs."""
    deploy = service.get("deploy") or {}
    return next((int(count) for count in (service.get("scale"), deploy.get("replicas")) if count is not None), 1)


def keep(stack: Any, services: Sequence[str], model: Model) -> None:
    """Raise Refused where compose would take away containers of a service, since `--scale` made more of them than its files say."""
    if not services:
        return
    ours = ["--filter", "label=%sproject=%s" % (LABEL, stack.project), "--filter", "label=%soneoff=False" % LABEL]
    argv = ["docker", "ps", "--format", '{{.Label "%sservice"}}' % LABEL] + ours
    try:
        done = stack.host.run(argv, timeout=30)
    except HostError as error:
        raise ChangeError("Docker does not answer: %s" % (error.detail or error.reason)) from error
    if done.rc:
        raise ChangeError("Docker does not answer; `systemctl status docker`")
    counted = collections.Counter(done.out.split())
    for name in services:
        if counted[name] > max(1, said(model.get(name) or {})):
            raise Refused(
                "%s runs in %d containers, and its files say %d, so the others would go with this change; write `deploy: {replicas: %d}` "
                "for it into your own part of docker-compose.override.yml. Nothing was changed"
                % (name, counted[name], said(model.get(name) or {}), counted[name])
            )


def settled(stack: Any, services: Sequence[str], model: Model, wait: float, unwell: Collection[str] = ()) -> None:
    """Wait for every container of the services that run in several. unwell: those that were not well before. Raises Mismatch."""
    several = [name for name in services if said(model.get(name) or {}) > 1 and name not in unwell]
    several = [name for name in several if not ends_by_itself(model[name])]
    begun = time.monotonic()
    while several:
        bad = _bad(stack, several)
        if not bad:
            return
        if time.monotonic() - begun > wait or "unhealthy" in bad.values():
            name = sorted(bad)[0]
            raise Mismatch("one of the %d containers of %s is %s" % (said(model[name]), name, bad[name]))
        time.sleep(1)


def left(services: Iterable[str], model: Model) -> List[str]:
    """Return what is to be told of services that were made anew."""
    return [
        "%s runs in %d containers: one of them is asked for the effect, the others only whether they run"
        % (name, said(model[name]))
        for name in services
        if said(model.get(name) or {}) > 1
    ]


def _bad(stack: Any, services: Sequence[str]) -> Dict[str, str]:
    """Return {service: what one of its containers is} of those that are not well."""
    out: Dict[str, str] = {}
    for item in project_containers(stack.host, stack.project):
        name = str(labels(item).get(LABEL + "service"))
        state = item.get("State") or {}
        if name not in services or out.get(name) == "unhealthy":
            continue
        if not state.get("Running") or state.get("Restarting"):
            out[name] = "not running"
        elif health(item) not in ("", "healthy"):
            out[name] = health(item)
    return out

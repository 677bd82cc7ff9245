# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose our files of nginx have to be, so that its workers read who is let in and nobody else does. Numbers as the host counts them."""

from __future__ import annotations

from typing import Any, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_facts import id_map, outside
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import named

WORKER, WORKER_GROUP = "nginx", 101  # as the official images have them


def owner(stack: Any, service: str, configuration: Any) -> Tuple[int, int]:
    """Return (the user that nginx begins as root, the group of its workers). Raises Refused where that cannot be told."""
    root, group = 0, _group(stack, service, configuration)
    if not stack.running(service):
        if _remapped(stack.host):
            raise Refused(
                "Docker gives containers users of their own (userns-remap), and %s does not run, so whose its files have to be cannot be "
                "told: start it with `docker compose up -d %s`, then run again" % (service, service)
            )
        return root, group
    pid = str(((stack.inspect(service) or {}).get("State") or {}).get("Pid") or "")
    found = outside(root, id_map(stack.host, pid, "uid_map")), outside(group, id_map(stack.host, pid, "gid_map"))
    if found[0] is None or found[1] is None:
        raise Refused(
            "%s: its user namespace has no root or no group %d, so nobody could be let in by files of the host; "
            "give Docker's userns-remap a range that has them" % (service, group)
        )
    return found[0], found[1]


def _group(stack: Any, service: str, configuration: Any) -> int:
    """Return the group of nginx's workers as the container counts."""
    user = str(stack.services[service].get("user") or "")
    uid, _colon, gid = user.partition(":")
    if uid not in ("", "0", "root"):
        if gid.isdigit():
            return int(gid)
        name = uid
    else:
        users = named(configuration.tree, "user")
        if users and len(users[-1].args) > 1:
            return _id(stack, service, ["getent", "group", users[-1].args[1]], 2)
        name = users[-1].first if users else WORKER
    return _id(stack, service, ["id", "-g", name], 0)


def _id(stack: Any, service: str, argv: List[str], field: int) -> int:
    if stack.running(service):
        done = stack.exec(service, argv)
        parts = done.out.strip().split(":")
        if done.rc == 0 and len(parts) > field and parts[field].isdigit():
            return int(parts[field])
    return WORKER_GROUP


def _remapped(host: Any) -> bool:
    try:
        done = host.run(["docker", "info", "--format", "{{json .SecurityOptions}}"], timeout=20)
    except HostError:
        return False
    return "name=userns" in done.out

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a broken service can get: every container with no more than what its service needs."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Set

from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    container_facts,
    container_images,
    container_project,
    container_proof,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_service import Services, needs_of
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part, Plan, Replace, ReplaceMap


def _list() -> Dict[str, Any]:
    return {"type": "list", "elements": "str", "default": []}


def _dict() -> Dict[str, Any]:
    return {"type": "dict", "default": {}}


class Containers(Part):
    """Users, capabilities, file systems, limits, logs, privileges, ports, images and networks of every service."""

    name = "containers"
    SPEC = {
        "users": _dict(),
        "capabilities": _dict(),
        "no_new_privileges": {"type": "bool", "default": True},
        "read_only": {"type": "bool", "default": True},
        "read_only_exempt": _list(),
        "tmpfs": _dict(),
        "limits": _dict(),
        "log_opts": {"type": "dict", "default": {"max-size": "10m", "max-file": "3"}},
        "privileged_exempt": _list(),
        "mounts_exempt": _list(),
        "exempt": _list(),
        "disposable": _list(),
        "network_internal": {"type": "bool", "default": False},
        "published_ports": {"type": "list", "elements": "str", "default": ["80", "443"]},
        "pin_images": {"type": "bool", "default": True},
        "pin_newest": {"type": "bool", "default": False},
        "admin_panel": {"type": "str", "choices": ["absent", "keep"], "default": "absent"},
        "dev_services": {"type": "str", "choices": ["unused", "absent", "keep"], "default": "unused"},
        "production": {"type": "bool", "default": True},
        "recreate_stale": {"type": "bool", "default": True},
    }

    def plan(self) -> Plan:
        self._refuse_unknown()
        services: Mapping[str, Dict[str, Any]] = self.stack.services
        plan = Plan()
        roles = {name: self.stack.role(name) for name in services}
        before = container_project.were_out(self.stack.override.roles.get(self.name, ""))
        out, left = container_project.taken_out(
            services, roles, self.options["admin_panel"], self.options["dev_services"], before
        )
        # No run starts what is not there, so what may be back has to be started by hand.
        waiting = sorted(name for name in before & set(services) - out if self.stack.inspect(name) is None)
        if waiting:
            left.append("%s may run again: `nself start` starts it; then run this once more" % ", ".join(waiting))
        plan.left += left
        plan.remove = sorted(out)
        found: Dict[str, Dict[str, Any]] = {
            name: {"profiles": Replace([container_project.OFF])} for name in plan.remove
        }
        kept = [name for name in services if name not in out]
        mine = [name for name in kept if name not in self.options["exempt"]]
        needs = {name: needs_of(name, roles[name], str(services[name].get("image") or "")) for name in mine}
        seen = container_facts.look(self.stack, mine, [name for name in mine if not needs[name].known])
        size, quick = container_facts.machine(self.stack.host), container_facts.knows_start_interval(self.stack.host)
        hardened = Services(self.stack, self.options, plan, seen, size, quick)
        for name in mine:
            item = hardened.fragment(name)
            if item:
                found[name] = item
        for name in self.stack.of("nginx") if out or waiting else []:
            if name in kept:
                # It looks up the names of its sites when it starts, and does not start without one of them.
                hosts = ["%s:127.0.0.1" % other for other in plan.remove + waiting]
                found.setdefault(name, {})["extra_hosts"] = hosts
        plan.left += container_images.summed(hardened.floating)
        plan.fragment = {"services": found} if found else {}
        if self.options["network_internal"]:
            self._separate(plan, roles, out)
        if self.options["recreate_stale"]:
            plan.recreate = kept
        plan.used = sorted(hardened.used)
        self.wanted = found
        return plan

    def _refuse_unknown(self) -> None:
        """Raise Refused where an option names a service that is not there: a typing error must not leave one open."""
        for option in ("users", "capabilities", "tmpfs", "limits"):
            unknown = sorted(set(self.options[option]) - set(self.stack.services))
            if unknown:
                raise Refused(
                    "containers_%s names %s, which this deployment does not have; its services are %s"
                    % (option, ", ".join(unknown), ", ".join(sorted(self.stack.services)))
                )

    # -- all of them -------------------------------------------------------------------------------------------------

    def _separate(self, plan: Plan, roles: Mapping[str, str], out: Set[str]) -> None:
        fragment, left = container_project.networks(self.stack.services, roles, sorted(out))
        plan.left += left
        mine = plan.fragment.setdefault("services", {})
        for name, item in fragment["services"].items():
            mine.setdefault(name, {}).update(item)
        plan.fragment["networks"] = fragment["networks"]
        cut = [
            name
            for name, item in self.stack.services.items()
            if isinstance(fragment["services"].get(name, {}).get("networks"), (Replace, ReplaceMap))
            and item.get("ports")
        ]
        if cut:
            plan.left.append(
                "the ports that %s publish on this host lead nowhere, since their network is internal; go through `docker exec`"
                % ", ".join(cut)
            )

    def verify(self) -> None:
        """Ask the kernel about every process, not the engine about what it was told."""
        self.stack.refresh()
        units = container_proof.units(self.stack, list(self.wanted))
        for name, item in self.wanted.items():
            problem = container_proof.differs(item, units[name]) if name in units else ""
            if problem:
                raise Mismatch("%s %s" % (name, problem))

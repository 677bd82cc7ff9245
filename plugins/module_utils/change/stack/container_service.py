# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One service with no more than what it needs: its part of the override, and what is left to say of it."""

from __future__ import annotations

import posixpath
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.containers import danger_of
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.container_capabilities import INIT, NEEDED
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    container_files,
    container_images,
    container_limits,
    container_ports,
    container_project,
    container_users,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_facts import Seen
from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_users import Identity
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import RESET, Plan, Replace, literal
from ansible_collections.nself.prod.plugins.module_utils.change.tables import container_needs as table
from ansible_collections.nself.prod.plugins.module_utils.change.tables.container_needs import Needs
from ansible_collections.nself.prod.plugins.module_utils.deployment.compose import no_new_privileges


class Services:
    """The services of a deployment. options: the role's; plan: takes what is left to say, and the folders that change hands.

    seen: what each container does; size: the host's (MiB of memory, processors); quick: the engine knows start_interval.
    floating: why an image is not pinned; used: the guide's settings that are followed.
    """

    def __init__(
        self,
        stack: Any,
        options: Mapping[str, Any],
        plan: Plan,
        seen: Mapping[str, Seen],
        size: Tuple[int, int],
        quick: bool = False,
    ) -> None:
        self.stack, self.options, self.plan = stack, options, plan
        self.seen, self.size, self.quick = seen, size, quick
        self.floating: Dict[str, str] = {}
        self.used: Set[str] = set()
        info = stack.host.stat(stack.directory)
        self.project = (str(stack.directory), (info.uid, info.gid))

    def fragment(self, name: str) -> Dict[str, Any]:
        """Return what a service is to be like; {} where it is left as it is."""
        role = self.stack.role(name)
        model, seen, needs = (
            self.stack.services[name],
            self.seen[name],
            needs_of(name, role, str(self.stack.services[name].get("image") or "")),
        )
        identity = container_users.decide(name, model, needs, seen, _text(self.options["users"], name), self.project)
        limits, told = self._limits(name, role, model, needs, seen)
        files = container_files.decide(
            needs,
            model,
            seen,
            [str(entry) for entry in self.options["tmpfs"].get(name) or []],
            self.options["read_only"] and name not in self.options["read_only_exempt"],
            identity.numbers(seen),
            max(16, int(limits["memory"]) // 2),
        )
        if files.kept and name not in self.options["disposable"]:
            self._left_alone(name, model, files.kept)
            return {}
        if identity.left:
            self.plan.left.append(identity.left)
        item: Dict[str, Any] = {}
        if identity.user:
            item["user"] = identity.user
        self._hand_over(identity)
        item.update(self._privileges(name, role, model, needs, identity))
        self._files(name, files, item)
        item.update(
            container_limits.fragment(
                model,
                {
                    kind: value
                    for kind, value in limits.items()
                    if kind not in container_limits.present(model) or kind in told
                },
            )
        )
        if seen.log in ("", "json-file") and not model.get("logging"):
            item["logging"] = {
                "driver": "json-file",
                "options": {key: str(value) for key, value in self.options["log_opts"].items()},
            }
        test = (model.get("healthcheck") or {}).get("test")
        if self.quick and test and not model["healthcheck"].get("start_interval"):
            # Otherwise Docker first asks after a whole interval, and whoever waits for the service waits as long.
            item["healthcheck"] = {"start_interval": "1s"}
            if not model["healthcheck"].get("start_period"):
                item["healthcheck"]["start_period"] = "30s"
        command = container_project.without_arguments(
            (self.stack.raw.get(name) or {}).get("command"),
            model.get("environment") or {},
            table.ARGUMENTS.get(role, {}),
        )
        if command is not None:
            item["command"] = command
        self._ports(name, model, item)
        self._image(name, model, item)
        self._environment(name, model, needs, identity, item)
        self._mounts(name, model)
        return item

    def _hand_over(self, identity: Identity) -> None:
        uid, gid = (int(word) for word in identity.user.split(":")) if identity.folders else (0, 0)
        for folder in identity.folders:
            self.plan.folders.append((posixpath.relpath(folder, self.stack.directory), 0o755, uid, gid))

    def _left_alone(self, name: str, model: Mapping[str, Any], kept: Sequence[str]) -> None:
        """Say why a service is left as it is, and what that leaves open."""
        self.plan.left.append(
            "%s is left as it is: it keeps %s in its container, which is lost when that is made anew; mount a volume there, or name "
            "the service in containers_disposable" % (name, _some(kept))
        )
        self._tell_privileges(name, model)
        self._mounts(name, model)
        public = [str(port) for port in self.options["published_ports"]]
        if container_ports.bound(name, model.get("ports") or [], [], public)[0]:
            self.plan.left.append("%s publishes ports on every address" % name)

    def _tell_privileges(self, name: str, model: Mapping[str, Any]) -> None:
        if name in self.options["privileged_exempt"]:
            return
        found = ["is privileged"] if model.get("privileged") else []
        found += [
            "shares the host's %s namespace" % key
            for key, option in table.HOST_NAMESPACES
            if model.get(option) == "host"
        ]
        found += ["has devices of the host"] if model.get("devices") else []
        if found:
            self.plan.left.append(
                "%s %s: take that out of its file, or name the service in containers_privileged_exempt and in the audit's policy"
                % (name, ", ".join(found))
            )

    def _privileges(
        self, name: str, role: str, model: Mapping[str, Any], needs: Needs, identity: Identity
    ) -> Dict[str, Any]:
        out: Dict[str, Any] = {}
        exempt = name in self.options["privileged_exempt"]
        if needs.unprivileged and not exempt:
            if model.get("privileged"):
                out["privileged"] = False
            if model.get("devices"):
                out["devices"] = Replace()
            if model.get("pid") == "host":
                out["pid"] = RESET
            if out and needs.loses:
                self.plan.left.append(
                    "%s goes without its privileges now, and so without %s; name it in containers_privileged_exempt to have them back"
                    % (name, needs.loses)
                )
        self._tell_privileges(name, {key: value for key, value in model.items() if key not in out})
        if model.get("privileged") and "privileged" not in out:
            return out  # capabilities are all there, and what confines others does not confine it
        out["cap_drop"] = ["ALL"]
        granted = self._capabilities(name, role, model, needs, identity)
        if granted or model.get("cap_add"):
            out["cap_add"] = Replace(granted)
        out.update(self._security(model, exempt))
        return out

    def _capabilities(
        self, name: str, role: str, model: Mapping[str, Any], needs: Needs, identity: Identity
    ) -> List[str]:
        given = self.options["capabilities"].get(name)
        if given is not None:
            return sorted({_capability(item) for item in given})
        asked = {_capability(item) for item in model.get("cap_add") or []}
        allowed: Set[str] = set(INIT) if needs is table.INIT else set(NEEDED.get(role, ()))
        # Who is not root from the beginning has no use for any.
        granted = allowed if identity.root else set()
        if identity.drops and not granted:
            granted = {"CHOWN", "SETGID", "SETUID"}
        if asked - granted:
            self.plan.left.append(
                "%s keeps %s, which its file asks for; say in containers_capabilities what it needs"
                % (name, ", ".join(sorted(asked - granted)))
            )
        return sorted(granted | asked)

    def _security(self, model: Mapping[str, Any], exempt: bool) -> Dict[str, Any]:
        there = [str(item) for item in model.get("security_opt") or []]
        wanted = [item for item in there if exempt or not item.replace(":", "=").endswith("=unconfined")]
        if self.options["no_new_privileges"] and not no_new_privileges(wanted):
            wanted = [item for item in wanted if not item.lower().startswith("no-new-privileges")]
            wanted.append("no-new-privileges:true")
        return {"security_opt": Replace(wanted)} if wanted != there else {}

    def _files(self, name: str, files: container_files.Files, item: Dict[str, Any]) -> None:
        if files.read_only and not self.stack.services[name].get("read_only"):
            item["read_only"] = True
        if files.tmpfs:
            item["tmpfs"] = ["%s:%s" % (path, options) if options else path for path, options in files.tmpfs.items()]
        if files.kept:
            item["labels"] = {container_files.LABEL: literal(" ".join(files.places))}
            self.plan.left.append(
                "%s can still change its own files, for it writes %s: say in containers_tmpfs what may be in memory only"
                % (name, _some(files.kept))
            )

    # -- limits ------------------------------------------------------------------------------------------------------

    def _limits(
        self, name: str, role: str, model: Mapping[str, Any], needs: Needs, seen: Seen
    ) -> Tuple[Dict[str, float], Set[str]]:
        """Return (the limits of a service, the kinds of those that somebody gave)."""
        given = self.options["limits"].get(name) or {}
        unknown = sorted(set(given) - set(container_limits.KINDS))
        if unknown:
            raise Refused(
                "containers_limits of %s takes %s, not %s"
                % (name, ", ".join(container_limits.KINDS), ", ".join(unknown))
            )
        out = container_limits.defaults(needs, self.size, seen)
        told: Set[str] = set()
        for kind, (setting, value) in container_limits.declared(name, [role], self.stack.variables).items():
            if kind in given:
                continue
            try:
                out[kind] = container_limits.parse(kind, value, self.size)
            except container_limits.LimitError as error:
                # What an env file says stops nobody.
                self.plan.left.append("%s of the env files is not followed: %s" % (setting, error))
                continue
            told.add(kind)
            self.used.add(setting)
        for kind, value in given.items():
            try:
                out[kind] = container_limits.parse(kind, value, self.size)
            except container_limits.LimitError as error:
                raise Refused("the limit of %s that is asked for cannot be: %s" % (name, error)) from None
        return out, told | set(given)

    # -- what others see of it ---------------------------------------------------------------------------------------

    def _ports(self, name: str, model: Mapping[str, Any], item: Dict[str, Any]) -> None:
        raw = (self.stack.raw.get(name) or {}).get("ports") or []
        ports, left = container_ports.bound(
            name, model.get("ports") or [], raw, [str(port) for port in self.options["published_ports"]]
        )
        self.plan.left += left
        if ports is not None:
            item["ports"] = Replace(ports)

    def _image(self, name: str, model: Mapping[str, Any], item: Dict[str, Any]) -> None:
        if not self.options["pin_images"] or model.get("build"):
            return
        wanted = str(model.get("image") or "")
        container = self.stack.inspect(name) or {}
        made_from = str((container.get("Config") or {}).get("Image") or "")
        image = self.stack.image(name)
        if self.options["pin_newest"] or not made_from:
            made_from, image = "", container_images.inspect(self.stack.host, wanted)
        pinned, left = container_images.pinned(wanted, made_from, image)
        if pinned:
            item["image"] = pinned
        if left:
            self.floating[name] = left

    def _environment(
        self, name: str, model: Mapping[str, Any], needs: Needs, identity: Identity, item: Dict[str, Any]
    ) -> None:
        environment = model.get("environment") or {}
        out: Dict[str, str] = {}
        if (needs.home or (not needs.known and identity.user)) and not environment.get("HOME"):
            out["HOME"] = "/tmp"
        if self.options["production"]:
            changes, stay = container_project.production(environment)
            out.update(changes)
            for setting in stay:
                self.plan.left.append(
                    "%s does not run in production: with %s it refuses a master key of less than %d bytes; give it a longer one"
                    % (name, setting, container_project.MEILI_KEY)
                )
        if out:
            item["environment"] = out

    def _mounts(self, name: str, model: Mapping[str, Any]) -> None:
        if name in self.options["mounts_exempt"]:
            return
        for volume in model.get("volumes") or []:
            if not isinstance(volume, Mapping) or volume.get("type") != "bind":
                continue
            danger = danger_of(
                Record({"source": str(volume.get("source") or ""), "rw": not volume.get("read_only"), "bind": True})
            )
            if danger:
                self.plan.left.append(
                    "%s mounts %s: it does not work without; take the service out, or name it in containers_mounts_exempt and in the "
                    "audit's policy" % (name, danger)
                )


def needs_of(name: str, role: str, image: str) -> Needs:
    """Return what a service needs, by its role, its name, or what its image is called."""
    if name.endswith("-init"):
        return table.INIT
    for word in (role, name, image.partition("@")[0].rpartition("/")[2].partition(":")[0]):
        for needs in table.NEEDS:
            if word and word in needs.names:
                return needs
    return table.UNKNOWN


def _text(values: Mapping[str, Any], name: str) -> Optional[str]:
    return str(values[name]) if name in values else None


def _some(paths: Sequence[str]) -> str:
    more = " and %d more" % (len(paths) - 3) if len(paths) > 3 else ""
    return ", ".join(paths[:3]) + more


def _capability(name: Any) -> str:
    text = str(name).upper()
    return text[4:] if text.startswith("CAP_") else text

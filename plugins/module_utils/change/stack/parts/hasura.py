# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role hasura: what the engine is told stands as literal values in the override, so it holds however the stack is started.

Permissions are the one thing of its metadata that is ever changed, and only those that are given.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch
from ansible_collections.nself.prod.plugins.module_utils.change.stack import hasura_permissions as permissions
from ansible_collections.nself.prod.plugins.module_utils.change.stack import hasura_secret as secret
from ansible_collections.nself.prod.plugins.module_utils.change.stack import hasura_settings as settings
from ansible_collections.nself.prod.plugins.module_utils.change.stack import reach
from ansible_collections.nself.prod.plugins.module_utils.change.stack.hasura_api import Engine
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part, Plan, Replace, literal
from ansible_collections.nself.prod.plugins.module_utils.change.tables import hasura as table
from ansible_collections.nself.prod.plugins.module_utils.deployment.hasura_flags import with_flags
from ansible_collections.nself.prod.plugins.module_utils.parse.hasura_metadata import (
    EVERY_COLUMN,
    permissions_of,
)

START_SECONDS = 60.0  # that an engine may take until it answers
_APIS = table.VARIABLES["enabled_apis"]
CLI_CONFIG = "hasura/config.yaml"  # of the hasura CLI, which may hold the admin secret


class Hasura(Part):
    """See Part."""

    name = "hasura"
    SPEC = {
        "console_enabled": {"type": "bool", "default": False},
        "dev_mode": {"type": "bool", "default": False},
        "telemetry_enabled": {"type": "bool", "default": False},
        "allowlist_enabled": {"type": "bool"},
        "enabled_apis": {"type": "list", "elements": "str", "choices": table.APIS, "default": ["graphql", "metadata"]},
        "cors_domains": {"type": "list", "elements": "str"},
        "log_level": {"type": "str", "choices": table.LOG_LEVELS},
        "websocket_init_timeout": {"type": "int", "default": 10},
        "pg_connections": {"type": "int", "default": 50},
        "unauthorized_role": {"type": "str"},
        "public_tables": {"type": "list", "elements": "str", "default": []},
        "admin_secret_weak": {"type": "str", "choices": ("replace", "keep"), "default": "replace"},
        "permissions": {"type": "list", "elements": "dict", "default": []},
    }
    SECRETS = (table.ADMIN_SECRET,)

    def __init__(self, stack: Any, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        super().__init__(stack, options, secrets)
        self._wanted: List[permissions.Wish] = []
        self._undo: List[Dict[str, Any]] = []
        self._old_secret = ""
        self._replaced = False

    # -- what is wanted ----------------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        plan = Plan()
        services = self.stack.of("hasura")
        settings.check_options(self.options)
        self._wanted = permissions.wishes(self.options["permissions"])
        if not services:
            self._wanted = []
            return Plan(left=["the deployment has no hasura service"])
        choice = self._choose_secret(services[0], plan)
        export = self._permissions(services[0], plan)
        fragment: Dict[str, Any] = {}
        for service in services:
            fragment[service] = self._engine_of(service, export, plan)
        for service in self.stack.services:
            found = secret.references(
                service in services,
                _variables(self.stack.raw.get(service)),
                self._model(service),
                self.stack.environment(service),
                self._old_secret,
                choice,
            )
            if service in services and _on_command_line(self.stack.services[service]):
                found[table.ADMIN_SECRET] = secret.FROM_FILES
            if found:
                fragment.setdefault(service, {}).setdefault("environment", {}).update(found)
        apis = [str(item["environment"].get(_APIS, "metadata")) for name, item in fragment.items() if name in services]
        if self.stack.of("auth") and not all("metadata" in text for text in apis):
            plan.left.append("Hasura serves no metadata API: hasura-auth cannot set up its tables there when it starts")
        plan.fragment = {"services": fragment}
        plan.left = list(dict.fromkeys(plan.left))
        return plan

    def _choose_secret(self, service: str, plan: Plan) -> secret.Choice:
        given = self.secrets.get(table.ADMIN_SECRET, "")
        self._old_secret = secret.now_of(
            _variables(self.stack.raw.get(service)),
            self._model(service),
            self.stack.variables,
            self.stack.environment(service),
        )
        model = self._model(service)
        if model.get(table.ADMIN_SECRET + "_FILE") and not given and not self._old_secret:
            plan.left.append(
                "Hasura's admin secret comes from a file in its container, where it cannot be judged: it stays"
            )
            return secret.Choice("")
        place = self.stack.path(".env")
        choice = secret.choose(given, self.options["admin_secret_weak"], self._old_secret, place)
        plan.left += choice.left
        if _on_command_line(self.stack.services[service]):
            plan.settings[table.ADMIN_SECRET] = choice.value
        if choice.new:
            self._replaced = True
            plan.settings[table.ADMIN_SECRET] = choice.value
            for name in secret.told_elsewhere(self._old_secret, {CLI_CONFIG: self.stack.read(CLI_CONFIG)}):
                plan.left.append("%s holds the old admin secret of Hasura: change it there too" % self.stack.path(name))
        return choice

    def _permissions(self, service: str, plan: Plan) -> Any:
        """Return the metadata as it will be, None where the engine cannot be asked; tell what is wrong with it."""
        try:
            engine = self._engine(service)
            export, _version = engine.export()
        except ChangeError as problem:
            plan.left.append("Hasura's permissions could not be looked at: %s" % problem)
            return None
        if self._replaced and secret.told_elsewhere(self._old_secret, {"metadata": json.dumps(export)}):
            plan.left.append(
                "Hasura's metadata holds the old admin secret, as a header of an action or trigger: change it there too"
            )
        try:
            export = permissions.after(export, self._wanted)
            entries = permissions_of(export)
        except ValueError as problem:
            plan.left.append("Hasura's permissions could not be looked at: %s" % problem)
            return None
        if self.options["allowlist_enabled"] and not export.get("allowlist"):
            plan.left.append(
                "Hasura's allow-list is on and empty, so every query but the administrator's is refused: put yours on it"
            )
        columns = _columns_of(engine, entries)
        plan.left += [finding.text for finding in permissions.findings(export, columns)]
        return export, _spelled_out(entries, columns)

    def _engine_of(self, service: str, looked_at: Any, plan: Plan) -> Dict[str, Any]:
        """Return what one engine is told."""
        model, raw = self._model(service), _variables(self.stack.raw.get(service))
        running = self.stack.environment(service)
        values: Dict[str, Optional[str]] = dict(settings.variables(self.options, _DEFAULTS, model))
        origins = str(model.get(table.CORS_DOMAIN) or self.stack.variables.get(table.CORS_DOMAIN, ""))
        allowed = settings.cors(self.options["cors_domains"], origins, self.stack.variables)
        plan.left += allowed.left
        values.update(allowed.variables(table.DISABLE_CORS in model))
        level = self.options["log_level"] or ("info" if model.get(table.LOG_LEVEL) == "debug" else None)
        if level:
            values[table.LOG_LEVEL] = level
        # An env file's word is the deployment's wish, although nself's compose file has one of its own.
        declared = self.stack.variables.get(table.UNAUTHORIZED_ROLE, "")
        now = declared or str(model.get(table.UNAUTHORIZED_ROLE) or "")
        asked = self.options["unauthorized_role"]
        role = asked if asked not in (None, settings.REFUSED) else now
        access = None
        if looked_at is not None:
            access = permissions.access_of(looked_at[0], looked_at[1], role, self.options["public_tables"])
        found = settings.strangers(asked, now, running.get(table.UNAUTHORIZED_ROLE, ""), access)
        plan.left += found.left
        free = []
        if looked_at is not None:
            names = dict.fromkeys(name for name in (declared,) + settings.STRANGERS if name)
            free = [name for name in names if not permissions.access_of(looked_at[0], looked_at[1], name).used]
        entry = settings.role_variable(found.role, bool(declared), table.UNAUTHORIZED_ROLE in raw, free)
        values.update(entry)
        if not found.role and entry.get(table.UNAUTHORIZED_ROLE):
            plan.left.append(
                "Hasura: requests without a token act as %s, which may do nothing; to have them refused, take %s out of the env files"
                % (entry[table.UNAUTHORIZED_ROLE], table.UNAUTHORIZED_ROLE)
            )
        out: Dict[str, Any] = {
            "environment": {name: None if value is None else literal(value) for name, value in values.items()}
        }
        command = (self.stack.raw.get(service) or {}).get("command")
        if isinstance(command, list):
            ours = list(values) + [table.ADMIN_SECRET, table.UNAUTHORIZED_ROLE, table.CORS_DOMAIN]
            less = settings.without_flags([str(part) for part in command], ours)
            if less is not None:
                out["command"] = Replace(less)
        return out

    def _model(self, service: str) -> Dict[str, Any]:
        """Return a service's environment as its files give it, with what its command line says."""
        item = self.stack.services.get(service) or {}
        found = {name: "" if value is None else str(value) for name, value in _variables(item).items()}
        command = item.get("command")
        if service in self.stack.of("hasura") and isinstance(command, list):
            return dict(with_flags(found, " ".join(str(part) for part in command)))
        return found

    # -- permissions ----------------------------------------------------------------------------------------------------

    def prepare(self, changes: Changes) -> None:
        # Before a role is opened by a new environment, if that can be: the metadata outlives the container.
        if changes.check or not self._wanted:
            return
        try:
            engine = self._engine(self.stack.of("hasura")[0])
            export, version = engine.export()
        except ChangeError:
            return  # it does not run, or serves no metadata yet
        self._apply(changes, engine, export, version)

    def settle(self, changes: Changes) -> None:
        if not self._wanted or not self.stack.of("hasura"):
            return
        engine = self._engine(self.stack.of("hasura")[0])
        try:
            export, version = engine.export()
        except ChangeError:
            if not changes.check:
                raise
            changes.note("Hasura's permissions are compared once it serves its metadata: they cannot be read now")
            return
        self._apply(changes, engine, export, version)

    def _apply(self, changes: Changes, engine: Engine, export: Any, version: int) -> None:
        todo = permissions.steps(export, self._wanted)
        for step in todo:
            changes.note("Hasura's permissions: %s" % step.text)
        if changes.check or not todo:
            return
        engine.change([command for step in todo for command in step.do], version)
        self._undo = [command for step in reversed(todo) for command in step.undo] + self._undo
        left = permissions.steps(engine.export()[0], self._wanted)
        if left:
            raise Mismatch("Hasura took the permissions and has others now: %s" % "; ".join(step.text for step in left))

    def revert(self) -> None:
        if not self._undo:
            return
        self.stack.refresh()
        engine = self._engine(self.stack.of("hasura")[0])
        engine.wait(START_SECONDS)
        engine.change(self._undo, 0)
        self._undo = []

    # -- the effect ----------------------------------------------------------------------------------------------------

    def verify(self) -> None:
        for service in self.stack.of("hasura"):
            if self.stack.running(service):
                self._verify(service)

    def _verify(self, service: str) -> None:
        engine, now = self._engine(service), self.stack.environment(service)
        problems = []
        if not engine.healthy():
            problems.append("/healthz is not answered by 200")
        if not self.options["console_enabled"] and engine.console():
            problems.append("/console answers")
        if not self.options["dev_mode"] and engine.internals():
            problems.append("errors carry internals")
        granted = engine.grants()
        if granted:
            problems.append("it %s" % granted)
        if now.get(table.ADMIN_SECRET) and "metadata" in now.get(_APIS, "metadata"):
            if engine.lets_in(None):
                problems.append("its metadata is given to whoever asks")
            if self._replaced and self._old_secret and engine.lets_in(self._old_secret):
                problems.append("it still takes the old admin secret")
            if not engine.lets_in(now[table.ADMIN_SECRET]):
                problems.append("it does not take its admin secret")
        if not now.get(table.UNAUTHORIZED_ROLE) and now.get(table.ADMIN_SECRET) and engine.answers_strangers():
            problems.append("it answers requests without a token")
        if problems:
            raise Mismatch("%s: %s" % (service, "; ".join(problems)))

    def _engine(self, service: str) -> Engine:
        item = self.stack.inspect(service) or {}
        found = with_flags(self.stack.environment(service), " ".join(str(part) for part in item.get("Args") or []))
        port = found.get(table.SERVER_PORT) or table.PORT
        address = reach.address(self.stack, service)
        return Engine(
            self.stack.host,
            service,
            address,
            int(port) if port.isdigit() else int(table.PORT),
            found.get(table.ADMIN_SECRET, ""),
        )


_DEFAULTS = {name: entry.get("default") for name, entry in Hasura.SPEC.items()}


def _on_command_line(item: Mapping[str, Any]) -> bool:
    """Tell whether an engine is given its admin secret by a flag, which whoever lists the host's processes reads."""
    command = item.get("command")
    return isinstance(command, list) and bool(with_flags({}, " ".join(map(str, command))).get(table.ADMIN_SECRET))


def _variables(item: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """Return a service's environment as a mapping: compose leaves a list as it is where it fills in nothing."""
    given = (item or {}).get("environment") or {}
    if isinstance(given, list):
        pairs = [str(entry).partition("=") for entry in given]
        return {name: value if sign else None for name, sign, value in pairs}
    return dict(given)


def _columns_of(engine: Engine, entries: List[Dict[str, Any]]) -> Dict[Tuple[str, str], List[str]]:
    """Return {(role, table): columns} of the tables that a role may select whole, as far as its schema tells."""
    out: Dict[Tuple[str, str], List[str]] = {}
    wide = [entry for entry in entries if entry["columns"] == EVERY_COLUMN]
    for role in sorted({entry["role"] for entry in wide}):
        mine = [entry for entry in wide if entry["role"] == role]
        try:
            shown = engine.columns(role, [entry["type"] for entry in mine])
        except ChangeError:
            continue
        for entry, columns in zip(mine, shown):
            if columns is not None:
                out[role, entry["table"]] = columns
    return out


def _spelled_out(entries: List[Dict[str, Any]], columns: Mapping[Tuple[str, str], List[str]]) -> List[Dict[str, Any]]:
    return [dict(entry, columns=columns.get((entry["role"], entry["table"]), entry["columns"])) for entry in entries]

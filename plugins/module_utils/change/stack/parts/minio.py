# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""MinIO: a key by which it encrypts everything it stores, and buckets that only those may read who should."""

from __future__ import annotations

import posixpath
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.secrets import problem_of
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer
from ansible_collections.nself.prod.plugins.module_utils.audit.units import truthy
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    drift,
    minio_init,
    minio_key,
    minio_policy,
    raw,
    units,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.guide_values import kms_key
from ansible_collections.nself.prod.plugins.module_utils.change.stack.minio_key import AUTOMATIC, KEPT, KEY
from ansible_collections.nself.prod.plugins.module_utils.change.stack.minio_server import Server
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import FOLDER, Part, Plan
from ansible_collections.nself.prod.plugins.module_utils.host import exists

GUIDE = "MINIO_SSE_MASTER_KEY"
SHORTEST = 16  # characters of MinIO's root password, as the audit's policy has it


class MinioPart(Part):
    name = "minio"
    SPEC = {
        "kms_generate": {"type": "bool", "default": True},
        "public_buckets": {"type": "list", "elements": "str", "default": []},
    }
    SECRETS = (KEY,)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._keyed: Dict[str, str] = {}  # service: name of the key that it is to encrypt with
        self._new = ""  # a key that MinIO has not had yet
        self._without: Dict[str, str] = {}  # service: its container that has not had it
        self._left: List[str] = []
        self._before: List[
            Tuple[str, str, Optional[Dict[str, Any]]]
        ] = []  # policies that were taken back: (service, bucket, policy)

    # -- what is wanted ----------------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        plan = Plan(used=[KEY])
        self._left = plan.left
        for service in self.stack.of("minio"):
            self._encryption(plan, service)
            self._root(plan, service)
        for service in self.stack.raw:
            self._init(plan, service)
        plan.recreate = drift.stale(self.stack, plan.fragment, plan.settings)
        return plan

    def _encryption(self, plan: Plan, service: str) -> None:
        own, running = raw.environment(self.stack.raw[service]), self._running_environment(service)
        elsewhere = [name for name in minio_key.ELSEWHERE if running.get(name) or own.get(name)]
        automatic = {} if truthy(self._own(service).get(AUTOMATIC) or "") else {AUTOMATIC: "on"}
        if elsewhere:
            if self.secrets.get(KEY):
                plan.left.append(
                    "%s: it gets its keys from elsewhere (%s), so minio_kms_secret_key is not used"
                    % (service, ", ".join(elsewhere))
                )
            self._want(plan, service, automatic)
            return
        passed = raw.secret(own.get(KEY) or "", self.stack.variables)
        known = minio_key.Known(
            given=self.secrets.get(KEY) or "",
            running=running.get(KEY) or "",
            declared=self.stack.variables.get(passed.name or KEY) or passed.value or self._of_the_guide(plan, service),
            kept=(self.stack.read(KEPT) or "").strip(),
        )
        key = minio_key.chosen(known)
        if not key:
            problem = self._why_none(service)
            if problem:
                plan.left.append("%s encrypts nothing: %s" % (service, problem))
                return
            key = self._new or minio_key.generated()
            plan.left.append(
                "%s: the key %s was made, and stands in .env and in %s. Keep a copy on another machine: without it nobody can read "
                "what MinIO stores from now on" % (service, KEY, KEPT)
            )
        if key != running.get(KEY):
            self._new = key
            plan.left.append(
                "%s: what it stored until now stays as it is; copying an object over itself (`mc cp`) encrypts it. Its users and settings "
                "it encrypts at once, so from now on it cannot do without the key" % service
            )
        plan.settings[passed.name or KEY] = key
        self._keyed[service] = minio_key.label(key)
        self._want(plan, service, automatic if passed.name else dict({KEY: "${%s}" % KEY}, **automatic))

    def _of_the_guide(self, plan: Plan, service: str) -> str:
        """Return the key that the env files have by the guide's name, which MinIO does not know; "" without one."""
        text = self.stack.variables.get(GUIDE) or ""
        if not text:
            return ""
        plan.used.append(GUIDE)
        try:
            return kms_key(text)
        except ValueError as problem:
            plan.left.append("%s: %s of the env files was not taken: %s" % (service, GUIDE, problem))
            return ""

    def _want(self, plan: Plan, service: str, environment: Dict[str, str]) -> None:
        if environment:
            plan.fragment.setdefault("services", {})[service] = {"environment": environment}

    def _why_none(self, service: str) -> str:
        """Return why no key is made, "" where one is."""
        declared = self.stack.variables.get(KEY) or ""
        if declared:
            return "%s of the env files is no NAME:KEY with 32 bytes in base64; mend or remove it" % KEY
        if not self.options["kms_generate"]:
            return "give minio_kms_secret_key, or let a key be made (minio_kms_generate)"
        if not self.stack.running(service):
            return "it does not run, so whether there is an older key is not known; start it first"
        server = self._server(service)
        if server.credentials is None:
            return ""
        buckets = server.facts([])["buckets"]
        found = [item["name"] for item in buckets if item["encryption"] and not isinstance(item["encryption"], Unread)]
        if found:
            return (
                "the buckets %s are set to encrypt, so it had a key once; give that by minio_kms_secret_key"
                % ", ".join(found)
            )
        return ""

    def _root(self, plan: Plan, service: str) -> None:
        environment = self.stack.environment(service)
        password = environment.get("MINIO_ROOT_PASSWORD") or ""
        problem = problem_of("MINIO_ROOT_PASSWORD", Reducer("weak").secret(password, "minio"), SHORTEST)
        if problem and not environment.get("MINIO_ROOT_PASSWORD_FILE"):
            plan.left.append(
                "%s: MINIO_ROOT_PASSWORD is one of those that everybody tries (%s); `secrets.yml` replaces it"
                % (service, problem)
            )
        if self.stack.running(service) and self._server(service).credentials is None:
            plan.left.append(
                "%s: its root credentials do not stand in its environment, so its buckets were not looked at; "
                "`mc anonymous set none` makes one private" % service
            )

    def _init(self, plan: Plan, service: str) -> None:
        """Mend a container that opens buckets at every start."""
        item = self.stack.raw[service]
        if not minio_init.opens(item):
            return
        try:
            fragment = minio_init.mended(item, self.options["public_buckets"])
        except raw.Unclear as problem:
            plan.left.append(
                "%s opens buckets to everybody at each start, or names the root password on its command line, and was left as it is: %s; "
                "take `mc anonymous set` out of it, and give mc its credentials on standard input" % (service, problem)
            )
            return
        plan.fragment.setdefault("services", {}).setdefault(service, {}).update(fragment)

    # -- what is done ------------------------------------------------------------------------------------------------

    def prepare(self, changes: Changes) -> None:
        if not self._new:
            return
        # Before MinIO encrypts anything with it, and for good: whatever becomes of this run or of the env files.
        path = self.stack.place(KEPT)
        for folder, mode in ((self.stack.place(FOLDER), 0o711), (posixpath.dirname(path), 0o700)):
            if not exists(self.stack.host, folder):
                changes.directory(folder, mode, strict=True)
        changes.file(path, self._new + "\n", 0o600, secret=True, strict=True)
        self._without = {service: self._container(service) for service in self._keyed}

    def settle(self, changes: Changes) -> None:
        for service in self._asked():
            server = self._server(service)
            for bucket in server.buckets():
                before = server.policy(bucket)
                if before is None:
                    continue
                after, taken = minio_policy.narrowed(before, bucket in self.options["public_buckets"])
                if not taken:
                    continue
                changes.note("%s: everybody may %s in the bucket %s: no more" % (service, ", ".join(taken), bucket))
                if not changes.check:
                    self._before.append((service, bucket, before))
                    server.set_policy(bucket, after)

    def verify(self) -> None:
        for service in self._asked():
            server = self._server(service)
            facts = server.facts([])
            if facts["service_open"] is not False:
                raise Mismatch("%s: anybody may list the buckets" % service)
            for item in facts["buckets"]:
                if item["name"] in self.options["public_buckets"]:
                    continue
                for what in ("open", "policy"):
                    if isinstance(item[what], Unread):
                        raise Mismatch("%s: the bucket %s: %s" % (service, item["name"], item[what].detail))
                    if item[what]:
                        raise Mismatch(
                            "%s: anybody may %s in the bucket %s" % (service, ", ".join(item[what]), item["name"])
                        )
            if service in self._keyed:
                problem = server.key_problem(self._keyed[service])
                if problem is None:
                    self._left.append(
                        "%s: it does not tell whether it encrypts with its key, so that was not proven; `mc admin kms key status` or `mc stat` "
                        "of a new object shows it" % service
                    )
                elif problem:
                    raise Mismatch("%s does not encrypt: %s" % (service, problem))
        for service in sorted(set(self._keyed) - set(self._asked())):
            self._left.append(
                "%s could not be asked as its root user, so whether it encrypts with its key was not proven" % service
            )

    def revert(self) -> None:
        for service, bucket, policy in reversed(self._before):
            self._server(service).set_policy(bucket, policy)
        self._before = []
        had = sorted(service for service, before in self._without.items() if self._container(service) != before)
        if had:
            self.stays.append(
                "%s had a new key for a while, and what it encrypted with that can be read with it only: it is kept in %s, the next run takes "
                "it, and until then it helps as %s in .env where MinIO does not start without it"
                % (", ".join(had), KEPT, KEY)
            )

    # -- what there is -----------------------------------------------------------------------------------------------

    def _asked(self) -> List[str]:
        """Return the servers that can be asked as their root user."""
        running = [name for name in self.stack.of("minio") if self.stack.running(name)]
        return [name for name in running if self._server(name).credentials is not None]

    def _container(self, service: str) -> str:
        return str((self.stack.inspect(service) or {}).get("Id") or "")

    def _server(self, service: str) -> Server:
        return Server(self.stack.host, units.running_unit(self.stack, service))

    def _own(self, service: str) -> Dict[str, str]:
        """Return the environment that the project itself gives."""
        given = self.stack.services[service].get("environment") or {}
        return {str(name): "" if value is None else str(value) for name, value in given.items()}

    def _running_environment(self, service: str) -> Dict[str, str]:
        return dict(self.stack.environment(service)) if self.stack.inspect(service) else {}

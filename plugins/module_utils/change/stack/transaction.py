# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of a running deployment by all roles of a run: validated beforehand, proven afterwards, or taken back as a whole.

A watch on the host sees to it that this holds too where the module is killed in the middle, and a unit at boot where the host is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets as random
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import STATE, UNIT, Guard, Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import env_text, shared
from ansible_collections.nself.prod.plugins.module_utils.change.stack import override as overrides
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part, Plan
from ansible_collections.nself.prod.plugins.module_utils.change.stack.recreate import Recreation, layers
from ansible_collections.nself.prod.plugins.module_utils.change.stack.stack import RUNTIME, Stack, write_private
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import LABEL
from ansible_collections.nself.prod.plugins.module_utils.deployment.render import env_file
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, exists

LOCK = "/run/nself-prod-deployment.lock"
LONGEST = 3600  # seconds after which the rollback comes whatever the run does
FILES_LABEL = "nself.prod.files."
# Runs beside the module: where that is gone and its rollback still waits, the rollback comes at once.
WATCH = """pid=$1 start=$2
while [ -e %s/run.json ]; do
    now=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)
    [ "$now" = "$start" ] || { exec systemctl start %s.service; }
    sleep 1
done
""" % (STATE, UNIT)


class Transaction:
    """The change. parts: those of this run, in their order; every_part: the names of all, in the same order; wait: seconds for health."""

    def __init__(
        self, stack: Stack, parts: Sequence[Part], every_part: Sequence[str], changes: Changes, wait: float
    ) -> None:
        self.stack, self.host = stack, stack.host
        self.parts, self.order = list(parts), list(every_part) + [shared.ROLE]
        self.changes = changes
        self.wait = wait
        self.plans: Dict[str, Plan] = {}
        self.left: Dict[str, List[str]] = {}
        self.notes: Dict[str, List[str]] = {}
        self.recreation = Recreation(stack, wait)
        self.recreate: List[List[str]] = []
        self.remove: List[str] = []
        self._texts: Dict[str, str] = {}  # the candidates: {path: text} of the override and the env files
        self._model: Dict[str, Dict[str, Any]] = {}

    def run(self) -> Dict[str, Any]:
        """Make the change and return what the module returns. Raises ChangeError where it was refused or taken back."""
        self.stack.load()
        for part in self.parts:
            plan = part.plan()
            self.plans[part.name] = plan
            self.left[part.name] = list(plan.left)
        self._compose_texts()
        self._validate_candidates()
        files = Changes(self.host, check=True)
        self._write(files)
        differs = files.changed or bool(self.recreate or self.remove)
        if self.changes.check:
            self._predict()
        elif differs:
            self._enforce()
        else:
            self._settle_only()
        return self._result()

    # -- what is wanted ----------------------------------------------------------------------------------------------

    def _compose_texts(self) -> None:
        """Work out the new texts of the override and of the env files."""
        new = overrides.Override(
            self.stack.override.first,
            self.stack.override.yours,
            dict(self.stack.override.roles),
            self.stack.override.below,
        )
        for part in self.parts:
            plan = self.plans[part.name]
            known = _known(plan)
            fragment = _with_labels(plan.fragment, part.name, plan)
            new.roles[part.name] = overrides.document(fragment, part.name, known)
            if not fragment and len(known) == 1:
                del new.roles[part.name]
        new.roles.pop(shared.ROLE, None)
        remembered = [new.known(name) for name in self.order if name in new.roles]
        fragment, left = shared.fragment(remembered, self.stack.raw)
        if fragment:
            new.roles[shared.ROLE] = overrides.document(fragment, shared.ROLE, {"version": 1})
        for text in left:
            self.left.setdefault(shared.ROLE, []).append(text)
        self._texts[self.stack.override_path] = overrides.join(new, self.order)
        settings: Dict[str, str] = {}
        for part in self.parts:
            settings.update(self.plans[part.name].settings)
        started = list(self.stack.env_files) + [path for path in (self.stack.path(RUNTIME),) if exists(self.host, path)]
        for path in env_text.targets(started, self.stack.directory) if settings else []:
            before = self.changes.read(path) or ""
            self._texts[path] = env_text.with_settings(before, settings, path)

    def _validate_candidates(self) -> None:
        """Have compose judge the new files with every set of env files, and find which services they change. Raises Refused."""
        before = self._hashes_before()
        with self.stack.scratch() as folder:
            place = {}
            for number, (path, text) in enumerate(self._texts.items()):
                place[path] = "%s/%d-%s" % (folder, number, os.path.basename(path))
                write_private(place[path], text)
            files = list(self.stack.base)
            if self._texts[self.stack.override_path]:
                files.append(place[self.stack.override_path])
            candidate = self.stack.cli.but(files=files)
            sets = {name: [place.get(path, path) for path in paths] for name, paths in self.stack.env_sets().items()}
            merged = folder + "/chain"
            chain = dict(self.stack.chain)
            for part in self.parts:
                chain.update(self.plans[part.name].settings)
            write_private(merged, env_file(chain))
            sets["the merged env chain of `nself start`"] = [merged]
            for name, paths in sets.items():
                self._judge(candidate.but(env_files=paths), name, paths, place)
            started = candidate.but(env_files=[place.get(path, path) for path in self.stack.env_files])
            model = started.model()
            self._model = model.get("services") or {}
            for part in self.parts:
                if ("x-nself-prod-" + part.name) not in model and part.name in overrides.split(
                    self._texts[self.stack.override_path]
                ).roles:
                    raise Refused(
                        "this docker compose reads only the first document of %s; version 2.24.4 or newer is needed"
                        % self.stack.override_path
                    )
            after = started.hashes()
        self._find_recreations(before, after)

    def _judge(self, candidate: Any, name: str, paths: Sequence[str], place: Mapping[str, str]) -> None:
        try:
            candidate.ask("config", "--quiet")
        except ChangeError as error:
            try:
                # What was not valid before is not ours.
                self.stack.cli.but(
                    files=self.stack.base, env_files=[path for path in paths if path not in place.values()]
                ).ask("config", "--quiet")
            except ChangeError:
                self.left.setdefault(shared.ROLE, []).append(
                    "with %s docker compose refuses the project's own files already: %s"
                    % (name, self.stack.redact(str(error)))
                )
                return
            text = str(error)
            for real, temporary in place.items():
                text = text.replace(temporary, real)
            raise Refused(
                "%s would not be valid with %s: %s; nothing was changed"
                % (self.stack.override_path, name, self.stack.redact(text))
            ) from None

    def _hashes_before(self) -> Dict[str, str]:
        try:
            return self.stack.cli.hashes()
        except ChangeError:
            return {}  # the files as they are cannot be started: every difference is ours

    def _find_recreations(self, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        forced = {name for plan in self.plans.values() for name in plan.recreate}
        chosen = []
        for name, value in after.items():
            item = self.stack.inspect(name)
            if item is None:
                continue  # what the user does not run is not started
            runs = (item["Config"].get("Labels") or {}).get(LABEL + "config-hash")
            if runs != value and (before.get(name) != value or name in forced):
                chosen.append(name)
        self.remove = sorted({name for plan in self.plans.values() for name in plan.remove if self.stack.inspect(name)})
        self.recreate = layers([name for name in chosen if name not in self.remove], self._model)

    # -- doing it ----------------------------------------------------------------------------------------------------

    def _write(self, changes: Changes) -> None:
        """Write, or in check mode only tell, every file of the run."""
        owner = self.host.stat(self.stack.base[0])
        folder = self.host.stat(self.stack.directory)
        strict = folder.uid != 0
        wanted = [entry for part in self.parts for entry in self.plans[part.name].folders]
        paths = [entry.path for part in self.parts for entry in self.plans[part.name].files] + [
            entry[0] for entry in wanted
        ]
        for path in _parents(paths):
            if path not in [entry[0] for entry in wanted] and not exists(self.host, self.stack.path(path)):
                changes.directory(self.stack.path(path), 0o711, 0, 0, strict)
        for path, mode, uid, gid in wanted:
            changes.directory(self.stack.path(path), mode, uid, gid, strict)
        for part in self.parts:
            plan = self.plans[part.name]
            for entry in plan.files:
                changes.file(
                    self.stack.path(entry.path), entry.text, entry.mode, entry.uid, entry.gid, entry.secret, strict
                )
            for path in plan.absent:
                changes.absent(self.stack.path(path))
        for path, text in self._texts.items():
            if path == self.stack.override_path:
                if text:
                    changes.file(
                        path, text, None if exists(self.host, path) else 0o600, owner.uid, owner.gid, strict=strict
                    )
                elif exists(self.host, path):
                    changes.absent(path)
            else:
                # Secrets come into it: it is closed to others, whose it is stays.
                found = self.host.stat(path) if exists(self.host, path) else None
                mode = (found.mode & 0o700) | 0o600 if found else 0o600
                changes.file(
                    path, text, mode, found.uid if found else owner.uid, found.gid if found else owner.gid, True, strict
                )

    def _kept(self) -> List[str]:
        paths = [self.stack.path(entry.path) for plan in self.plans.values() for entry in plan.files]
        paths += [self.stack.path(path) for plan in self.plans.values() for path in plan.absent]
        paths += list(self._texts)
        return list(dict.fromkeys(paths))

    def _enforce(self) -> None:
        guard = Guard(self.host, "stack" + random.token_hex(8), LONGEST, patience=300)
        touched = [name for layer in self.recreate for name in layer] + self.remove
        self._make_room()
        guard.arm(self._kept(), self._undo(touched))
        prepared: List[Part] = []
        try:
            self._watch()
            for part in self.parts:
                prepared.append(part)
                part.prepare(self.changes)
            self._write(self.changes)
            self.stack.cli = self.stack.cli.but(
                files=self.stack.base + ([self.stack.override_path] if self._texts[self.stack.override_path] else [])
            )
            for part in self.parts:
                part.validate()
            if self.remove:
                self.stack.cli.ask("rm", "--stop", "--force", *self.remove, timeout=120)
                for name in self.remove:
                    self.changes.note("the container of %s is removed" % name)
            addresses = self._addresses()
            self.recreation.run(self.recreate, self._model)
            for name in touched:
                if name not in self.remove:
                    self.changes.note("%s was made anew (%.0f s)" % (name, self.recreation.downtime.get(name, 0)))
            self._follow(addresses)
            for part in self.parts:
                part.settle(self.changes)
            self.recreation.settled([name for layer in self.recreate for name in layer])
            for part in self.parts:
                part.verify()
        except BaseException as error:
            raise self._taken_back(guard, error, prepared, touched) from error
        guard.disarm()

    def _taken_back(
        self, guard: Guard, error: BaseException, prepared: Sequence[Part], touched: Sequence[str]
    ) -> ChangeError:
        outcome = guard.roll_back()
        problems = [] if outcome == "ok" else [outcome]
        self.stack.cli = self.stack.cli.but(
            files=self.stack.base + ([self.stack.override_path] if exists(self.host, self.stack.override_path) else [])
        )
        try:
            again = Recreation(self.stack, self.wait)
            again.settled([name for name in touched if self.stack.inspect(name)])
        except (ChangeError, HostError) as problem:
            problems.append(str(problem))
        for part in reversed(prepared):
            try:
                part.revert()
            except (ChangeError, HostError) as problem:
                problems.append("%s: %s" % (part.name, problem))
        reason = (
            str(error)
            if isinstance(error, (ChangeError, HostError, Missing))
            else "%s: %s" % (type(error).__name__, error)
        )
        after = (
            "; files and containers were put back as they were"
            if not problems
            else "; putting it back met with: " + "; ".join(problems)
        )
        return ChangeError(self.stack.redact(reason) + after)

    def _settle_only(self) -> None:
        for part in self.parts:
            try:
                part.settle(self.changes)
            except BaseException:
                part.revert()
                raise
        if self.changes.changed:
            for part in self.parts:
                part.verify()

    def _predict(self) -> None:
        """Tell what a run would do."""
        for part in self.parts:
            part.prepare(self.changes)
        self._write(self.changes)
        for name in self.remove:
            self.changes.note("the container of %s is removed" % name)
        for number, layer in enumerate(self.recreate):
            self.changes.note("%d. made anew: %s" % (number + 1, ", ".join(layer)))
        for part in self.parts:
            part.settle(self.changes)

    def _undo(self, touched: Sequence[str]) -> List[List[str]]:
        """Return the commands that bring the old containers back once the old files are there."""
        if not touched:
            return []
        there = [self.stack.override_path] if exists(self.host, self.stack.override_path) else []
        old = self.stack.cli.but(files=self.stack.base + there)
        words = ["up", "--detach", "--no-deps", "--no-build", "--pull", "never", "--quiet-pull"]
        out = [old.argv(*(words + list(touched)))]
        for name in self.stack.of("nginx"):
            # With every name it knows: it looks them up only when it starts or reads its files again.
            container = str((self.stack.inspect(name) or {}).get("Name") or "").lstrip("/")
            if container:
                out.append(["sh", "-c", 'docker exec "$1" nginx -s reload || true', "sh", container])
        return out

    def _watch(self) -> None:
        fields = self.host.read("/proc/self/stat").rpartition(")")[2].split()
        command(
            self.host,
            [
                "systemd-run",
                "--quiet",
                "--collect",
                "--unit=nself-prod-watch-" + random.token_hex(4),
                "/bin/sh",
                "-c",
                WATCH,
                "sh",
            ]
            + [str(os.getpid()), fields[19]],
            timeout=30,
        )

    def _make_room(self) -> None:
        """Refuse where a full disk, or a folder that cannot be written to, would stop the run in its middle."""
        need = sum(len(text) for text in self._texts.values()) + sum(
            len(entry.text) for plan in self.plans.values() for entry in plan.files
        )
        for path in (self.stack.directory, "/etc", "/var/lib/docker"):
            try:
                room = os.statvfs(path)
            except OSError:
                continue
            if room.f_flag & os.ST_RDONLY:
                raise Refused("%s is on a file system that is mounted read-only; nothing was changed" % path)
            if room.f_bavail * room.f_frsize < 2 * need + (16 << 20):
                raise Refused(
                    "there is no room left on the file system of %s (`df -h %s`); nothing was changed" % (path, path)
                )
        try:
            probe = "%s/.nself-prod-%s" % (self.stack.directory, random.token_hex(4))
            os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
            os.unlink(probe)
        except OSError as error:
            raise Refused(
                "%s cannot be written to (%s); nothing was changed" % (self.stack.directory, error.strerror)
            ) from None

    def _addresses(self) -> Dict[str, str]:
        out = {}
        for name in self.stack.services:
            try:
                out[name] = self.stack.address(name)
            except ChangeError:
                continue
        return out

    def _follow(self, before: Mapping[str, str]) -> None:
        """Have nginx look its names up again where a service has a new address and nginx itself is the old one."""
        recreated = [name for layer in self.recreate for name in layer]
        self.stack.refresh()
        if all(before.get(name) == address for name, address in self._addresses().items()):
            return
        for name in self.stack.of("nginx"):
            if name not in recreated or recreated[-1] != name:
                if self.stack.running(name):
                    done = self.stack.exec(name, ["nginx", "-s", "reload"])
                    if done.rc:
                        raise Mismatch(
                            "nginx does not read its files again: %s" % self.stack.redact(done.err.strip()[-300:])
                        )

    def _result(self) -> Dict[str, Any]:
        left = {name: list(dict.fromkeys(texts)) for name, texts in self.left.items() if texts}
        touched = {name: sorted(_services_of(self.plans[name])) for name in self.plans}
        recreated = [name for layer in self.recreate for name in layer]
        return {
            "applicable": True,
            "project": self.stack.project,
            "recreated": recreated,
            "removed": list(self.remove),
            "order": self.recreate,
            "downtime": self.recreation.downtime,
            "parts": {
                name: {
                    "services": [service for service in touched[name] if service in recreated],
                    "left": left.get(name, []),
                    "settings": self.plans[name].used,
                }
                for name in self.plans
            },
            "left": [text for texts in left.values() for text in texts],
        }


class Lock:
    """One run at a time on a host."""

    def __enter__(self) -> None:
        self.descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self.descriptor)
            raise Refused(
                "another run is changing this deployment; try again when it has ended. Nothing was changed"
            ) from None

    def __exit__(self, *unused: Any) -> None:
        os.close(self.descriptor)


def finish_earlier(host: Any, check: bool) -> None:
    """See to it that no half-done change of an earlier run is there."""
    Guard(host, "none", LONGEST, patience=300).make_way(check)


def _known(plan: Plan) -> Dict[str, Any]:
    out: Dict[str, Any] = {"version": 1}
    if plan.used:
        out["settings"] = sorted(plan.used)
    if plan.postgres_settings:
        out["postgres_settings"] = plan.postgres_settings
    if plan.database_urls:
        out["database_urls"] = [
            {name: value for name, value in vars(entry).items() if value} for entry in plan.database_urls
        ]
    return out


def _with_labels(fragment: Mapping[str, Any], role: str, plan: Plan) -> Dict[str, Any]:
    """Return the fragment with a label that changes with the text of the files that a service reads only when it is made."""
    texts: Dict[str, List[str]] = {}
    for entry in plan.files:
        for service in entry.services:
            texts.setdefault(service, []).append("%s\0%s" % (entry.path, entry.text))
    if not texts:
        return dict(fragment)
    out = dict(fragment)
    out["services"] = {name: dict(item) for name, item in (fragment.get("services") or {}).items()}
    for service, parts in texts.items():
        digest = hashlib.sha256("\0".join(sorted(parts)).encode("utf-8")).hexdigest()[:16]
        mine = out["services"].setdefault(service, {})
        mine["labels"] = dict(mine.get("labels") or {}, **{FILES_LABEL + role: digest})
    return out


def _services_of(plan: Plan) -> "set[str]":
    found = (
        set(plan.fragment.get("services") or {})
        | set(plan.postgres_settings)
        | {entry.service for entry in plan.database_urls}
    )
    return found | {service for entry in plan.files for service in entry.services}


def _parents(paths: Sequence[str]) -> List[str]:
    """Return the folders above these relative paths, outermost first."""
    found = []  # type: List[str]
    for path in paths:
        steps = path.split("/")[:-1]
        found += ["/".join(steps[: number + 1]) for number in range(len(steps))]
    return sorted(set(found))

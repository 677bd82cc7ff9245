# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new files of a run before they are written: put together from what the parts want, and judged by compose with every set of env files."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import env_places, env_text, mounts, shared
from ansible_collections.nself.prod.plugins.module_utils.change.stack import override as overrides
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import File, Plan
from ansible_collections.nself.prod.plugins.module_utils.change.stack.recreate import ends_by_itself, layers
from ansible_collections.nself.prod.plugins.module_utils.change.stack.stack import LATER, RUNTIME, Stack, write_private
from ansible_collections.nself.prod.plugins.module_utils.deployment.render import env_file
from ansible_collections.nself.prod.plugins.module_utils.host import exists

FILES_LABEL = "nself.prod.files."


class Candidate:
    """What the files are to be, and what that does to the services. plans: {role: what it wants}, in the roles' order; order: of all roles.

    texts: {path: text} of the override and of the env files; recreate: the services to be made anew, in layers; stale: those of them whose
    container stays and is only started again, {service: paths in it at which it does not see what is mounted there}; remove: those whose
    container goes; model: the services as compose will have them; left: what could not be done.
    """

    def __init__(self, stack: Stack, plans: Mapping[str, Plan], order: Sequence[str]) -> None:
        self.stack, self.host = stack, stack.host
        self.plans = plans
        self.order = list(order) + [shared.ROLE]
        self.texts: Dict[str, str] = {}
        self.stand_in = (
            ""  # the override as it lies, without the services that are gone, where it names some: compose refuses it
        )
        self._before: Dict[str, Optional[str]] = {stack.override_path: stack.override_text}
        self.model: Dict[str, Dict[str, Any]] = {}
        self.recreate: List[List[str]] = []
        self.stale: Dict[str, List[str]] = {}
        self.remove: List[str] = []
        self.left: List[str] = []
        self._compose_texts()
        self._validate()

    @property
    def overridden(self) -> List[str]:
        """The compose files as they will be."""
        return self.stack.base + ([self.stack.override_path] if self.texts[self.stack.override_path] else [])

    @property
    def recreated(self) -> List[str]:
        """The services whose container is made anew, in their order."""
        return [name for layer in self.recreate for name in layer if name not in self.stale]

    @property
    def touched(self) -> List[str]:
        """The services whose container does not stay."""
        return self.recreated + self.remove

    def files(self) -> List[str]:
        """Return every path that write() changes or takes away."""
        paths = [self.stack.path(entry.path) for plan in self.plans.values() for entry in plan.files]
        paths += [self.stack.path(path) for plan in self.plans.values() for path in plan.absent]
        return list(dict.fromkeys(paths + list(self.texts)))

    def folders(self) -> List[str]:
        """Return the folders that the run makes, innermost first."""
        paths = [entry.path for plan in self.plans.values() for entry in plan.files]
        found = set(_parents(paths)) | {entry[0] for plan in self.plans.values() for entry in plan.folders}
        found |= set(_parents(sorted(found)))
        return [path for path in map(self.stack.path, sorted(found, reverse=True)) if not exists(self.host, path)]

    def make_sure(self) -> None:
        """Raise Refused where somebody has written to a file since it was read: what the run made of it lacks his words."""
        for path, text in self._before.items():
            if self.stack.read(path) != text:
                raise Refused("%s was changed by somebody else while it was looked at; run again" % path)

    def write(self, changes: Changes) -> None:
        """Write, or in check mode only tell, every file of the run."""
        owner = self.host.stat(self.stack.base[0])
        # The project may stand behind a link; from there on none is followed.
        real = self.host.realpath(self.stack.directory)
        strict = _others_write(self.host, real) or _others_write(self.host, self.stack.directory)
        place = self.stack.place
        wanted = [entry for plan in self.plans.values() for entry in plan.folders]
        paths = [entry.path for plan in self.plans.values() for entry in plan.files] + [entry[0] for entry in wanted]
        for path in _parents(paths):
            if path not in [entry[0] for entry in wanted] and not exists(self.host, self.stack.path(path)):
                changes.directory(place(path), 0o711, 0, 0, strict)
        for path, mode, uid, gid in wanted:
            changes.directory(place(path), mode, uid, gid, strict)
        for plan in self.plans.values():
            for entry in plan.files:
                changes.file(place(entry.path), entry.text, entry.mode, entry.uid, entry.gid, entry.secret, strict)
            for path in plan.absent:
                changes.absent(place(path), strict)
        for path, text in self.texts.items():
            if path == self.stack.override_path:
                if text:
                    kept = None if exists(self.host, path) else 0o600
                    changes.file(place(path), text, kept, owner.uid, owner.gid, strict=strict, shown=overrides.shown)
                elif exists(self.host, path):
                    changes.absent(place(path), strict)
            else:
                # Secrets come into it: it is closed to others, whose it is stays. Where it is root's, a group may be who starts the stack.
                found = self.host.stat(path) if exists(self.host, path) else None
                group = found.mode & 0o040 if found and found.uid == 0 and found.gid != 0 else 0
                mode = (found.mode & 0o700 if found else 0) | 0o600 | group
                changes.file(
                    place(path),
                    text,
                    mode,
                    found.uid if found else owner.uid,
                    found.gid if found else owner.gid,
                    True,
                    strict,
                )

    def _compose_texts(self) -> None:
        """Work out the new texts of the override and of the env files."""
        new = overrides.Override(
            self.stack.override.first,
            self.stack.override.yours,
            dict(self.stack.override.roles),
            self.stack.override.below,
        )
        self._take_out_what_is_gone(new)
        for role, plan in self.plans.items():
            known = _known(plan)
            fragment = _with_labels(plan.fragment, role, plan, self.stack)
            new.roles[role] = overrides.document(fragment, role, known)
            if not fragment and len(known) == 1:
                del new.roles[role]
        new.roles.pop(shared.ROLE, None)
        remembered = [new.known(name) for name in self.order if name in new.roles]
        fragment, left = shared.fragment(remembered, self.stack.raw)
        if fragment:
            new.roles[shared.ROLE] = overrides.document(fragment, shared.ROLE, {"version": 1})
        self.left += left
        self.texts[self.stack.override_path] = overrides.join(new, self.order)
        settings: Dict[str, str] = {}
        for plan in self.plans.values():
            settings.update(plan.settings)
        started = list(self.stack.env_files) + [path for path in (self.stack.path(RUNTIME),) if exists(self.host, path)]
        where, left = env_places.places(self.stack, settings, started) if settings else ({}, [])
        for path, names in where.items():
            self._before[path] = self.stack.read(path)
            mine = {name: settings[name] for name in names}
            self.texts[path] = env_text.with_settings(self._before[path] or "", mine, path)
        written = [path for path in where if self.texts[path] != self._before[path]]
        self.left += left + (env_places.in_git(self.stack, written) if written else [])

    def _take_out_what_is_gone(self, new: overrides.Override) -> None:
        """Take out of every document what it says of services that the project has no more: compose refuses it as a whole for them."""
        named = {name for document in new.roles.values() for name in overrides.services_of(document)}
        gone = named - set(self.stack.services)
        gone -= self.stack.defined() if gone else set()
        if not gone:
            return
        kept = {role: overrides.without(document, role, gone) for role, document in new.roles.items()}
        new.roles = {role: document for role, document in kept.items() if document}
        self.stand_in = overrides.join(new, self.order) or "x-nself-prod: {}\n"

    def _validate(self) -> None:
        """Have compose judge the new files with every set of env files, and find which services they change. Raises Refused."""
        before = self._hashes_before()
        with self.stack.scratch() as folder:
            place = {}
            for number, (path, text) in enumerate(self.texts.items()):
                place[path] = "%s/%d-%s" % (folder, number, os.path.basename(path))
                write_private(place[path], text)
            files = list(self.stack.base)
            if self.texts[self.stack.override_path]:
                files.append(place[self.stack.override_path])
            candidate = self.stack.cli.but(files=files)
            sets = {name: [place.get(path, path) for path in paths] for name, paths in self.stack.env_sets().items()}
            merged = folder + "/chain"
            chain = dict(self.stack.chain)
            for plan in self.plans.values():
                chain.update(plan.settings)
            write_private(merged, env_file(chain))
            sets["the merged env chain of `nself start`"] = [merged]
            before_files = self._project_files(folder)
            originals = {temporary: path for path, temporary in place.items()}
            write_private(folder + "/chain-before", env_file(self.stack.chain))
            originals[merged] = folder + "/chain-before"
            for name, paths in sets.items():
                lain = self.stack.cli.but(files=before_files, env_files=[originals.get(path, path) for path in paths])
                self._judge(candidate.but(env_files=paths), lain, name, place)
            started = candidate.but(env_files=[place.get(path, path) for path in self.stack.env_files])
            model = started.model()
            self.model = model.get("services") or {}
            for role in overrides.split(self.texts[self.stack.override_path]).roles:
                if overrides.OURS + role not in model:
                    raise Refused(
                        "this docker compose reads only the first document of %s; version 2.24.4 or newer is needed"
                        % self.stack.override_path
                    )
            after = started.hashes()
        self._find_recreations(before, after)

    def _project_files(self, folder: str) -> List[str]:
        """Return the compose files of the project without what is ours in them: with the user's override as he wrote it."""
        own = self.stack.override
        if not overrides.has_content(own.yours) and not own.below.strip():
            return list(self.stack.base)
        # Where ours are in it, so is the document that makes the generated files valid.
        yours = overrides.Override(own.first, own.yours, {"none": ""} if own.roles else {}, own.below)
        write_private(folder + "/yours.yml", overrides.join(yours, ()))
        return self.stack.base + [folder + "/yours.yml"]

    def _judge(self, candidate: Any, lain: Any, name: str, place: Mapping[str, str]) -> None:
        """Raise Refused where compose refuses the new files with a set of env files. lain: the project with that set as all of it lies."""
        try:
            candidate.ask("config", "--quiet")
        except ChangeError as error:
            try:
                # What was not valid before is not ours.
                lain.ask("config", "--quiet")
            except ChangeError:
                if name == LATER:
                    return  # an older project need not be valid as 1.x would start it
                self.left.append(
                    "with %s docker compose refuses the project's own files already: %s"
                    % (name, self.stack.redact(_named(str(error), place)))
                )
                return
            raise Refused(
                "%s would not be valid with %s: %s; nothing was changed"
                % (self.stack.override_path, name, self.stack.redact(_named(str(error), place)))
            ) from None

    def _hashes_before(self) -> Dict[str, str]:
        try:
            if not self.stand_in:
                return self.stack.cli.hashes()
            with self.stack.scratch() as folder:
                write_private(folder + "/override.yml", self.stand_in)
                return self.stack.cli.but(files=self.stack.base + [folder + "/override.yml"]).hashes()
        except ChangeError:
            return {}  # the files as they are cannot be started: every difference is ours

    def _find_recreations(self, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        forced = {name for plan in self.plans.values() for name in plan.recreate}
        chosen = []
        for name, value in after.items():
            if self.stack.inspect(name) is None:
                continue  # what the user does not run is not started
            if self.stack.config_hash(name) == value or (before.get(name) == value and name not in forced):
                continue
            if self.stack.stopped(name) and not ends_by_itself(self.model.get(name) or {}):
                # compose would start it.
                self.left.append(
                    "%s is stopped and stays so; `docker compose up -d %s` makes it anew as the files now say"
                    % (name, name)
                )
                continue
            chosen.append(name)
        self.remove = sorted({name for plan in self.plans.values() for name in plan.remove if self.stack.inspect(name)})
        chosen = [name for name in chosen if name not in self.remove]
        self.stale = {name: self.unseen(name) for name in self._mounted() if name not in chosen + self.remove}
        self.stale = {name: places for name, places in self.stale.items() if places}
        self.recreate = layers(chosen + list(self.stale), self.model, self.stack.of("nginx"))

    def unseen(self, service: str) -> List[str]:
        """Return the paths in a service's container at which it does not see the files as they will be."""
        texts = {entry.path: entry.text for plan in self.plans.values() for entry in plan.files}
        return mounts.stale(self.stack, service, texts)

    def _mounted(self) -> List[str]:
        """Return the services that this run's roles mount something into."""
        wanted = [(plan.fragment.get("services") or {}).items() for plan in self.plans.values()]
        return sorted({name for items in wanted for name, item in items if item.get("volumes")})


def _named(text: str, place: Mapping[str, str]) -> str:
    """Return what compose says with the files' own names. place: {path: the file that stood for it}."""
    for real, temporary in place.items():
        text = text.replace(temporary, real)
    return text


def _known(plan: Plan) -> Dict[str, Any]:
    out: Dict[str, Any] = {"version": 1}
    if plan.follows:
        # With their values: the audit takes a setting for effective only while the env files still say the same.
        out["settings"] = dict(plan.follows)
    if plan.postgres_settings:
        out["postgres_settings"] = plan.postgres_settings
    if plan.database_urls:
        out["database_urls"] = [
            {name: value for name, value in vars(entry).items() if value} for entry in plan.database_urls
        ]
    return out


def _with_labels(fragment: Mapping[str, Any], role: str, plan: Plan, stack: Stack) -> Dict[str, Any]:
    """Return the fragment with a label that changes with the text of the files that a service reads only when it is made."""
    files: Dict[str, List[File]] = {}
    for entry in plan.files:
        for service in entry.services:
            files.setdefault(service, []).append(entry)
    if not files:
        return dict(fragment)
    out = dict(fragment)
    out["services"] = {name: dict(item) for name, item in (fragment.get("services") or {}).items()}
    for service, entries in files.items():
        label = FILES_LABEL + role
        config = (stack.inspect(service) or {}).get("Config") or {}
        mine = out["services"].setdefault(service, {})
        value = _label(entries, str((config.get("Labels") or {}).get(label) or ""), stack)
        mine["labels"] = dict(mine.get("labels") or {}, **{label: value})
    return out


def _label(entries: Sequence[File], now: str, stack: Stack) -> str:
    """Return the label for these files. now: what the container has.

    Where somebody changed a file since, the container may have read that, and it sees no other in the place of a mounted one. So then it
    is made anew for the same text too: the label counts how often.
    """
    parts = sorted("%s\0%s" % (entry.path, entry.text) for entry in entries)
    digest = hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:16]
    made_for, _dash, count = now.partition("-")
    if made_for != digest:
        return digest
    if all(stack.read(entry.path) == entry.text for entry in entries):
        return now
    return "%s-%d" % (digest, (int(count) if count.isdigit() else 0) + 1)


def _others_write(host: Any, folder: str) -> bool:
    """Tell whether others than root can put something of theirs into a folder, or one in its place."""
    while True:
        info = host.stat(folder)
        if info.uid != 0 or info.mode & 0o022 and not info.mode & 0o1000:
            return True
        if folder in ("/", ""):
            return False
        folder = os.path.dirname(folder)


def _parents(paths: Sequence[str]) -> List[str]:
    """Return the folders above these relative paths, outermost first."""
    found = []  # type: List[str]
    for path in paths:
        steps = path.split("/")[:-1]
        found += ["/".join(steps[: number + 1]) for number in range(len(steps))]
    return sorted(set(found))

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of a running deployment by all roles of a run: validated beforehand, proven afterwards, or taken back as a whole.

A watch on the host sees to it that this holds too where the module is killed in the middle, and a unit at boot where the host is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets as random
import time
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import (
    STATE,
    UNIT,
    Guard,
    Mismatch,
    Refused,
    process,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack import guide_options, mounts, scaled, undo
from ansible_collections.nself.prod.plugins.module_utils.change.stack.candidate import Candidate
from ansible_collections.nself.prod.plugins.module_utils.change.stack.health import Before
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part, Plan
from ansible_collections.nself.prod.plugins.module_utils.change.stack.recreate import STEADY, Recreation, ends_by_itself
from ansible_collections.nself.prod.plugins.module_utils.change.stack.stack import Stack, write_private
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

LOCK = "/run/nself-prod-deployment.lock"
LONGEST = 3600  # seconds after which the rollback comes whatever the run does
STARTED = "%s is started again: it does not see any more what is mounted at %s"
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
        self.parts, self.every_part = list(parts), list(every_part)
        self.changes = changes
        self.wait = wait
        self.before = Before(stack)
        self.recreation = Recreation(stack, wait, self.before.unwell)
        self._made: List[str] = []  # folders, innermost first

    def run(self) -> Dict[str, Any]:
        """Make the change and return what the module returns. Raises ChangeError where it was refused or taken back."""
        unread = self.stack.unread()
        if unread:
            raise Refused(unread)
        self.stack.load()
        plans = {part.name: part.plan() for part in self.parts}
        for part in self.parts:
            plan = plans[part.name]
            plan.follows = guide_options.in_force(part.name, part.options, part.declared, plan.used)
        new = Candidate(self.stack, plans, self.every_part)
        dry = Changes(self.host, check=True)
        new.write(dry)
        scaled.keep(self.stack, new.recreated, new.model)
        for name in new.recreated:
            # One that does not see its files judges others; in a new container it sees them.
            if name in self.stack.of("nginx") and not mounts.stale(self.stack, name, {}):
                self._starts_again(name)
        if self.changes.check:
            self._predict(new)
        elif dry.changed or new.recreate or new.remove:
            self._enforce(new)
        else:
            self._settle_only()
        return self._result(new)

    def _starts_again(self, nginx: str) -> None:
        """Raise Refused where nginx runs, but would not start with its files and neighbours as they are: nor would it once all is put back."""
        done = self.stack.exec(nginx, ["nginx", "-t"]) if self.stack.running(nginx) else None
        found = re.search(r"\[emerg\] (?:\d+#\d+: )?(.+)", done.err) if done is not None and done.rc else None
        if found:
            raise Refused(
                "%s runs, but would not start again as things are: %s; mend that first, nothing was changed"
                % (nginx, self.stack.redact(found.group(1).strip()[:300]))
            )

    def _enforce(self, new: Candidate) -> None:
        guard = Guard(self.host, "stack" + random.token_hex(8), LONGEST, patience=300)
        self._make_room(new)
        for part in self.parts:
            part.fetch(self.changes)
        self._have_images(new)
        new.make_sure()
        anew = new.recreated + list(new.stale)
        self.before.again(self.wait)
        self._made = new.folders()
        undo.stand_in(self.stack, new.stand_in)
        folders = [entry[0] for plan in new.plans.values() for entry in plan.folders]
        # Before the old containers come, which may need them as they were.
        commands = undo.folders_back(self.stack, folders)
        commands += undo.commands(self.stack, new.touched, list(new.stale), self._made, self.before.unwell)
        guard.arm(new.files(), commands)
        prepared: List[Part] = []
        try:
            self._watch()
            for part in self.parts:
                prepared.append(part)
                part.prepare(self.changes)
            new.write(self.changes)
            self.stack.cli = self.stack.cli.but(files=new.overridden)
            for part in self.parts:
                part.validate()
            write_private(undo.TOUCHED, "")
            if new.remove:
                self.stack.cli.ask("rm", "--stop", "--force", *new.remove, timeout=120, noted=True)
                for name in new.remove:
                    self.changes.note("the container of %s is removed" % name)
            addresses = self._addresses()
            self.recreation.run(new.recreate, new.model, list(new.stale))
            for name in new.recreated:
                self.changes.note("%s was made anew (%.0f s)" % (name, self.recreation.downtime.get(name, 0)))
            self._see_again(new)
            self._follow(addresses, anew)
            self.before.watch()
            for part in self.parts:
                part.settle(self.changes)
            self.recreation.settled(anew)
            scaled.settled(self.stack, anew, new.model, self.wait, self.before.unwell)
            for part in self.parts:
                part.verify()
            ending = [name for name, item in new.model.items() if ends_by_itself(item)]
            self.before.hold(anew, new.remove, ending, self.wait)
        except BaseException as error:
            raise self._taken_back(guard, error, prepared, new.touched + list(new.stale)) from error
        guard.disarm()
        undo.clear(self.stack)
        self._finish()

    def _see_again(self, new: Candidate) -> None:
        """Make sure that what was started again for what it did not see sees it now. Raises Mismatch."""
        for name, places in new.stale.items():
            blind = new.unseen(name)
            if blind:
                raise Mismatch("%s was started again and still does not see what is mounted at %s" % (name, blind[0]))
            self.changes.note(STARTED % (name, ", ".join(places)))

    def _taken_back(
        self,
        guard: Guard,
        error: BaseException,
        prepared: Sequence[Part],
        touched: Sequence[str],
    ) -> ChangeError:
        """Put everything back; return what to say."""
        outcome = guard.roll_back()
        problems = [] if outcome == "ok" else undo.in_short(outcome)
        self.stack.cli = self.stack.on_disk()
        ran = [name for name in touched if name in self.before.ran]
        try:
            self.recreation.settled(ran, patient=True)
            time.sleep(STEADY)
            self.stack.refresh()
            problems += ["%s does not run" % name for name in ran if not self.before.as_before(name)]
        except (ChangeError, HostError) as problem:
            problems.append(str(problem))
        problems += self._reverted(prepared)
        undo.clear(self.stack)
        for path in self._made:
            with contextlib.suppress(OSError):  # what somebody else has put there stays
                os.rmdir(path)
        return self._ended(error, problems, "files and containers were put back as they were")

    def _reverted(self, begun: Sequence[Part]) -> List[str]:
        """Have these parts take back what they did, the last one first; return what could not be."""
        problems = []
        for part in reversed(begun):
            try:
                part.revert()
            except Exception as problem:  # whatever it is, the others have their turn, and the cause is told
                problems.append(self.stack.redact("%s: %s" % (part.name, _words(problem))))
        return problems

    def _ended(self, error: BaseException, problems: Sequence[str], well: str) -> ChangeError:
        """Return what to say of a change that was taken back. well: what is so where nothing was met with."""
        reason = self.stack.redact(_words(error))
        reason += "".join("; %s" % line for part in self.parts for line in part.stays)
        if problems:
            return ChangeError("%s; putting it back met with: %s" % (reason, "; ".join(problems)))
        self.changes.changed = False
        return ChangeError("%s; %s" % (reason, well))

    def _settle_only(self) -> None:
        begun: List[Part] = []
        try:
            for part in self.parts:
                begun.append(part)
                part.settle(self.changes)
            if self.changes.changed:
                for part in self.parts:
                    part.verify()
        except BaseException as error:
            raise self._ended(
                error, self._reverted(begun), "what was set was put back, and files and containers are as they were"
            ) from error
        self._finish()

    def _finish(self) -> None:
        for part in self.parts:
            part.finish(self.changes)

    def _predict(self, new: Candidate) -> None:
        """Tell what a run would do."""
        for part in self.parts:
            part.fetch(self.changes)
        for part in self.parts:
            part.prepare(self.changes)
        new.write(self.changes)
        for name in new.remove:
            self.changes.note("the container of %s is removed" % name)
        for name, places in new.stale.items():
            self.changes.note(STARTED % (name, ", ".join(places)))
        for number, layer in enumerate(new.recreate):
            made = [name for name in layer if name not in new.stale]
            if made:
                self.changes.note("%d. made anew: %s" % (number + 1, ", ".join(made)))
        for part in self.parts:
            part.settle(self.changes)
        self._finish()

    def _watch(self) -> None:
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
            + process(self.host).split(),
            timeout=30,
        )

    def _make_room(self, new: Candidate) -> None:
        """Refuse where a full disk, or a folder that cannot be written to, would stop the run in its middle."""
        need = sum(len(text) for text in new.texts.values()) + sum(
            len(entry.text) for plan in new.plans.values() for entry in plan.files
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

    def _have_images(self, new: Candidate) -> None:
        """Refuse where an image is not there that a service is to be made of: then neither the new container nor the old one could be made."""
        for name in new.recreated:
            image = str((new.model.get(name) or {}).get("image") or "")
            if image and self.host.run(["docker", "image", "inspect", "--", image], timeout=20).rc:
                raise Refused(
                    "the image %s of %s is not on this host; `docker pull %s` first. Nothing was changed"
                    % (image, name, image)
                )

    def _addresses(self) -> Dict[str, str]:
        out = {}
        for name in self.stack.services:
            try:
                out[name] = self.stack.address(name)
            except ChangeError:
                continue
        return out

    def _follow(self, before: Mapping[str, str], recreated: Sequence[str]) -> None:
        """Have nginx look its names up again where a service has a new address and nginx itself is the old one."""
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

    def _result(self, new: Candidate) -> Dict[str, Any]:
        left = {name: list(dict.fromkeys(plan.left)) for name, plan in new.plans.items()}
        return {
            "applicable": True,
            "project": self.stack.project,
            "recreated": new.recreated,
            "restarted": sorted(new.stale),
            "removed": new.remove,
            "order": new.recreate,
            "downtime": self.recreation.downtime,
            "parts": {
                name: {
                    "services": [service for service in new.recreated if service in _services_of(plan)],
                    "left": left[name],
                    "settings": sorted(plan.follows),
                }
                for name, plan in new.plans.items()
            },
            "left": [text for texts in left.values() for text in texts]
            + new.left
            + scaled.left(new.recreated, new.model)
            + self.before.told(),
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


def _words(error: BaseException) -> str:
    known = isinstance(error, (ChangeError, HostError, Missing))
    return str(error) if known else "%s: %s" % (type(error).__name__, error)


def _services_of(plan: Plan) -> "set[str]":
    found = (
        set(plan.fragment.get("services") or {})
        | set(plan.postgres_settings)
        | {entry.service for entry in plan.database_urls}
    )
    return found | {service for entry in plan.files for service in entry.services}

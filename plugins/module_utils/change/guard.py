# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollback that a host carries out by itself, unless a fresh login proves within seconds that a change let its operator in.

It is a timer of systemd with a script of its own: it needs neither the connection, nor the module, nor Python. It is enabled
for the next boot too, so a host that is restarted in the middle comes up as it was before. There is one at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import stat
import time
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, command
from ansible_collections.nself.prod.plugins.module_utils.change.tables import rollback_script
from ansible_collections.nself.prod.plugins.module_utils.host import Host, HostError, NotFound

FOLDER = "/etc/nself-prod"  # on the file system of what is changed most, so that putting it back is a rename and needs no room
STATE = FOLDER + "/rollback"
OUTCOME = FOLDER + "/rolled-back"
CHILD = "child"  # in STATE: the process that a run has change things and that may outlive it, as "pid start boot"
CUT = "cut"  # in STATE: there where such a process was ended, or has failed
CONFIRMED = "confirmed"
LOCK = "/run/nself-prod-guard.lock"  # where only root can make it, and hold it
UNITS = "/etc/systemd/system"
UNIT = "nself-prod-rollback"
LINKS = ("multi-user.target.wants/%s.service" % UNIT,)
SYSTEMD = "/run/systemd/system"  # there while systemd runs
LOCK_SECONDS = 15.0


class Refused(ChangeError):
    """The change would cut the operator off, or could not be taken back. Nothing was changed."""


class Mismatch(ChangeError):
    """What is in force is not what was asked for."""


@dataclass(frozen=True)
class Armed:
    """A rollback that waits. run: whose; since: when it was armed, seconds since the epoch; seconds: how long it waits.

    longest: how many seconds it may take once it runs, None where an earlier version armed it.
    """

    run: str
    since: float
    seconds: int
    connection: str
    longest: Optional[float] = None


class Guard:
    """The rollback of one run. run: its name, letters and digits; seconds: how long to wait for the fresh login.

    patience: how many seconds each command of the rollback may take.
    """

    def __init__(self, host: Host, run: str, seconds: int = 60, patience: int = 60) -> None:
        self.host = host
        self.run = run
        self.seconds = seconds
        self.patience = patience

    # -- what there is -----------------------------------------------------------------------------------------------

    def armed(self) -> Optional[Armed]:
        """Return the rollback that waits on this host, whoever armed it. Raises ChangeError where its state is not readable."""
        try:
            state = json.loads(self.host.read(STATE + "/run.json"))
            longest = state.get("longest")
            return Armed(
                str(state["run"]),
                float(state["since"]),
                int(state["seconds"]),
                str(state["connection"]),
                None if longest is None else float(longest),
            )
        except NotFound:
            return None
        except (HostError, ValueError, KeyError, TypeError) as error:
            raise ChangeError("%s/run.json cannot be read: %s" % (STATE, error)) from error

    def outcome(self) -> Optional[str]:
        """Return how this run ended, None where that is not known: CONFIRMED, "ok" where it was taken back, or what could not be."""
        try:
            lines = self.host.read(OUTCOME).splitlines()
        except NotFound:
            return None
        except HostError as error:
            raise ChangeError(str(error)) from error
        if not lines or lines[0] != self.run:
            return None
        return "; ".join(lines[1:]) or "ok"

    # -- what it does ------------------------------------------------------------------------------------------------

    def arm(self, keep: Sequence[str], undo: Sequence[Sequence[str]], connection: str = "") -> None:
        """Keep what is at these paths, and start the timer. undo: commands to run once the files are back.

        connection: the client's end of the operator's connection, so that a fresh one can be told from it. Raises Refused where
        another run's rollback waits, or where this one could not be relied on.
        """
        if not os.path.isdir(SYSTEMD):
            raise Refused("systemd does not run here, so there is no rollback; nothing was changed")
        self.make_way()
        for unit in (UNIT + ".timer", UNIT + ".service"):
            if os.path.islink("%s/%s" % (UNITS, unit)):
                raise Refused("%s is masked, so there is no rollback; `systemctl unmask %s` first" % (unit, unit))
        with self._lock():
            if self._overdue():
                raise Refused(
                    "an earlier rollback cannot be finished, see `journalctl -u %s`; nothing was changed" % UNIT
                )
            try:
                shutil.rmtree(STATE, ignore_errors=True)
                os.makedirs(FOLDER, 0o700, exist_ok=True)
                os.mkdir(STATE, 0o700)
                self._write_state(keep, undo, connection)
                # From here on a timer that fires finds all it needs.
                self._start()
            except (OSError, ChangeError) as error:
                with contextlib.suppress(OSError):  # on a file system that is read-only nothing came to be
                    self._remove()
                reason = (
                    "%s: %s" % (error.filename or STATE, error.strerror) if isinstance(error, OSError) else str(error)
                )
                raise Refused("the rollback cannot be prepared (%s); nothing was changed" % reason) from error

    def make_way(self, check: bool = False) -> None:
        """Raise Refused where another run's rollback waits. One that should have run is carried out; check: that is refused too."""
        if not os.path.isdir(STATE):
            return
        with self._lock():
            overdue = self._overdue()
        if overdue and check:
            raise Refused("the rollback of an earlier run has not been carried out; run this without check mode first")
        if overdue:
            # Without the lock, which the rollback takes itself.
            self.roll_back()

    def disarm(self, connection: str = "") -> None:
        """Stop the timer: the change stays. connection: as in arm(); the same one proves nothing and is refused.

        It may be asked again, since an answer can get lost.
        """
        with self._lock():
            armed = self.armed()
            if armed is None or armed.run != self.run:
                outcome = self.outcome()
                if outcome == CONFIRMED:
                    return
                raise ChangeError(
                    "the rollback of this run does not wait any more%s"
                    % ("" if outcome is None else ": it has run (%s)" % outcome)
                )
            if armed.connection and armed.connection == connection:
                raise ChangeError("the login is not a fresh one (%s), so the rollback stays armed" % connection)
            self._quietly("systemctl", "stop", UNIT + ".timer")
            # The timer may have fired in the meantime, and its service waits for our lock: without state it does nothing.
            self._remove()
            with contextlib.suppress(OSError):  # where there is no room for the word the change stays all the same
                _write(OUTCOME, "%s\n%s\n" % (self.run, CONFIRMED), 0o600)

    def roll_back(self) -> str:
        """Put everything back now; return "ok" or what could not be put back."""
        longest = self._longest()
        with contextlib.suppress(HostError, OSError):
            # The rollback ends a run that still changes things. Where we are that run, we are done.
            if self.host.read(STATE + "/applier") == process(self.host):
                os.unlink(STATE + "/applier")
        try:
            # In a session of its own: whatever becomes of this connection, it is finished.
            done = self.host.run(["systemctl", "start", UNIT + ".service"], timeout=longest)
            started = done.rc == 0
        except HostError:
            started = False
        if not started and os.path.exists(STATE + "/roll-back"):
            self.host.run(["/bin/sh", STATE + "/roll-back"], timeout=longest)
        return self.outcome() or "it did not run; look at `journalctl -u %s`" % UNIT

    # -- inner -------------------------------------------------------------------------------------------------------

    def _longest(self) -> float:
        """Return how many seconds to wait for the rollback: longer than systemd does, so that it never runs twice at a time."""
        armed = None
        with contextlib.suppress(ChangeError):
            armed = self.armed()
        return 30.0 + (_duration(self.patience, 1) if armed is None or armed.longest is None else armed.longest)

    def _overdue(self) -> bool:
        """Return whether there is a rollback that should have run. Raises Refused where one waits."""
        armed = self.armed()
        if armed is None:
            return False  # at most what is left of a run that died before it changed anything
        if self._active():
            left = armed.since + armed.seconds - self.host.now()
            raise Refused(
                "another run (%s) is changing this host, and its rollback waits for %d more seconds; try again after that"
                % (armed.run, max(0, int(left)))
            )
        return True

    def _active(self) -> bool:
        words = ["systemctl", "is-active", UNIT + ".timer", UNIT + ".service"]
        return any(line in ("active", "activating") for line in self.host.run(words).out.split())

    def _write_state(self, keep: Sequence[str], undo: Sequence[Sequence[str]], connection: str) -> None:
        longest = _duration(self.patience, len(undo))
        state = {"run": self.run, "since": self.host.now(), "seconds": self.seconds, "connection": connection}
        kept: List[str] = []
        emptied: List[str] = []  # folders that are not there yet; one that holds something of somebody else stays
        for number, path in enumerate(keep):
            folder = os.path.dirname(path)
            if os.path.lexists(path):
                command(self.host, ["cp", "-a", "--", path, "%s/%d" % (STATE, number)], timeout=30)
                info = os.stat(folder)
                access = (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)
                real = shlex.quote(os.path.realpath(folder))
                kept.append("folder %o %d:%d %s %s" % (access + (shlex.quote(folder), real)))
                kept.append("put_back %d %s %s" % (number, shlex.quote(path), real))
                continue
            kept.append("take_away %s %s" % (shlex.quote(path), shlex.quote(os.path.realpath(folder))))
            while not os.path.lexists(folder):
                emptied.append("rmdir %s 2>/dev/null" % shlex.quote(folder))
                folder = os.path.dirname(folder)
        commands = ["try %s" % " ".join(shlex.quote(word) for word in argv) for argv in undo]
        values = {"STATE": STATE, "OUTCOME": OUTCOME, "LOCK": LOCK, "UNITS": UNITS, "UNIT": UNIT, "RUN": self.run}
        values.update(PATIENCE=str(self.patience), LONGEST=str(longest), CHILD=CHILD, CUT=CUT)
        values.update(
            KEPT="\n".join(kept + sorted(set(emptied), reverse=True)),
            UNDO="\n".join(commands),
            LINKS=" ".join("%s/%s" % (UNITS, link) for link in LINKS),
        )
        _write(STATE + "/roll-back", rollback_script.script(values), 0o700)
        _write(STATE + "/applier", process(self.host), 0o600)
        _write("%s/%s.service" % (UNITS, UNIT), rollback_script.service(values), 0o644)
        _write("%s/%s.timer" % (UNITS, UNIT), rollback_script.timer(values, self.seconds), 0o644)
        for link in LINKS:
            folder = os.path.dirname("%s/%s" % (UNITS, link))
            os.makedirs(folder, 0o755, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.symlink("../%s.service" % UNIT, "%s/%s" % (UNITS, link))
        # Last: it says that all the rest is there.
        _write(STATE + "/run.json", json.dumps(dict(state, longest=longest)), 0o600)
        descriptor = os.open(STATE, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _start(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(OUTCOME)
        command(self.host, ["systemctl", "daemon-reload"], timeout=30)
        command(self.host, ["systemctl", "start", UNIT + ".timer"], timeout=30)
        shown = command(
            self.host, ["systemctl", "show", "--property=ActiveState", "--value", UNIT + ".timer"]
        ).out.strip()
        if shown != "active":
            raise ChangeError("the timer is %s after its start" % (shown or "not there"))

    def _remove(self) -> None:
        self._quietly("systemctl", "stop", UNIT + ".timer")
        # The name goes first: what is left of a removal that is cut off is no rollback any more.
        for path in [STATE + "/run.json"] + ["%s/%s" % (UNITS, link) for link in LINKS]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        for suffix in ("timer", "service"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink("%s/%s.%s" % (UNITS, UNIT, suffix))
        shutil.rmtree(STATE, ignore_errors=True)
        self._quietly("systemctl", "daemon-reload")

    def _quietly(self, *argv: str) -> None:
        with contextlib.suppress(HostError):
            self.host.run(argv, timeout=30)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold what the rollback itself and every other run wait for."""
        descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            expires = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() > expires:
                        raise Refused("another run holds %s for too long; nothing was changed" % LOCK) from None
                    time.sleep(0.1)
            yield
        finally:
            os.close(descriptor)


def _write(path: str, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def _duration(patience: int, commands: int) -> int:
    """Return how many seconds a rollback with so many commands may take."""
    return 240 + patience * max(1, commands)


def process(host: Host) -> str:
    """Return this process' pid and start, which together name no other one."""
    fields: Dict[int, Any] = dict(enumerate(host.read("/proc/self/stat").rpartition(")")[2].split()))
    return "%d %s\n" % (os.getpid(), fields[19])

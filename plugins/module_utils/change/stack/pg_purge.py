# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's side of the audit log's retention: the script and the units, made sure of, removed, and put back."""

from __future__ import annotations

import shlex
from typing import Any, Dict, List, Optional

from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_database import SHELL
from ansible_collections.nself.prod.plugins.module_utils.change.tables import postgres_audit_purge as texts
from ansible_collections.nself.prod.plugins.module_utils.host import exists

FOLDER = "/etc/nself-prod"
UNITS = "/etc/systemd/system"


class Purge:
    """The job of one project. wanted: whether it is to be there."""

    def __init__(self, host: Any, project: str, service: str, wanted: bool) -> None:
        self.host = host
        self.wanted = wanted
        self.unit = "nself-prod-audit-purge-%s" % project
        self.script = "%s/audit-purge-%s" % (FOLDER, project)
        self.link = "%s/timers.target.wants/%s.timer" % (UNITS, self.unit)
        given = {
            "project": shlex.quote(project),
            "service": shlex.quote(service),
            "script": self.script,
            "shell": shlex.quote(SHELL),
        }
        self.files = {
            self.script: (texts.SCRIPT.substitute(given), 0o755),
            "%s/%s.service" % (UNITS, self.unit): (texts.SERVICE.substitute(given), 0o644),
            "%s/%s.timer" % (UNITS, self.unit): (texts.TIMER.substitute(given), 0o644),
        }
        self._before: Optional[Dict[str, Optional[str]]] = None

    def settle(self, changes: Changes) -> None:
        """Make sure that the job is there, or is not."""
        before = {path: changes.read(path) for path in self.files}
        if self.wanted:
            self._make(changes, before)
        else:
            self._remove(changes, before)

    def _make(self, changes: Changes, before: Dict[str, Optional[str]]) -> None:
        runs = self.host.run(["systemctl", "is-active", self.unit + ".timer"]).out.strip() == "active"
        enabled = exists(self.host, self.link, follow=False)
        if not changes.check:
            self._before = before
        if not exists(self.host, FOLDER):
            changes.directory(FOLDER, 0o700)
        written = [changes.file(path, text, mode) for path, (text, mode) in self.files.items()]
        if any(written):
            changes.run(["systemctl", "daemon-reload"], "systemd reads its units anew")
        if not runs or not enabled:
            words = ["systemctl", "enable", "--now", self.unit + ".timer"]
            changes.run(words, "%s.timer is enabled: old entries of the audit log go every day" % self.unit)
        elif any(written):
            changes.run(["systemctl", "restart", self.unit + ".timer"], "%s.timer is started anew" % self.unit)

    def _remove(self, changes: Changes, before: Dict[str, Optional[str]]) -> None:
        if not any(text is not None for text in before.values()):
            return
        if not changes.check:
            self._before = before
        changes.run(
            ["systemctl", "disable", "--now", self.unit + ".timer"],
            "%s.timer is disabled: nothing is removed" % self.unit,
        )
        for path in self.files:
            changes.absent(path)
        changes.run(["systemctl", "daemon-reload"], "systemd reads its units anew")

    def revert(self) -> None:
        """Put back what was there before settle()."""
        if self._before is None:
            return
        changes = Changes(self.host, check=False)
        if all(text is None for text in self._before.values()):
            self._remove(changes, {path: changes.read(path) for path in self.files})
        else:
            for path, text in self._before.items():
                if text is not None:
                    changes.file(path, text, self.files[path][1])
            command(self.host, ["systemctl", "daemon-reload"], timeout=60)
            command(self.host, ["systemctl", "enable", "--now", self.unit + ".timer"], timeout=60)
        self._before = None

    def problems(self) -> List[str]:
        """Return what is wrong with the job as systemd has it."""
        if not self.wanted:
            return []
        done = self.host.run(["systemctl", "is-active", self.unit + ".timer"])
        return (
            []
            if done.out.strip() == "active"
            else ["%s.timer does not run; see `systemctl status %s.timer`" % (self.unit, self.unit)]
        )

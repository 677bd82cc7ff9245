#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guarded change that does what a test tells it to: one file, and a command that puts it in force."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.change.changes import command
from ansible_collections.nself.prod.plugins.module_utils.change.guarded import Guarded, run

PATH = "/etc/lockout-trial.conf"


class Trial(Guarded):
    keep = [PATH, "/etc/ssh"]
    undo = [["systemctl", "reload-or-restart", "ssh.service"]]

    def plan(self, changes):
        changes.file(PATH, self.params["text"] + "\n")

    def enforce(self):
        if self.params["command"]:
            command(self.host, ["sh", "-c", self.params["command"]], timeout=120)


if __name__ == "__main__":
    run({"text": {"type": "str"}, "command": {"type": "str"}}, Trial)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Note which tasks of converge.yml changed something on which host: checked.json in check mode, else run-1.json, run-2.json …"""

from __future__ import annotations

import json
import os
import pathlib

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: recorder
type: aggregate
short_description: Note which tasks changed something
description: For the tests of this scenario.
"""


class CallbackModule(CallbackBase):
    """Writes one file a run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "recorder"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.changed = []
        self.wanted = False

    def v2_playbook_on_start(self, playbook):
        self.wanted = os.path.basename(playbook._file_name) == "converge.yml"

    def v2_runner_on_ok(self, result):
        if result.is_changed():
            self.changed.append([result.host.get_name(), result.task.get_name()])

    def v2_playbook_on_stats(self, stats):
        if not self.wanted:
            return
        folder = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
        if context.CLIARGS["check"]:
            path = folder / "checked.json"
        else:
            path = folder / ("run-%d.json" % (len(list(folder.glob("run-*.json"))) + 1))
        path.write_text(json.dumps(sorted(self.changed), indent=1))

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock a host down over a login that is proven to work afterwards, and tell how long that took."""

from __future__ import annotations

import time
from typing import Any, Optional

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.nself.prod.plugins.plugin_utils.guarded import GuardedAction
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import clean


class ActionModule(GuardedAction):
    """The controller's side of nself_lockdown."""

    module = "nself.prod.nself_lockdown"

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Return the module's result, and the seconds it took with its fresh login."""
        begun = time.monotonic()
        try:
            # A host that is away is told at once: nothing was begun there that a rollback would have to end.
            self._low_level_execute_command(":", sudoable=False)
        except AnsibleConnectionFailure as error:
            return dict(_seconds(begun), unreachable=True, changed=False, msg=clean(str(error)))
        return dict(super().run(tmp, task_vars), **_seconds(begun))


def _seconds(begun: float) -> dict[str, Any]:
    return {"seconds": round(time.monotonic() - begun, 1)}

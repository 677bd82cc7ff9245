# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of nself_deployment: secrets among nself's settings travel as secrets, so that no host shows or logs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ansible.plugins.action import ActionBase
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import is_secret_name

MODULE = "nself.prod.nself_deployment"


class ActionModule(ActionBase):
    """Sort the settings, and run the module."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = sorted_out(dict(self._task.args))
        return dict(self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars or {}))


def sorted_out(args: dict[str, Any]) -> dict[str, Any]:
    """Return the module's arguments with each secret of `settings` among `secrets`; what stands there already counts."""
    settings, secrets = args.get("settings"), args.get("secrets")
    if not isinstance(settings, Mapping) or not isinstance(secrets or {}, Mapping):
        return args  # the module says what is wrong with them
    found = {name: value for name, value in settings.items() if is_secret_name(str(name))}
    plain = {name: value for name, value in settings.items() if name not in found}
    # A role passes "" where it was given none.
    given = {name: value for name, value in (secrets or {}).items() if value not in (None, "")}
    return dict(args, settings=plain, secrets={**found, **given})

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units that a server does not need, as systemd sees them."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.unwanted_services import UNWANTED
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse.systemd import parse_show

ACTIVE = ("active", "activating", "reloading", "refreshing")
ENABLED = ("enabled", "enabled-runtime")


def units(host: Any, names: Iterable[str]) -> List[Dict[str, Any]]:
    """Return the state of those of the units that exist, in one call. Raises HostError where systemd does not run."""
    argv = ["systemctl", "show", "--no-pager", "--property=Id,LoadState,ActiveState,UnitFileState"]
    done = host.run(argv + list(names))
    shown = parse_show(done.out)
    if not shown:
        # Without systemd as PID 1 the command exists, but has nobody to ask.
        raise HostError(Reason.TOOL_ABSENT, "systemctl", first_line(done.err) or "gave no answer")
    return [
        {
            "name": unit.get("Id", ""),
            "active": unit.get("ActiveState") in ACTIVE,
            "enabled": unit.get("UnitFileState") in ENABLED,
        }
        for unit in shown
        if unit.get("LoadState") != "not-found" or unit.get("ActiveState") in ACTIVE
    ]


def collect(host: Any, need: Any) -> Dict[str, Any]:
    return {"units": units(host, [name for _kind, names, _processes, _ports in UNWANTED for name in names])}


COLLECTORS = (Collector("services", collect),)

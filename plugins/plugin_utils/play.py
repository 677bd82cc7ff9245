# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a play and their variables, for a task that speaks for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def hosts_of(task_vars: Mapping[str, Any]) -> list[str]:
    """Return every host that the play was meant for, also those that it lost."""
    return [str(host) for host in task_vars.get("ansible_play_hosts_all") or [task_vars["inventory_hostname"]]]


def variables_of(task_vars: Mapping[str, Any], host: str) -> Mapping[str, Any]:
    """Return a host's variables, templates as they were written; empty where they are broken."""
    try:
        hostvars = task_vars["hostvars"]
        # Rendering each host's variables as templates would only cost time.
        variables: Mapping[str, Any] = hostvars.raw_get(host) if hasattr(hostvars, "raw_get") else hostvars[host]
        return variables
    except Exception:  # pylint: disable=broad-except  # one host's broken variables must not cost the others' report
        return {}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller saw of the host before it sent the module: the one thing that a host cannot read of itself.

Facts `outside`: address, ports{number: open, refused, timeout or error}, same_host, control.
"""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return what was handed over. Nothing is no problem to report: a host that audits itself has no view from outside."""
    given = need.options.outside or {"address": None, "ports": {}, "same_host": None, "control": None}
    return {key: given[key] for key in ("address", "ports", "same_host", "control") if key in given}


COLLECTORS = (Collector("outside", collect),)

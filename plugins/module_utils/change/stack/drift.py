# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers were not made as a fragment says, though the files may say so already: they were made before the files did."""

from __future__ import annotations

from typing import Any, List, Mapping

from ansible_collections.nself.prod.plugins.module_utils.change.stack import override
from ansible_collections.nself.prod.plugins.module_utils.deployment.interpolate import interpolate


def stale(stack: Any, fragment: Mapping[str, Any], settings: Mapping[str, str]) -> List[str]:
    """Return the services whose container has another command line, health check or environment. settings: what the env files will say.

    None where the user's own last words in the override may be the reason.
    """
    if override.has_content(stack.override.below):
        return []
    variables = dict(stack.variables, **settings)
    services = fragment.get("services") or {}
    return sorted(
        name for name, wanted in services.items() if _differs(stack.inspect(name), interpolate(wanted, variables))
    )


def _differs(item: Any, wanted: Mapping[str, Any]) -> bool:
    if item is None:
        return False
    config = item.get("Config") or {}
    environment = set(config.get("Env") or [])
    pairs = (
        ("entrypoint", config.get("Entrypoint")),
        ("command", config.get("Cmd")),
        ("healthcheck", {"test": (config.get("Healthcheck") or {}).get("Test")}),
    )
    return any(key in wanted and (wanted[key] or None) != (is_now or None) for key, is_now in pairs) or not all(
        "%s=%s" % pair in environment for pair in (wanted.get("environment") or {}).items()
    )

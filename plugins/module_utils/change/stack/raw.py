# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service of a compose model that is not filled in says: its command lines and its environment, in compose's own syntax."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.nself.prod.plugins.module_utils.deployment.interpolate import InterpolationError, interpolate

_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::?[-?+][^{}]*(?:\{[^{}]*\}[^{}]*)*)?\}|([A-Za-z_]\w*))\Z")


class Unclear(ValueError):
    """What the compose file says is not understood. The message quotes nothing of it."""


def words(value: Any) -> Optional[List[str]]:
    """Return a command as compose splits it, None where there is none. Raises Unclear."""
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [str(word) for word in value]
    try:
        return shlex.split(str(value))
    except ValueError:
        raise Unclear("its quotes do not close") from None


def environment(service: Mapping[str, Any]) -> Dict[str, str]:
    """Return a service's environment; what it takes over by name alone refers to that name."""
    given = service.get("environment") or {}
    if isinstance(given, Mapping):
        pairs = [(str(name), value) for name, value in given.items()]
    else:
        pairs = [
            (name, text if equals else None) for name, equals, text in (str(item).partition("=") for item in given)
        ]
    return {name: "${%s:-}" % name if value is None else str(value) for name, value in pairs}


@dataclass(frozen=True)
class Secret:
    """A secret as a compose file gives it. name: the variable that it comes from, "" where it stands there itself."""

    name: str
    value: str


def secret(text: str, variables: Mapping[str, str]) -> Secret:
    """Return what a text stands for. Raises Unclear."""
    found = _REFERENCE.match(text)
    try:
        value = str(interpolate(text, variables))
    except InterpolationError:
        if not found:
            raise Unclear("a variable in it is not set") from None
        value = ""
    return Secret((found.group(1) or found.group(2)) if found else "", value)


def refers(text: str) -> bool:
    """Tell whether a text is a reference to a variable and nothing else."""
    return bool(_REFERENCE.match(text))

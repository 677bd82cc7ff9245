# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds at a place of nginx's configuration: how directives are inherited, and the units that their values are written in.

A chain is the list of blocks that a place lies in, from outside to inside: what stands in http, in the server, in each location.
https://nginx.org/en/docs/syntax.html
"""

from __future__ import annotations

import re
from typing import List, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import Directive, named

Block = Sequence[Directive]
Chain = Sequence[Block]

_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}


def nearest(chain: Chain, name: str) -> List[Directive]:
    """Return the directives of a name that hold for a place: those of the innermost block that has any, and of no other."""
    for block in reversed(chain):
        found = named(block, name)
        if found:
            return found
    return []


def value(chain: Chain, name: str, default: str) -> str:
    """Return the first argument of the directive that holds for a place."""
    found = nearest(chain, name)
    return found[-1].first if found else default


def seconds(text: str) -> Optional[float]:
    """Return a time such as 1h30m or 500ms in seconds, None where it is none."""
    parts = re.findall(r"(\d+)(ms|[smhdwMy]?)\s*", text)
    if not parts or not re.match(r"^(?:\d+(?:ms|[smhdwMy]?)\s*)+$", text):
        return None
    return float(sum(int(number) * _SECONDS[unit] for number, unit in parts))


def size(text: str) -> Optional[int]:
    """Return a size such as 100M in bytes, None where it is none."""
    found = re.match(r"^(\d+)([kmg]?)$", text.lower())
    return int(found.group(1)) * _SIZES[found.group(2)] if found else None


def per_minute(text: str) -> Optional[float]:
    """Return a rate such as 10r/s in requests a minute, None where it is none."""
    found = re.match(r"^(\d+)r/([sm])$", text)
    return int(found.group(1)) * (60.0 if found.group(2) == "s" else 1.0) if found else None

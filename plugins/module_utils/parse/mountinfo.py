# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/proc/self/mountinfo and /proc/swaps: on which device a path lies, and where memory is written to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Sequence

_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """A mount. device: major:minor; source: what the file system calls its device or data set."""

    device: str
    point: str
    kind: str
    source: str


@dataclass(frozen=True)
class Swap:
    """A swap area. kind: partition or file."""

    path: str
    kind: str


def mounts(text: str) -> List[Mount]:
    """Return the mounts in their order. Raises ValueError for a line that is none: a mount that is not seen may be the one."""
    out = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        before, after = left.split(), right.split()
        if not separator or len(before) < 6 or len(after) < 2 or not re.match(r"\d+:\d+\Z", before[2], re.A):
            raise ValueError("a line is no mount")
        out.append(Mount(before[2], _plain(before[4]), after[0], _plain(after[1])))
    return out


def mount_of(path: str, found: Sequence[Mount]) -> Optional[Mount]:
    """Return the mount that an absolute, resolved path lies on. Of several on one point, the last covers the others."""
    best: Optional[Mount] = None
    for mount in found:
        below = mount.point.rstrip("/") + "/"
        if (path + "/").startswith(below) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def swaps(text: str) -> List[Swap]:
    """Return the swap areas. Raises ValueError for what is no such table."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("Filename"):
        raise ValueError("it has no header")
    out = []
    for line in lines[1:]:
        fields = line.split()
        if len(fields) < 5 or fields[1] not in ("partition", "file"):
            raise ValueError("a line is no swap area")
        out.append(Swap(_plain(fields[0]), fields[1]))
    return out


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match.group(1), 8)), text)

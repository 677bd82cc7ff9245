# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of kernel settings (sysctl.d), as systemd-sysctl, procps and ufw read them.

A key is written here as its path below /proc/sys: net/ipv4/conf/eth0.5/rp_filter, with * where it stands for several.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Iterable, List, Optional

_SWAPPED = str.maketrans("./", "/.")


@dataclass(frozen=True)
class Assignment:
    """One line of a file. number counts from 0; value is None for `-key`, which takes a key out of what a pattern sets."""

    number: int
    key: str
    value: Optional[str]


def path_of(key: str) -> str:
    """Return a key as its path. Whichever of both separators comes first is one; the other belongs to a name."""
    first = next((sign for sign in key if sign in "./"), "/")
    return key.translate(_SWAPPED) if first == "." else key


def dotted(path: str) -> str:
    """Return a path as the key that people write."""
    return path.translate(_SWAPPED)


def is_pattern(key: str) -> bool:
    return any(sign in key for sign in "*?[")


def parse(text: str) -> List[Assignment]:
    """Return the assignments of a file; lines that are none are passed over, as the tools do."""
    out = []
    for number, line in enumerate(text.splitlines()):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        name, sign, value = line.partition("=")
        name = name.strip()
        careful = name.startswith("-")
        name = name.lstrip("-").strip()
        if name and (sign or careful):
            out.append(Assignment(number, path_of(name), " ".join(value.split()) if sign else None))
    return out


def touches(assigned: str, key: str) -> bool:
    """Tell whether an assignment to a key or pattern may set a key, or some of what a pattern stands for."""
    parts, wanted = assigned.split("/"), key.split("/")
    return len(parts) == len(wanted) and all(
        one == other or other == "*" or fnmatch.fnmatchcase(other, one) for one, other in zip(parts, wanted)
    )


def comment_out(text: str, numbers: Iterable[int], why: str) -> str:
    """Return the text with these lines turned into comments that say why."""
    off = set(numbers)
    lines = text.splitlines(True)
    return "".join("# %s: %s" % (why, line) if number in off else line for number, line in enumerate(lines))

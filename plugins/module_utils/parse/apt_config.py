# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""apt's configuration, and what unattended-upgrades makes of its patterns."""

from __future__ import annotations

import fnmatch
import re
from typing import Dict, Iterable, List, Mapping, Optional

_ENTRY = re.compile(r'^(\S+) "(.*)";$', re.MULTILINE)
_INTERVAL = re.compile(r"^(\d{1,9})([smhd]?)$")
_DAYS = {"s": 1 / 86400, "m": 1 / 1440, "h": 1 / 24, "d": 1.0, "": 1.0}
_YES = ("yes", "true", "with", "on", "enable", "1")
# What a pattern may name, and the field of a Release file (or of its address) that it means.
_FIELDS = {
    "o": "origin",
    "origin": "origin",
    "l": "label",
    "label": "label",
    "a": "suite",
    "suite": "suite",
    "archive": "suite",
    "n": "codename",
    "codename": "codename",
    "c": "component",
    "component": "component",
    "site": "site",
}


def parse_dump(text: str) -> Dict[str, List[str]]:
    """Return `apt-config dump` as {name in lower case: values that are not empty}; a list's entries share one name."""
    out: Dict[str, List[str]] = {}
    for name, value in _ENTRY.findall(text):
        if value:
            out.setdefault(name.rstrip(":").lower(), []).append(value)
    return out


def interval_days(value: str) -> Optional[float]:
    """Return an interval of APT::Periodic in days, None where it switches the job off. Raises ValueError."""
    if value == "always":
        return 0.0
    match = _INTERVAL.match(value or "0")
    if not match:
        raise ValueError("not an interval of APT::Periodic")
    return int(match.group(1)) * _DAYS[match.group(2)] or None


def origin_patterns(config: Mapping[str, List[str]], distro_id: str, codename: str) -> List[str]:
    """Return what unattended-upgrades may install from, all in the syntax of Origins-Pattern. Raises ValueError."""
    patterns = []
    for entry in config.get("unattended-upgrade::allowed-origins", ()):
        parts = re.split(r"(?<!\\):", entry) if re.search(r"(?<!\\):", entry) else entry.split()
        if len(parts) != 2:
            raise ValueError("not an entry of Allowed-Origins")
        patterns.append("o=%s,a=%s" % tuple(part.replace("\\:", ":").replace(",", "\\,") for part in parts))
    patterns.extend(config.get("unattended-upgrade::origins-pattern", ()))
    known = (("distro_id", distro_id), ("distro_codename", codename))
    for name, value in known:
        patterns = [pattern.replace("${%s}" % name, value).replace("$" + name, value) for pattern in patterns]
    return patterns


def allows(patterns: Iterable[str], archive: Mapping[str, str]) -> bool:
    """Return whether one of the patterns takes an archive. Raises ValueError where unattended-upgrades would give up."""
    # Every pattern is tried: a broken one makes unattended-upgrades give up, whatever the others say.
    return True in [_matches(pattern, archive) for pattern in patterns]


def left_out(config: Mapping[str, List[str]], packages: Iterable[str]) -> List[str]:
    """Return those of the packages that unattended-upgrades is told to leave alone. Raises ValueError for a broken list."""
    names = "unattended-upgrade::package-blacklist", "unattended-upgrade::package-whitelist"
    try:
        black, white = ([re.compile(pattern) for pattern in config.get(name, ())] for name in names)
    except re.error:
        raise ValueError("not a pattern of package names") from None
    # A whitelist that is not strict lets in what its packages depend on, and nothing else. An empty one is none; but where it
    # is strict, every archive is pinned down and nothing is raised again.
    strict = config.get("unattended-upgrade::package-whitelist-strict", [""])[-1].lower() in _YES
    return [
        name
        for name in packages
        if any(one.match(name) for one in black) or ((white or strict) and not any(one.match(name) for one in white))
    ]


def _matches(pattern: str, archive: Mapping[str, str]) -> bool:
    good = True
    for token in pattern.strip().replace("\\,", "\0").split(","):
        name, sign, value = (part.strip().replace("\0", ",") for part in token.partition("="))
        if not sign or name not in _FIELDS:
            raise ValueError("not an origin pattern")
        good = fnmatch.fnmatchcase(archive.get(_FIELDS[name], ""), value) and good
    return good

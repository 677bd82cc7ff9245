# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages: versions, dpkg's status file, an archive's index."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Mapping, Tuple

_FIELD = re.compile(r"^(Package|Status|Architecture|Version): (.*)$", re.MULTILINE)
_HEADER = re.compile(r"^(Origin|Label|Suite|Codename): (.*)$", re.MULTILINE)
_PART = re.compile(r"(\D*)(\d*)")

Installed = Dict[str, List[Tuple[str, str]]]


def version_key(version: str) -> Tuple[Any, ...]:
    """Return a sort key that orders versions as dpkg does: epoch, upstream version, revision; `~` before anything."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "", version
    upstream, _dash, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return tuple(tuple(_parts(part or "0")) for part in (epoch, upstream, revision))


def _parts(text: str) -> Iterator[Tuple[Any, ...]]:
    # findall ends with an empty part, which sorts after a "~" and before anything else.
    for word, digits in _PART.findall(text):
        digits = digits.lstrip("0")
        yield tuple([_order(char) for char in word] + [0]), len(digits), digits


def _order(char: str) -> int:
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 0x110000


def parse_status(text: str) -> Installed:
    """Return dpkg's status file as {package: [(architecture, version)]}, without what is removed."""
    out: Installed = {}
    for stanza in text.split("\n\n"):
        fields = dict(_FIELD.findall(stanza))
        state = fields.get("Status", "").split()
        if len(state) == 3 and state[2] not in ("not-installed", "config-files") and fields.get("Version"):
            out.setdefault(fields.get("Package", ""), []).append((fields.get("Architecture", "all"), fields["Version"]))
    return out


def outdated(installed: Mapping[str, List[Tuple[str, str]]], index: str) -> List[str]:
    """Return the installed packages for which an archive's index (Packages) has a newer version, sorted."""
    out = set()
    for stanza in index.split("\n\n"):
        # An index is long: only stanzas of installed packages are looked at.
        start = stanza.lstrip("\n")
        name = start[len("Package: ") :].split("\n", 1)[0].strip()
        if name not in installed or not start.startswith("Package: "):
            continue
        fields = dict(_FIELD.findall(stanza))
        arch, newer = fields.get("Architecture", "all"), version_key(fields.get("Version", ""))
        for mine, version in installed[name]:
            if (mine == arch or "all" in (mine, arch)) and version_key(version) < newer:
                out.add(name)
    return sorted(out)


def parse_release(text: str) -> Dict[str, str]:
    """Return origin, label, suite and codename of a Release or InRelease file; absent ones are empty."""
    fields = dict(_HEADER.findall(text))
    return {name.lower(): fields.get(name, "").strip() for name in ("Origin", "Label", "Suite", "Codename")}


def newest_kernel(running: str, installed: List[str]) -> str:
    """Return the newest of the installed kernel releases that have the running one's flavour, "" where none has.

    A flavour is what follows the numbers: amd64, cloud-amd64, generic. Kernels of other flavours are not its successors.
    """
    flavour = _flavour(running)
    mine = [release for release in installed if _flavour(release) == flavour]
    return max(mine, key=version_key) if mine else ""


def _flavour(release: str) -> str:
    match = re.search(r"-([A-Za-z].*)$", release)
    return match.group(1) if match else ""

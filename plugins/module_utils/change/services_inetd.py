# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn services off in the files of inetd and xinetd. Pure: text in, text out."""

from __future__ import annotations

import re
from typing import Iterable

OFF = "#<off># "  # as update-inetd marks what it turns off
_SERVICE = re.compile(r"^\s*service\s+(\S+)")
_DISABLE = re.compile(r"^(\s*disable\s*=\s*)(\S+)(.*)$")


def without(text: str, names: Iterable[str]) -> str:
    """Return an inetd.conf in which the services of these names are comments."""
    unwanted = set(names)
    out = []
    for line in text.splitlines(True):
        words = line.split()
        # An address may stand before the name: 127.0.0.1:telnet.
        name = words[0].rpartition(":")[2] if words and not line.startswith("#") else ""
        out.append(OFF + line if name in unwanted and len(words) > 4 else line)
    return "".join(out)


def disabled(text: str, names: Iterable[str]) -> str:
    """Return a file of xinetd in which the services of these names are disabled."""
    unwanted = set(names)
    out = []
    inside, said = False, False
    for line in text.splitlines(True):
        found = _SERVICE.match(line)
        if found:
            inside, said = found.group(1) in unwanted, False
        if inside:
            match = _DISABLE.match(line.rstrip("\n"))
            if match:
                said = True
                if match.group(2).lower() != "yes":
                    line = "%syes%s\n" % (match.group(1), match.group(3))
            elif line.strip() == "}":
                if not said:
                    out.append("\tdisable = yes\n")
                inside = False
        out.append(line)
    return "".join(out)

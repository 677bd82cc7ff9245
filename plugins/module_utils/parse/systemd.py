# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `systemctl show` prints."""

from __future__ import annotations

from typing import Dict, List


def parse_show(text: str) -> List[Dict[str, str]]:
    """Return the properties of each unit, in the order in which they were asked for."""
    blocks = (block.splitlines() for block in text.split("\n\n"))
    pairs = ([line.partition("=") for line in lines if "=" in line] for lines in blocks)
    return [{name: value for name, _sign, value in block} for block in pairs if block]

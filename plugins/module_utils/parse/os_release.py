# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file os-release."""

from __future__ import annotations

import re
from typing import Dict

_LINE = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


def parse_os_release(text: str) -> Dict[str, str]:
    """Return the assignments of an os-release file, without quotes. Lines that are none are passed over."""
    return {name: _unquote(value.strip()) for name, value in _LINE.findall(text)}


def _unquote(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return re.sub(r"\\(.)", r"\1", value)

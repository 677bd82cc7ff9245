# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings of the guide the hardening roles have made true: each remembers them in its document of the override file."""

from __future__ import annotations

import json
import re
from typing import Dict, Tuple

_LINE = re.compile(r"^x-nself-prod-([a-z_]+): (\{.*\})$", re.M)


def followed(text: str) -> Dict[str, Tuple[str, str]]:
    """Return {setting: (role, the value that it followed)} of an override file's text. A line that is not as it was written says nothing."""
    out: Dict[str, Tuple[str, str]] = {}
    for role, line in _LINE.findall(text):
        try:
            settings = json.loads(line).get("settings")
        except ValueError:
            continue
        if isinstance(settings, dict):
            out.update({str(name): (role, str(value)) for name, value in settings.items()})
    return out

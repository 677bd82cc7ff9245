# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of host this is, as far as it decides about kernel settings, the kernel's audit and the clock."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import platform
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError


def container(host: Any) -> Optional[str]:
    """Return what kind of container this host is, None where it is none. Raises ChangeError where that cannot be seen."""
    found = platform.collect(host, None)["container"]
    if isinstance(found, Unread):
        raise ChangeError("whether this host is a container cannot be seen: %s; run with become" % found.detail)
    return None if found is None else str(found)

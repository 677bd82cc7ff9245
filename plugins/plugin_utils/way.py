# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a connection's options say of the way to the host."""

from __future__ import annotations

import re
from typing import Any

# Options that may send the connection by way of another host.
OPTIONS = ("ssh_args", "ssh_common_args", "ssh_extra_args")
BY_WAY_OF_ANOTHER = re.compile(r"proxy(jump|command)|(^|\s)-J", re.I)


def option(connection: Any, name: str) -> Any:
    """Return an option of a connection, None where this kind of connection has none of that name."""
    try:
        return connection.get_option(name)
    except KeyError:
        return None


def is_by_way_of_another(connection: Any) -> bool:
    """Return whether the connection goes through a jump host or a proxy, so that the address may be another machine's here."""
    words = " ".join(str(option(connection, name) or "") for name in OPTIONS)
    return bool(BY_WAY_OF_ANOTHER.search(words) or option(connection, "proxy_command"))

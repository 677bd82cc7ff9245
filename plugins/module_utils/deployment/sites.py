# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running nginx serves: the words in which its configuration is handed from one collector to the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Tuple


@dataclass(frozen=True)
class Listen:
    """One address that a site listens on, as nginx sees it. default: it answers for names that nobody else has."""

    address: str
    port: int
    tls: bool
    default: bool = False


@dataclass(frozen=True)
class Site:
    """One server block.

    names: as server_name says them, without "_" and ""; certificate, key: paths as nginx sees them, "" where it has none;
    upstreams: hosts that its proxy_pass lines go to; file, line: where it stands.
    """

    names: Tuple[str, ...]
    listens: Tuple[Listen, ...]
    certificate: str = ""
    key: str = ""
    upstreams: Tuple[str, ...] = ()
    file: str = ""
    line: int = 0

    @property
    def tls(self) -> bool:
        return any(listen.tls for listen in self.listens)

    @property
    def plain_names(self) -> Tuple[str, ...]:
        """The names that a client can ask for: no wildcard and no expression."""
        return tuple(name for name in self.names if not name.startswith(("~", "*", ".")) and not name.endswith("*"))


@dataclass(frozen=True)
class Nginx:
    """One running nginx of the deployment.

    service: its compose service, "" where it runs on the host itself; root: through which its files are read, such as
    /proc/123/root; doors: its own port -> (address, port) by which this host reaches it; config: its whole
    configuration, as parse/nginx.py returns it; changed: a file of it that changed after the running workers started, so
    that what is read here is not what runs, "" where none did, or an Unread.
    """

    service: str
    root: str
    sites: Tuple[Site, ...]
    doors: Dict[int, Tuple[str, int]]
    config: Any = None
    changed: Any = ""

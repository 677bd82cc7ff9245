# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a zone counts by holds a client: a key that it can choose, or leave empty, limits nobody who knows of it.

nginx counts no request whose key is empty. https://nginx.org/en/docs/http/ngx_http_limit_req_module.html
"""

from __future__ import annotations

import ipaddress
import re
from typing import List, Sequence, Union

from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_context import Chain, nearest
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import Directive

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
ADDRESS = ("remote_addr", "binary_remote_addr")
# What stays the same however a client asks for one path of one site.
FIXED = (
    "realip_remote_addr",
    "proxy_protocol_addr",
    "server_name",
    "server_addr",
    "server_port",
    "request_method",
    "scheme",
    "https",
    "uri",
    "document_uri",
)
# What a client writes as it likes. request_uri too: %73ignin is signin.
_CHOSEN = re.compile(
    r"^(?:http_|arg_|cookie_)|^(?:args|query_string|is_args|request|request_uri|request_id|remote_user)$"
)
_CHOSEN_CONTENT = re.compile(r"^content_(?:type|length)$")
_WORDS = ("hostnames", "volatile", "ranges", "delete", "proxy", "proxy_recursive")  # of map and geo, no entries
MOST_STEPS = 4  # from one map to the next
# A network of this size or a wider one is no proxy of one's own.
_WIDE = {4: 7, 6: 15}


class Keys:
    """The keys of one place of the configuration."""

    def __init__(self, http: Sequence[Directive], chain: Chain) -> None:
        self._tables = {}
        for item in http:
            if item.name in ("map", "geo") and item.args:
                self._tables[item.args[-1].lstrip("$")] = item
        self._forged = any_may_name_the_client(chain)

    def holds(self, key: str, steps: int = MOST_STEPS) -> bool:
        """Tell whether whoever asks is counted, by what it cannot choose."""
        return bool(key) and all(self._variable_holds(name, steps) for name in _variables(key))

    def _variable_holds(self, name: str, steps: int) -> bool:
        if name in ADDRESS:
            return not self._forged
        if name in FIXED:
            return True
        table = self._tables.get(name)
        if table is None or steps == 0:
            return False
        entries = [item for item in table.block or () if item.args and item.name not in _WORDS]
        rest = [item.first for item in entries if item.name == "default"] or [""]
        chosen = self._source_chosen(table, steps)
        # Some may be let off, as an office is, if it is not they who say so.
        if table.name == "geo":  # takes its values as they stand; what is not named is the world
            return bool(rest[0]) and not chosen
        held = [self.holds(value, steps - 1) for value in [item.first for item in entries] + rest]
        return all(held) if chosen else any(held)

    def _source_chosen(self, table: Directive, steps: int) -> bool:
        source = table.first if len(table.args) > 1 else "$remote_addr"
        return any(self._chosen(name, steps) for name in _variables(source))

    def _chosen(self, name: str, steps: int) -> bool:
        if name in ADDRESS:
            return self._forged
        if _CHOSEN.search(name) or _CHOSEN_CONTENT.search(name):
            return True
        table = self._tables.get(name)
        return table is not None and steps > 0 and self._source_chosen(table, steps - 1)


def _variables(text: str) -> List[str]:
    return [braced or bare for braced, bare in _VARIABLE.findall(text)]


def any_may_name_the_client(chain: Chain) -> bool:
    """Tell whether a header of anybody's decides what nginx takes for the client's address.

    The server's own rules have been followed before a location is chosen.
    """
    said = nearest(chain[:2], "set_real_ip_from") + nearest(chain, "set_real_ip_from")
    networks = [_network(item.first) for item in said]
    return any(network is not None and network.prefixlen <= _WIDE[network.version] for network in networks)


def _network(text: str) -> Union[ipaddress.IPv4Network, ipaddress.IPv6Network, None]:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None  # a name, or a socket of UNIX

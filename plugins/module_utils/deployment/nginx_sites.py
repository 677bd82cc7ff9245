# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From nginx's configuration to its sites: names, addresses, certificates, and the hosts that each passes requests on to."""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Sequence, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.deployment.sites import Listen, Site
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import Directive, named, walk

PASSES = ("proxy_pass", "grpc_pass")
MOST_VALUES = 64  # of one proxy_pass with variables in it
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_HOST = re.compile(r"^(?:[a-z]+://)?(\[[0-9a-f:.]+\]|[^:/?$\s]+)", re.I)

# Variables that stand for the path of the request: behind a host they do not change where it goes.
_PATH = re.compile(r"\$\{?(?:request_uri|uri|document_uri|is_args|args|query_string|[1-9])\b.*", re.S)

Values = Dict[str, List[str]]


def http_of(config: Sequence[Directive]) -> Tuple[Directive, ...]:
    """Return what stands in http blocks."""
    return tuple(item for block in named(config, "http") for item in block.block or ())


def servers_of(config: Sequence[Directive]) -> List[Directive]:
    """Return the server blocks of http, in the order in which nginx reads them."""
    return [item for item in named(http_of(config), "server") if item.block is not None]


def sites_of(config: Sequence[Directive]) -> Tuple[Site, ...]:
    """Return a Site for each server block, in order: servers_of(config)[n] is sites_of(config)[n]."""
    http = http_of(config)
    servers = servers_of(config)
    heard = [_listens(server) for server in servers]
    # A parameter of a listening socket holds for every server on it, wherever it is said.
    secure = {(one.address, one.port) for listens in heard for one in listens if one.tls}
    chosen = {(one.address, one.port): (number, one) for number, one in _flagged(heard)}
    out = []
    seen: Set[Tuple[str, int]] = set()
    for number, server in enumerate(servers):
        listens = []
        for one in heard[number]:
            place = (one.address, one.port)
            default = chosen[place][0] == number if place in chosen else place not in seen
            listens.append(Listen(one.address, one.port, place in secure, default))
        seen.update((one.address, one.port) for one in heard[number])
        body = server.block or ()
        out.append(
            Site(
                names=_names(body),
                listens=tuple(listens),
                certificate=_last(body, http, "ssl_certificate"),
                key=_last(body, http, "ssl_certificate_key"),
                upstreams=_upstreams(http, server),
                file=server.file,
                line=server.line,
            )
        )
    return tuple(out)


def _flagged(heard: Sequence[Sequence[Listen]]) -> List[Tuple[int, Listen]]:
    return [(number, one) for number, listens in enumerate(heard) for one in listens if one.default]


def _names(body: Sequence[Directive]) -> Tuple[str, ...]:
    names = [name for item in named(body, "server_name") for name in item.args]
    # nginx compares without regard to case; an expression is left as it is.
    return tuple(dict.fromkeys(n if n.startswith("~") else n.lower() for n in names if n not in ("_", "")))


def _last(body: Sequence[Directive], http: Sequence[Directive], name: str) -> str:
    """Return a directive's value in a server, inherited from http. Of several certificates the first is taken."""
    for level in (body, http):
        found = named(level, name)
        if found:
            return found[0].first
    return ""


def _listens(server: Directive) -> List[Listen]:
    body = server.block or ()
    everywhere = any(item.first == "on" for item in named(body, "ssl"))  # nginx before 1.25 knew `ssl on`
    found = [_listen(item, everywhere) for item in named(body, "listen")]
    if not found:
        return [Listen("*", 80, everywhere)]
    return [listen for listen in found if listen is not None]


def _listen(item: Directive, everywhere: bool) -> Optional[Listen]:
    """Return an address to listen on; None for a socket of UNIX and for QUIC, which are no TCP."""
    where, options = item.first, item.args[1:]
    if where.startswith("unix:") or "quic" in options:
        return None
    found = re.match(r"^(?:(\[[0-9A-Fa-f:.]+\]|[^:]*):)?(\d{1,5})$", where)
    if found:
        address, port = found.group(1) or "*", int(found.group(2))
    else:
        address, port = where, 80
    if address == "0.0.0.0":
        address = "*"
    return Listen(address, port, everywhere or "ssl" in options, "default_server" in options or "default" in options)


# -- where requests go ---------------------------------------------------------------------------------------------------


class Targets:
    """Where the proxy_pass lines of one server go."""

    def __init__(self, http: Sequence[Directive], server: Directive) -> None:
        self._groups = {item.first.lower(): item for item in named(http, "upstream")}
        self._values = dict(_mapped(http))
        for item in walk(server.block or ()):
            if item.name == "set" and len(item.args) == 2:
                name = item.first.lstrip("$")
                self._values[name] = self._values.get(name, []) + [item.args[1]]

    def hosts(self, item: Directive) -> List[str]:
        """Return the hosts of one proxy_pass; none where only a request tells."""
        out: List[str] = []
        for target in self.urls(item):
            host = host_of(target)
            out += _members(self._groups[host]) if host in self._groups else [host]
        return [host for host in dict.fromkeys(out) if host]

    def urls(self, item: Directive) -> List[str]:
        return resolved(_PATH.sub("", item.first), self._values)


def _upstreams(http: Sequence[Directive], server: Directive) -> Tuple[str, ...]:
    targets = Targets(http, server)
    hosts = [host for item in walk(server.block or ()) if item.name in PASSES for host in targets.hosts(item)]
    return tuple(dict.fromkeys(hosts))


def _mapped(http: Sequence[Directive]) -> Values:
    """Return what the variables of map blocks can be."""
    return {
        item.args[1].lstrip("$"): [entry.first for entry in item.block or () if entry.args]
        for item in named(http, "map")
        if len(item.args) == 2
    }


def resolved(text: str, values: Values, depth: int = 4) -> List[str]:
    """Return what a text with variables can be; nothing for a variable that only a request knows."""
    found = _VARIABLE.search(text)
    if not found:
        return [text]
    name = found.group(1) or found.group(2)
    if depth == 0:
        return []
    out: List[str] = []
    for value in values.get(name, []):
        out += resolved(text[: found.start()] + value + text[found.end() :], values, depth - 1)
        if len(out) > MOST_VALUES:
            break
    return out[:MOST_VALUES]


def host_of(target: str) -> str:
    """Return the host of a proxy_pass, without port and brackets, "" where it has none."""
    found = _HOST.match(target)
    if not found or re.match(r"^(?:[a-z]+://)?unix:", target, re.I):
        return ""
    return found.group(1).strip("[]").lower()


def _members(group: Directive) -> List[str]:
    return [host_of(item.first) for item in named(group.block or (), "server")]

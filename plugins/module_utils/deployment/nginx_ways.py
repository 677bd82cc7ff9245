# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways by which a client gets through nginx to the paths of a service that are attacked first.

A way is looked for where a request really ends up, after locations, rewrites and try_files, since a limit in one location says nothing
of another. Where it cannot be told whether a location leads there, that is said: what is not known to lead elsewhere may lead there.
https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_pass
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_context import Chain
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_locations import (
    Served,
    Unclear,
    pattern_of,
    resume,
    serve,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import PASSES, Targets, http_of
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import Directive, named, walk

# What of each service is attacked first: the paths as the service itself knows them.
ATTACKED = {"auth": ("/signin/email-password", "/signin/mfa/totp"), "hasura": ("/v1/graphql",)}
EXPRESSIONS = ("~", "~*")
MOST_FALLBACKS = 5
MOST_CANDIDATES = 1000
MOST_ASKED = 50  # of them, for one way
_ASKED = re.compile(r"\$\{?(?:request_uri|uri|document_uri)\b")
_CAPTURE = re.compile(r"\$\{?[1-9]")
_QUERY = re.compile(r"(?:\$\{?is_args\}?|\?).*", re.S)

RoleOf = Callable[[str], str]


@dataclass(frozen=True)
class Way:
    """A way to an attacked path of a service. path: as a client asks for it; trail: the places on the way, as chains of blocks.

    location: the last of them.
    """

    role: str
    wanted: str
    path: str
    location: Optional[Directive]
    trail: Tuple[Chain, ...]


def ways_of(config: Sequence[Directive], server: Directive, role_of: RoleOf) -> Tuple[List[Way], bool]:
    """Return the ways through a server to attacked paths, one for each trail, and whether there may be more. Raises Unclear."""
    http = http_of(config)
    targets = Targets(http, server)
    ways: List[Way] = []
    hidden = False
    locations = _locations(server)
    for role, paths in ATTACKED.items():
        leading = [item for item in locations if _leads_to(item, targets, role_of, role)]
        if not leading:
            continue
        for wanted in paths:
            found: Dict[Tuple[int, ...], Way] = {}
            for path in _candidates(locations, targets, wanted):
                for trail in _trails(server, path):
                    last = trail[-1]
                    if _arrives_at(last, path, targets, role_of, role) in (wanted, None):
                        chains = tuple((http,) + served.blocks for served in trail)
                        way = Way(role, wanted, path, last.location, chains)
                        found.setdefault(tuple(id(served.blocks[-1]) for served in trail), way)
            ways += found.values()
            ends = {key[-1] for key in found}
            hidden = hidden or any(
                id(item.block) not in ends and _could(item, targets, role_of, role, wanted) for item in leading
            )
    return ways, hidden


def way_to(config: Sequence[Directive], server: Directive, role_of: RoleOf, role: str, wanted: str) -> Optional[str]:
    """Return the path by which a client's request arrives at a role as one for the wanted path; None where that is not known.

    Where a location hands its own prefix on, the path below that prefix, which a service that knows of it takes for the wanted one.
    """
    targets = Targets(http_of(config), server)
    locations = _locations(server)
    # Those that lead there first. Another may still do so by a rewrite.
    locations.sort(key=lambda item: not _leads_to(item, targets, role_of, role))
    if not locations or not _leads_to(locations[0], targets, role_of, role):
        return None
    below = None
    try:
        for path in _candidates(locations, targets, wanted)[:MOST_ASKED]:
            for served in (trail[-1] for trail in _trails(server, path)):
                if _arrives_at(served, path, targets, role_of, role) in (wanted, None):
                    return path
                passed = any(role in roles_of(targets, item, role_of) for item in passes_of(served.blocks[-1]))
                if below is None and passed and path.endswith(wanted):
                    below = path
    except Unclear:
        return None
    return below


def location_name(location: Optional[Directive]) -> str:
    return " ".join(part for part in pattern_of(location) if part) if location is not None else ""


def roles_of(targets: Targets, item: Directive, role_of: RoleOf) -> List[str]:
    return [role_of(host) for host in targets.hosts(item)]


def passes_of(block: Sequence[Directive]) -> Iterator[Directive]:
    """Yield where a location passes requests on to, also under a condition."""
    for item in block:
        if item.name in PASSES and item.args:
            yield item
        elif item.name in ("if", "limit_except"):
            yield from passes_of(item.block or ())


def _locations(server: Directive) -> List[Directive]:
    """Return the locations of a server, also those within others. Only they pass requests on."""
    return [
        item for item in walk(server.block or ()) if item.name == "location" and item.block is not None and item.args
    ]


def _leads_to(location: Directive, targets: Targets, role_of: RoleOf, role: str) -> bool:
    return any(role in roles_of(targets, item, role_of) for item in passes_of(location.block or ()))


# -- what may be asked ---------------------------------------------------------------------------------------------------


def _candidates(locations: Sequence[Directive], targets: Targets, wanted: str) -> List[str]:
    """Return paths that may lead to the wanted one, the likeliest first: as it is, or below or instead of a location's own."""
    exact: List[str] = []
    below: List[str] = []
    instead: List[str] = []
    for location in locations:
        modifier, pattern = pattern_of(location)
        if modifier in EXPRESSIONS:
            literal = re.match(r"^\^(/[A-Za-z0-9_/-]*)(?![?*{])", pattern)
            own = literal.group(1) if literal else "/"
            below += [own.rstrip("/") + wanted, own.rstrip("/").lower() + wanted]
            instead += [own, own.lower()]
        elif pattern.startswith("/"):
            for item in passes_of(location.block or ()):
                # What stands behind the host takes the place of the location's pattern.
                paths = [path for path in map(_path_of, targets.urls(item)) if path and wanted.startswith(path)]
                exact += [pattern + wanted[len(path) :] for path in paths]
            below.append(pattern.rstrip("/") + wanted)
            instead.append(pattern)
    out = list(dict.fromkeys([wanted] + exact + below + instead))
    if len(out) > MOST_CANDIDATES:
        raise Unclear("there are too many locations to follow them all")
    return out


def _trails(server: Directive, path: str) -> Iterator[Tuple[Served, ...]]:
    """Yield where a request ends up, each with the places before it: what try_files falls back on is one more."""
    trail: Tuple[Served, ...] = ()
    served = serve(server, path)
    for _turn in range(MOST_FALLBACKS):
        if served is None:
            return
        trail += (served,)
        if served.answered:
            return
        yield trail
        fallback = named(served.blocks[-1], "try_files")
        if not fallback or len(fallback[-1].args) < 2:
            return
        served = _fallen_back(server, fallback[-1].args[-1], served.path)


def _fallen_back(server: Directive, target: str, path: str) -> Optional[Served]:
    if target.startswith("="):
        return None
    if target.startswith("@"):
        return resume(server, target, path)
    target = _QUERY.sub("", _ASKED.sub(lambda _found: path, target.replace("}", "")))
    if "$" in target:
        raise Unclear("what try_files falls back on depends on the request")
    return resume(server, target, path)


# -- where it arrives ----------------------------------------------------------------------------------------------------


def _path_of(url: str) -> str:
    """Return the path of a proxy_pass, "" where it has none."""
    found = re.match(r"^(?:[a-z]+://)?[^/]*(/.*)?$", url, re.I | re.S)
    return (found.group(1) or "") if found else ""


def _arrives_at(served: Served, asked: str, targets: Targets, role_of: RoleOf, role: str) -> Optional[str]:
    """Return the path that a service of a role is asked for, "" where none is asked; None where only a request tells."""
    for item in passes_of(served.blocks[-1]):
        if role not in roles_of(targets, item, role_of):
            continue
        if _CAPTURE.search(item.first):
            return None
        for url in targets.urls(item):
            path = _path_of(url)
            if _ASKED.search(item.first):
                return path + (asked if "request_uri" in item.first else served.path)
            if not path:
                return served.path
            if "$" in item.first:
                return _QUERY.sub("", path)
            modifier, pattern = pattern_of(served.location) if served.location is not None else ("", "/")
            if served.settled or modifier in EXPRESSIONS:
                return served.path
            return path + served.path[len(pattern) :]
    return ""


def _could(location: Directive, targets: Targets, role_of: RoleOf, role: str, wanted: str) -> bool:
    """Tell whether a location by which no way was found might lead to a path all the same."""
    body = location.block or ()
    templates = [item.args[1] for item in walk(body) if item.name == "rewrite" and len(item.args) > 1]
    for item in passes_of(body):
        if role in roles_of(targets, item, role_of):
            templates += [item.first] if _CAPTURE.search(item.first) else []
    if named(body, "return") and not templates:
        return False
    if location.first.startswith("@") or named(body, "internal"):
        # Such as error_page or an answer of another service leads to.
        return True
    return any(_fits(template, wanted) for template in templates)


def _fits(template: str, wanted: str) -> bool:
    """Tell whether a text with variables can be a path."""
    path = _QUERY.sub("", template)
    path = _path_of(path) if "://" in path else path
    first, *between = re.split(r"\$(?:\{\w+\}|\w+)", path)
    if not between:
        return first == wanted
    last = between.pop()
    if len(first) + len(last) > len(wanted) or not (wanted.startswith(first) and wanted.endswith(last)):
        return False
    # Step by step: an expression of many gaps would try them all against each other.
    place, end = len(first), len(wanted) - len(last)
    for part in between:
        place = wanted.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True


def ways_are_hidden(config: Sequence[Directive], server: Directive, role_of: RoleOf) -> bool:
    """Tell whether there may be ways that ways_of() does not find."""
    try:
        return ways_of(config, server, role_of)[1]
    except Unclear:
        return False  # whoever asks for the ways is told

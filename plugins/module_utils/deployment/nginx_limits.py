# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx lets a client do: the limits in force where requests are passed on to a service, and how long it waits for them.

A limit is looked for where a request really ends up, after locations and rewrites, since a limit_req in one location says nothing of
another. https://nginx.org/en/docs/http/ngx_http_limit_req_module.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_context import (
    Chain,
    nearest,
    per_minute,
    seconds,
    size,
    value,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_locations import (
    Served,
    Unclear,
    pattern_of,
    serve,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import PASSES, Targets, http_of
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import Directive, named, walk

# What of each service is attacked first: the paths as the service itself knows them.
ATTACKED = {"auth": ("/signin/email-password", "/signin/mfa/totp"), "hasura": ("/v1/graphql",)}
# nginx's own defaults. https://nginx.org/en/docs/http/ngx_http_core_module.html
HEADER_TIMEOUT = BODY_TIMEOUT = "60s"
BODY_SIZE = "1m"
LIMIT_STATUS = "503"
# Variables that hold what a client cannot choose, so that it cannot step out of its own limit.
_OWN = re.compile(r"\$\{?(?:binary_remote_addr|remote_addr|proxy_protocol_addr|server_name|server_addr|server_port)\b")

MOST_WAYS = 50  # locations of a server that are looked at for one way

RoleOf = Callable[[str], str]


@dataclass(frozen=True)
class Entry:
    """A way to an attacked path of a service. location: the one that serves it; path: as a client asks for it.

    limits: the request limits in force there, as limits_of() gives them; status: what a client over the limit is told.
    """

    role: str
    path: str
    location: str
    limits: List[Dict[str, Any]]
    status: str


def entries_of(config: Sequence[Directive], server: Directive, role_of: RoleOf) -> List[Entry]:
    """Return every way through a server to an attacked path. Raises Unclear."""
    http = http_of(config)
    targets = Targets(http, server)
    out: Dict[Tuple[str, str], Entry] = {}
    for role, paths in ATTACKED.items():
        if not any(role in _roles(targets, item, role_of) for item in walk(server.block or ()) if item.name in PASSES):
            continue
        for wanted in paths:
            for path in _candidates(server, wanted):
                served = serve(server, path)
                if served is None or not _leads(served, targets, role_of, role, wanted):
                    continue
                chain = (http,) + served.blocks
                name = location_name(served.location)
                status = value(chain, "limit_req_status", LIMIT_STATUS)
                out[role, path] = Entry(role, path, name, limits_of(http, chain, "req"), status)
    return list(out.values())


def way_to(config: Sequence[Directive], server: Directive, role_of: RoleOf, role: str, wanted: str) -> Optional[str]:
    """Return the path by which a client's request arrives at a role as one for the wanted path; None where that is not known.

    Where a location hands its own prefix on, the path below that prefix, which a service that knows of it takes for the wanted one.
    """
    targets = Targets(http_of(config), server)
    below = None
    try:
        for path in _candidates(server, wanted)[:MOST_WAYS]:
            served = serve(server, path)
            if served is None:
                continue
            if _leads(served, targets, role_of, role, wanted):
                return path
            if below is None and any(role in _roles(targets, item, role_of) for item in _passes(served.blocks[-1])):
                below = path
    except Unclear:
        return None
    return below


def location_name(location: Optional[Directive]) -> str:
    return " ".join(part for part in pattern_of(location) if part) if location is not None else ""


def _roles(targets: Targets, item: Directive, role_of: RoleOf) -> List[str]:
    return [role_of(host) for host in targets.hosts(item)]


def _candidates(server: Directive, wanted: str) -> List[str]:
    """Return paths that may lead to the wanted one: itself, and itself below each location's prefix."""
    prefixes = [""]
    for item in walk(server.block or ()):
        if item.name != "location" or item.block is None or not item.args:
            continue
        modifier, pattern = pattern_of(item)
        if modifier in ("~", "~*"):
            literal = re.match(r"^\^(/[A-Za-z0-9_/-]*)", pattern)
            prefixes.append(literal.group(1).rstrip("/") if literal else "")
        elif pattern.startswith("/"):
            prefixes.append(pattern.rstrip("/"))
    # A prefix that holds a part of the path itself: /v1/ in front of /v1/graphql is no /v1/v1/graphql.
    return list(dict.fromkeys(prefix + wanted for prefix in prefixes))


def _leads(served: Served, targets: Targets, role_of: RoleOf, role: str, wanted: str) -> bool:
    """Tell whether what serves a request passes it on to a role, as a request for the wanted path."""
    if any(named(block, "return") for block in (served.blocks[0], served.blocks[-1])):
        return False
    for item in _passes(served.blocks[-1]):
        if role not in _roles(targets, item, role_of):
            continue
        arrived = _arrives(item, targets, served)
        if arrived is None or arrived == wanted:
            return True
    return False


def _passes(block: Sequence[Directive]) -> Iterator[Directive]:
    """Yield where a location passes requests on to, also under a condition."""
    for item in block:
        if item.name in PASSES and item.args:
            yield item
        elif item.name in ("if", "limit_except"):
            yield from _passes(item.block or ())


def _arrives(item: Directive, targets: Targets, served: Served) -> Optional[str]:
    """Return the path that a service is asked for; None where only a request tells."""
    for url in targets.urls(item):
        found = re.match(r"^(?:[a-z]+://)?[^/]*(/.*)?$", url, re.I | re.S)
        path = found.group(1) if found else None
        if path is None:
            if "$" in item.first and re.search(r"\$\{?[1-9]", item.first):
                return None
            return served.path
        if "$" in item.first:
            return None
        modifier, pattern = pattern_of(served.location) if served.location is not None else ("", "/")
        if modifier in ("~", "~*"):
            return None
        return path + served.path[len(pattern) :]
    return None


# -- limits --------------------------------------------------------------------------------------------------------------


def limits_of(http: Sequence[Directive], chain: Chain, kind: str) -> List[Dict[str, Any]]:
    """Return the limits in force at a place. kind: req or conn.

    zone: its name; defined: whether there is such a zone; keyed: whether a client cannot choose what it is counted by;
    per_minute: requests a minute, None for limit_conn or an odd rate; burst: how many more at once; dry: only logged.
    """
    zones = {_zone(item): item for item in named(http, "limit_%s_zone" % kind)}
    dry = value(chain, "limit_%s_dry_run" % kind, "off") == "on"
    out = []
    for item in nearest(chain, "limit_" + kind):
        name = item.first if kind == "conn" else next((a[5:] for a in item.args if a.startswith("zone=")), "")
        zone = zones.get(name)
        rates = [per_minute(part[5:]) for part in zone.args if part.startswith("rate=")] if zone else []
        out.append(
            {
                "zone": name,
                "defined": zone is not None,
                "keyed": zone is not None and _keyed(http, zone.first),
                "per_minute": rates[0] if rates else None,
                "burst": next((int(part[6:]) for part in item.args if re.match(r"burst=\d+$", part)), 0),
                "dry": dry,
            }
        )
    return out


def _zone(item: Directive) -> str:
    found = [part[5:].partition(":")[0] for part in item.args if part.startswith("zone=")]
    return found[0] if found else ""


def _keyed(http: Sequence[Directive], key: str, depth: int = 3) -> bool:
    """Tell whether a key holds for whoever asks. An empty key is not counted, and a header of the client's may be anything."""
    if _OWN.search(key):
        return True
    for item in named(http, "map") if depth else []:
        # Through a map some clients are let off, as an office is; the others must be counted by their address.
        if len(item.args) == 2 and item.args[1] == key:
            return any(_keyed(http, part, depth - 1) for entry in item.block or () for part in entry.args)
    return False


# -- patience ------------------------------------------------------------------------------------------------------------


def patience_of(config: Sequence[Directive], server: Directive, role_of: RoleOf) -> Dict[str, Any]:
    """Return how far a client can strain a server.

    header_timeout, body_timeout: seconds, the longest of its places; body: the largest request in bytes outside of storage,
    0 for no bound, None where it only serves storage; unlimited: locations that pass requests on without a limit_conn.
    """
    http = http_of(config)
    targets = Targets(http, server)
    body = server.block or ()
    bodies: List[int] = []
    timeouts: List[float] = []
    unlimited: List[str] = []
    for name, blocks in _places(body, ()):
        chain = (http,) + blocks
        roles = {role for item in _passes(blocks[-1]) for role in _roles(targets, item, role_of)}
        passes = any(True for _item in _passes(blocks[-1]))
        timeouts.append(_need(seconds(value(chain, "client_body_timeout", BODY_TIMEOUT)), "client_body_timeout"))
        if roles != {"minio"} and (passes or len(blocks) > 1 or not named(body, "location")):
            bodies.append(int(_need(size(value(chain, "client_max_body_size", BODY_SIZE)), "client_max_body_size")))
        if passes and not any(_holds(limit) for limit in limits_of(http, chain, "conn")):
            unlimited.append(name)
    header = _need(seconds(value((http, body), "client_header_timeout", HEADER_TIMEOUT)), "client_header_timeout")
    return {
        "header_timeout": header,
        "body_timeout": max(timeouts),
        "body": None if not bodies else 0 if 0 in bodies else max(bodies),
        "unlimited": unlimited,
    }


def _holds(limit: Dict[str, Any]) -> bool:
    return limit["defined"] and limit["keyed"] and not limit["dry"]


def _need(number: Optional[float], name: str) -> float:
    if number is None:
        raise Unclear("the value of %s is not understood" % name)
    return number


def _places(body: Sequence[Directive], outer: Tuple[Sequence[Directive], ...], name: str = "") -> Iterator[Any]:
    """Yield (name, blocks) of a server and of every location in it."""
    blocks = outer + (body,)
    yield name, blocks
    for item in body:
        if item.name == "location" and item.block is not None and item.args:
            yield from _places(item.block, blocks, location_name(item))

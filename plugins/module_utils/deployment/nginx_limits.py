# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx lets a client do: the limits in force at a place of its configuration, and how long it waits for a client.

https://nginx.org/en/docs/http/ngx_http_limit_req_module.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_context import (
    Chain,
    nearest,
    per_minute,
    seconds,
    size,
    value,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_keys import Keys
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_locations import Unclear
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import Targets, http_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_ways import (
    RoleOf,
    location_name,
    passes_of,
    roles_of,
    ways_of,
)
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import Directive, named

# nginx's own defaults. https://nginx.org/en/docs/http/ngx_http_core_module.html
HEADER_TIMEOUT = BODY_TIMEOUT = "60s"
BODY_SIZE = "1m"
LIMIT_STATUS = "503"


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
    out = []
    for way in ways_of(config, server, role_of)[0]:
        # nginx counts a request once: where the first place on the way has a limit, those of later ones hold it no more.
        chain = next((chain for chain in way.trail if nearest(chain, "limit_req")), way.trail[-1])
        status = value(chain, "limit_req_status", LIMIT_STATUS)
        out.append(Entry(way.role, way.path, location_name(way.location), limits_of(http, chain, "req"), status))
    return out


def limits_of(http: Sequence[Directive], chain: Chain, kind: str) -> List[Dict[str, Any]]:
    """Return the limits in force at a place. kind: req or conn.

    zone: its name; defined: whether there is such a zone; keyed: whether a client cannot choose what it is counted by;
    per_minute: requests a minute, None for limit_conn or an odd rate; burst: how many more at once; dry: only logged.
    """
    zones = {_zone(item): item for item in named(http, "limit_%s_zone" % kind)}
    keys = Keys(http, chain)
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
                "keyed": zone is not None and keys.holds(zone.first),
                "per_minute": rates[0] if rates else None,
                "burst": next((int(part[6:]) for part in item.args if re.match(r"burst=\d+$", part)), 0),
                "dry": dry,
            }
        )
    return out


def _zone(item: Directive) -> str:
    found = [part[5:].partition(":")[0] for part in item.args if part.startswith("zone=")]
    return found[0] if found else ""


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
        roles = {role for item in passes_of(blocks[-1]) for role in roles_of(targets, item, role_of)}
        passes = any(True for _item in passes_of(blocks[-1]))
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

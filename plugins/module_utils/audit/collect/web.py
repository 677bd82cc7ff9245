# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask every site of the deployment's nginx what it answers to strangers.

Facts `web`:
    sites[] of {name, service, role, upstream, tls, answers[] of {probe, method, path, status, headers, html, marks}}: one
    for each server block and each role of what stands behind it. What could not be asked is Unread.
    redirects[] of {name, status, location}: what a name's plain HTTP port answers at /; status None where it closes the
    connection without a word.

Requests go to the doors by which this host reaches nginx, with the site's name in the handshake and the Host header. They are those of
tables/web_probes.py: reads, without any credential, a site's own one after the other.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import web_probes
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.web_probes import (
    OTHER,
    OWN,
    PROBES,
    STRANGER,
    Probe,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import role_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.sites import Nginx, Site
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import web_answer
from ansible_collections.nself.prod.plugins.module_utils.probe import http

WORKERS = 16
TIMEOUT = 3.0  # seconds for one request
FIRST_OF_ALL = (web_probes.ROOT, web_probes.HEALTH, web_probes.MISSING)
TOO_MANY = 429
NGINX_OWN = (TOO_MANY, 502, 503, 504)  # nginx speaks for a service that is down, slow, or asked too often
LOOPBACK = ("127.", "[::1]", "localhost")


@dataclass(frozen=True)
class _Target:
    """A site to be asked: its probes and where it is reached. name: what a client asks for; shown: what the report calls it."""

    nginx: Nginx
    site: Site
    role: str
    name: str
    shown: str
    door: Optional[Tuple[str, int]]
    probes: Tuple[Probe, ...]


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts."""
    running = need("nginx")
    # A server block that only sends its visitors on to https serves nothing that could be judged.
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        plain = _plain_doors(running)
        redirects = list(pool.map(lambda item: _redirect(host, *item), plain))
        # Only now, for they wait until compose has rendered the files.
        units = attempt(lambda: need("project").units)
        roles = _roles([] if isinstance(units, Unread) else units)
        own = _own_origin([] if isinstance(units, Unread) else units)
        moved = {item for item, entry in zip(plain, redirects) if _leads_to_https(entry)}
        targets = [target for nginx in running for target in _targets(nginx, roles, moved)]
        sites = list(pool.map(lambda target: _asked(host, target, own), targets))
    return {"sites": [site for site in sites if site is not None], "redirects": redirects}


# -- which sites there are, and what they are for --------------------------------------------------------------------------


def _roles(units: Sequence[Mapping[str, Any]]) -> Callable[[str], str]:
    """Return a function from an upstream's host to its role: by the unit of that service, container or address."""
    known: Dict[str, str] = {}
    for unit in units:
        for name in [unit.get("service"), unit.get("name")] + list(unit.get("addresses") or []):
            if name:
                known[str(name)] = unit["role"]
    return lambda upstream: known.get(upstream, "") or role_of(upstream, "") or "other"


def _own_origin(units: Sequence[Mapping[str, Any]]) -> str:
    """Return the first origin that a running Hasura allows, "" where it allows none or all."""
    for unit in units:
        if unit["role"] == "hasura":
            domains = (unit.get("environment") or {}).get("HASURA_GRAPHQL_CORS_DOMAIN", "")
            for domain in domains.split(","):
                if re.match(r"https?://[a-z0-9*.:-]+\Z", domain.strip(), re.I):
                    return domain.strip().replace("*", "nself-prod-audit")
    return ""


def host_of_upstream(upstream: str) -> str:
    """Return the host of what proxy_pass says: http://auth:4000/x is auth."""
    rest = upstream.rpartition("://")[2].partition("/")[0]
    return re.sub(r":\d+\Z", "", rest).strip("[]").lower()


def _targets(nginx: Nginx, roles: Callable[[str], str], moved: Any) -> Iterator[_Target]:
    for site in nginx.sites:
        if site.tls and not site.certificate:
            continue  # it refuses every handshake, so there is nobody to ask
        if all(listen.address.startswith(LOOPBACK) for listen in site.listens):
            continue  # a status page for nginx's own container: no stranger can ask it
        name, shown = _name(site)
        ports = [listen.port for listen in site.listens if listen.tls == site.tls]
        doors = [nginx.doors[port] for port in ports if port in nginx.doors]
        if not site.tls and doors and (name, doors[0]) in moved:
            continue
        found = [roles(host_of_upstream(upstream)) for upstream in site.upstreams]
        asked: List[str] = []
        for role in list(dict.fromkeys(found)) or ["other"]:
            # What every role is asked is asked once.
            probes = tuple(
                probe for probe in PROBES.get(role, OTHER) if probe.id not in asked or probe not in FIRST_OF_ALL
            )
            asked += [probe.id for probe in probes if probe in FIRST_OF_ALL]
            if probes:
                yield _Target(nginx, site, role, name, shown, doors[0] if doors else None, probes)


def _name(site: Site) -> Tuple[str, str]:
    """Return (a name that leads to the site, what to call it); "" where only an expression would tell."""
    if site.plain_names:
        return site.plain_names[0], site.plain_names[0]
    for name in site.names:
        if name.startswith("*."):
            return "nself-prod-audit" + name[1:], name
        if name.startswith("."):
            return name[1:], name
        if name.endswith(".*"):
            return name[:-1] + "invalid", name
    if site.names:
        return "", site.names[0]
    return STRANGER, "%s:%d" % (site.file.rsplit("/", 1)[-1] or "default", site.line)


# -- asking ----------------------------------------------------------------------------------------------------------------


def _asked(host: Any, target: _Target, own: str) -> Optional[Dict[str, Any]]:
    """Return a site's facts; None for a nameless one that says nothing to anybody."""
    lost, answers, silent = _unreachable(target), [], 0
    for probe in target.probes:
        origin = own if probe.origin == OWN else probe.origin
        if probe.origin == OWN and not origin:
            continue
        answer: Any = lost
        if lost is None:
            try:
                answer = _ask(host, target, probe, origin)
            except http.Silent:
                silent += 1
                answer = Unread(Reason.ERROR, "%s closes the connection without a word" % target.shown)
            except HostError as error:
                answer = Unread(error.reason, str(error))
        if isinstance(answer, Unread):
            # One that does not answer in time will not answer the next request either.
            lost = answer if answer.reason == Reason.TIMEOUT else lost
            answer = dict.fromkeys(("status", "headers", "html", "marks"), answer)
        elif answer["status"] == TOO_MANY:
            lost = Unread(Reason.ERROR, "%s limits requests, so it was asked no further" % target.shown)
        answers.append(dict({"probe": probe.id, "method": probe.method, "path": probe.path}, **answer))
    if silent == len(answers) and not target.site.names:
        return None
    return {
        "name": target.shown,
        "service": target.nginx.service,
        "role": target.role,
        "upstream": ", ".join(target.site.upstreams),
        "tls": target.site.tls,
        "answers": answers,
    }


def _unreachable(target: _Target) -> Optional[Unread]:
    if not target.name:
        return Unread(Reason.ERROR, "%s is an expression, so no name is known that leads there" % target.shown)
    if target.door is None:
        return Unread(Reason.ERROR, "%s listens where this host cannot reach it" % target.shown)
    return None


def _ask(host: Any, target: _Target, probe: Probe, origin: str) -> Dict[str, Any]:
    pairs = []
    if origin:
        pairs.append(("Origin", origin))
    if probe.asks:
        pairs.append(("Access-Control-Request-Method", probe.asks))
        pairs.append(("Access-Control-Request-Headers", "content-type"))
    if probe.body:
        pairs.append(("Content-Type", "application/json"))
    address, port = target.door or ("", 0)
    with host.connect(address, port, timeout=TIMEOUT) as stream:
        if target.site.tls:
            stream.start_tls(target.name)
        response = http.request(stream, probe.method, probe.path, target.name, pairs, probe.body)
    marks: Any = web_answer.marks_of(response.text, web_probes.MARKS)
    if response.status in NGINX_OWN:
        # What the service behind would have shown is not known: no mark must not mean that it shows nothing.
        marks = Unread(Reason.ERROR, "%s is answered by %d" % (probe.path, response.status))
    return {
        "status": response.status,
        "headers": web_answer.headers_of(response, web_probes.HEADERS),
        "html": web_answer.is_html(response),
        "marks": marks,
    }


# -- plain HTTP ------------------------------------------------------------------------------------------------------------


def _plain_doors(running: Sequence[Nginx]) -> List[Tuple[str, Tuple[str, int]]]:
    """Return (name, door) for every name and the port on which its nginx speaks plain HTTP: 80 where it has one.

    The nameless site of that port answers to every other name, so it is asked for one that nobody has.
    """
    out: Dict[Tuple[str, Tuple[str, int]], None] = {}
    for nginx in running:
        listens = [listen for site in nginx.sites for listen in site.listens]
        plain = [listen.port for listen in listens if not listen.tls and not listen.address.startswith(LOOPBACK)]
        ports = sorted({port for port in plain if port in nginx.doors}, key=lambda port: (port != 80, port))
        for site in nginx.sites if ports else ():
            names = site.plain_names if site.tls or site.names else (STRANGER,)
            out.update(((name, nginx.doors[ports[0]]), None) for name in names)
    return list(out)


def _redirect(host: Any, name: str, door: Tuple[str, int]) -> Dict[str, Any]:
    def ask() -> Tuple[Optional[int], Optional[str]]:
        try:
            with host.connect(door[0], door[1], timeout=TIMEOUT) as stream:
                response = http.request(stream, "GET", "/", name)
        except http.Silent:
            return None, None
        return response.status, web_answer.headers_of(response, ("location",)).get("location")

    answer = attempt(ask)
    status, location = (answer, answer) if isinstance(answer, Unread) else answer
    return {"name": name, "status": status, "location": location}


def _leads_to_https(entry: Mapping[str, Any]) -> bool:
    location = entry["location"]
    return isinstance(location, str) and location.lower().startswith("https://")


COLLECTORS = (Collector("web", collect, deadline=18.0),)

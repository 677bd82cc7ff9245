# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What judges may know of the running nginx: not its configuration, which may hold secrets, but what follows from it.

Facts `nginx`:
    state: none (no deployment), absent (a deployment, but no nginx runs) or running;
    stale: a file that changed after the workers started, "" where what is read is what runs;
    entries[] of {site, role, paths}: for each site that leads to auth or Hasura, paths[] of {path, location, limits, status};
    unclear[]: sites of which it cannot be told whether they pass requests on to auth or Hasura in another way as well;
    sites[] of {site, header_timeout, body_timeout, body, unlimited};
    headers[] of {site, names, tls, location, answer, headers, always}.
What the lists mean in detail stands in deployment/nginx_limits.py and deployment/nginx_headers.py.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.deployment import nginx_headers, nginx_limits, nginx_ways
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import NONE
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_locations import Unclear
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import (
    PASSES,
    Targets,
    http_of,
    servers_of,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import roles_of_hosts
from ansible_collections.nself.prod.plugins.module_utils.deployment.sites import Nginx, Site
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import walk

# Headers that somebody judges. Others may say anything, so they stay here.
JUDGED = (
    "access-control-",
    "content-security-policy",
    "cross-origin-",
    "permissions-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-xss-protection",
)


def collect(host: Any, need: Any) -> Dict[str, Any]:
    project = need("project")
    empty: Dict[str, Any] = {"stale": "", "entries": [], "unclear": [], "sites": [], "headers": []}
    if project.state == NONE:
        return dict(empty, state="none")
    running: List[Nginx] = need("nginx")
    if not running:
        return dict(empty, state="absent")
    roles = roles_of_hosts(project.units, attempt(lambda: need("docker_containers")))
    facts: Dict[str, Any] = dict(empty, state="running", stale=_stale(running))
    used: Dict[str, int] = {}
    for one in running:
        http = http_of(one.config)
        for site, server in zip(one.sites, servers_of(one.config)):
            name = _name(site, used)
            facts["entries"] = facts["entries"] + _entries(name, one, server, roles)
            facts["sites"] = facts["sites"] + [dict(_patience(one, server, roles), site=name)]
            facts["headers"] = facts["headers"] + [
                _place(name, site, place) for place in nginx_headers.places_of(http, server)
            ]
            if _is_unclear(Targets(http, server), server) or nginx_ways.ways_are_hidden(one.config, server, roles):
                facts["unclear"] = facts["unclear"] + [name]
    return facts


def _stale(running: List[Nginx]) -> Any:
    found = [one.changed for one in running if one.changed != ""]
    lost = [item for item in found if isinstance(item, Unread)]
    return (lost or found or [""])[0]


def _name(site: Site, used: Dict[str, int]) -> str:
    """Return what a site is called: its name and port, and where it stands in the files if another is called so too."""
    port = site.listens[0].port if site.listens else 0
    name = "%s:%d" % (site.names[0] if site.names else "default", port)
    used[name] = used.get(name, 0) + 1
    return name if used[name] == 1 else "%s (%s line %d)" % (name, site.file.rsplit("/", 1)[-1], site.line)


def _entries(name: str, one: Nginx, server: Any, roles: Callable[[str], str]) -> List[Dict[str, Any]]:
    found = attempt(lambda: _clear(lambda: nginx_limits.entries_of(one.config, server, roles)))
    if isinstance(found, Unread):
        return [{"site": name, "role": "", "paths": found}]
    return [
        {
            "site": name,
            "role": role,
            "paths": [
                {"path": entry.path, "location": entry.location, "limits": entry.limits, "status": entry.status}
                for entry in found
                if entry.role == role
            ],
        }
        for role in sorted({entry.role for entry in found})
    ]


def _patience(one: Nginx, server: Any, roles: Callable[[str], str]) -> Dict[str, Any]:
    found = attempt(lambda: _clear(lambda: nginx_limits.patience_of(one.config, server, roles)))
    if isinstance(found, Unread):
        return dict.fromkeys(("header_timeout", "body_timeout", "body", "unlimited"), found)
    return dict(found)


def _clear(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Unclear as error:
        raise Missing("nginx", Reason.PARSE_ERROR, "nginx's configuration: %s" % error) from None


def _is_unclear(targets: Targets, server: Any) -> bool:
    return any(item.name in PASSES and item.args and not targets.urls(item) for item in walk(server.block or ()))


def _place(name: str, site: Site, place: nginx_headers.Place) -> Dict[str, Any]:
    kept = [key for key in place.headers if key.startswith(JUDGED)]
    return {
        "site": name,
        "names": list(site.names),
        "tls": site.tls,
        "location": place.location,
        "answer": place.answer,
        "headers": {key: place.headers[key] for key in kept},
        "always": {key: place.always[key] for key in kept},
    }


COLLECTORS = (Collector("nginx_facts", collect, deadline=21.0, fact="nginx"),)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our file of nginx's http block: what holds in every server, those of a later build too. Pure functions.

A header that a service sends itself stays its own; ours comes where it sends none. Only HSTS, the old script filter, versions and the age of
preflights are nginx's alone. Nothing else is hidden, so a server whose own add_header drops ours loses nothing that its service sends.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack.nginx_guards import Server, make_map, quoted
from ansible_collections.nself.prod.plugins.module_utils.change.tables import nginx as table
from ansible_collections.nself.prod.plugins.module_utils.change.tables.nginx import (
    HEADERS,
    HEADERS_FILE,
    ZONES,
    line_of,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_context import per_minute
from ansible_collections.nself.prod.plugins.module_utils.parse import http_headers

TITLE = "# Made by nself.prod's role nginx. It is written anew by each run.\n"
DAY = 86400  # seconds that a browser may keep a preflight's answer


def _variable(name: str) -> str:
    return "$" + table.PREFIX + name


# -- headers ---------------------------------------------------------------------------------------------------------------


def hsts(options: Mapping[str, Any]) -> str:
    """Return Strict-Transport-Security's value, "" for none."""
    if options["hsts_max_age"] <= 0:
        return ""
    value = "max-age=%d" % options["hsts_max_age"]
    value += "; includeSubDomains" if options["hsts_include_subdomains"] else ""
    return value + ("; preload" if options["hsts_preload"] else "")


def policy(given: Any, base: Mapping[str, str]) -> str:
    """Return a Content-Security-Policy. given: a whole one, or the directives that differ from base. Raises Refused for an error in it."""
    if given is None or isinstance(given, Mapping):
        directives = dict(base)
        for name, sources in (given or {}).items():
            directives[str(name).lower().replace("_", "-")] = str(sources)
        text = "; ".join("%s %s" % pair for pair in directives.items() if pair[1])
    else:
        text = " ".join(str(given).split())
    if text and http_headers.content_policies(text) is None:
        raise Refused("nginx_csp: browsers do not understand this policy: %s" % text)
    return text


def header_values(options: Mapping[str, Any]) -> Dict[str, str]:
    """Return {variable of a header: its value}, "" for a header that is not sent."""
    frame = options["frame_options"].upper()
    if frame and frame not in table.FRAMES:
        raise Refused("nginx_frame_options takes DENY or SAMEORIGIN")
    return {
        "hsts": hsts(options),
        "nosniff": options["content_type_options"],
        "frame": frame,
        "csp": "$" + table.PREFIX + "csp_here",
        "referrer": options["referrer_policy"],
        "permissions": options["permissions_policy"],
        "xss": options["xss_protection"],
    }


def headers(options: Mapping[str, Any], servers: Mapping[str, Server], kept: Mapping[str, Any]) -> List[str]:
    """Return the maps of the headers. kept: names of headers that http has already."""
    values = header_values(options)
    out = []
    for header in HEADERS:
        if header.name in kept or not values[header.variable]:
            continue
        variable, value = _variable(header.variable), values[header.variable]
        if header.variable == "csp":
            out += _policies(options, servers)
        if header.variable == "hsts":
            out += make_map("$https", variable, "", [("on", value)])
        elif header.own:
            out += make_map(header.sent, variable, value, [(header.own, "")])
        else:
            out += make_map("$https", variable, value, [])
    hidden = [header.name for header in HEADERS if not header.own and header.name not in kept]
    out += ["proxy_hide_header %s;" % name for name in tuple(hidden) + table.VERSIONS]
    return out + _preflights(servers)


def header_lines(options: Mapping[str, Any], kept: Mapping[str, Any]) -> Dict[str, str]:
    """Return {name of a header: the line that sends it}."""
    values = header_values(options)
    lines = {item.name: line_of(item) for item in HEADERS if item.name not in kept and values[item.variable]}
    lines["Access-Control-Max-Age"] = "add_header Access-Control-Max-Age %s always;" % _variable("preflight")
    return lines


def _policies(options: Mapping[str, Any], servers: Mapping[str, Server]) -> List[str]:
    frame = table.FRAMES.get(options["frame_options"].upper())
    base = dict(table.CSP, **({"frame-ancestors": frame} if frame else {}))
    given = options["csp"]
    default = policy(given, base)
    entries = []
    for server in sorted(servers.values(), key=lambda item: item.key):
        role = server.roles[0] if len(server.roles) == 1 else ""
        if server.key and role in table.CSP_OF_ROLE and not isinstance(given, str):
            entries.append((server.key, policy(given, dict(base, **table.CSP_OF_ROLE[role]))))
    for name, text in sorted(options["csp_sites"].items()):
        entries.append((str(name).lower(), policy(text, base)))
    return make_map("$server_name", _variable("csp_here"), default, entries)


def _preflights(servers: Mapping[str, Server]) -> List[str]:
    """Hasura lets browsers keep a preflight's answer for twenty days: a day is enough."""
    sent = "$upstream_http_access_control_max_age"
    short = "~^(?:[0-9]{1,4}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2}|86400)$"
    # What is short enough goes through as it came.
    lines = ["map %s %s {" % (sent, _variable("preflight")), "    default %d;" % DAY]
    return lines + [
        '    "" "";',
        "    %s %s;" % (quoted(short, True), sent),
        "}",
        "proxy_hide_header Access-Control-Max-Age;",
    ]


# -- limits ----------------------------------------------------------------------------------------------------------------


def zones(servers: Mapping[str, Server], rates: Mapping[str, str], general: bool) -> List[str]:
    """Return our zones and their limits, which hold in servers that have none of their own. general: whether there is one for everything."""
    keys = {"sign_in": _sign_in(servers), "graphql": _graphql(servers), "general": []}
    out: List[str] = []
    limits: List[str] = []
    for zone in ZONES:
        lines = keys[zone.name]
        name = table.PREFIX + zone.name
        if not (general if zone.name == "general" else lines):
            continue
        rate = rates.get(zone.name, zone.rate)
        key = "$" + name if lines else "$binary_remote_addr"
        out += lines + ["limit_req_zone %s zone=%s:10m rate=%s;" % (key, name, rate)]
        limits.append("limit_req zone=%s burst=%d nodelay;" % (name, zone.burst))
    return out + limits


def check_rates(rates: Mapping[str, Any]) -> Dict[str, str]:
    """Return rates as nginx takes them. Raises Refused."""
    out = {}
    for name, rate in rates.items():
        if not per_minute(str(rate)):
            raise Refused("nginx_rate_limits: %s takes a rate such as 10r/s or 30r/m" % name)
        out[str(name)] = str(rate)
    return out


def _sign_in(servers: Mapping[str, Server]) -> List[str]:
    names = sorted(server.key for server in servers.values() if server.key and "auth" in server.roles)
    if not names:
        return []
    place, variable = _variable("sign_in_path"), _variable("sign_in")
    # A path is looked at on hasura-auth's servers only.
    lines = [
        "map $uri %s {" % place,
        '    default "";',
        "    %s $binary_remote_addr;" % quoted("~" + table.SIGN_IN, True),
        "}",
    ]
    return lines + make_map("$server_name", variable, "", [(name, place) for name in names])


def _graphql(servers: Mapping[str, Server]) -> List[str]:
    names = sorted(server.key for server in servers.values() if server.key and "hasura" in server.roles)
    if not names:
        return []
    lines = ["map $server_name %s {" % _variable("graphql"), '    default "";']
    return lines + ["    %s $binary_remote_addr;" % quoted(name) for name in names] + ["}"]


def connections(most: int) -> List[str]:
    name = table.PREFIX + "clients"
    return ["limit_conn_zone $binary_remote_addr zone=%s:10m;" % name, "limit_conn %s %d;" % (name, most)]


# -- the files -------------------------------------------------------------------------------------------------------------


def http_file(singles: Mapping[str, str], blocks: Sequence[Sequence[str]]) -> str:
    """Return the text of our file. singles come first: the first map reads one of them."""
    lines = ["%s %s;" % pair for pair in singles.items()]
    parts = ["\n".join(lines)] if lines else []
    parts += ["\n".join(block) for block in blocks if block] + ["include %s;" % HEADERS_FILE]
    return TITLE + "\n\n".join(parts) + "\n"


def headers_files(lines: Mapping[str, str]) -> Dict[str, str]:
    """Return {path below our folder: text}: all headers in one file, and each in one of its own."""
    why = "# A block with an add_header of its own loses those of the blocks around it, unless it includes this.\n"
    out = {"headers.inc": TITLE + why + "\n".join(lines.values()) + "\n"}
    for name, line in lines.items():
        out["headers/%s.inc" % name.lower()] = TITLE + line + "\n"
    return out

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of nginx's sites is for operators only, and how nginx asks who comes: maps of the http block, so that no site is touched.

nginx itself answers 401 before a request reaches a service: at consoles, at the administrator's APIs of Hasura, and at hasura-auth for pages
of origins that nobody named, since that service trusts every one. Who is let in stands in a file; an empty one lets nobody in. An authority
that asks by http whether a name is ours, before it renews the certificate, is always let through to where that is answered.

No expression here has a capture, and none is tried for sites that need no guard: a map's expression forgets what a location's one found.
https://nginx.org/en/docs/http/ngx_http_map_module.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.tables import nginx as table
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_locations import pattern_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import Targets, servers_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_ways import passes_of, roles_of, way_to
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import Directive, named, walk

OPEN, CLOSED, USERS = "open", "closed", "users"
LOGIN, NOBODY = "login", "nobody"  # files in our folder, by the guard that reads them
EVERYWHERE = ""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\*\.)?[a-z0-9_.-]+(?::(?:\d+|\*))?/?\Z", re.I)

RoleOf = Callable[[str], str]


@dataclass
class Server:
    """What is guarded of the servers of one name. key: as nginx's $server_name has it.

    roles: of the services behind; rules: (expression for the path, EVERYWHERE for all of them; what has to be shown); foreign: prefixes of
    paths that lead to hasura-auth; names: all of its server_name.
    """

    key: str
    roles: List[str] = field(default_factory=list)
    rules: List[Tuple[str, str]] = field(default_factory=list)
    foreign: List[str] = field(default_factory=list)
    names: List[str] = field(default_factory=list)


class Guards:
    """The guards of a configuration. asks: tells whether a role has a login of its own; left: what cannot be guarded."""

    def __init__(
        self, configuration: Any, role_of: RoleOf, asks: Callable[[str], bool], options: Mapping[str, Any]
    ) -> None:
        self._configuration = configuration
        self._role_of = role_of
        self._options = options
        self.left: List[str] = []
        self.servers: Dict[str, Server] = {}
        self._asks = asks
        for server in servers_of(configuration.tree):
            self._read(server)
        unknown = set(options["console_sites"]) | set(options["console_open"])
        unknown -= {name for server in self.servers.values() for name in server.names}
        if unknown:
            raise Refused(
                "nginx has no site %s, which nginx_console_sites or nginx_console_open names; it has %s"
                % (", ".join(sorted(unknown)), ", ".join(sorted(filter(None, self.servers))))
            )

    def of(self, role: str) -> List[Server]:
        return [server for server in self.servers.values() if role in server.roles]

    def servers_unguarded(self) -> None:
        """Guard nothing: somebody else does."""
        for server in self.servers.values():
            server.rules, server.foreign = [], []

    def maps(self, origins: Sequence[str]) -> List[str]:
        """Return the lines for the http block. origins: of which pages may use hasura-auth."""
        entries: List[Tuple[str, str]] = []
        out: List[str] = []
        later = re.compile(_later(), re.I)
        for number, server in enumerate(sorted(self.servers.values(), key=lambda item: item.key), 1):
            if not server.key:
                continue
            whole = [guard for path, guard in server.rules if path == EVERYWHERE]
            if whole:
                entries.append((server.key, whole[0]))
            elif server.rules or server.foreign:
                variable = "$%sguard_%d" % (table.PREFIX, number)
                entries.append((server.key, variable))
                out += _map("$uri", variable, "", _by_path(server))
            elif later.match(server.key) and self._options["console_access"] != OPEN:
                entries.append((server.key, ""))  # known, and no console
        if self._options["console_access"] != OPEN:
            entries.append(("~*" + _later(), self._shows("console_access")))
        if any(server.foreign for server in self.servers.values()):
            out += _map("$http_origin", _variable("foreign"), NOBODY, [("", "")] + [(text, "") for text in origins])
        guard = _variable("guard")
        out += _map("$server_name", guard, "", entries)
        # Tried at guarded paths only. What the client sent, as no two programs can read this of it in two ways.
        out += _map("$request_uri", _variable("asks"), "Restricted", [("~" + table.CHALLENGE, "off")])
        out += _map(guard, _variable("realm"), _variable("asks"), [("", "off")])
        files = {name: "%s/%s" % (table.MOUNT, name) for name in (LOGIN, NOBODY)}
        out += _map(guard, _variable("users"), files[NOBODY], [(LOGIN, files[LOGIN])])
        return out + ["auth_basic %s;" % _variable("realm"), "auth_basic_user_file %s;" % _variable("users")]

    # -- reading -----------------------------------------------------------------------------------------------------------

    def _read(self, server: Directive) -> None:
        targets = Targets(self._configuration.http, server)
        locations = [item for item in walk(server.block or ()) if item.name == "location" and item.block is not None]
        found: List[Tuple[Directive, str]] = []
        for location in locations if locations else [server]:
            for item in passes_of(location.block or ()):
                found += [(location, role) for role in roles_of(targets, item, self._role_of)]
        key = key_of(server)
        entry = self.servers.setdefault(key or "", Server(key or ""))
        entry.names += [name for item in named(server.block or (), "server_name") for name in item.args]
        roles = list(dict.fromkeys(role for _location, role in found))
        entry.roles += [role for role in roles if role not in entry.roles]
        wanted: List[Tuple[str, str]] = []
        if set(entry.names) & set(self._options["console_sites"]):
            wanted.append((EVERYWHERE, self._shows("console_access")))
        for role in roles:
            if role == "hasura" and self._options["admin_api_access"] != OPEN:
                prefix = self._prefix(server, role, table.ADMIN_PATH, roles)
                if prefix is not None:
                    wanted.append(("^%s/%s" % (re.escape(prefix), table.ADMIN_PATHS), self._shows("admin_api_access")))
            elif role == "auth":
                prefix = self._prefix(server, role, table.SIGN_IN_PATH, roles)
                if prefix is not None and prefix not in entry.foreign:
                    entry.foreign.append(prefix)
            elif self._is_console(role, entry):
                wanted += self._console(server, role, roles, found)
        if (wanted or entry.foreign) and not key:
            self.left.append(
                "%s: this server has no name that nginx could tell it by, so nothing guards it; give it a server_name"
                % self._configuration.place(server)
            )
            entry.foreign.clear()
            return
        entry.rules += [rule for rule in wanted if rule not in entry.rules]

    def _shows(self, option: str) -> str:
        """Return what has to be shown where an option governs."""
        return NOBODY if self._options[option] == CLOSED else LOGIN

    def _is_console(self, role: str, server: Server) -> bool:
        if self._options["console_access"] == OPEN or set(server.names) & set(self._options["console_open"]):
            return False
        return role in table.CONSOLES or (role in [item.role for item in table.LOGINS] and not self._asks(role))

    def _console(
        self, server: Directive, role: str, roles: Sequence[str], found: Sequence[Tuple[Directive, str]]
    ) -> List[Tuple[str, str]]:
        if len(roles) == 1:
            return [(EVERYWHERE, self._shows("console_access"))]
        out = []
        for location, one in found:
            modifier, pattern = pattern_of(location) if location.name == "location" else ("", "/")
            if one != role:
                continue
            if modifier in ("", "^~", "=") and len(pattern) > 1:
                out.append(("^%s" % re.escape(pattern), self._shows("console_access")))
            else:
                self.left.append(
                    "%s: %s shares this server with other services, so it is not guarded; give it a server of its own, or name the site in "
                    "nginx_console_sites" % (self._configuration.place(location), role)
                )
        return out

    def _prefix(self, server: Directive, role: str, path: str, roles: Sequence[str]) -> Optional[str]:
        """Return what stands before a service's own paths on a server."""
        way = way_to(self._configuration.tree, server, self._role_of, role, path)
        if way is not None and way.endswith(path):
            return way[: -len(path)]
        if len(roles) == 1:
            return ""
        self.left.append(
            "%s: by which paths this server leads to %s cannot be told, so that is not guarded"
            % (self._configuration.place(server), role)
        )
        return None


def _by_path(server: Server) -> List[Tuple[str, str]]:
    rules = [("~" + path, guard) for path, guard in server.rules]
    for prefix in sorted(server.foreign, key=len, reverse=True):
        rules.append(("~^%s%s" % (re.escape(prefix), table.RETURNS), ""))
        rules.append(("~^%s/" % re.escape(prefix), _variable("foreign")))
    return rules


def _later() -> str:
    return r"^(?:%s)\." % "|".join(re.escape(word) for word in table.LATER)


def key_of(server: Directive) -> Optional[str]:
    """Return a server's $server_name, None where it has none of its own or an expression."""
    names = [name for item in named(server.block or (), "server_name") for name in item.args]
    if not names or names[0] in ("", "_") or names[0].startswith(("~", "$")):
        return None
    return names[0].lstrip(".").lower()


def _variable(name: str) -> str:
    return "$" + table.PREFIX + name


def _map(source: str, target: str, default: str, entries: Sequence[Tuple[str, str]]) -> List[str]:
    lines = ["map %s %s {" % (source, target), "    default %s;" % quoted(default)]
    for key, value in dict(entries).items():
        lines.append("    %s %s;" % (quoted(key, True), quoted(value)))
    return lines + ["}"]


make_map = _map


def quoted(text: str, is_key: bool = False) -> str:
    """Return a text as nginx takes it; a key as it stands, since an expression has backslashes. Raises Refused for what nginx would read otherwise."""
    of_others = "$" in text and not is_key and not text.startswith("$" + table.PREFIX)
    if any(char in text for char in "\r\n\0") or of_others or (is_key and '"' in text):
        raise Refused(
            "%s cannot be written into nginx's configuration: it has a quote, a line break or a $" % text[:60]
        )
    if not is_key:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"%s"' % text


def origin_entries(origins: Sequence[str]) -> List[str]:
    """Return origins as keys of a map. Raises Refused for what is none."""
    out = []
    for origin in origins:
        text = origin.strip().rstrip("/").lower()
        if not _ORIGIN.match(text):
            raise Refused("nginx_cors_origins: %s is no origin such as https://app.example.com" % origin[:80])
        if "*" in text:
            expression = re.escape(text).replace(r"://\*\.", r"://(?:[a-z0-9_-]+\.)+").replace(r":\*", r"(?::[0-9]+)?")
            out.append("~*^%s$" % expression)
        else:
            out.append(text)
    return list(dict.fromkeys(out))


def origin_of(url: str) -> str:
    """Return the origin of a URL, "" where it is none."""
    found = re.match(r"[a-z][a-z0-9+.-]*://[^/?#\s]+", url.strip(), re.I)
    return found.group() if found else ""

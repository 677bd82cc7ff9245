# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx: TLS, headers, limits and who is let in, so that the sites of a later build are hardened as well.

One file of ours is included at the top of http; generated files that would undo it are replaced by copies that do not. A site is left as
it is but for lines that would undo it there.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any, Callable, Dict, List, Mapping, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.cors import origin_problem
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import mounts, nginx_probe, nginx_workers
from ansible_collections.nself.prod.plugins.module_utils.change.stack import nginx_http as render
from ansible_collections.nself.prod.plugins.module_utils.change.stack.nginx_copies import Copies
from ansible_collections.nself.prod.plugins.module_utils.change.stack.nginx_files import Configuration
from ansible_collections.nself.prod.plugins.module_utils.change.stack.nginx_guards import (
    CLOSED,
    LOGIN,
    NOBODY,
    OPEN,
    USERS,
    Guards,
    origin_entries,
    origin_of,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import FOLDER, File, Part, Plan
from ansible_collections.nself.prod.plugins.module_utils.change.tables import nginx as table
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import sites_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import role_of
from ansible_collections.nself.prod.plugins.module_utils.host import exists
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import named

OURS = FOLDER + "/nginx"
LOGS = "logs/nginx"
ROTATION = "/etc/logrotate.d/nself-prod-nginx"
USER_LINES = "NGINX_CONSOLE_USERS"
_USER_LINE = re.compile(r"[^:\s]+:\$[^:\s]+\Z")
_ACCESS = {"type": "str", "choices": [USERS, CLOSED, OPEN], "default": USERS}


class Nginx(Part):
    name = "nginx"
    SPEC: Mapping[str, Any] = {
        "tls_protocols": {
            "type": "list",
            "elements": "str",
            "choices": ["TLSv1.2", "TLSv1.3"],
            "default": ["TLSv1.2", "TLSv1.3"],
        },
        "tls_ciphers": {"type": "str", "default": ":".join(table.CIPHERS)},
        "prefer_server_ciphers": {"type": "bool", "default": True},
        "hsts_max_age": {"type": "int", "default": 31536000},
        "hsts_include_subdomains": {"type": "bool", "default": True},
        "hsts_preload": {"type": "bool", "default": False},
        "content_type_options": {"type": "str", "default": "nosniff"},
        "frame_options": {"type": "str", "default": "SAMEORIGIN"},
        "csp": {"type": "raw"},
        "csp_sites": {"type": "dict", "default": {}},
        "referrer_policy": {"type": "str", "default": "strict-origin-when-cross-origin"},
        "permissions_policy": {"type": "str", "default": table.PERMISSIONS},
        "xss_protection": {"type": "str", "default": "0"},
        "server_tokens": {"type": "bool", "default": False},
        "rate_limits_enabled": {"type": "bool", "default": True},
        "rate_limits": {"type": "dict", "default": {}},
        "abuse_limits_enabled": {"type": "bool", "default": True},
        "client_max_body_size": {"type": "str", "default": "100m"},
        "client_header_timeout": {"type": "str", "default": "15s"},
        "client_body_timeout": {"type": "str", "default": "15s"},
        "send_timeout": {"type": "str", "default": "30s"},
        "connections_per_client": {"type": "int", "default": 100},
        "cors_origins": {"type": "list", "elements": "str"},
        "console_access": _ACCESS,
        "console_sites": {"type": "list", "elements": "str", "default": []},
        "console_open": {"type": "list", "elements": "str", "default": []},
        "admin_api_access": _ACCESS,
        "mend_sites": {"type": "bool", "default": True},
        "logs_on_host": {"type": "bool", "default": False},
    }
    SECRETS = (USER_LINES,)

    def __init__(self, stack: Any, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        super().__init__(stack, options, secrets)
        self._service = ""
        self._expected: List[nginx_probe.Expected] = []
        self._answered = False  # whether a site answered before the change
        self._left: List[str] = []
        self._mended: List[str] = []  # paths in the project
        self._copied: List[str] = []  # paths in the container
        self._logs = False
        self._shown: Callable[[str], str] = str  # turns the container's paths in a message into the project's
        self._rotation_before: Any = None
        self._rotation_written = False

    # -- what is wanted ----------------------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        services = self.stack.of("nginx")
        if not services:
            return Plan(
                left=[
                    "the deployment has no nginx service, so nothing stands before its services that could be hardened"
                ]
            )
        self._service = services[0]
        left: List[str] = ["%s is a second nginx, which is left as it is" % name for name in services[1:]]
        configuration = Configuration(self.stack, self._service)
        singles, explicit = self._singles()
        copies = Copies(configuration, singles, explicit, self.options["mend_sites"])
        guards = Guards(configuration, self._role_of, self._asks, self.options)
        blocks = [render.headers(self.options, guards.servers, copies.kept)]
        own = named(configuration.http, "auth_basic") + named(configuration.http, "auth_basic_user_file")
        if own:
            left.append(
                "%s: nginx has a login of its own for everything, so the role sets none for consoles, Hasura's APIs for administrators and "
                "foreign pages" % configuration.place(own[0])
            )
            guards.servers_unguarded()
        else:
            blocks.append(guards.maps(self._origins(configuration, left) if guards.of("auth") else []))
        blocks += self._limits(configuration, copies, guards)
        self._logs = self.options["logs_on_host"] and self._rotates(left)
        if self._logs:
            copies.log_twice()
        owner, group = nginx_workers.owner(self.stack, self._service, configuration)
        plan = Plan(left=left + copies.left + guards.left)
        plan.folders.append((OURS, 0o750, owner, group))
        mounts = ["./%s:%s:ro" % (OURS, table.MOUNT)]
        files = {"http.conf": render.http_file(copies.missing, blocks)}
        files.update(render.headers_files(render.header_lines(self.options, copies.kept)))
        self._copied = sorted(copies.texts())
        for path, text in sorted(copies.texts().items()):
            name = path[len(table.HOME) + 1 :]
            files["files/" + name] = text
            mounts.append("./%s/files/%s:%s:ro" % (OURS, name, path))
        for name, text in files.items():
            plan.files.append(File("%s/%s" % (OURS, name), text, services=(self._service,)))
        # Each folder by its own, the outer one first.
        for folder in sorted({posixpath.dirname(name) for name in files if "/" in name} | {"files"}):
            plan.folders.append(("%s/%s" % (OURS, folder), 0o755, 0, 0))
        plan.absent += self._stale(files)
        for path, text in copies.mended().items():
            source = configuration.source(path)
            info = self.stack.host.stat(source)
            relative = posixpath.relpath(source, self.stack.directory)
            # A build writes them anew, so nothing that the container is made of may depend on them: nginx reads them again.
            plan.files.append(File(relative, text, info.mode, info.uid, info.gid))
            self._mended.append(relative)
        # Read at each request, so a change of them needs no new container.
        plan.files.append(File("%s/%s" % (OURS, LOGIN), self._user_lines(), 0o640, owner, group, secret=True))
        plan.files.append(File("%s/%s" % (OURS, NOBODY), "", 0o640, owner, group))
        if self._logs:
            outer = posixpath.dirname(LOGS)
            if not exists(self.stack.host, self.stack.path(outer)):
                info = self.stack.host.stat(self.stack.directory)
                plan.folders.append((outer, 0o755, info.uid, info.gid))
            plan.folders.append((LOGS, 0o750, owner, 0))
            mounts.append("./%s:/var/log/nginx" % LOGS)
        plan.fragment = {"services": {self._service: {"volumes": mounts}}}
        self._shown = configuration.shown
        self._works_now()
        self._expected = nginx_probe.expected(configuration, guards, copies, self.options)
        self._left = plan.left
        if not self._expected:
            plan.left.append(
                "no site of nginx can be asked from this host (each listens on an address of its own, or for the PROXY protocol only), so "
                "nobody has asked whether headers and guards are in force; `curl -I` from outside shows it"
            )
        return plan

    def _works_now(self) -> None:
        """Have the running nginx judge its files as they are. Raises Refused where it could not start with them: nor could it after ours."""
        # One that does not see its files judges others: its container is started again, or made anew, once validate() has judged them.
        if not self.stack.running(self._service) or mounts.stale(self.stack, self._service, {}):
            return
        done = self.stack.exec(self._service, ["nginx", "-t"])
        if done.rc != 0:
            raise Refused(
                "nginx runs, but would not start again with its files as they are: %s; mend that first, nothing was changed"
                % self._in_project(said(done.err))
            )

    def _singles(self) -> Tuple[Dict[str, str], List[str]]:
        """Return ({directive: value}, those of them and of the headers that somebody asked for)."""
        values: Dict[str, str] = {}
        explicit = [
            header
            for option, header in table.HEADER_OPTIONS.items()
            if self.options[option] != self.SPEC[option].get("default")
        ]
        for single in table.SINGLES:
            if single.when and not self.options[single.when]:
                continue
            if not single.option:
                values[single.name] = single.value
                continue
            given = self.options[single.option]
            values[single.name] = _word(given)
            if given != self.SPEC[single.option]["default"]:
                explicit.append(single.name)
            if re.search(r"[\"';{}#\\$\r\n]", values[single.name]) or not values[single.name].strip():
                raise Refused("nginx_%s: %s is no value of %s" % (single.option, values[single.name], single.name))
        return values, explicit

    def _limits(self, configuration: Configuration, copies: Copies, guards: Guards) -> List[List[str]]:
        out = []
        rates = render.check_rates(self.options["rate_limits"])
        own = [zone.name for zone in table.ZONES]
        unknown = copies.rates({name: rate for name, rate in rates.items() if name not in own})
        if unknown:
            raise Refused(
                "nginx_rate_limits: nginx has no zone %s; there are %s, and those of its limit_req_zone lines"
                % (", ".join(unknown), ", ".join(own))
            )
        if self.options["rate_limits_enabled"]:
            # Limits of one level hold together, so one of somebody's own for everything is enough.
            general = not named(configuration.http, "limit_req") or "general" in rates
            out.append(render.zones(guards.servers, rates, general))
        if self.options["abuse_limits_enabled"] and not named(configuration.http, "limit_conn"):
            if not 1 <= self.options["connections_per_client"] <= 65535:
                raise Refused("nginx_connections_per_client takes a number from 1 to 65535")
            out.append(render.connections(self.options["connections_per_client"]))
        return out

    def _origins(self, configuration: Configuration, left: List[str]) -> List[str]:
        """Return the origins that may use hasura-auth: those that were given, else those that Hasura allows; and the sites of this nginx."""
        given = self.options["cors_origins"]
        if given is None:
            declared = []
            # As the project says it: what other roles make of it in the same run is not known yet.
            for service in self.stack.of("hasura"):
                declared += self._declared(service, "HASURA_GRAPHQL_CORS_DOMAIN").split(",")
            for service in self.stack.of("auth"):
                urls = self._declared(service, "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS").split(",")
                declared += map(origin_of, [self._declared(service, "AUTH_CLIENT_URL")] + urls)
            declared = [text.strip() for text in declared if text.strip()]
            given = [text for text in declared if origin_problem(text) is None]
            domain = self.stack.variables.get("BASE_DOMAIN", "").strip().lower()
            if not given and "." in domain:
                given = ["https://" + domain, "https://*." + domain]
            dropped = [text for text in declared if text not in given and text != "*"]
            if dropped:
                left.append(
                    "hasura-auth is not open to pages of %s any more; name in nginx_cors_origins whatever of it should be"
                    % ", ".join(list(dict.fromkeys(dropped))[:5])
                )
        ports = [
            str(port["published"])
            for port in self.stack.services[self._service].get("ports") or []
            if isinstance(port, Mapping) and str(port.get("target")) == "443" and port.get("published")
        ]
        for site in sites_of(configuration.tree):
            for name in site.names if site.tls else ():
                if name.startswith(("~", ".")) or name.endswith("*"):
                    continue
                given = given + ["https://" + name]
                given = given + ["https://%s:%s" % (name, port) for port in ports if port != "443"]
        return origin_entries(given)

    def _role_of(self, host: str) -> str:
        """Return the role of what a request is passed on to: by its service, its container's name, or what its networks call it."""
        for service, item in self.stack.services.items():
            names = [service, item.get("container_name"), item.get("hostname")]
            for network in (item.get("networks") or {}).values() if isinstance(item.get("networks"), Mapping) else ():
                names += (network or {}).get("aliases") or []
            if host in names:
                return str(self.stack.role(service))
        return role_of(host, "")

    def _asks(self, role: str) -> bool:
        login = next(item for item in table.LOGINS if item.role == role)
        return all(login.asks(self._declared(service, login.name)) for service in self.stack.of(role))

    def _declared(self, service: str, name: str) -> str:
        """Return what the project itself says of a variable, so that two runs say the same."""
        given = self.stack.services[service].get("environment") or {}
        return str(given.get(name) or "") if isinstance(given, Mapping) else ""

    def _user_lines(self) -> str:
        lines = [line.strip() for line in self.secrets.get(USER_LINES, "").splitlines() if line.strip()]
        if not all(_USER_LINE.match(line) for line in lines):
            raise Refused("nginx_console_users: a user has no name, or a password that is no hash")
        return "".join(line + "\n" for line in sorted(lines))

    def _rotates(self, left: List[str]) -> bool:
        if self.stack.host.which("logrotate") is None:
            left.append(
                "nginx's logs stay in its container: install logrotate first, without it they would fill the disk"
            )
            return False
        return True

    def _stale(self, files: Mapping[str, str]) -> List[str]:
        """Return copies of an earlier run that are not wanted any more."""
        out = []
        for folder in ("headers", "files", "files/conf.d", "files/includes"):
            path = "%s/%s" % (OURS, folder)
            if not exists(self.stack.host, self.stack.path(path)):
                continue
            for name in self.stack.host.listdir(self.stack.path(path)):
                if name.endswith((".conf", ".inc")) and "%s/%s" % (folder, name) not in files:
                    out.append("%s/%s" % (path, name))
        return out

    # -- around the change -------------------------------------------------------------------------------------------------

    def prepare(self, changes: Changes) -> None:
        if not changes.check and self._service and self.stack.running(self._service):
            self._answered = nginx_probe.answers(self.stack, self._service, self._expected)

    def validate(self) -> None:
        if not self._service:
            return
        done = self.stack.run_once(self._service, ["nginx", "-t"])
        if done.rc != 0:
            raise Mismatch("nginx refuses its new configuration: %s" % self._in_project(said(done.err)))

    def settle(self, changes: Changes) -> None:
        running = bool(self._service) and self.stack.running(self._service)
        # What somebody changed without telling nginx was judged in the plan, with all that it would start with.
        due = running and (self._mended or list(map(self._shown, nginx_probe.not_loaded(self.stack, self._service))))
        if due:
            changes.note("nginx reads %s again" % ", ".join(due))
            if not changes.check:
                self._reload()
        self._rotation_before = changes.read(ROTATION)
        if self._logs:
            changed = changes.file(ROTATION, table.ROTATED % self.stack.path(LOGS))
        else:
            ours = (self._rotation_before or "").startswith(table.ROTATED.partition("\n")[0])
            changed = ours and changes.absent(ROTATION)
        self._rotation_written = changed and not changes.check

    def verify(self) -> None:
        if not self._service or not self.stack.running(self._service):
            return
        if nginx_probe.verify(self.stack, self._service, self._expected) or not self._expected:
            return
        if self._answered:
            raise Mismatch("nginx runs, but answers no request to any of its names any more")
        self._left.append(
            "nginx closes the connection without an answer to this host, whatever its name, so nobody has asked whether headers and guards are "
            "in force; `curl -I` from where it answers shows it"
        )

    def _reload(self) -> None:
        done = self.stack.exec(self._service, ["nginx", "-s", "reload"])
        if done.rc != 0:
            raise Mismatch("nginx does not read its files again: %s" % self._in_project(said(done.err)))

    def revert(self) -> None:
        if self._mended and self.stack.running(self._service):
            self._reload()
        if not self._rotation_written:
            return
        back = Changes(self.stack.host, check=False)
        if self._rotation_before is None:
            back.absent(ROTATION)
        else:
            back.file(ROTATION, self._rotation_before)

    def _in_project(self, text: str) -> str:
        """Return what nginx said with the names that its files have in the project, those of the copies among them."""
        for path in self._copied:
            text = text.replace(path, "%s/files/%s" % (OURS, path[len(table.HOME) + 1 :]))
        return str(self._shown(text.replace(table.MOUNT + "/", OURS + "/")))


def said(text: str) -> str:
    """Return what nginx complains of, without the lines around it."""
    lines = [re.sub(r"^\S+ \S+ (?=\[)|\d+#\d+: ", "", line) for line in text.strip().splitlines()]
    bad = [line for line in lines if "[emerg]" in line or "[alert]" in line]
    return "; ".join(bad or lines[-1:]) or "no word why"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)

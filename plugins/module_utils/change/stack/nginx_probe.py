# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the running nginx does what was wanted: every named site is asked from the host, with its name in handshake and Host header.

Sites without TLS, as behind a balancer that ends it, are asked in clear, as that balancer does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import nginx as collected
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.containers import processes_of
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.web_probes import FOREIGN_ORIGIN
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch
from ansible_collections.nself.prod.plugins.module_utils.change.stack import reach
from ansible_collections.nself.prod.plugins.module_utils.change.stack.nginx_guards import EVERYWHERE, key_of
from ansible_collections.nself.prod.plugins.module_utils.change.stack.nginx_http import header_values, hsts
from ansible_collections.nself.prod.plugins.module_utils.change.stack.units import running_unit
from ansible_collections.nself.prod.plugins.module_utils.change.tables import nginx as table
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import servers_of, sites_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.sites import Listen, Site
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import tls_wire as wire
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import Directive, named, walk
from ansible_collections.nself.prod.plugins.module_utils.probe import http
from ansible_collections.nself.prod.plugins.module_utils.probe import tls as handshakes

HSTS = "Strict-Transport-Security"
TIMEOUT = 5.0  # seconds for one request
PATIENCE = 20.0  # seconds that a new container is waited for
NO_PAGE = "/nself-prod-verify/no-such-page"
ANY_NAME = "localhost"  # asked for where no site has a name that can be asked for
BALANCER = ("X-Forwarded-Proto", "https")
SILENT_TRIES = 3  # sites that are asked whether nginx says anything at all
STOPPED = (401, 403, 404, 429)  # what nobody gets by without a login is answered by
VERSIONS = {"TLSv1.2": wire.TLS12, "TLSv1.3": wire.TLS13}


@dataclass
class Expected:
    """What one name has to do. headers: {name: value, "" for any}; refused: (method, path, origin) that nobody gets by without a login.

    protocols: those of TLS that it takes, empty where its own file says which; tls: whether it is asked over TLS.
    """

    name: str
    port: int
    headers: Dict[str, str] = field(default_factory=dict)
    refused: List[Tuple[str, str, str]] = field(default_factory=list)
    protocols: Tuple[str, ...] = ()
    tls: bool = True


def not_loaded(stack: Any, service: str) -> List[str]:
    """Return the file, if any, that changed after the running nginx read its files."""
    unit = running_unit(stack, service)
    members = processes_of(stack.host, [str((stack.inspect(service) or {}).get("Id"))])
    try:
        found = collected.not_loaded(stack.host, dict(unit, pids=[pid for pids in members.values() for pid in pids]))
    except (Missing, HostError):
        return []  # the audit tells that this is not known
    return [found] if found else []


def expected(configuration: Any, guards: Any, copies: Any, options: Mapping[str, Any]) -> List[Expected]:
    """Return what is expected of every site that can be asked: over TLS where it has that, else in clear. None can where that is empty."""
    values = header_values(options)
    headers = {item.name: "" for item in table.HEADERS if values[item.variable] and item.variable != "csp"}
    if hsts(options) and HSTS not in copies.kept:
        headers[HSTS] = hsts(options)
    found = list(zip(servers_of(configuration.tree), sites_of(configuration.tree)))
    # Who comes without the words of that protocol is sent away there.
    wrapped = {port for server, _site in found for port in _wrapped(server)}
    doors = [(server, site, _doors(site, wrapped)) for server, site in found]
    asked = [(server, site.plain_names[0], door) for server, site, door in doors if door and site.plain_names]
    proven = {name for _server, site, door in doors if door and door[0].tls for name in site.plain_names}
    asked = [entry for entry in asked if entry[2][0].tls or entry[1] not in proven]
    if not asked:
        # Whoever answers for names that nobody has.
        asked = [(server, ANY_NAME, door) for server, _site, door in doors if any(one.default for one in door)][:1]
    out = []
    for server, name, door in asked:
        one = Expected(name, door[0].port, tls=door[0].tls)
        said = {item.name for item in walk(server.block or ())}
        mended = copies.holds(server.file)
        if "add_header" not in said or mended:
            one.headers = {key: value for key, value in headers.items() if one.tls or key != HSTS}
        if one.tls and ("ssl_protocols" not in said or mended):
            one.protocols = tuple(options["tls_protocols"])
        guarded = guards.servers.get(key_of(server) or "")
        if guarded is not None and "auth_basic" not in said:
            one.refused = _refused(guarded)
        out.append(one)
    return out


def _doors(site: Site, wrapped: Set[int]) -> List[Listen]:
    """Return where a site is asked from this host: over TLS where it has that, else in clear."""
    over = [one for one in site.listens if one.tls and site.certificate and one.port not in wrapped]
    clear = [one for one in site.listens if not one.tls and one.address == "*" and one.port not in wrapped]
    return over or ([] if site.tls else clear)


def _wrapped(server: Directive) -> List[int]:
    """Return the ports where a server wants to be told first who comes (proxy_protocol)."""
    found = [item for item in named(server.block or (), "listen") if "proxy_protocol" in item.args]
    words = [item.first.rpartition(":")[2] for item in found]
    return [int(word) if word.isdigit() else 80 for word in words]


def _refused(server: Any) -> List[Tuple[str, str, str]]:
    out = []
    if any(path == EVERYWHERE for path, _guard in server.rules):
        out.append(("GET", "/", ""))
    elif "hasura" in server.roles:
        literal = [path for path, _guard in server.rules if path.endswith(table.ADMIN_PATHS)]
        out += [("POST", _plain(path) + table.ADMIN_PATH[1:], "") for path in literal]
    out += [("GET", prefix + "/healthz", FOREIGN_ORIGIN) for prefix in server.foreign]
    return out


def _plain(expression: str) -> str:
    return expression[1 : -len(table.ADMIN_PATHS)].replace("\\", "")


def answers(stack: Any, service: str, wanted: Sequence[Expected]) -> bool:
    """Tell whether any site says anything to this host, before anything is changed."""
    for one in wanted[:SILENT_TRIES]:
        try:
            if _ask(stack.host, reach.address(stack, service), one, "GET", "/") is not None:
                return True
        except (ChangeError, Mismatch):
            continue
    return False


def verify(stack: Any, service: str, wanted: Sequence[Expected]) -> bool:
    """Ask every site; return whether any of them answered. Raises Mismatch with what the first ones do instead."""
    address = reach.address(stack, service)
    _wait(stack.host, address, wanted)
    expires = time.monotonic() + PATIENCE
    left, bad, heard = list(wanted), [], set()  # type: List[Expected], List[str], Set[str]
    while left:
        found = [(one, _problems(stack.host, address, one, heard)) for one in left]
        left, bad = (
            [one for one, problems in found if problems],
            [text for _one, problems in found for text in problems],
        )
        if not left or time.monotonic() > expires:
            break
        # After a reload the old workers still answer for a moment.
        time.sleep(1)
    if bad:
        more = "; and %d more" % (len(bad) - 3) if len(bad) > 3 else ""
        raise Mismatch("nginx runs, but " + "; ".join(bad[:3]) + more)
    return bool(heard)


def _wait(host: Any, address: str, wanted: Sequence[Expected]) -> None:
    expires = time.monotonic() + PATIENCE
    for port in sorted({one.port for one in wanted}):
        while True:
            try:
                with host.connect(address, port, timeout=TIMEOUT):
                    break
            except HostError as error:
                if time.monotonic() > expires:
                    raise Mismatch("nginx does not answer: %s" % error) from error
            time.sleep(0.5)


def _problems(host: Any, address: str, one: Expected, heard: Set[str]) -> List[str]:
    """Return what a site does that it should not. heard: takes the names of sites that answer."""
    out: List[str] = []
    if one.protocols:
        door = handshakes.Door(address, one.port, one.name)
        old = [name for name, taken in _asked(lambda: handshakes.old_protocols(host, door)).items() if taken]
        out += ["%s still speaks %s" % (one.name, name) for name in old]
        out += [
            "%s does not speak %s" % (one.name, name)
            for name in one.protocols
            if not _asked(lambda name=name: handshakes.speaks(host, door, VERSIONS[name]))  # type: ignore[misc]
        ]
    for path in ("/", NO_PAGE):
        answer = _ask(host, address, one, "GET", path)
        if answer is None:
            continue
        heard.add(one.name)
        for name, value in one.headers.items():
            found = answer.header(name)
            if not found or (value and found != value):
                out.append("%s%s answers %d with %s: %s" % (one.name, path, answer.status, name, found or "(none)"))
    for method, path, origin in one.refused:
        answer = _ask(host, address, one, method, path, origin)
        if answer is not None and answer.status not in STOPPED and not _sent_to_tls(one, answer):
            whom = "pages of strangers" if origin else "strangers"
            out.append("%s%s still answers %s (%d)" % (one.name, path, whom, answer.status))
    return out


def _sent_to_tls(one: Expected, answer: http.Response) -> bool:
    """Tell whether who comes in clear is only sent on to https, before anybody asks who he is."""
    to = (answer.header("Location") or "").lower()
    return not one.tls and 300 <= answer.status < 400 and to.startswith("https://")


def _ask(host: Any, address: str, one: Expected, method: str, path: str, origin: str = "") -> Optional[http.Response]:
    """Return the answer, None where the connection is closed without a word, as `return 444` does, or none comes in time."""

    def ask() -> Optional[http.Response]:
        with host.connect(address, one.port, timeout=TIMEOUT) as stream:
            pairs = [("Origin", origin)] if origin else []
            if one.tls:
                stream.start_tls(one.name)
            else:
                pairs.append(BALANCER)
            try:
                return http.request(stream, method, path, one.name, pairs)
            except http.Silent:
                return None
            except HostError as error:
                if error.reason == Reason.TIMEOUT:
                    return None  # the service behind is slow, which is not nginx's doing
                raise

    return _asked(ask)


def _asked(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except HostError as error:
        raise Mismatch("nginx cannot be asked: %s" % error) from error

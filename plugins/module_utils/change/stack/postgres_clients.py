# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who in a compose model is a client of a PostgreSQL, and what has to be said to each so that it uses TLS.

Found by what it is told: a URL in its environment or its command line, or the server's name in a variable such as PGHOST.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_project import without_arguments
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import DatabaseUrl, Replace
from ansible_collections.nself.prod.plugins.module_utils.change.tables.container_needs import ARGUMENTS
from ansible_collections.nself.prod.plugins.module_utils.change.tables.postgres_clients import (
    HOST_NAME,
    MODE_NAMES,
    MODES,
    NODE_AUTHORITIES,
    NOT_NODE,
    WITHOUT_ROOT,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import role_of

_URL = re.compile(r"(?P<scheme>(?:jdbc:)?postgres(?:ql)?(?:\+[a-z0-9]+)?)://(?P<rest>\S+)", re.I)
_KEYWORDS = re.compile(r"(?:^|\s)host\s*=\s*'?([^'\s]+)")


class Url(NamedTuple):
    """A database URL's parts, interpolated. user, password, name: None where it does not say them."""

    scheme: str
    host: str
    user: Optional[str]
    password: Optional[str]
    query: Dict[str, str]
    port: int = 5432


@dataclass
class Client:
    """A service that talks to the database. urls: {variable: URL}; words: {place in the command: URL}; hosts: variables that name it.

    keywords: variables with libpq's other form (host=… user=…), which is nobody's to rewrite here.
    """

    service: str
    urls: Dict[str, Url] = field(default_factory=dict)
    words: Dict[int, Url] = field(default_factory=dict)
    hosts: List[str] = field(default_factory=list)
    keywords: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tls:
    """What clients are told. mode: one of MODES; authorities: the file inside their containers, "" where none is needed; source: on the host."""

    mode: str
    authorities: str
    source: str


@dataclass
class Told:
    """What follows of it: services' fragments, URLs to change, who is given the authorities, and what is left."""

    services: Dict[str, Any] = field(default_factory=dict)
    urls: List[DatabaseUrl] = field(default_factory=list)
    readers: List[str] = field(default_factory=list)
    left: List[str] = field(default_factory=list)


def url_of(text: str) -> Optional[Url]:
    """Return what a URL of PostgreSQL says; None for any other text. A password may hold what a URL should not."""
    found = _URL.match(text.strip())
    if not found:
        return None
    head, mark, query = found.group("rest").rpartition("?")
    if not mark or "@" in query:
        head, query = found.group("rest"), ""
    login, _at, place = head.rpartition("@")
    host, _mark, port = re.sub(r":(\d*)\Z", r" \1", place.split("/", 1)[0]).partition(" ")
    user, mark, password = login.partition(":")
    return Url(
        found.group("scheme").lower(),
        host.strip("[]").lower(),
        urllib.parse.unquote(user) or None,
        urllib.parse.unquote(password) if mark else None,
        dict(urllib.parse.parse_qsl(query)),
        int(port or 5432),
    )


def names_of(service: str, model: Mapping[str, Any]) -> Set[str]:
    """Return the names by which a service is reached inside the project."""
    out = {service, model.get("container_name") or service, model.get("hostname") or service}
    for network in (model.get("networks") or {}).values() if isinstance(model.get("networks"), Mapping) else ():
        out.update((network or {}).get("aliases") or [])
    return {str(name).lower() for name in out}


def clients_of(services: Mapping[str, Mapping[str, Any]], server: str) -> List[Client]:
    """Return the clients of one PostgreSQL among the model's services, interpolated."""
    others = {name: model for name, model in services.items() if name != server}
    return clients_among(others, names_of(server, services[server]))


def clients_among(services: Mapping[str, Mapping[str, Any]], names: Set[str]) -> List[Client]:
    """Return the services that are told of a PostgreSQL by one of its names."""
    out = []
    for service, model in sorted(services.items()):
        client = Client(service)
        for variable, value in sorted((model.get("environment") or {}).items()):
            text = str(value or "")
            url = url_of(text)
            if url is not None:
                if url.host in names:
                    client.urls[variable] = url
            elif HOST_NAME.match(variable) and text.lower() in names:
                client.hosts.append(variable)
            elif "dbname" in text and any(host.lower() in names for host in _KEYWORDS.findall(text)):
                client.keywords.append(variable)
        for place, word in enumerate(_words(model)):
            url = url_of(_value_of(word))
            if url is not None and url.host in names:
                client.words[place] = url
        if client.urls or client.words or client.hosts or client.keywords:
            out.append(client)
    return out


def _words(model: Mapping[str, Any]) -> Sequence[str]:
    command = model.get("command")
    return [str(word) for word in command] if isinstance(command, list) else []


def _value_of(word: str) -> str:
    """Return the value of --option=value, or the word itself."""
    found = re.match(r"--?[A-Za-z0-9-]+=(.*)", word, re.S)
    return found.group(1) if found else word


def stated(url: Url) -> str:
    """Return the mode that a URL demands; "" where it does not say one."""
    return url.query.get(MODE_NAMES.get(url.scheme, "sslmode"), "").lower()


def weaker(mode: str, than: str) -> bool:
    """Tell whether a mode promises less than another one."""
    return mode not in MODES or MODES.index(mode) < MODES.index(than)


def query_of(url: Url, tls: Tls) -> Dict[str, str]:
    """Return the parameters that a URL has to be given; {} where it is as good already."""
    if not weaker(stated(url), tls.mode):
        return {}
    out = {MODE_NAMES.get(url.scheme, "sslmode"): tls.mode}
    if tls.mode != MODES[0] and url.scheme not in WITHOUT_ROOT and "sslrootcert" not in url.query:
        out["sslrootcert"] = tls.authorities
    return out


def behind(client: Client, environment: Mapping[str, str], mode: str) -> bool:
    """Tell whether a container's own environment demands less than a mode, in what is said there of the database."""
    urls = [url_of(environment.get(variable, "")) for variable in client.urls]
    found = [stated(url) for url in urls if url is not None]
    found += [environment.get("PGSSLMODE", "").lower()] if client.hosts else []
    return any(weaker(word, mode) for word in found)


def tell(clients: Sequence[Client], services: Mapping[str, Any], raw: Mapping[str, Any], tls: Tls) -> Told:
    """Return what to change so that each client demands TLS. services: interpolated, raw: as written."""
    out = Told()
    for client in clients:
        model, fragment, environment = services[client.service], {}, {}  # type: Any, Dict[str, Any], Dict[str, str]
        present = model.get("environment") or {}
        for variable, url in client.urls.items():
            query = query_of(url, tls)
            if query:
                out.urls.append(DatabaseUrl(client.service, variable, query))
        command = (raw.get(client.service) or {}).get("command")
        # What a variable of the service says too is left to that: the role containers takes it off the command line likewise.
        shortened = without_arguments(
            command, present, ARGUMENTS.get(role_of(client.service, str(model.get("image") or "")), {})
        )
        words = _told_words(client, command, tls, out) if shortened is None else shortened
        if words:
            fragment["command"] = Replace(words)
        if client.hosts and weaker(str(present.get("PGSSLMODE") or "").lower(), tls.mode):
            environment["PGSSLMODE"] = tls.mode
        for variable in client.keywords:
            if "sslmode=" not in str(present[variable]) or "sslmode=disable" in str(present[variable]):
                out.left.append(
                    "%s: %s is no URL; put sslmode=%s into it by hand" % (client.service, variable, tls.mode)
                )
        if tls.authorities:
            environment.update(_authorities(client.service, model, tls, out))
            fragment["volumes"] = [mount(tls.source, tls.authorities)]
            out.readers.append(client.service)
        if environment:
            fragment["environment"] = environment
        if fragment:
            out.services[client.service] = fragment
    return out


def _authorities(service: str, model: Mapping[str, Any], tls: Tls, out: Told) -> Dict[str, str]:
    """Return the variables by which a client learns whom to trust: a driver of Node.js does not take a CA by `sslmode=require`."""
    present, found = model.get("environment") or {}, {}
    if tls.mode != MODES[0]:
        found["PGSSLROOTCERT"] = tls.authorities
    image = re.split(r"[:@]", str(model.get("image") or "").rsplit("/", 1)[-1])[0]
    if image in NOT_NODE:
        return found
    if present.get(NODE_AUTHORITIES) not in (None, "", tls.authorities):
        out.left.append(
            "%s: %s names a file already; add the authority in %s to it, should it be of Node.js"
            % (service, NODE_AUTHORITIES, tls.source)
        )
        return found
    found[NODE_AUTHORITIES] = tls.authorities
    return found


def _told_words(client: Client, command: Any, tls: Tls, out: Told) -> List[str]:
    """Return the command, as written, with TLS in its URLs; [] where nothing of it changes."""
    wanted = {place: query_of(url, tls) for place, url in client.words.items()}
    if not any(wanted.values()):
        return []
    if not isinstance(command, list) or len(command) <= max(wanted):
        out.left.append("%s: put sslmode=%s into the URL on its command line by hand" % (client.service, tls.mode))
        return []
    words = [str(word) for word in command]
    for place, query in wanted.items():
        words[place] = _with_query(words[place], client.words[place], query)
    return words


def _with_query(word: str, url: Url, query: Mapping[str, str]) -> str:
    for name, value in query.items():
        pattern = r"(?<=[?&])%s=[^&#\s]*" % re.escape(name)
        if re.search(pattern, word):
            word = re.sub(pattern, "%s=%s" % (name, value), word)
        else:
            word += "%s%s=%s" % ("&" if url.query or word.endswith("&") else "?", name, value)
            url = url._replace(query=dict(url.query, **{name: value}))
    return word


def mount(source: str, target: str) -> Dict[str, Any]:
    """Return a read-only mount of a file or folder that has to exist."""
    return {
        "type": "bind",
        "source": source,
        "target": target,
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def logins_of(clients: Sequence[Client]) -> List[Tuple[str, str, str]]:
    """Return (service, user, password) of each URL that says both."""
    out = []
    for client in clients:
        for url in list(client.urls.values()) + list(client.words.values()):
            if url.user and url.password is not None:
                out.append((client.service, url.user, url.password))
    return list(dict.fromkeys(out))

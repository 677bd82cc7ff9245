# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How judges reach what the deployment's PostgreSQL says, and what its rules and its clients' settings mean."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Check,
    Level,
    Missing,
    NotApplicable,
    Reason,
    Resource,
    Status,
    Verdict,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import level_of, name_of, of_role, plain
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import summed, unread
from ansible_collections.nself.prod.plugins.module_utils.parse.proc_net import is_loopback

# Where a setting comes from that holds for the whole server; any other source is this one session's, role's or database's.
SERVER_WIDE = ("default", "environment variable", "configuration file", "command line", "override")
FACT = "postgres"
NOT_ASKED = "is a PostgreSQL too, and was not asked: only the service postgres is"
SCHEMES = ("postgres", "postgresql")


def server(facts: Any) -> Record:
    """Return what the deployment's PostgreSQL says. Raises NotApplicable where the deployment has none, Missing where it is not known."""
    of_role(facts, "postgres")
    return facts.record("postgres")


def of_every_server(checks: Sequence[Check]) -> Tuple[Check, ...]:
    """Return checks of what PostgreSQL says that pass only where every one that runs was asked.

    The facts are those of the one that is the deployment's own; a replica, or a database of another service, may be as open as it likes.
    """

    def whole(judge: Callable[[Any, Any], Verdict]) -> Callable[[Any, Any], Verdict]:
        def judged(facts: Any, policy: Any) -> Verdict:
            try:
                verdict = judge(facts, policy)
            except NotApplicable:
                for name in _not_asked(facts):
                    raise Missing(FACT, Reason.ERROR, "%s %s" % (name, NOT_ASKED)) from None
                raise
            others = _not_asked(facts) if verdict.status == Status.PASS else []
            if not others:
                return verdict
            own = verdict.resources or (Resource("postgres", verdict.status, verdict.actual, verdict.level),)
            more = [unread(name, Missing(FACT, Reason.ERROR, NOT_ASKED)) for name in others]
            return summed(verdict.expected, list(own) + more)

        return judged

    return tuple(replace(item, judge=whole(item.judge)) for item in checks)


def _not_asked(facts: Any) -> List[str]:
    """Return the PostgreSQL services that run beside the one that was asked."""
    if facts.read("deployment.state") == "none":
        return []
    units = [unit for unit in facts.records("deployment.units") if unit.read("role") == "postgres"]
    if len(units) < 2:
        return []  # one, or none at all
    return sorted({name_of(unit) for unit in units if level_of(unit) == Level.RUNNING} - {"postgres"})


def in_force(postgres: Record, name: str) -> str:
    """Return a setting that holds for the whole server. Raises Missing where only our own session's value is known."""
    settings = postgres.read("settings")
    if name not in settings:
        raise Missing("postgres.settings", Reason.NEEDS_ROOT, "PostgreSQL does not tell its setting %s" % name)
    if _part(settings, name, "source") not in SERVER_WIDE:
        detail = "%s is set for POSTGRES_USER or its database: what holds for others is not known" % name
        raise Missing("postgres.settings", Reason.ERROR, detail)
    return str(_part(settings, name, "value"))


def _part(settings: Any, name: str, key: str) -> Any:
    return Record(settings[name], "postgres.settings." + name).read(key)


def values_of(postgres: Record, name: str) -> List[Tuple[str, Optional[str]]]:
    """Return (scope, value) for the server (None: ask in_force) and for each role or database that has its own value."""
    out: List[Tuple[str, Optional[str]]] = [("server", None)]
    for item in postgres.records("overrides"):
        if item.read("name") == name:
            parts = [kind + " " + item.read(kind) for kind in ("role", "database") if item.read(kind)]
            out.append((" in ".join(parts) or "all roles", str(item.read("value"))))
    return out


# -- pg_hba rules ----------------------------------------------------------------------------------------------------


def rules(postgres: Record) -> Tuple[List[Dict[str, Any]], str, Optional[Missing]]:
    """Return (rules that can be met, level, why they are not certain) of pg_hba.

    Where the server tells them and they are the ones that it loaded, they are certain. Else they are the file's: good to find a hole in,
    and nothing to rest a pass on.
    """
    try:
        found = _records(postgres, "hba")
    except Missing as missing:
        if postgres.read("hba_file") is None:
            raise missing
        return reached(_records(postgres, "hba_file")), Level.DECLARED, missing
    return reached(found), Level.RUNNING, _not_loaded(postgres, found)


_KEYS = ("type", "database", "user_name", "address", "netmask", "auth_method", "broken", "file_name", "line_number")


def _records(postgres: Record, name: str) -> List[Dict[str, Any]]:
    """Return rules of which nothing is missing."""
    return [{key: record.read(key) for key in _KEYS} for record in postgres.records(name)]


def _not_loaded(postgres: Record, found: List[Dict[str, Any]]) -> Optional[Missing]:
    try:
        changed = postgres.read("files.changed")
        path = in_force(postgres, "hba_file")
    except Missing as missing:
        return missing
    if any(rule["broken"] for rule in found):
        return Missing(
            "postgres.hba", Reason.PARSE_ERROR, "pg_hba.conf has errors, so what is loaded is something else"
        )
    if changed and any(name in changed for name in [path] + [rule["file_name"] for rule in found]):
        return Missing("postgres.hba", Reason.ERROR, "pg_hba.conf was changed after it was loaded")
    return None


def reached(found: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return the rules that a connection can meet: the first that fits decides, so one for everybody hides what follows it.

    "all" is every database, but no replication.
    """
    out: List[Dict[str, Any]] = []
    closed = False
    for rule in found:
        if rule["broken"] or (closed and "replication" not in rule["database"]):
            continue
        out.append(rule)
        closed = closed or (rule["type"] == "host" and for_all(rule) and rule["address"] == "all")
    return out


def for_all(rule: Dict[str, Any]) -> bool:
    """Tell whether a rule is for every user of every database."""
    return "all" in rule["database"] and "all" in rule["user_name"]


def beyond_local(rule: Dict[str, Any]) -> bool:
    """Tell whether a rule lets in anybody but this machine itself: neither a UNIX socket nor the loopback."""
    if rule["type"] == "local" or rule["auth_method"] == "reject":
        return False
    address = str(rule["address"])
    if address == "samehost" or address == "localhost":
        return False
    network = network_of(rule)
    return network is None or not network.is_loopback


def worldwide(rule: Dict[str, Any]) -> bool:
    """Tell whether a rule is for every address."""
    network = network_of(rule)
    return str(rule["address"]) == "all" or (network is not None and network.prefixlen == 0)


def network_of(rule: Dict[str, Any]) -> Any:
    """Return a rule's address as a network; None for a name or a keyword."""
    address, netmask = str(rule["address"]), rule["netmask"]
    try:
        if netmask and ":" in netmask:
            bits = bin(int(ipaddress.IPv6Address(netmask))).count("1")
            return ipaddress.ip_network("%s/%d" % (address, bits), strict=False)
        return ipaddress.ip_network("%s/%s" % (address, netmask) if netmask else address, strict=False)
    except ValueError:
        return None


def rule_text(rule: Dict[str, Any]) -> str:
    """Return a rule in the words of its file."""
    words = [str(rule["type"]), ",".join(rule["database"]), ",".join(rule["user_name"])]
    network = network_of(rule)
    words += [str(network) if network is not None else str(rule["address"])] if rule["type"] != "local" else []
    return " ".join(words + [str(rule["auth_method"])])


def rule_name(rule: Dict[str, Any]) -> str:
    return "pg_hba line %s" % rule["line_number"]


# -- clients ---------------------------------------------------------------------------------------------------------


def is_network(client: Optional[str]) -> bool:
    """Tell whether a session came over a network. client: its address, None for the UNIX socket."""
    return client is not None and not _here(client)


def _here(address: str) -> bool:
    try:
        return address in ("", "localhost") or address.startswith("/") or is_loopback(address)
    except ValueError:
        return False


class Login:
    """How a service is told to reach the database. Each part is None where it is not said."""

    def __init__(self, name: str, user: Optional[str], sslmode: Optional[str]) -> None:
        self.name = name
        self.user = user
        self.sslmode = sslmode


def logins(unit: Record) -> List[Login]:
    """Return how a service would log in over the network: by its URLs, or by libpq's own variables where it has no URL."""
    env = unit.read("env")
    user, sslmode = plain(unit, "PGUSER") or plain(unit, "POSTGRES_USER"), plain(unit, "PGSSLMODE")
    found, urls = [], 0
    for name in sorted(env):
        url = env[name].get("url") if isinstance(env[name], dict) else None
        if not url or url.get("scheme") not in SCHEMES:
            continue
        urls += 1
        if not _here(url["host"]):
            found.append(Login(name, url["user"] or user, url["sslmode"] or sslmode))
    host = plain(unit, "PGHOST")
    if not urls and host and not _here(host):
        found.append(Login("PGHOST", user, sslmode))
    return found

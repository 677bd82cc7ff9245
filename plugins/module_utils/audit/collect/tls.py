# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS as a visitor meets it: every name that nginx serves, its certificate, what it can be talked into, and the files behind it.

Facts `tls`: names[] (one a name and port), keys[], jobs[]. A name has tls (False: only plain HTTP serves it), handshake
{done, detail}, trust {trusted, detail, anchor}, leaves[], protocols {accepted, refused}, suites[], server_order, newer[], managed[].
"""

from __future__ import annotations

import errno
import os
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import tls_files, tls_renewal, tls_suites
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.pool import Pool
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import NONE
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, Refused
from ansible_collections.nself.prod.plugins.module_utils.parse import tls_wire as wire
from ansible_collections.nself.prod.plugins.module_utils.parse import x509
from ansible_collections.nself.prod.plugins.module_utils.probe import tls as probe

FACT = "tls.names"
THREADS = 16
DAY = 86400.0
LOOPBACK = ("127.", "::1", "localhost", "unix:")
# What a wildcard's name is asked for with: a label that nobody gives a site of its own.
SAMPLE = "nself-audit"
# Errors of the way to a door, which say nothing of what stands behind it.
_NO_WAY = tuple(os.strerror(code) for code in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL))
TOLD = ("trust", "leaves", "protocols", "suites", "server_order", "newer", "managed")


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts. Raises Missing where it is not known what nginx serves."""
    project = need("project")
    if project.state == NONE:
        return {"names": [], "keys": [], "jobs": []}
    nginxes = need("nginx")
    if not nginxes:
        raise Missing("tls", Reason.ERROR, "no nginx runs, so nobody answers for the deployment's names")
    units = {unit["service"]: unit for unit in project.running("nginx")}
    with Pool(THREADS) as pool:
        jobs = pool.submit(attempt, lambda: tls_renewal.jobs(host, project.units))
        mounts = [(nginx, units[nginx.service]["mounts"] if nginx.service in units else ()) for nginx in nginxes]
        keys = pool.submit(attempt, lambda: tls_files.keys(host, mounts))
        names = attempt(lambda: _names(host, pool, nginxes, units))
        return {"names": names, "keys": keys.result(), "jobs": jobs.result()}


def _names(host: Any, pool: Any, nginxes: Sequence[Any], units: Mapping[str, Any]) -> List[Dict[str, Any]]:
    local = attempt(lambda: tls_files.local_authorities(host))
    stored = attempt(lambda: tls_files.stored(host))
    found = [target for nginx in nginxes for target in _targets(nginx, units.get(nginx.service))]

    def look(target: "Target") -> None:
        target.facts.update(_look(host, target, local, stored))

    pool.map(look, [target for target in found if target.facts["tls"]])
    tls_suites.enumerate_all(host, pool, [target for target in found if "suites" not in target.facts and target.door])
    return [target.facts for target in found]


class Target:
    """A name at a port of one nginx. door: where to ask, None where there is no way; facts: what is told of it."""

    def __init__(self, nginx: Any, site: Any, name: str, port: int) -> None:
        place = nginx.doors.get(port)
        asked = SAMPLE + name[name.index(".") :] if name.startswith(("*.", ".")) else name
        self.nginx, self.site, self.asked = nginx, site, asked
        self.door = probe.Door(place[0], place[1], asked) if place else None
        self.facts: Dict[str, Any] = {"name": name, "service": nginx.service, "port": port, "tls": True}


def _targets(nginx: Any, unit: Optional[Mapping[str, Any]]) -> Iterator[Target]:
    """Yield every name that a client can ask for, at each TLS port, and those that only plain HTTP serves.

    An expression or a trailing wildcard stands for names that nobody can list, and a nameless site for none at all.
    """
    seen: Set[Tuple[str, int]] = set()
    published = {str(item["target"]) for item in unit["ports"]} if unit is not None else set()
    encrypted, plain = [], []
    for site in nginx.sites:
        for listen in site.listens:
            if listen.address.strip("[]").startswith(LOOPBACK):
                continue  # nobody from outside comes there
            for name in _askable(site):
                if (name, listen.port) in seen:
                    continue
                seen.add((name, listen.port))
                if listen.tls:
                    encrypted.append(Target(nginx, site, name, listen.port))
                elif not published or str(listen.port) in published:
                    plain.append((name, listen.port))
    yield from encrypted
    covered = {target.facts["name"] for target in encrypted}
    for name, port in plain:
        if name not in covered:
            covered.add(name)
            facts = {"name": name, "service": nginx.service, "port": port, "tls": False}
            target = Target(nginx, None, name, port)
            target.door, target.facts = None, facts
            yield target


def _askable(site: Any) -> List[str]:
    return [name for name in site.names if name and not name.startswith("~") and not name.endswith("*")]


def _look(host: Any, target: Target, local: Any, stored: Any) -> Dict[str, Any]:
    """Return what a name shows. A door that stays silent is asked once, and leaves everything unread."""
    door = target.door
    if door is None:
        lost = Unread(Reason.ERROR, "this host knows no way to port %d of nginx" % target.facts["port"])
        return dict(dict.fromkeys(TOLD, lost), handshake=lost)
    try:
        trust, leaf, detail = _handshake(host, door)
    except HostError as error:
        if error.reason != Reason.ERROR or error.detail in _NO_WAY:
            lost = Unread(error.reason, str(error))
            return dict(dict.fromkeys(TOLD, lost), handshake=lost)
        trust, leaf, detail = None, b"", error.detail or str(error)
    out: Dict[str, Any] = {"handshake": {"done": trust is not None, "detail": detail}}
    out["protocols"] = attempt(lambda: _protocols(host, door))
    chains = attempt(lambda: probe.chains(host, door))
    if isinstance(out["protocols"], Unread) or not out["protocols"]["accepted"]:
        out["suites"] = out["server_order"] = _lost(out["protocols"], "no protocol was agreed on")
    elif wire.NAMES[wire.TLS12] not in out["protocols"]["accepted"]:
        out["suites"], out["server_order"] = [], None
    shown = [leaf] if leaf else []
    shown += [chain[0] for chain in (chains if isinstance(chains, list) else []) if chain[0] not in shown]
    parsed = attempt(lambda: [_parse(data) for data in shown])
    if isinstance(parsed, Unread) or not shown:
        lost = _lost(parsed, "the server showed no certificate")
        return dict(out, trust=lost, leaves=lost, newer=lost, managed=lost)
    now = host.now()
    # A server that shows two certificates must show two good ones; where the second could not be looked for, that is not known.
    out["leaves"] = chains if isinstance(chains, Unread) else [_leaf(item, now) for item in parsed]
    if trust is not None:
        trust["anchor"] = attempt(lambda: _anchor(parsed[0], chains, local))
    out["trust"] = trust if trust is not None else Unread(Reason.ERROR, "no handshake: " + detail)
    out["newer"] = attempt(lambda: _newer(host, target, parsed, stored))
    out["managed"] = (
        stored
        if isinstance(stored, Unread)
        else sorted({store for store, _path, item in stored if covers(item.names, target.asked)})
    )
    return out


def _lost(value: Any, otherwise: str) -> Unread:
    return value if isinstance(value, Unread) else Unread(Reason.ERROR, otherwise)


def _handshake(host: Any, door: probe.Door) -> Tuple[Dict[str, Any], bytes, str]:
    """Return (trust, leaf, "") of a complete handshake. Raises HostError."""
    trust = {"trusted": True, "detail": ""}
    try:
        with host.connect(door.address, door.port, timeout=probe.TIMEOUT) as stream:
            stream.start_tls(door.name, verify=True)
            return trust, stream.certificate(), ""
    except Refused as error:
        trust = {"trusted": False, "detail": error.detail.rstrip(".")}
    with host.connect(door.address, door.port, timeout=probe.TIMEOUT) as stream:
        stream.start_tls(door.name)
        return trust, stream.certificate(), ""


def _protocols(host: Any, door: probe.Door) -> Dict[str, List[str]]:
    found = probe.old_protocols(host, door)
    for version in (wire.TLS12, wire.TLS13):
        found[wire.NAMES[version]] = probe.speaks(host, door, version)
    return {
        "accepted": [name for name, taken in found.items() if taken],
        "refused": [name for name, taken in found.items() if not taken],
    }


def _parse(data: bytes) -> x509.Certificate:
    try:
        return x509.parse(data)
    except ValueError as error:
        raise Missing(FACT, Reason.PARSE_ERROR, str(error)) from error


def _leaf(certificate: x509.Certificate, now: float) -> Dict[str, Any]:
    out = x509.properties(certificate)
    out["days_left"] = round((certificate.not_after - now) / DAY, 2)
    out["days_old"] = round((now - certificate.not_before) / DAY, 2)
    return out


def _anchor(leaf: x509.Certificate, chains: Any, local: Any) -> Optional[str]:
    """Return the name of the host's own authority that a chain leads to, None where it leads to none of those."""
    if isinstance(local, Unread):
        raise Missing(FACT, local.reason, local.detail)
    if not local:
        return None
    issuers = [leaf.issuer_dn]
    own = (
        [chain for chain in chains if _parse(chain[0]).subject_dn == leaf.subject_dn]
        if isinstance(chains, list)
        else []
    )
    for chain in own:
        issuers += [_parse(data).issuer_dn for data in chain]
    for issuer in issuers:
        if issuer in local:
            return str(local[issuer])
    if not own:
        # TLS 1.3 encrypts the chain, and this host has authorities of its own that it might lead to.
        raise Missing(FACT, Reason.ERROR, "which authority the chain leads to is not visible")
    return None


def _newer(host: Any, target: Target, shown: Sequence[x509.Certificate], stored: Any) -> List[str]:
    """Return the files with a newer certificate for this name than nginx serves: a renewal that has not reached it."""
    served = max(item.not_after for item in shown)
    out = []
    path = target.site.certificate
    if path and "$" not in path and not path.startswith("data:"):
        if tls_files.leaf_of_file(host, target.nginx.root, tls_files.placed(path)).not_after > served:
            out.append(path)
    if isinstance(stored, Unread):
        raise Missing(FACT, stored.reason, stored.detail)
    return out + [path for _store, path, item in stored if covers(item.names, target.asked) and item.not_after > served]


def covers(names: Sequence[str], name: str) -> bool:
    """Tell whether one of a certificate's names is for this one; a wildcard is for one label."""
    name = name.lower()
    parent = name.partition(".")[2]
    return any(item.lower() in (name, "*." + parent) for item in names)


COLLECTORS = (Collector("tls", collect, deadline=22.0),)

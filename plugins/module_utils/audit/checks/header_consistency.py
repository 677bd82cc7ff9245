# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether security headers are on every answer: one location's own add_header silently drops those of the level above."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Resource,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.nginx_in_force import in_force
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed, unread
from ansible_collections.nself.prod.plugins.module_utils.audit.web_sites import (
    all_sites,
    header,
    in_its_place,
    is_nginx_own,
    site_name,
)

# Content-Security-Policy is not among them: a page and a JSON answer may well differ in it.
EVERYWHERE = (
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "permissions-policy",
)

SERVER, ROOT = "", "/"  # locations of a place: the server itself, and the one that everything falls to


def _sent(answer: Record, tls: bool) -> Dict[str, str]:
    """Return the headers of an answer that should be the same everywhere. HSTS means something over https only."""
    names = [name for name in EVERYWHERE if tls or name != "strict-transport-security"]
    return {name: str(header(answer, name)) for name in names if header(answer, name) is not None}


@check(
    "NET-18",
    "headers-consistent",
    "Security headers are the same everywhere",
    Severity.WARNING,
    "nginx drops the headers of the level above in every server or location that adds one of its own, so what protects the start page is "
    "often missing on error pages, health checks and whole sites.",
    "the security headers of every site's answers at /, /health, a page that is not there, GraphQL and auth; "
    "the add_header lines in force at each location of nginx's configuration",
    "what one answer carries every answer carries, with one value a site",
    Fix(
        "nginx",
        "Put all headers into one include file and include it in every server, and in every location that has an add_header of its own.",
        (),
        ("nginx",),
    ),
    refs=("s:headers",),
)
def headers_consistent(facts: Any, policy: Any) -> Verdict:
    sites = all_sites(facts)
    union: Set[str] = set()
    for site in sites:
        union.update(_known(site))

    def judge(site: Record) -> Tuple[bool, str]:
        tls = bool(site.read("tls"))
        bad: List[str] = []
        lost: Optional[Missing] = None
        first: Dict[str, str] = {}
        for answer in site.records("answers"):
            try:
                sent = _sent(answer, tls)
                own = is_nginx_own(answer)
            except Missing as missing:
                lost = lost or missing
                continue
            gone = sorted(name for name in union if name not in sent and (tls or name != EVERYWHERE[0]))
            if gone and own:
                lost = lost or in_its_place(answer)
            elif gone:
                bad.append("%s lacks %s" % (answer.read("path"), ", ".join(gone)))
            differing = sorted(name for name, value in sent.items() if first.setdefault(name, value) != value)
            if differing:
                bad.append("%s has another %s" % (answer.read("path"), ", ".join(differing)))
        if bad:
            return False, "; ".join(bad[:2]) + ("; and %d more" % (len(bad) - 2) if len(bad) > 2 else "")
        if lost:
            raise lost
        return True, "the same on every answer"

    if not union:
        lost = [missing for missing in (_unread(site) for site in sites) if missing]
        if lost:
            raise lost[0]
        raise NotApplicable("no site sends any security header")
    return summed("the same security headers on every answer", each(sites, site_name, judge) + _configured(facts))


def _configured(facts: Any) -> List[Resource]:
    """Judge each server of nginx that speaks TLS by its add_header lines: no probe comes by every location.

    A header of one of its places is a header of all of them, errors included.
    """
    servers: Dict[str, List[Record]] = {}
    try:
        for place in in_force(facts).records("headers"):
            # 444 closes the connection: no header is ever sent there.
            if place.read("tls") and place.read("answer") != "444":
                servers.setdefault(str(place.read("site")), []).append(place)
    except Missing as missing:
        return [unread("nginx's configuration", missing)]
    return each(sorted(servers), lambda name: "nginx: " + name, lambda name: _server(servers[name]))


def _server(places: List[Record]) -> Tuple[bool, str]:
    found = [(str(place.read("location")), place) for place in places]
    if ROOT in [where for where, _place in found]:
        # Nothing is left that the server itself would answer.
        found = [(where, place) for where, place in found if where != SERVER]
    bad = []
    for name in EVERYWHERE:
        without = [where or "the server itself" for where, place in found if name not in place.read("headers")]
        if 0 < len(without) < len(found):
            bad.append("%s is lost in %s" % (name, ", ".join(without[:3])))
        elif not without and not all(place.read("always")[name] for _where, place in found):
            bad.append("%s is not sent with errors" % name)
    return not bad, "; ".join(bad[:2]) or "the same in every location"


def _known(site: Record) -> Set[str]:
    """Return the names of the headers that any readable answer of a site carries."""
    out: Set[str] = set()
    try:
        tls = bool(site.read("tls"))
        for answer in site.records("answers"):
            try:
                out.update(_sent(answer, tls))
            except Missing:
                continue  # the judge says so
    except Missing:
        pass
    return out


def _unread(site: Record) -> Optional[Missing]:
    try:
        for answer in site.records("answers"):
            _sent(answer, bool(site.read("tls")))
    except Missing as missing:
        return missing
    return None


CHECKS = (headers_consistent,)

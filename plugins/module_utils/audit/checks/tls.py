# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""NET-08 to NET-10: what a visitor, or whoever stands between, can talk the server into."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.names import encrypted, judge_names
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.tls_suites import name_of, weakness

OLD = ("SSLv3", "TLSv1", "TLSv1.1")
GOOD = ("TLSv1.2", "TLSv1.3")
MOST_NAMED = 3
RESTARTS = ("nginx",)


@check(
    id="NET-08",
    slug="tls-protocols",
    title="Only TLS 1.2 and 1.3 are spoken",
    severity=Severity.CRITICAL,
    why="Older versions break: POODLE and BEAST read sessions, and whoever stands in between can force a visitor's client down to them",
    reads="what each public name answers to hand-written hellos of SSL 3.0, TLS 1.0, 1.1, 1.2 and 1.3",
    passes="SSL 3.0, TLS 1.0 and 1.1 are refused, TLS 1.2 or 1.3 is accepted",
    fix=Fix(
        "nginx",
        "Set `ssl_protocols TLSv1.2 TLSv1.3;` in nginx's http block and in no server block, and reload nginx.",
        (),
        RESTARTS,
    ),
    settings=("SSL_PROTOCOLS",),
    refs=("s:tls",),
)
def protocols(facts: Any, policy: Any) -> Verdict:
    verdict = judge_names(facts, "TLS 1.2 or 1.3, nothing older", _protocols)
    taken = {protocol for name in encrypted(facts) for protocol in _accepted(name)}
    return replace(verdict, effective=" ".join(item for item in OLD + GOOD if item in taken))


def _protocols(name: Record) -> Tuple[bool, str]:
    accepted, refused = name.read("protocols.accepted"), name.read("protocols.refused")
    old = [item for item in OLD if item in accepted]
    if old:
        return False, "takes " + ", ".join(old)
    unknown = [item for item in OLD if item not in refused]
    if unknown:
        raise Missing("tls.names.protocols", Reason.ERROR, "whether it takes %s is not known" % ", ".join(unknown))
    new = [item for item in GOOD if item in accepted]
    return bool(new), ", ".join(new) or "takes neither TLS 1.2 nor 1.3"


def _accepted(name: Record) -> List[str]:
    try:
        return list(name.read("protocols.accepted"))
    except Missing:
        return []


def _weak(name: Record) -> List[str]:
    """Return the weak suites that a name takes, with why. Raises Missing."""
    return ["%s (%s)" % (name_of(number), weakness(number)) for number in name.read("suites") if weakness(number)]


def _shown(weak: List[str]) -> str:
    rest = len(weak) - MOST_NAMED
    return ", ".join(weak[:MOST_NAMED]) + (" and %d more" % rest if rest > 0 else "")


def _suites(name: Record) -> Tuple[bool, str]:
    """Judge the suites of TLS 1.2; older versions have no good one, and TLS 1.3 no bad one."""
    accepted, weak = name.read("protocols.accepted"), _weak(name)
    if weak:
        return False, _shown(weak)
    if not name.read("suites"):
        return "TLSv1.3" in accepted, "TLS 1.3 only" if "TLSv1.3" in accepted else "no suite of TLS 1.2"
    return True, "%d suites, all strong" % len(name.read("suites"))


@check(
    id="NET-09",
    slug="tls-ciphers",
    title="Cipher suites authenticate what they encrypt and keep past sessions secret",
    severity=Severity.WARNING,
    why="Without forward secrecy a stolen key opens every session that was ever recorded; without AEAD padding and timing give text away",
    reads="every cipher suite of TLS 1.2 that each public name accepts, out of all that were ever registered",
    passes="every accepted suite is AEAD (GCM, CCM, ChaCha20-Poly1305) with ephemeral Diffie-Hellman and an authenticated server",
    fix=Fix(
        "nginx",
        "Set `ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;` in nginx's http block and in no server block, and reload nginx.",
        (),
        RESTARTS,
    ),
    refs=("s:tls",),
)
def ciphers(facts: Any, policy: Any) -> Verdict:
    return judge_names(facts, "AEAD with forward secrecy only", _suites)


@check(
    id="NET-10",
    slug="cipher-preference",
    title="The server's order of cipher suites counts",
    severity=Severity.RECOMMENDATION,
    why="A client that prefers a weak suite gets it, unless the server picks; with strong suites only it does not matter who picks",
    reads="which suite each public name picks when the same ones are offered in two opposite orders",
    passes="the server picks the same in both, or every suite that it accepts is strong",
    fix=Fix("nginx", "Set `ssl_prefer_server_ciphers on;` in nginx's http block, and reload nginx.", (), RESTARTS),
    refs=("s:tls",),
)
def preference(facts: Any, policy: Any) -> Verdict:
    def judge(name: Record) -> Tuple[bool, str]:
        good, actual = _suites(name)
        if good:
            return True, actual
        own = name.read("server_order")
        if own is None:  # fewer than two suites: nothing to prefer, so they are what matters
            return False, actual
        return own is True, "server's order" if own is True else "client's order, and weak suites"

    return judge_names(facts, "the server's order, or strong suites only", judge)


CHECKS = (protocols, ciphers, preference)

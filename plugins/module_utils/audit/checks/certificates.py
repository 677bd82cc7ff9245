# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""NET-01 and NET-03 to NET-07: every name is served over TLS, with a certificate that visitors trust and a key that stays private."""

from __future__ import annotations

from typing import Any, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.names import all_names, encrypted, judge_names, judged
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.certificate_issuers import not_public
from ansible_collections.nself.prod.plugins.module_utils.audit.units import NO_DEPLOYMENT
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

GROUP_AND_OTHERS, GROUP_MAY_READ = 0o077, 0o037
STRONG_HASHES = ("SHA-256", "SHA-384", "SHA-512", "")  # "": the key's own algorithm brings one (Ed25519)
EC_MIN_BITS = 256


@check(
    id="NET-01",
    slug="https-everywhere",
    title="Every public name is served over HTTPS",
    severity=Severity.CRITICAL,
    why="What goes over plain HTTP, tokens and passwords included, is read and changed by whoever stands in between",
    reads="a complete TLS handshake with each name of each site that nginx serves, at the port where it serves it",
    passes="each name answers with a handshake that today's clients complete",
    fix=Fix("nginx", "Give each named site a `listen 443 ssl` with a certificate, and reload nginx.", (), ("nginx",)),
    refs=("s:tls",),
)
def https_everywhere(facts: Any, policy: Any) -> Verdict:
    def judge(name: Record) -> Tuple[bool, str]:
        if not name.read("tls"):
            return False, "served over plain HTTP only"
        done = name.read("handshake.done") is True
        return done, "TLS" if done else "no handshake: %s" % name.read("handshake.detail")

    return summed("a TLS handshake for every name", judged(all_names(facts), judge))


def _leaves(name: Record) -> List[Record]:
    found = name.records("leaves")
    if not found:
        raise Missing("tls.names.leaves", Reason.ERROR, "the server showed no certificate")
    return found


@check(
    id="NET-03",
    slug="certificate-trusted",
    title="Certificates are trusted by visitors",
    severity=Severity.CRITICAL,
    why="Visitors who must click a warning away do so for an attacker's certificate as well, and programs do not connect at all",
    reads="verification of each name's chain and name against this host's authorities, its issuer, and the authorities added to this host",
    passes="trusted, for that name, and issued by a public authority: not self-signed, mkcert, a staging environment or one added to this "
    "host (policy certificate_private_authorities excepts yours)",
    fix=Fix(
        "certificates",
        "Request a certificate from a public authority such as Let's Encrypt and install its full chain where nginx reads it.",
        (),
        ("nginx",),
    ),
    refs=("s:tls",),
)
def trusted(facts: Any, policy: Any) -> Verdict:
    own = policy["certificate_private_authorities"]

    def judge(name: Record) -> Tuple[bool, str]:
        good, leaf = name.read("trust.trusted"), _leaves(name)[0]
        issuer = leaf.read("issuer")
        if issuer in own and good is True:
            return True, "issued by " + issuer
        fake = not_public(issuer, leaf.read("issuer_organization"))
        bad = [] if good is True else [name.read("trust.detail")]
        if fake:
            bad.append("issued by " + fake)
        if bad:
            return False, ", ".join(bad)
        anchor = name.read("trust.anchor")
        if anchor is not None and anchor not in own:
            return False, "trusted by this host only, to which somebody added %s" % anchor
        return True, "issued by " + issuer

    return judge_names(facts, "a public authority's, for that name", judge)


@check(
    id="NET-04",
    slug="certificate-not-expiring",
    title="Certificates do not run out soon",
    severity=Severity.CRITICAL,
    why="On the day it runs out nobody gets in any more, and two weeks are what is needed to find out why it was not renewed",
    reads="the validity of every certificate that each name shows, compared with the host's clock",
    passes="valid now and for another 14 days (policy certificate_min_days)",
    fix=Fix(
        "certificates", "Renew the certificate, install it where nginx reads it, and reload nginx.", (), ("nginx",)
    ),
    refs=("L:CRYP-7902",),
)
def not_expiring(facts: Any, policy: Any) -> Verdict:
    least = policy["certificate_min_days"]

    def judge(name: Record) -> Tuple[bool, str]:
        leaves = _leaves(name)
        if any(leaf.read("days_old") < 0 for leaf in leaves):
            return False, "not valid yet"
        left = min(leaf.read("days_left") for leaf in leaves)
        return left >= least, _days(left)

    return judge_names(facts, "valid for at least %d days" % least, judge)


def _days(left: float) -> str:
    return "%d days left" % left if left >= 0 else "ran out %d days ago" % -left


@check(
    id="NET-05",
    slug="renewal-automated",
    title="Certificates renew themselves",
    severity=Severity.WARNING,
    why="A certificate that somebody must remember to renew runs out, and a renewal that never reaches nginx is none",
    reads="timers, crontabs and containers that renew, what they keep for each name, and how long what nginx serves is still valid",
    passes="something that renews is active and keeps each name, nginx serves the newest certificate on disk, none has less than 30 days "
    "(policy certificate_renewal_min_days)",
    fix=Fix(
        "certificates",
        "Install certbot with its timer and a deploy hook that copies the files to where nginx reads them and reloads it; the challenge's "
        "folder must be mounted into nginx's container.",
        (),
        ("nginx",),
    ),
    refs=("s:tls",),
)
def renewal(facts: Any, policy: Any) -> Verdict:
    least = policy["certificate_renewal_min_days"]
    names = encrypted(facts)

    def active() -> List[Record]:
        return [job for job in facts.records("tls.jobs") if job.read("active") is True]

    def automation(_item: Any) -> Tuple[bool, str]:
        found = [job.read("name") for job in active()]
        return bool(found), ", ".join(found) or "no timer, crontab or container renews"

    def judge(name: Record) -> Tuple[bool, str]:
        left = min(leaf.read("days_left") for leaf in _leaves(name))
        if left < least:
            return False, _days(left)
        newer = name.read("newer")
        if newer:
            return False, "nginx does not serve the newer %s" % ", ".join(newer)
        stores = [job.read("store") for job in active()]
        if stores and None not in stores and not set(stores) & set(name.read("managed")):
            return False, "what renews keeps no certificate for it"
        return True, _days(left)

    resources = each([facts], lambda _item: "automatic renewal", automation) + judged(names, judge)
    return summed("renewed by itself, at least %d days left" % least, resources)


@check(
    id="NET-06",
    slug="certificate-strong",
    title="Certificates have strong keys and signatures",
    severity=Severity.WARNING,
    why="A short key can be computed from the certificate, and a signature over a broken hash can be moved to a forged one",
    reads="type and size of the key, and the signature's hash, of every certificate that each name shows (RSA's and ECDSA's)",
    passes="RSA of 2048 bits (policy certificate_rsa_min_bits), an elliptic curve of 256 bits or Ed25519; signed over SHA-256 or longer",
    fix=Fix("certificates", "Request a certificate with a new key: RSA of 2048 bits, or P-256.", (), ("nginx",)),
)
def strong(facts: Any, policy: Any) -> Verdict:
    least = policy["certificate_rsa_min_bits"]

    def judge(name: Record) -> Tuple[bool, str]:
        leaves = _leaves(name)
        bad = [text for leaf in leaves for text in _weaknesses(leaf, least)]
        return not bad, ", ".join(bad) or ", ".join(_named(leaf) for leaf in leaves)

    return judge_names(facts, "RSA of %d bits or EC of %d, SHA-256" % (least, EC_MIN_BITS), judge)


def _weaknesses(leaf: Record, rsa_least: int) -> List[str]:
    key, bits, hashed = leaf.read("key"), leaf.read("bits"), leaf.read("hash")
    least = {"RSA": rsa_least, "EC": EC_MIN_BITS, "Ed25519": 0, "Ed448": 0}.get(key)
    bad = [] if hashed in STRONG_HASHES else ["signed over " + hashed]
    if key == "DSA" or (least is not None and 0 < bits < least):
        bad.append(_named(leaf))
    if bad and "signed over unknown" not in bad:
        return bad
    if hashed == "unknown" or least is None or (least and not bits):
        raise Missing("tls.names.leaves", Reason.PARSE_ERROR, "key or signature of an unknown algorithm")
    return bad


def _named(leaf: Record) -> str:
    return "%s %s" % (leaf.read("key"), leaf.read("curve") if leaf.read("key") == "EC" else leaf.read("bits"))


@check(
    id="NET-07",
    slug="private-key-private",
    title="Private keys of certificates are private",
    severity=Severity.CRITICAL,
    why="Whoever has the key is the server: he can pose as it, and reads sessions that have no forward secrecy",
    reads="mode and owner of each key file that nginx names, through links and mounts to where it lies on the host, and git there",
    passes="0600 or stricter, or 0640 and owned by root; not tracked by git",
    fix=Fix(
        "permissions",
        "Run `chmod 600` on the named key; where git has it, remove it with `git rm --cached`, ignore it, and replace key and certificate.",
        ("permissions_project_dir",),
    ),
    refs=("s:tls",),
)
def key_private(facts: Any, policy: Any) -> Verdict:
    if facts.read("deployment.state") == "none":
        raise NotApplicable(NO_DEPLOYMENT)

    def judge(key: Record) -> Tuple[bool, str]:
        mode, uid, git = key.read("file.mode"), key.read("file.uid"), key.read("file.git")
        bad = ["mode %04o of uid %d" % (mode, uid)] if mode & (GROUP_MAY_READ if uid == 0 else GROUP_AND_OTHERS) else []
        if git == "tracked":
            bad.append("tracked by git")
        return not bad, ", ".join(bad) or "%04o" % mode + (", not ignored by git" if git == "not_ignored" else "")

    def path(key: Record) -> str:
        return ": ".join(part for part in (key.read("service"), key.read("path")) if part)

    return summed(
        "0600, or 0640 of root, and not in git", each(facts.records("tls.keys"), path, judge), "no site names a key"
    )


CHECKS = (https_everywhere, trusted, not_expiring, renewal, strong, key_private)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of certificates, keys and renewal."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.units import NO_DEPLOYMENT

FOUND = {"deployment": {"state": "found"}}
LOST = Unread("timeout", "127.0.0.1:443: no answer in time")


def served(name="api.example.org", tls=True, **facts):
    """Return a name as the collector met it, with just these facts."""
    return dict({"name": name, "port": 443, "tls": tls}, **facts)


def names(*entries, **more):
    return dict(FOUND, tls=dict({"names": list(entries)}, **more))


def done(yes=True, **more):
    return served(handshake={"done": yes, "detail": "Connection refused"}, **more)


def trusted(yes=True, detail="", anchor=None, issuer="R12", organization="Let's Encrypt"):
    leaf = {"issuer": issuer, "issuer_organization": organization}
    return names(served(trust={"trusted": yes, "detail": detail, "anchor": anchor}, leaves=[leaf]))


def valid(*lefts, **more):
    leaves = [dict({"days_left": left, "days_old": 30.0}, **more) for left in lefts]
    return names(served(leaves=leaves))


def renewed(left=60.0, newer=(), managed=("/etc/letsencrypt/live",), jobs=None):
    entry = served(leaves=[{"days_left": left}], newer=list(newer), managed=list(managed))
    return names(entry, jobs=[job()] if jobs is None else jobs)


def job(active=True, store="/etc/letsencrypt/live"):
    return {"name": "certbot.timer", "active": active, "store": store}


def leaf(key="RSA", bits=2048, hashed="SHA-256", curve=None):
    return dict({"key": key, "bits": bits, "hash": hashed}, **({"curve": curve} if curve else {}))


def keyed(*leaves):
    return names(served(leaves=list(leaves)))


def key(mode=0o600, uid=0, git="none"):
    file = {"mode": mode, "uid": uid, "git": git}
    return dict(FOUND, tls={"keys": [{"path": "/etc/nginx/ssl/privkey.pem", "service": "nginx", "file": file}]})


P256, P224 = leaf("EC", 256, curve="P-256"), leaf("EC", 224, curve="P-224")
PLAIN = served(tls=False)
NOTHING = [NO_DEPLOYMENT, names(PLAIN)]
SILENT = [names(), names(served(handshake=LOST, trust=LOST, leaves=LOST, newer=LOST, managed=LOST), jobs=[job()])]
SILENT += [dict(FOUND, tls=Unread("error", "no nginx runs"))]

CASES = {
    "NET-01": {
        "pass": [names(done())],
        "fail": [names(done(), PLAIN), names(done(False)), names(done(), done(False, name="auth.example.org"))],
        "unknown": SILENT,
        "not_applicable": [NO_DEPLOYMENT],
    },
    "NET-03": {
        "pass": [trusted()],
        "fail": [
            trusted(False, "self-signed certificate"),
            trusted(False, "Hostname mismatch, certificate is not valid for 'api.example.org'"),
            trusted(issuer="mkcert root@dev", organization="mkcert development CA"),
            trusted(issuer="(STAGING) Counterfeit Cashew R10"),
            trusted(anchor="House CA", issuer="House CA", organization="House"),
        ],
        "unknown": SILENT + [trusted(anchor=Unread("needs_root", "permission denied"))],
        "not_applicable": NOTHING,
    },
    "NET-04": {
        "pass": [valid(14), valid(90.0, 15.5)],
        "fail": [valid(13.99), valid(-2.0), valid(90.0, 3.0), valid(90.0, days_old=-0.5)],
        "unknown": SILENT + [names(served(leaves=[]))],
        "not_applicable": NOTHING,
    },
    "NET-05": {
        "pass": [renewed(30), renewed(jobs=[job(), job(active=False)])],
        "fail": [
            renewed(29.9),
            renewed(jobs=[]),
            renewed(jobs=[job(active=False)]),
            renewed(newer=["/etc/letsencrypt/live/x/fullchain.pem"]),
            renewed(managed=[]),
        ],
        "unknown": SILENT + [renewed(jobs=Unread("needs_root", "permission denied"))],
        "not_applicable": NOTHING,
    },
    "NET-06": {
        "pass": [keyed(leaf()), keyed(P256, leaf(bits=4096, hashed="SHA-512")), keyed(leaf("Ed25519", 256, ""))],
        "fail": [
            keyed(leaf(bits=1024)),
            keyed(leaf(hashed="SHA-1")),
            keyed(P256, leaf(bits=2047)),
            keyed(P224),
            keyed(leaf("DSA", 2048)),
        ],
        "unknown": SILENT
        + [keyed(leaf("1.2.3", 0)), keyed(leaf(hashed="unknown")), keyed(leaf("EC", 0, curve="1.2.3"))],
        "not_applicable": NOTHING,
    },
    "NET-07": {
        "pass": [key(), key(0o400, 1000), key(0o640), key(git="ignored"), key(git="not_ignored")],
        "fail": [key(0o644), key(0o640, 1000), key(0o660), key(git="tracked")],
        "unknown": [
            dict(FOUND, tls={"keys": [{"path": "k", "service": "nginx", "file": Unread("needs_root", "denied")}]}),
            key(git=Unread("tool_absent", "git is not installed")),
            dict(FOUND, tls=Unread("error", "no nginx runs")),
        ],
        "not_applicable": [NO_DEPLOYMENT, dict(FOUND, tls={"keys": []})],
    },
}
# Why a handshake failed matters only where it did; so does what is wrong with the trust. A job that is off renews nothing.
OPTIONAL = {
    ("NET-01", "tls.names.handshake.detail"),
    ("NET-03", "tls.names.trust.detail"),
    ("NET-05", "tls.jobs.store"),
    ("NET-05", "tls.jobs.name"),
}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of nginx's configuration and of the networks."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.fail2ban import nginx as jail
from cases.units import NO_DEPLOYMENT, UNREADABLE, deployment, unit

LOST = Unread("timeout", "no answer")
LIMIT = {"zone": "auth", "defined": True, "keyed": True, "dry": False}
SLOW = dict(LIMIT, per_minute=10.0, burst=5)


def path(*limits, status="429", at="/signin"):
    return {"path": at, "limits": list(limits), "status": status}


def leads(*paths, role="auth", site="auth.example.com:443"):
    return {"site": site, "role": role, "paths": list(paths)}


def nginx(*entries, state="running", stale="", unclear=(), sites=None):
    found = {"state": state, "stale": stale}
    if sites is None:
        found.update({"entries": list(entries), "unclear": list(unclear)})
    else:
        found["sites"] = list(sites)
    return {"nginx": found}


def site(name="a.example.com:443", **change):
    found = {"site": name, "header_timeout": 15.0, "body_timeout": 10.0, "body": 1 << 20, "unlimited": []}
    return dict(found, **change)


NONE = {"nginx": {"state": "none", "stale": "", "entries": [], "unclear": [], "sites": []}}

# -- three throttles -----------------------------------------------------------------------------------------------------

AUTH_ON = {
    "AUTH_RATE_LIMIT_ENABLE": "true",
    "AUTH_RATE_LIMIT_BRUTE_FORCE_BURST": "5",
    "AUTH_RATE_LIMIT_BRUTE_FORCE_INTERVAL": "15m",
}


def sign_in(env, limited=None, jailed=None):
    """Return the facts of sign-in. env: auth's; limited, jailed: facts of nginx and of fail2ban, or not collected."""
    # Without an environment the unit is only there: what a third throttle would say does not matter.
    tree = deployment({"role": "auth"} if env is None else unit("auth", "auth", env=env))
    tree.update(limited or {})
    if jailed is not None:
        tree["deployment"]["units"] += [dict(found) for found in jailed["deployment"]["units"]]
        tree.update({key: value for key, value in jailed.items() if key != "deployment"})
    return tree


SIGN_IN = {"path": "/signin", "limits": [{key: SLOW[key] for key in SLOW if key != "zone"}]}
LIMITED = {"nginx": {"state": "running", "stale": "", "entries": [leads(SIGN_IN)], "unclear": []}}
FAST = nginx(leads(path(dict(SLOW, per_minute=6000.0))))
JAILED, UNJAILED = jail(), jail(state="absent", name="")


def services(*found, **settings):
    tree = deployment()
    tree["deployment"] = {
        "state": "found",
        "settings": {name: {"value": value, "file": ".env"} for name, value in settings.items()},
    }
    tree["networks"] = {"services": list(found)}
    return tree


def on(*networks, host=False):
    return {"service": "postgres", "host": host, "networks": list(networks)}


def network(name="app_network", strangers=(), default=False, **more):
    return dict({"name": name, "strangers": list(strangers), "default": default}, **more)


DECLARED = {"DOCKER_NETWORK_INTERNAL": "true"}

CASES = {
    "NET-23": {
        "pass": [
            nginx(leads(path(LIMIT))),
            nginx(leads(path(LIMIT)), leads(path(LIMIT, at="/v1/graphql"), role="hasura", site="api.example.com:443")),
        ],
        "fail": [
            nginx(leads(path())),
            nginx(leads(path(LIMIT, status="503"))),
            nginx(leads(path(dict(LIMIT, dry=True)))),
            nginx(leads(path(dict(LIMIT, keyed=False)))),
            nginx(leads(path(dict(LIMIT, defined=False, keyed=False)))),
            nginx(leads(path(LIMIT), path(at="/other"))),
            nginx(leads(path(LIMIT)), leads(path(), role="hasura")),
            nginx(leads(path()), unclear=["x:443"]),
        ],
        "unknown": [
            {"nginx": LOST},
            nginx(state="absent"),
            nginx(leads(path(LIMIT)), stale="/etc/nginx/nginx.conf"),
            nginx(leads(path()), stale="/etc/nginx/nginx.conf"),
            nginx(leads(path(LIMIT)), stale=LOST),
            nginx(leads(path(LIMIT)), unclear=["x:443"]),
            nginx({"site": "a", "role": "", "paths": LOST}),
            nginx(leads(path(LIMIT)), {"site": "a", "role": "", "paths": LOST}),
        ],
        "not_applicable": [NONE, nginx()],
    },
    "NET-24": {
        "pass": [nginx(sites=[site()]), nginx(sites=[site(), site("storage:443", body=None)])],
        "fail": [
            nginx(sites=[site(header_timeout=60.0)]),
            nginx(sites=[site(), site("b:80", body_timeout=16.0)]),
            nginx(sites=[site(body=0)]),
            nginx(sites=[site(body=101 << 20)]),
            nginx(sites=[site(unlimited=["/"])]),
            nginx(sites=[site(unlimited=["", "/api"])]),
        ],
        "unknown": [
            {"nginx": LOST},
            nginx(state="absent", sites=[]),
            nginx(sites=[site()], stale="/etc/nginx/nginx.conf"),
            nginx(sites=[site(body=LOST)]),
        ],
        "not_applicable": [NONE, nginx(sites=[])],
    },
    "AUTH-27": {
        "pass": [
            sign_in(AUTH_ON, LIMITED),
            sign_in(None, LIMITED, JAILED),
            sign_in(AUTH_ON, {}, JAILED),
        ],
        "fail": [
            sign_in({}, nginx(leads(path())), UNJAILED),
            sign_in(AUTH_ON, nginx(leads(path())), UNJAILED),
            sign_in({}, LIMITED, UNJAILED),
            sign_in({}, nginx(leads(path())), JAILED),
            sign_in(AUTH_ON, FAST, UNJAILED),
            sign_in(AUTH_ON, {"nginx": {"state": "running", "stale": "", "entries": []}}, UNJAILED),
            sign_in(AUTH_ON, nginx(leads(path(SLOW), path(dict(SLOW, burst=1000)))), UNJAILED),
        ],
        "unknown": [
            UNREADABLE,
            sign_in(AUTH_ON),
            sign_in(AUTH_ON, {"nginx": LOST}, UNJAILED),
            sign_in(AUTH_ON, nginx(leads(path(SLOW)), unclear=["x:443"]), UNJAILED),
            sign_in(AUTH_ON, nginx(leads(path(SLOW)), stale="/etc/nginx/nginx.conf"), UNJAILED),
            sign_in({}, LIMITED, dict(UNJAILED, fail2ban=LOST)),
        ],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit("hasura", "hasura", env={}))],
    },
    "NET-27": {
        "pass": [
            services(on(network())),
            services(on(network(internal=True)), **DECLARED),
            services(on(), DOCKER_NETWORK_INTERNAL="false"),
        ],
        "fail": [
            services(on(network(strangers=["shop_web"]))),
            services(on(network("bridge", default=True))),
            services(on(network(), network("proxy", strangers=["traefik"]))),
            services(on(host=True)),
            services(on(network(internal=False)), **DECLARED),
        ],
        "unknown": [
            {"deployment": {"state": "found", "settings": {}}, "networks": LOST},
            services(),
            services(on(network(internal=LOST)), **DECLARED),
            services({"service": "redis", "host": False, "networks": LOST}),
            dict(services(on(network())), deployment={"state": "found", "settings": LOST}),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "AUTH-09": {
        "pass": [
            deployment(unit("auth", "auth", image="nhost/hasura-auth:0.36.0")),
            deployment(unit("auth", "auth", image="registry:5000/x/hasura-auth@sha256:" + "a" * 64)),
        ],
        "fail": [
            deployment(unit("auth", "auth", image="node:20-alpine")),
            deployment(unit("auth", "auth", image="nself/auth-fallback:latest")),
            deployment(unit("auth", "auth", image="evil/hasura-auth/node")),
        ],
        "unknown": [
            UNREADABLE,
            deployment(unit("auth", "auth", image="sha256:" + "a" * 64)),
            deployment(unit("auth", "auth", image=LOST)),
        ],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit("hasura", "hasura", image="x"))],
    },
}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of what sites answer: headers, CORS, redirects, consoles."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.units import NO_DEPLOYMENT, UNREADABLE, unit

LOST = Unread("timeout", "no answer in time")
STRANGER = "https://nself-prod-audit.invalid"
# Headers are looked up by name: one that is not there was not sent.
FREE_MAPS = {"headers"}


def answer(path="/", status=200, probe=None, html=None, marks=None, **headers):
    """Return an answer; a header's name is given with underscores. What a judge does not read is left out."""
    out = {
        "path": path,
        "status": status,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
    }
    for key, value in (("probe", probe), ("html", html), ("marks", marks)):
        if value is not None:
            out[key] = value
    return out


def site(*answers, **more):
    return dict({"name": "app.example.com", "answers": list(answers)}, **more)


def web(*sites, **more):
    return {"deployment": {"state": "found"}, "web": dict({"sites": list(sites)}, **more)}


NOBODY_ASKED = [
    web(),
    {"deployment": {"state": "found"}, "web": LOST},
    {"deployment": {"state": "found"}, "web": {"sites": LOST}},
    # nginx is there, but serves nothing
    {"deployment": {"state": "found", "units": [unit("nginx", "nginx")]}, "web": {"sites": []}},
]
NO_NGINX = {"deployment": {"state": "found", "units": [unit("hasura", "hasura")]}, "web": {"sites": []}}


def headers(name, good, bad, must=True, more=None, page=False):
    """Return the cases of a check of one header on every answer. must: it has to be there; more: what else a site says."""
    more = more or {}
    is_page = {"html": True} if page else {}

    def one(status=200, path="/", **sent):
        return answer(path, status, **dict(is_page, **sent))

    def fine(**extra):
        return one(**dict({name: good[0]}, **extra))

    gone = [web(site(one(), **more)), web(site(fine(), one(404, "/missing"), **more))]
    return {
        "pass": [web(site(one(**{name: value}), fine(path="/health"), **more)) for value in good]
        + [web(site(fine(status=502), **more), site(fine(), **more))],
        "fail": [web(site(fine(), one(**{name: value}), **more)) for value in bad]
        + [web(site(fine(), **more), site(one(**{name: bad[0]}), **dict(more, name="old.example.com")))]
        + (gone if must else []),
        "unknown": NOBODY_ASKED
        + [
            web(site(dict(fine(), headers=LOST), **more)),
            web(site(fine(), dict(fine(), status=LOST, headers=LOST), **more)),
        ]
        # nginx spoke for a service that is down or asked too often: what is not there the service might send
        + ([web(site(one(502), **more)), web(site(fine(), one(429, "/health"), **more))] if must else []),
        "not_applicable": [NO_DEPLOYMENT, NO_NGINX],
    }


HSTS = "max-age=31536000; includeSubDomains"
CSP = "default-src 'self'; script-src 'self' 'nonce-0'"
POLICIES = {"referrer_policy": "no-referrer", "permissions_policy": "camera=(), microphone=(self)"}
SAFE = {"x_content_type_options": "nosniff", "x_frame_options": "DENY"}


def cross(role):
    def asked(*answers):
        return web(site(*answers, role=role))

    def preflight(status=204, **headers):
        return answer("/x", status, "preflight", **headers)

    def foreign(status=200, **headers):
        return answer("/x", status, "foreign", **headers)

    ours = {"access_control_allow_origin": "https://app.example.com", "access_control_allow_credentials": "true"}
    theirs = {"access_control_allow_origin": STRANGER}
    return {
        "pass": [
            asked(preflight(), foreign()),
            asked(preflight(403), foreign(**ours)),
            asked(preflight(**{"access_control_allow_origin": "*"}), foreign()),
        ],
        "fail": [
            asked(preflight(**theirs), foreign()),
            asked(preflight(), foreign(**theirs)),
            asked(preflight(), foreign(**{**ours, "access_control_allow_origin": "*"})),
            asked(preflight(), foreign(**{**ours, "access_control_allow_origin": "null"})),
            asked(dict(preflight(), status=LOST, headers=LOST), foreign(**theirs)),
        ],
        "unknown": NOBODY_ASKED
        + [asked(preflight(429), foreign()), asked(preflight(), foreign(502)), asked(dict(preflight(), headers=LOST))],
        "not_applicable": [NO_DEPLOYMENT, NO_NGINX, web(site(role="other"))],
    }


def moved(status, location, name="app.example.com"):
    return web({}, redirects=[{"name": name, "status": status, "location": location}])


def console(role, *answers):
    # only where a redirect leads is of interest
    for item in answers:
        if not item["headers"]:
            del item["headers"]
    return web(site(*answers, role=role))


def prometheus(api, graph, root):
    return console("prometheus", answer(status=api, probe="console"), answer(status=graph, probe="graph"), root)


def cors(value=None, *answers, **more):
    env = {"env": {} if value is None else {"HASURA_GRAPHQL_CORS_DOMAIN": value}}
    asked = site(*(answers or (answer("/v1/graphql", 204, "preflight"),)), role="hasura")
    facts = web(asked)
    facts["deployment"]["units"] = [unit("hasura", "hasura", **dict(env, **more))]
    return facts


def lost_environment(facts):
    facts["deployment"]["units"][0]["env"] = LOST
    return facts


OWN = "https://app.example.com"
DAY = answer("/v1/graphql", 204, "own_preflight", access_control_max_age="86400")

PROTECTED = site(answer(**SAFE), tls=True)


def place(location, held=("x-frame-options",), always=True):
    """Return a location of one server of nginx. held: the headers that it adds."""
    said = {"headers": {name: "DENY" for name in held}, "always": {name: always for name in held}}
    return dict(said, site="app.example.com:443", tls=True, location=location, answer="")


def in_nginx(*sites, places=None, stale=""):
    """Return facts of sites and of the configuration that they come from."""
    return dict(
        web(*sites),
        nginx={"state": "running", "stale": stale, "headers": [place("/"), place("/x")] if places is None else places},
    )


CASES = {
    "NET-02": {
        "pass": [
            moved(301, "https://app.example.com/"),
            moved(308, "https://APP.example.com:443/x", "App.example.com"),
        ],
        "fail": [
            moved(302, "https://app.example.com/"),
            moved(200, None),
            moved(404, None),
            moved(301, "http://app.example.com/"),
            moved(301, "https://www.example.com/"),
            moved(301, "https://app.example.com:8443/"),
            moved(301, "/login"),
            moved(301, "https://[/"),
            moved(301, None),
        ],
        "unknown": NOBODY_ASKED + [moved(LOST, LOST), moved(502, None), moved(429, None), web(site())],
        "not_applicable": [NO_DEPLOYMENT, NO_NGINX, web({}, redirects=[])],
    },
    "NET-11": headers(
        "strict_transport_security",
        [HSTS, "max-age=63072000;includesubdomains;preload"],
        [
            "max-age=300; includeSubDomains",
            "max-age=31536000",
            "max-age=31536000 includeSubDomains",
            "",
            "max-age=0, " + HSTS,
        ],
        more={"tls": True},
    ),
    "NET-12": headers("x_content_type_options", ["nosniff", "NOSNIFF"], ["sniff", "", "none, nosniff"]),
    "NET-13": headers("x_frame_options", ["DENY", "sameorigin"], ["ALLOWALL", "", "ALLOW-FROM https://x.example"]),
    "NET-14": headers(
        "content_security_policy", [CSP], ["script-src 'self'", "default-src self", "rubbish", ""], page=True
    ),
    "NET-15": headers(
        "content_security_policy",
        [CSP, "script-src 'none'"],
        [
            "default-src *",
            "script-src 'self' 'unsafe-eval'",
            "default-src 'self'; script-src https:",
            "img-src 'self'",
            "x",
        ],
        page=True,
    ),
    "NET-16": {
        "pass": [web(site(answer(**POLICIES)))],
        "fail": [
            web(site(answer())),
            web(site(answer(referrer_policy="no-referrer"))),
            web(site(answer(permissions_policy="camera=()"))),
            web(site(answer(**{**POLICIES, "referrer_policy": "unsafe-url"}))),
            web(site(answer(**{**POLICIES, "referrer_policy": "strict"}))),
            web(site(answer(**{**POLICIES, "permissions_policy": "camera 'none'"}))),
            web(site(answer(**{**POLICIES, "permissions_policy": "camera=*"}))),
            web(site(answer(status=502, **{**POLICIES, "referrer_policy": "origin"}))),
        ],
        "unknown": NOBODY_ASKED + [web(site(answer(status=502)))],
        "not_applicable": [NO_DEPLOYMENT, NO_NGINX],
    },
    "NET-17": headers("x_xss_protection", ["0", "1; mode=block"], ["1", "1; report=https://x.example"], must=False),
    "NET-18": {
        "pass": [
            in_nginx(site(answer(**SAFE), answer("/health", 404, **SAFE), tls=True)),
            # what only https may say is not missed in clear
            in_nginx(
                site(answer(**dict(SAFE, strict_transport_security=HSTS)), tls=True),
                site(answer(**SAFE), tls=False),
            ),
            # different services may well choose differently
            in_nginx(
                site(answer(**SAFE), tls=True), site(answer(**{**SAFE, "x_frame_options": "SAMEORIGIN"}), tls=True)
            ),
            # the service adds them, or nothing can be answered there
            in_nginx(PROTECTED, places=[{"tls": False}, place("/", ()), place("/health", ())]),
            in_nginx(PROTECTED, places=[place("/"), {"tls": True, "answer": "444"}]),
        ],
        "fail": [
            in_nginx(PROTECTED, places=[place("/"), place("/health", ())]),
            in_nginx(PROTECTED, places=[place("/ if", ()), place("/ if")]),
            in_nginx(PROTECTED, places=[place(""), place("= /x", ())]),
            in_nginx(PROTECTED, places=[place("/", always=False)]),
            web(site(answer(**SAFE), answer("/health"), tls=True)),
            web(site(answer(**SAFE), tls=True), site(answer(), tls=True)),
            web(site(answer(**SAFE), answer("/x", **{**SAFE, "x_frame_options": "SAMEORIGIN"}), tls=True)),
        ],
        "unknown": NOBODY_ASKED
        + [
            web(PROTECTED),
            in_nginx(PROTECTED, places=LOST),
            in_nginx(PROTECTED, stale="/etc/nginx/nginx.conf"),
            web(site(answer(**SAFE), answer("/health", 502), tls=True)),
            web(site(answer(**SAFE), dict(answer("/health"), headers=LOST), tls=True)),
            web(site(answer(), dict(answer("/health"), headers=LOST), tls=True)),
        ],
        "not_applicable": [NO_DEPLOYMENT, NO_NGINX, web(site(answer(), tls=True))],
    },
    "NET-19": {
        "pass": [web(site(answer(server="nginx"), answer("/x", x_powered_by="Express"))), web(site(answer()))],
        "fail": [
            web(site(answer(server="nginx/1.26.3"))),
            web(site(answer(server="nginx", x_powered_by="PHP/8.2.1"))),
            web(site(answer(server="nginx"), answer("/x", 502, server="nginx/1.26.3"))),
            web(site(answer(x_aspnet_version="4.0.30319"))),
        ],
        "unknown": NOBODY_ASKED + [web(site(dict(answer(), headers=LOST)))],
        "not_applicable": [NO_DEPLOYMENT, NO_NGINX],
    },
    "NET-20": cross("hasura"),
    "NET-21": cross("auth"),
    "NET-22": {
        "pass": [
            cors(OWN, DAY),
            cors(OWN + ", https://*.example.com:8443", DAY, answer("/x", 403, "preflight")),
        ],
        "fail": [
            cors(None, DAY),
            cors("*"),
            cors("http://app.example.com"),
            cors(OWN + ", http://localhost:3000"),
            cors("https://127.0.0.1"),
            cors("https://*.com"),
            cors("app.example.com"),
            cors(OWN, answer("/x", 204, "preflight", access_control_max_age="1728000")),
            cors(OWN, answer("/x", 204, "own_preflight", access_control_max_age="a day")),
            cors("*", level="rendered"),
            dict(cors("*"), web=LOST),
        ],
        "unknown": [
            UNREADABLE,
            dict(cors(OWN), web=LOST),
            cors(OWN, answer("/x", 502, "preflight")),
            cors(OWN, dict(DAY, status=LOST, headers=LOST)),
            lost_environment(cors(OWN, DAY)),
        ],
        "not_applicable": [NO_DEPLOYMENT, {"deployment": {"state": "found", "units": [unit("nginx", "nginx")]}}],
    },
    "NET-28": {
        "pass": [
            prometheus(401, 401, answer(status=401, probe="root")),
            console("minio", answer(probe="root", marks=["minio-console"])),
            console("adminer", answer(probe="root", marks=["login-form"])),
            prometheus(404, 404, answer(status=404, probe="root")),
        ],
        "fail": [
            console(
                "prometheus", answer(probe="console", marks=[]), answer(status=302, probe="root", location="/graph")
            ),
            console("prometheus", answer(status=401, probe="console"), answer(probe="root", marks=["prometheus"])),
            console(
                "prometheus",
                answer(status=404, probe="console"),
                answer(probe="graph", marks=["prometheus"]),
                answer(status=302, probe="root", location="/graph"),
            ),
            console("mailpit", dict(answer(probe="console"), status=LOST), answer(probe="root", marks=["mailpit"])),
            console("meilisearch", answer(probe="console", marks=[])),
            console("mlflow", answer(probe="root", marks=["mlflow"])),
        ],
        "unknown": NOBODY_ASKED
        + [
            console(
                "prometheus", answer(status=404, probe="console"), answer(status=302, probe="root", location="/graph")
            ),
            console("mailpit", answer(status=502, probe="console"), answer(status=401, probe="root")),
            console("alertmanager", answer(status=401, probe="root")),
            console("minio", answer(status=302, probe="root", location="https://[")),
            console("minio", answer(status=500, probe="root")),
            console("minio", answer(probe="root", marks=LOST)),
        ],
        "not_applicable": [NO_DEPLOYMENT, NO_NGINX, web(site(role="hasura"))],
    },
}
# Where a good answer was given decides nothing.
OPTIONAL = {(check, "web.sites.answers.path") for check in CASES}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sites are asked, and what of their answers becomes a fact. The fixtures are answers of nginx 1.26 with nself's own configuration."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit import engine
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import web
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts, Unread, unread_leaves
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.web_probes import (
    CONSOLES,
    OTHER,
    PROBES,
    STRANGER,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import sites_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.sites import Listen, Nginx, Site
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import load
from ansible_collections.nself.prod.plugins.module_utils.parse.web_answer import headers_of, is_html, marks_of
from ansible_collections.nself.prod.plugins.module_utils.probe import http
from hypothesis import given
from hypothesis import strategies as st

BY_ID = {check.id: check for check in CHECKS}
HTTPS, PLAIN = ("127.0.0.1", 443), ("127.0.0.1", 80)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"
GONE = b"HTTP/1.1 404 Not Found\r\n\r\n"


class Request:
    """What a client sent: door, server name of the handshake (None in clear), and the parts of the request."""

    def __init__(self, door, server_name, data):
        head, _blank, body = data.decode().partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        self.door, self.server_name, self.body = door, server_name, body
        self.method, self.path, _version = first.split(" ")
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


class WebHost:
    """A host on which answer(request) is what every connection brings: bytes, or a HostError to raise."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.lock = threading.Lock()

    def connect(self, address, port, timeout=3.0):
        return WebStream(self, (address, port))


class WebStream:
    def __init__(self, host, door):
        self.host, self.door, self.server_name, self.sent = host, door, None, b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        return None

    def start_tls(self, server_name, verify=False):
        self.server_name = server_name

    def send(self, data):
        self.sent += data

    def receive_all(self, limit):
        request = Request(self.door, self.server_name, self.sent)
        with self.host.lock:
            self.host.requests.append(request)
        answer = self.host.answer(request)
        if isinstance(answer, HostError):
            raise answer
        return answer


def https_site(*names, upstreams=(), **more):
    return Site(
        names, (Listen("0.0.0.0", 443, True),), "/c.pem", "/k.pem", upstreams, "/etc/nginx/sites/x.conf", 7, **more
    )


def plain_site(*names, port=80):
    return Site(names, (Listen("0.0.0.0", port, False, not names),), file="/etc/nginx/conf.d/default.conf", line=2)


def collect_config(answer, text):
    """Return (facts, requests) of an nginx with this http block."""
    config = load("http { %s }" % text)
    host = WebHost(answer)
    running = [Nginx("nginx", "", sites_of(config), {443: HTTPS, 80: PLAIN}, config)]
    needed = {"nginx": running, "project": SimpleNamespace(units=[]), "docker_containers": []}
    return web.collect(host, needed.__getitem__), host.requests


def collect(answer, *sites, units=(), doors=None):
    """Return (facts, requests)."""
    host = WebHost(answer if callable(answer) else lambda request: answer)
    running = [Nginx("nginx", "", sites, {443: HTTPS, 80: PLAIN} if doors is None else doors)]
    needed = {"nginx": running, "project": SimpleNamespace(units=list(units)), "docker_containers": []}
    return web.collect(host, needed.__getitem__), host.requests


ONE_NAME = """server { listen 443 ssl; server_name example.com; ssl_certificate c; ssl_certificate_key k;
    location / { proxy_pass http://app:3000; }
    location /auth/ { proxy_pass http://auth:4000/; }
    location /metrics/ { proxy_pass http://prometheus:9090; } }"""


def test_a_service_below_a_path_is_asked_there_and_not_what_answers_beside_it():
    def answer(request):
        open_there = request.path == "/metrics/api/v1/status/buildinfo"
        return OK if open_there or request.path == "/" else GONE

    facts, _requests = collect_config(answer, ONE_NAME)
    paths = {site["role"]: {item["probe"]: item["path"] for item in site["answers"]} for site in facts["sites"]}
    assert paths["auth"] == {"preflight": "/auth/signin/email-password", "foreign": "/auth/healthz"}
    assert paths["prometheus"]["console"] == "/metrics/api/v1/status/buildinfo"
    assert paths["prometheus"]["root"] == "/metrics/" and paths["other"]["root"] == "/"
    verdict = engine.judge(BY_ID["NET-28"], Facts(facts_of_web(facts)), Policy()).verdict
    assert verdict.status == "fail" and "prometheus" in verdict.actual


def test_a_wildcard_in_clear_is_asked_by_a_name_that_it_covers():
    facts, _requests = collect(OK, plain_site("*.example.com"), plain_site("~^x"), https_site())
    assert [(entry["name"], entry["status"]) for entry in facts["redirects"]] == [("nself-prod-audit.example.com", 200)]


def test_a_service_is_known_by_what_its_networks_call_it():
    units = [{"id": "1", "service": "a", "name": "app_a_1", "role": "prometheus"}]
    networks = {"app": {"Aliases": ["Numbers"]}, "x": {"Aliases": None}, "y": None}
    known = {
        "nginx": [Nginx("nginx", "", (https_site("x.example.com", upstreams=("numbers",)),), {443: HTTPS})],
        "project": SimpleNamespace(units=units),
        "docker_containers": [{"Id": "1", "NetworkSettings": {"Networks": networks}}],
    }
    facts = web.collect(WebHost(lambda request: OK), known.__getitem__)
    assert [site["role"] for site in facts["sites"]] == ["prometheus"]


def facts_of_web(facts):
    return {"deployment": {"state": "found", "units": []}, "web": facts}


def test_each_site_is_asked_in_its_own_name_what_its_role_is_asked():
    facts, requests = collect(
        OK,
        https_site("api.example.com", "graphql.example.com", upstreams=("http://hasura:8080",)),
        https_site("login.example.com", upstreams=("auth:4000",)),
        https_site("example.com"),
    )
    assert [(site["name"], site["role"]) for site in facts["sites"]] == [
        ("api.example.com", "hasura"),
        ("login.example.com", "auth"),
        ("example.com", "other"),
    ]
    for site in facts["sites"]:
        asked = [request for request in requests if request.server_name == site["name"]]
        assert [(item.method, item.path) for item in asked] == [
            (item["method"], item["path"]) for item in site["answers"]
        ]
        assert {request.headers["host"] for request in asked} == {site["name"]}
        assert {request.door for request in asked} == {HTTPS}
    assert [item["probe"] for item in facts["sites"][1]["answers"]] == ["preflight", "foreign"]
    assert {item["probe"] for item in facts["sites"][0]["answers"]} >= {
        "malformed", "foreign", "preflight", "console", "metadata", "query", "pg_dump", "config",
    }  # fmt: skip


def test_a_site_is_known_by_what_its_upstream_is_whatever_it_is_called():
    units = [
        {"service": "engine", "name": "demo_engine_1", "role": "hasura", "addresses": ["172.18.0.5"]},
        {"service": "metrics", "name": "m", "role": "prometheus", "addresses": []},
    ]
    sites = [https_site(name + ".example.com", upstreams=(name,)) for name in ("engine", "metrics:9090", "elsewhere")]
    sites.append(https_site("ip.example.com", upstreams=("172.18.0.5:8080",)))
    facts, _requests = collect(OK, *sites, units=units)
    assert [site["role"] for site in facts["sites"]] == ["hasura", "prometheus", "other", "hasura"]


def test_a_site_with_two_services_is_asked_for_both_and_once_what_both_share():
    facts, requests = collect(
        OK, https_site("example.com", upstreams=("grafana:3000", "prometheus:9090", "hasura:8080"))
    )
    assert [site["role"] for site in facts["sites"]] == ["grafana", "prometheus", "hasura"]
    assert len([request for request in requests if request.path == "/" and request.door == HTTPS]) == 1


def test_requests_are_reads_without_credentials_and_few():
    for probes in PROBES.values():
        for probe in probes:
            assert probe.method in ("GET", "OPTIONS", "POST"), probe
            if probe.method == "POST":
                # GraphQL queries, the export of the metadata, and a document that is no command
                assert probe.body == "{}" or "export_metadata" in probe.body or '{"query": ' in probe.body, probe
                assert "mutation" not in probe.body
    # two audits in a row stay within nself's limits: auth 1 + 5, uploads 1 + 2, GraphQL 1 + 20 and what a second gives back
    assert len(PROBES["auth"]) <= 3 and len(PROBES["minio"]) <= 1 and len(PROBES["hasura"]) <= 12
    for role, wanted in CONSOLES.items():
        assert set(wanted) <= {probe.id for probe in PROBES.get(role, OTHER)}, role
    _facts, requests = collect(OK, *[https_site(role, upstreams=(role,)) for role in PROBES])
    for request in requests:
        assert not {"authorization", "cookie", "x-hasura-admin-secret"} & set(request.headers)


def test_hasura_is_asked_from_the_origin_that_it_allows_as_well():
    unit = {"service": "hasura", "name": "h", "role": "hasura", "addresses": []}
    for domain, origin in (("https://*.example.com, x", "https://nself-prod-audit.example.com"), ("*", None)):
        environment = {"HASURA_GRAPHQL_CORS_DOMAIN": domain}
        site = https_site("api.example.com", upstreams=("hasura:8080",))
        _facts, requests = collect(OK, site, units=[dict(unit, environment=environment)])
        origins = {request.headers.get("origin") for request in requests if request.method == "OPTIONS"}
        assert origins == {"https://" + STRANGER} | ({origin} if origin else set())


def test_nothing_private_of_an_answer_becomes_a_fact():
    answer = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: session=s3cret\r\nX-Token: s3cret\r\nContent-Type: text/html; charset=utf-8\r\n"
        b"Location: https://user:s3cret@example.com/cb?code=s3cret#s3cret\r\n"
        b"Content-Security-Policy: script-src 'nonce-s3cret'; report-uri https://x.example/?key=s3cret\r\n\r\n"
        b"<title>Grafana</title><input name=p type='password' value='s3cret'>s3cret"
    )
    facts, _requests = collect(answer, https_site("g.example.com", upstreams=("grafana:3000",)), plain_site())
    assert "s3cret" not in repr(facts)
    first = facts["sites"][0]["answers"][0]
    assert first["html"] and first["marks"] == ["grafana", "login-form"]
    assert first["headers"]["content-security-policy"] == "script-src 'nonce-0'; report-uri https://x.example/"
    assert facts["redirects"][0]["location"] == "https://example.com/cb"


def test_a_limit_that_is_reached_is_not_pushed_further():
    answers = iter([OK, b"HTTP/1.1 429 Too Many Requests\r\n\r\n"])
    facts, requests = collect(lambda request: next(answers), https_site("a.example.com"))
    statuses = [item["status"] for item in facts["sites"][0]["answers"]]
    assert statuses[:2] == [200, 429] and isinstance(statuses[2], Unread) and len(requests) == 2


def test_a_site_that_hangs_costs_one_timeout_and_one_that_fails_hides_no_answer():
    facts, requests = collect(HostError(Reason.TIMEOUT, "x", "no answer in time"), https_site("a.example.com"))
    assert len(requests) == 1 and {leaf.reason for leaf in unread_leaves(facts["sites"])} == {Reason.TIMEOUT}
    facts, _requests = collect(
        lambda request: OK if request.path == "/health" else b"SSH-2.0-x\r\n", https_site("a.example.com")
    )
    assert [item["status"] for item in facts["sites"][0]["answers"]][1] == 200
    assert {leaf.reason for leaf in unread_leaves(facts["sites"])} == {Reason.PARSE_ERROR}


def test_sites_without_a_name_of_their_own():
    facts, requests = collect(OK, https_site(), https_site("*.example.com"), https_site(".example.org"))
    assert [site["name"] for site in facts["sites"]] == ["x.conf:7", "*.example.com", ".example.org"]
    assert {request.server_name for request in requests} == {STRANGER, "nself-prod-audit.example.com", "example.org"}
    # nobody can tell a name that an expression takes
    facts, requests = collect(OK, https_site(r"~^(?<user>.+)\.example\.com$"))
    assert not requests and isinstance(facts["sites"][0]["answers"][0]["status"], Unread)


def test_a_default_site_that_serves_nobody_is_no_site():
    assert collect(b"", https_site())[0]["sites"] == []
    assert collect(OK, Site((), (Listen("0.0.0.0", 443, True, True),)))[0]["sites"] == []
    # one that has a name and is silent is broken, not safe
    broken = collect(b"", https_site("a.example.com"))[0]["sites"]
    assert isinstance(broken[0]["answers"][0]["status"], Unread)


def test_a_port_that_this_host_cannot_reach_is_unread():
    facts, requests = collect(OK, https_site("a.example.com"), doors={80: PLAIN})
    assert not requests and isinstance(facts["sites"][0]["answers"][0]["status"], Unread)
    assert facts["redirects"] == []


def recorded(root, name):
    """Return an answer as it came: the files hold no carriage returns, which end the lines of every head and of nginx's own pages."""
    head, body = (root / ("tests/fixtures/web/%s.http" % name)).read_bytes().split(b"\n\n", 1)
    if b"<center>nginx" in body:
        body = body.replace(b"\n", b"\r\n")
    return head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body


def test_redirects_of_every_name(root):
    def answer(request):
        if request.headers["host"] == "old.example.com":
            return b""
        if request.headers["host"] == "down.example.com":
            return HostError(Reason.ERROR, "127.0.0.1:80", "Connection refused")
        return recorded(root, "plain-redirect")

    names = ("api.localhost", "old.example.com", "down.example.com")
    facts, requests = collect(
        lambda request: OK if request.server_name else answer(request), plain_site(), https_site(*names)
    )
    plain = [request for request in requests if request.door == PLAIN]
    assert {(request.method, request.path, request.server_name) for request in plain} == {("GET", "/", None)}
    assert facts["redirects"][:3] == [
        {"name": STRANGER, "status": 301, "location": "https://api.localhost/"},
        {"name": "api.localhost", "status": 301, "location": "https://api.localhost/"},
        {"name": "old.example.com", "status": None, "location": None},
    ]
    assert isinstance(facts["redirects"][3]["status"], Unread)
    assert [site["name"] for site in facts["sites"]] == ["api.localhost"]


def test_a_site_in_clear_is_a_site_unless_it_sends_everybody_on():
    moved = b"HTTP/1.1 301 Moved\r\nLocation: https://a.example.com/\r\n\r\n"
    assert collect(moved, plain_site("a.example.com"))[0]["sites"] == []
    facts, _requests = collect(OK, plain_site("a.example.com"))
    assert [(site["name"], site["tls"]) for site in facts["sites"]] == [("a.example.com", False)]


def test_what_listens_on_its_own_loopback_only_is_no_public_site():
    status = Site((), (Listen("127.0.0.1", 8081, False),))
    facts, _requests = collect(OK, status, https_site("a.example.com"), doors={8081: ("172.18.0.5", 8081), 443: HTTPS})
    assert [site["name"] for site in facts["sites"]] == ["a.example.com"] and facts["redirects"] == []


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_nginx_answers_for_a_service_says_nothing_of_what_that_shows(status):
    facts, _requests = collect(b"HTTP/1.1 %d X\r\n\r\n" % status, https_site("a.example.com", upstreams=("hasura",)))
    assert all(isinstance(answer["marks"], Unread) for answer in facts["sites"][0]["answers"])


def test_no_nginx_and_no_knowledge_of_it():
    known = {"nginx": [], "project": SimpleNamespace(units=[]), "docker_containers": []}
    assert web.collect(None, known.__getitem__) == {"sites": [], "redirects": []}

    def unknown(name):
        raise Missing(name, Reason.NEEDS_ROOT, "permission denied")

    with pytest.raises(Missing):
        web.collect(None, unknown)


def judged(facts):
    tree = {"deployment": {"state": "found", "units": []}, "web": facts}
    return {
        check.id: engine.judge(check, Facts(tree), Policy()).verdict for check in CHECKS if check.id.startswith("NET-")
    }


@pytest.mark.parametrize(
    ("status", "why"), [(429, "it limits requests"), (502, "the service behind it does not answer")]
)
def test_why_nothing_is_known_is_what_the_status_says(status, why):
    facts, _requests = collect(b"HTTP/1.1 %d X\r\n\r\n" % status, https_site("a.example.com", upstreams=("hasura",)))
    plain = {"status": 200, "headers": {"x-content-type-options": "nosniff"}}
    site = facts["sites"][0]
    site["answers"].insert(0, dict(site["answers"][0], **plain, probe="root", path="/"))
    verdict = judged(facts)["NET-18"]
    assert verdict.status == "unknown" and why in str(verdict)


def test_nself_s_own_answers_are_told(root):
    def answer(request):
        names = {
            ("localhost", "/health"): "default-health",
            ("auth.localhost", "/signin/email-password"): "auth-preflight",
            ("auth.localhost", "/healthz"): "too-many",
        }
        default = "default-root" if request.server_name == "localhost" else "bad-gateway"
        name = names.get((request.server_name, request.path), default)
        return recorded(root, name if request.server_name else "plain-redirect")

    facts, _requests = collect(
        answer,
        plain_site(),
        https_site("localhost"),
        https_site("auth.localhost", upstreams=("auth:4000",)),
        https_site("grpc-api.localhost", upstreams=("go_grpc:8003",)),
    )
    verdicts = judged(facts)
    statuses = {item.name: item.status for item in verdicts["NET-11"].resources}
    assert statuses == {"localhost": "fail", "auth.localhost": "fail", "grpc-api.localhost": "unknown"}
    assert verdicts["NET-12"].resources[0].actual == "/health has no X-Content-Type-Options"
    assert verdicts["NET-17"].status == "pass" and verdicts["NET-19"].status == "pass"
    assert "/health lacks" in verdicts["NET-18"].resources[0].actual
    assert verdicts["NET-21"].status == "fail"
    assert "with credentials" in verdicts["NET-21"].actual


TEXT = st.text(max_size=300)


@given(TEXT, st.lists(st.tuples(st.sampled_from(["Server", "Location", "content-type"]), TEXT), max_size=4))
def test_rubbish_becomes_plain_text_and_no_mark(text, pairs):
    response = http.Response(200, tuple(pairs), text.encode("utf-8"))
    for value in headers_of(response, ("server", "location")).values():
        assert value.isascii() and "\n" not in value
    assert isinstance(is_html(response), bool)
    assert "internal" not in marks_of(text, {}) or "internal" in text


def test_marks_of_graphql_answers():
    assert marks_of('{"errors":[{"extensions":{"code":"x","internal":{}}}]}', {}) == ["internal"]
    assert marks_of('{"data":{"__schema":{}}}', {}) == ["schema"]
    assert marks_of('{"errors":[{"extensions":null},7],"data":null}', {}) == []
    assert marks_of('{"errors":' + "[" * 100000, {}) == []


def test_a_connection_closed_without_a_word_is_told_apart():
    with pytest.raises(http.Silent):
        http.parse(b"")
    with pytest.raises(HostError) as error:
        http.parse(b"220 smtp ready\r\n")
    assert error.value.reason == Reason.PARSE_ERROR

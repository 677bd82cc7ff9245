# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part nginx: what nginx would read afterwards is read again, with the audit's own eyes."""

import fnmatch
import pathlib
import posixpath
import re

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import nginx_probe
from ansible_collections.nself.prod.plugins.module_utils.change.stack.nginx_guards import origin_entries
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.nginx import OURS, Nginx
from ansible_collections.nself.prod.plugins.module_utils.change.tables import nginx as table
from ansible_collections.nself.prod.plugins.module_utils.deployment import nginx_headers, nginx_limits
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import http_of, servers_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import role_of
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from ansible_collections.nself.prod.plugins.module_utils.parse import nginx as parse
from ansible_collections.nself.prod.plugins.module_utils.probe.http import Response
from fake_host import FakeHost
from fake_stack import FakeStack

PROJECTS = pathlib.Path(__file__).resolve().parents[1] / "hosts/deployment"
MOUNTS = ("nginx.conf", "conf.d", "includes", "sites")
DEFAULTS = {name: entry.get("default") for name, entry in Nginx.SPEC.items()}
SERVICES = "hasura auth minio functions prometheus alertmanager grafana mailpit mlflow nself-admin meilisearch".split()
SITE = "server { listen 443 ssl; server_name %s; ssl_certificate x; %s location / { proxy_pass http://%s; } }\n"


def stack(project="fresh", extra=None, services=None, answers=None, running=True, which=(), **more):
    """Return a stack of one of the projects. extra: {path below nginx/: text} put over it; services: {name: keys} put over its own."""
    folder = PROJECTS / project / "nginx"
    files = {"nginx/%s" % path.relative_to(folder): path.read_text() for path in folder.rglob("*") if path.is_file()}
    files.update({"nginx/" + name: text for name, text in (extra or {}).items()})
    volumes = [{"type": "bind", "source": "/srv/app/nginx/" + name, "target": "/etc/nginx/" + name} for name in MOUNTS]
    model = {name: {"image": name, "environment": {}} for name in SERVICES}
    model["nginx"] = {"image": "nginx:alpine", "volumes": volumes, "ports": [{"target": 443, "published": "443"}]}
    for name, keys in (services or {}).items():
        model.setdefault(name, {"image": name}).update(keys)
    host = FakeHost({"/srv/app/" + name: text for name, text in files.items()}, commands=dict.fromkeys(which))
    answers = {("nginx", "id"): Completed(0, "101\n", ""), **(answers or {})}
    containers = {"nginx": {"Id": "1"}} if running else {}
    return FakeStack(services=model, host=host, answers=answers, containers=containers, **more)


def part(deployment, secrets=None, **options):
    return Nginx(deployment, dict(DEFAULTS, **options), secrets or {})


def planned(deployment, secrets=None, **options):
    return part(deployment, secrets, **options).plan()


def text_of(plan, name):
    return next(item.text for item in plan.files if item.path == OURS + "/" + name)


def copies(plan):
    return {item.path[len(OURS + "/files/") :] for item in plan.files if item.path.startswith(OURS + "/files/")}


def effective(deployment, plan):
    """Return the configuration that nginx would read with the plan's files in their places."""
    there = {}
    for path, text in deployment.host.files.items():
        there[path.replace("/srv/app/nginx", "/etc/nginx")] = text
    written = {item.path: item.text for item in plan.files}
    for mount in plan.fragment["services"]["nginx"]["volumes"]:
        source, target = mount.split(":")[:2]
        for path, text in written.items():
            if path == source[2:] or path.startswith(source[2:] + "/"):
                there[target + path[len(source[2:]) :]] = text

    def include(pattern):
        pattern = posixpath.join("/etc/nginx", pattern)
        same = [path for path in sorted(there) if path.count("/") == pattern.count("/")]
        return [(path, there[path]) for path in same if fnmatch.fnmatchcase(path, pattern)]

    return parse.load(there["/etc/nginx/nginx.conf"], "/etc/nginx/nginx.conf", include)


def role(host):
    return role_of(host, "")


def guards(config):
    """Return {server name: what has to be shown there, or the map that says so}."""
    return {
        item.name: item.first
        for block in http_of(config)
        if block.name == "map" and block.args[-1] == "$nself_prod_guard"
        for item in block.block
    }


PROJECT = pytest.mark.parametrize("project", ["fresh", "mended"])


# -- what holds everywhere -------------------------------------------------------------------------------------------------


@PROJECT
def test_every_place_that_answers_sends_every_header_with_errors_too(project):
    deployment = stack(project)
    config = effective(deployment, planned(deployment))
    wanted = {header.name.lower() for header in table.HEADERS}
    for server in servers_of(config):
        for place in nginx_headers.places_of(http_of(config), server):
            assert wanted <= set(place.headers), (server.file, place.location)
            assert all(place.always[name] for name in wanted)


@PROJECT
def test_nginx_takes_each_directive_once(project):
    deployment = stack(project)
    names = [item.name for item in http_of(effective(deployment, planned(deployment)))]
    for single in table.SINGLES:
        assert names.count(single.name) == (not single.silent), single.name
    assert (names.count("auth_basic"), names.count("auth_basic_user_file")) == (1, 1)


@PROJECT
def test_a_header_is_not_sent_twice(project):
    deployment = stack(project)
    config = effective(deployment, planned(deployment))
    for server in servers_of(config):
        for block in [config[-1]] + [item for item in parse.walk([server]) if item.block]:
            said = [item.first.lower() for item in parse.named(block.block, "add_header")]
            assert len(said) == len(set(said)), server.file


@PROJECT
def test_slow_and_greedy_clients_are_bounded_and_storage_keeps_its_size(project):
    deployment = stack(project)
    config = effective(deployment, planned(deployment))
    for server in servers_of(config):
        found = nginx_limits.patience_of(config, server, role)
        assert found["header_timeout"] <= 15 and found["body_timeout"] <= 15 and found["unlimited"] == []
        assert found["body"] is None or 0 < found["body"] <= 100 << 20
    storage = [item for item in servers_of(config) if "storage" in str(parse.named(item.block, "server_name"))]
    assert any(parse.named(item.block, "client_max_body_size") for item in storage)


def test_sites_get_no_copy_and_all_else_of_a_file_stays():
    plan = planned(stack())
    assert copies(plan) == {"nginx.conf", "conf.d/default.conf"}
    text = text_of(plan, "files/nginx.conf")
    for line in ("types_hash_max_size", "server_names_hash_bucket_size 128;", "include /etc/nginx/sites/*.conf;"):
        assert (line in text) == (line in (PROJECTS / "fresh/nginx/nginx.conf").read_text())
    assert "HIGH" not in text and "ECDHE-RSA-AES128-GCM-SHA256" in text


def test_a_project_that_is_mended_keeps_its_own_values():
    plan = planned(stack("mended"))
    assert copies(plan) == {"nginx.conf"}
    text = text_of(plan, "http.conf")
    assert "nself_prod_general" not in text and "limit_conn " not in text and "nself_prod_hsts" not in text


def test_a_value_that_somebody_asked_for_wins_over_a_good_one():
    deployment = stack("mended")
    plan = planned(deployment, client_max_body_size="20m", frame_options="SAMEORIGIN", hsts_max_age=63072000)
    config = effective(deployment, plan)
    assert [item.args for item in http_of(config) if item.name == "client_max_body_size"] == [("20m",)]
    assert "max-age=63072000; includeSubDomains" in text_of(plan, "http.conf")
    assert "Strict-Transport-Security" not in text_of(plan, "files/includes/headers.conf")
    # What is the default anyway leaves the stricter one.
    assert "X-Frame-Options DENY" in text_of(plan, "files/includes/headers.conf")


def test_a_second_plan_says_the_same():
    deployment = stack()
    assert planned(deployment) == planned(deployment)


def test_a_block_with_a_header_of_its_own_gets_the_others_back():
    own = "server { listen 443 ssl default_server; ssl_certificate x; add_header Content-Security-Policy \"default-src 'none'\" always;\n"
    own += "  location / { return 200; }\n  location /x { add_header Cache-Control no-store; return 200; }\n}\n"
    deployment = stack(extra={"conf.d/default.conf": own})
    config = effective(deployment, planned(deployment))
    server = next(item for item in servers_of(config) if item.file.endswith("default.conf"))
    places = {place.location: place.headers for place in nginx_headers.places_of(http_of(config), server)}
    assert places["/"]["content-security-policy"] == places["/x"]["content-security-policy"] == "default-src 'none'"
    assert places["/x"]["cache-control"] == "no-store" and "strict-transport-security" in places["/x"]


def test_a_generated_server_that_serves_pages_in_clear_leads_to_https():
    own = "server { listen 80 default_server; server_name _; location / { root /x; add_header A b; } }\n"
    deployment = stack(extra={"conf.d/default.conf": own})
    config = effective(deployment, planned(deployment))
    server = next(item for item in servers_of(config) if item.file.endswith("default.conf"))
    assert [item.name for item in parse.walk(server.block)][-2:] == ["location", "return"]


# -- what cannot be mended is told -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"sites/own.conf": SITE % ("a.b", "add_header A b;", "functions:1")}, "own.conf line 1: its add_header lines"),
        ({"sites/own.conf": SITE % ("a.b", "ssl_protocols TLSv1;", "functions:1")}, "own.conf line 1: remove it"),
        ({"sites/own.conf": "server { listen 80; server_name a.b; location / { root /; } }"}, "serves a.b in clear"),
        ({"conf.d/own.conf": "send_timeout 600s;"}, "nginx/conf.d/own.conf line 1: it should be `send_timeout 30s;`"),
        ({"conf.d/own.conf": "add_header X-Frame-Options ALLOWALL;"}, "own.conf line 1: remove it"),
        ({"sites/own.conf": SITE % ("~^a", "", "prometheus:9090")}, "has no name that nginx could tell it by"),
    ],
)
def test_what_stands_in_a_file_without_a_copy_is_told_with_its_line(extra, words):
    deployment = stack(extra=extra)
    plan = planned(deployment, mend_sites=False)
    assert any(words in line for line in plan.left), plan.left
    assert not any("own.conf" in item.path for item in plan.files)
    names = [item.name for item in http_of(effective(deployment, plan))]
    assert names.count("send_timeout") == 1


OWN = """# mine
server { listen 443 ssl; server_name own.example.com; ssl_certificate x;
    ssl_protocols TLSv1 TLSv1.2;  # for old friends
    limit_req_dry_run on;
    location / {
        add_header X-Own 1;
        proxy_pass http://functions:1;
    }
    location /p { add_header Content-Security-Policy "default-src 'none'" always; proxy_pass http://functions:1; }
}
server { listen 80; server_name own.example.com; return 302 https://own.example.com$request_uri; }
"""


@PROJECT
def test_a_site_is_changed_only_where_a_line_of_it_undoes_the_hardening(project):
    deployment = stack(project, extra={"sites/own.conf": OWN})
    plan = planned(deployment)
    item = next(entry for entry in plan.files if entry.path == "nginx/sites/own.conf")
    # The container is not made of it, since a build may write it anew.
    assert item.services == () and not any("own.conf" in line for line in plan.left)
    for line in ("# mine", "add_header X-Own 1;", "proxy_pass http://functions:1;", "# for old friends"):
        assert line in item.text
    assert "TLSv1 " not in item.text and "dry_run" not in item.text and "return 301 https://own" in item.text
    deployment.host.files["/srv/app/nginx/sites/own.conf"] = item.text
    config = effective(deployment, plan)
    server = next(
        one
        for one in servers_of(config)
        if "ssl" in str(parse.named(one.block, "listen")) and one.file.endswith("own.conf")
    )
    for place in nginx_headers.places_of(http_of(config), server):
        assert {header.name.lower() for header in table.HEADERS} <= set(place.headers)
        assert (place.headers["content-security-policy"] == "default-src 'none'") == (place.location == "/p")
    # Once is enough, and it starts without our folder as well: what it includes there are patterns.
    assert not any("own.conf" in entry.path for entry in planned(deployment).files)
    assert all("*" in line for line in item.text.splitlines() if "include" in line)


def test_nginx_reads_again_what_was_changed_in_its_place():
    deployment = stack(extra={"sites/own.conf": OWN})
    one = part(deployment)
    one.plan()
    changes = Changes(deployment.host, check=False)
    one.settle(changes)
    assert ("nginx", ["nginx", "-s", "reload"]) in [item[:2] for item in deployment.ran]
    assert changes.changed and "own.conf" in str(changes.result())
    count = len(deployment.ran)
    one.settle(Changes(deployment.host, check=True))
    assert len(deployment.ran) == count
    one.revert()
    assert len(deployment.ran) == count + 1


def test_a_site_that_includes_our_headers_is_content():
    extra = {
        "sites/own.conf": SITE % ("a.b", "add_header A b; include /etc/nginx/nself-prod/headers.inc;", "functions:1")
    }
    plan = planned(stack(extra=extra))
    assert not any("own.conf" in line for line in plan.left)


# -- who is let in ---------------------------------------------------------------------------------------------------------


def test_consoles_are_for_users_and_applications_for_all():
    deployment = stack(services={"meilisearch": {"environment": {"MEILI_MASTER_KEY": "k"}}})
    found = guards(effective(deployment, planned(deployment)))
    for name in ("prometheus", "alertmanager", "mail", "mlflow", "admin"):
        assert found[name + ".localhost"] == "login"
    for name in ("grafana", "storage-console", "storage", "functions", "search", "localhost", "express-api"):
        assert name + ".localhost" not in found


def test_what_has_a_login_only_at_times_is_looked_at():
    deployment = stack(services={"grafana": {"environment": {"GF_AUTH_ANONYMOUS_ENABLED": "true"}}})
    found = guards(effective(deployment, planned(deployment)))
    assert (found["grafana.localhost"], found["search.localhost"]) == ("login", "login")


def test_a_site_that_is_only_called_like_a_console_stays_open():
    deployment = stack(extra={"sites/own.conf": SITE % ("mail.example.com", "", "functions:1")})
    found = guards(effective(deployment, planned(deployment)))
    assert found["mail.example.com"] == ""
    later = next(name for name in found if name.startswith("~*"))
    assert re.match(later[2:], "pgweb.example.com") and not re.match(later[2:], "app.example.com")


def test_closed_open_and_named_sites():
    deployment = stack()
    options = {
        "console_access": "closed",
        "console_sites": ["functions.localhost"],
        "console_open": ["mlflow.localhost"],
    }
    found = guards(effective(deployment, planned(deployment, **options)))
    assert (found["prometheus.localhost"], found["functions.localhost"]) == ("nobody", "nobody")
    assert found["mlflow.localhost"] == ""
    found = guards(effective(deployment, planned(deployment, console_access="open", admin_api_access="open")))
    assert set(found) == {"default", "auth.localhost"}
    with pytest.raises(Refused, match=r"no site nope\.localhost"):
        planned(deployment, console_sites=["nope.localhost"])


def test_only_hasuras_paths_for_administrators_are_guarded():
    deployment = stack()
    config = effective(deployment, planned(deployment))
    rules = _paths(config, guards(config)["api.localhost"])
    assert all(rules(path) == "login" for path in ("/v1/metadata", "/v2/query", "/v1alpha1/config", "/console/data"))
    assert not any(rules(path) for path in ("/", "/v1/graphql", "/healthz", "/v1/metadatax", "/api/rest/dev"))


def test_a_server_of_several_services_is_guarded_by_its_paths():
    own = "server { listen 443 ssl; server_name all.example.com; ssl_certificate x;\n"
    own += "location /gql/ { proxy_pass http://hasura:8080/; } location /auth/ { proxy_pass http://auth:4000/; }\n"
    own += "location /metrics/ { proxy_pass http://prometheus:9090; } location / { proxy_pass http://functions:1; } }\n"
    deployment = stack(extra={"sites/own.conf": own})
    config = effective(deployment, planned(deployment))
    rules = _paths(config, guards(config)["all.example.com"])
    assert (rules("/gql/v1/metadata"), rules("/metrics/x")) == ("login", "login")
    assert (rules("/auth/signin/email-password"), rules("/auth/signin/provider/x")) == ("$nself_prod_foreign", "")
    assert not rules("/v1/metadata") and not rules("/console")


def _paths(config, variable):
    """Return a function that looks a path up in a map as nginx does."""
    block = next(item for item in http_of(config) if item.name == "map" and item.args[-1] == variable)
    entries = [(item.name, item.first) for item in block.block if item.name != "default"]
    return lambda path: next((value for key, value in entries if re.search(key.lstrip("~"), path)), "")


def test_hasura_auth_is_for_named_origins_and_the_sites_of_this_nginx():
    environment = {"HASURA_GRAPHQL_CORS_DOMAIN": "*,http://localhost:*,https://*.example.com"}
    deployment = stack(services={"hasura": {"environment": environment}})
    plan = planned(deployment)
    block = text_of(plan, "http.conf").partition("map $http_origin")[2].partition("\n}")[0]
    assert '"https://api.localhost" ""' in block and "example" in block and "http://localhost" not in block
    assert any("http://localhost:*" in line for line in plan.left)
    block = text_of(planned(deployment, cors_origins=["https://app.example.org"]), "http.conf")
    assert '"https://app.example.org" ""' in block and "example\\.com" not in block


def test_a_wildcard_of_an_origin_covers_names_below_and_nothing_else():
    (entry,) = origin_entries(["https://*.Example.com"])
    expression = re.compile(entry[2:], re.I)
    assert expression.match("https://a.b.example.com") and not expression.match("https://example.com")
    for origin in (
        "https://a.example.com.evil.org",
        "https://aexample.com",
        "http://a.example.com",
        "https://a.example.com:8",
    ):
        assert not expression.match(origin)
    for origin in ("*", "app.example.com", 'https://a"', "https://a.example.com/path", "https://a$b"):
        with pytest.raises(Refused):
            origin_entries([origin])


def test_no_expression_forgets_what_a_location_captured():
    deployment = stack()
    for block in http_of(effective(deployment, planned(deployment))):
        for item in (block.block or ()) if block.name == "map" else ():
            if item.name.startswith("~"):
                assert re.compile(item.name.lstrip("~*")).groups == 0


def test_users_come_as_hashes_into_a_file_that_only_nginx_reads():
    deployment = stack(answers={("nginx", "id"): Completed(0, "33\n", "")})
    plan = planned(deployment, {"NGINX_CONSOLE_USERS": "b:$6$x$y\na:$2y$z\n"})
    item = next(entry for entry in plan.files if entry.path.endswith("/login"))
    assert (item.text, item.mode, item.uid, item.gid, item.secret) == ("a:$2y$z\nb:$6$x$y\n", 0o640, 0, 33, True)
    assert item.services == ()  # read at each request
    for bad in ("ops:plain", "ops", ":$6$x$y"):
        with pytest.raises(Refused, match="nginx_console_users") as caught:
            planned(deployment, {"NGINX_CONSOLE_USERS": bad})
        assert "plain" not in str(caught.value)


# -- options ---------------------------------------------------------------------------------------------------------------


def test_rates_of_zones_are_set_where_they_stand():
    deployment = stack()
    plan = planned(deployment, rate_limits={"auth": "5r/m", "general": "9r/s"})
    assert "zone=auth:10m rate=5r/m;" in text_of(plan, "files/includes/rate-limits.conf")
    assert "zone=nself_prod_general:10m rate=9r/s;" in text_of(plan, "http.conf")
    with pytest.raises(Refused, match="no zone nope"):
        planned(deployment, rate_limits={"nope": "1r/s"})
    with pytest.raises(Refused, match="takes a rate"):
        planned(deployment, rate_limits={"auth": "often"})


def test_servers_without_a_limit_of_their_own_get_one_that_holds():
    site = SITE % ("auth.example.com", "", "auth:4000") + SITE % ("api.example.com", "", "hasura:8080")
    deployment = stack(extra={"sites/services.conf": site})
    config = effective(deployment, planned(deployment))
    for server in servers_of(config):
        for entry in nginx_limits.entries_of(config, server, role):
            zones = [limit["zone"] for limit in entry.limits if limit["defined"] and limit["keyed"]]
            assert {"auth": "nself_prod_sign_in", "hasura": "nself_prod_graphql"}[entry.role] in zones
            assert entry.status == "429"


def test_a_policy_is_given_whole_by_directive_and_by_site():
    text = text_of(
        planned(stack(), csp={"connect_src": "'self' wss://x.example.com"}, csp_sites={"api.localhost": ""}),
        "http.conf",
    )
    assert "connect-src 'self' wss://x.example.com" in text and '"api.localhost" "";' in text
    assert "default \"default-src 'none'\";" in text_of(planned(stack(), csp="default-src 'none'"), "http.conf")
    for bad in ("default-src self", {"script-scr": "'self'"}):
        with pytest.raises(Refused, match="nginx_csp"):
            planned(stack(), csp=bad)


def test_headers_that_are_not_wanted_are_not_sent():
    text = text_of(planned(stack(), hsts_max_age=0, xss_protection=""), "headers.inc")
    assert "Strict-Transport-Security" not in text and "X-XSS-Protection" not in text


@pytest.mark.parametrize(
    "options",
    [
        {"permissions_policy": 'camera=(self "https://x")'},
        {"referrer_policy": "a\nb"},
        {"tls_ciphers": "A; ssl_protocols SSLv3"},
        {"frame_options": "ALLOW-FROM x"},
        {"client_max_body_size": "${X}"},
        {"connections_per_client": 0},
    ],
)
def test_what_would_mean_something_else_to_nginx_is_refused(options):
    with pytest.raises(Refused):
        planned(stack(), **options)


def test_logs_come_to_the_host_only_where_something_rotates_them():
    plan = planned(stack(), logs_on_host=True)
    assert any("logrotate" in line for line in plan.left) and "/var/log/nginx" not in str(plan.fragment)
    deployment = stack(which=["logrotate"])
    plan = planned(deployment, logs_on_host=True)
    assert "./logs/nginx:/var/log/nginx" in plan.fragment["services"]["nginx"]["volumes"]
    text = text_of(plan, "files/nginx.conf")
    assert "access_log /dev/stdout" in text and "error_log /dev/stderr" in text


# -- around the change -----------------------------------------------------------------------------------------------------


def test_an_nginx_that_could_not_start_again_is_left_alone():
    said = '2026/11/26 03:49:16 [emerg] 1#1: unknown directive "x" in /etc/nginx/sites/services.conf:1\n'
    with pytest.raises(
        Refused, match=r"\[emerg\] unknown directive .* in nginx/sites/services\.conf:1; mend that first"
    ):
        planned(stack(answers={("nginx", "nginx"): Completed(1, "", said)}))


def test_nginx_judges_its_new_files_and_the_message_names_them():
    deployment = stack()
    one = part(deployment)
    one.plan()
    said = (
        "nginx: [emerg] bad in /etc/nginx/nginx.conf:3\nnginx: configuration file /etc/nginx/nginx.conf test failed\n"
    )
    deployment.answers["nginx", "nginx"] = Completed(1, "", said)
    with pytest.raises(Mismatch, match=r"bad in \.nself-prod/nginx/files/nginx\.conf:3$"):
        one.validate()
    deployment.answers["nginx", "nginx"] = Completed(0, "", "ok")
    one.validate()


def test_an_nginx_whose_files_are_not_on_the_host_is_refused_and_none_is_told():
    with pytest.raises(Refused, match="comes from no file of this host"):
        planned(stack(services={"nginx": {"volumes": []}}))
    with pytest.raises(Refused, match=r"nginx/sites/own\.conf: the last directive does not end"):
        planned(stack(extra={"sites/own.conf": "server_tokens"}))
    plan = planned(FakeStack(services={"hasura": {"image": "hasura"}}))
    assert plan.fragment == {} and "no nginx service" in plan.left[0]


def test_stale_copies_go():
    deployment = stack()
    deployment.host.files["/srv/app/%s/files/includes/old.conf" % OURS] = "x"
    assert planned(deployment).absent == [OURS + "/files/includes/old.conf"]


def _answers(monkeypatch, answer, old=()):
    monkeypatch.setattr(nginx_probe, "_wait", lambda *_words: None)
    monkeypatch.setattr(nginx_probe, "_ask", answer)
    monkeypatch.setattr(nginx_probe.handshakes, "old_protocols", lambda _host, _door: {name: True for name in old})
    monkeypatch.setattr(nginx_probe.handshakes, "speaks", lambda _host, _door, _version: True)


def test_every_site_is_asked_for_what_was_wanted(monkeypatch):
    deployment = stack()
    one = part(deployment)
    one.plan()
    headers = tuple((header.name, "x") for header in table.HEADERS[1:])
    headers += (("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),)
    asked = []

    def good(_host, _address, expected, method, path, origin=""):
        asked.append((expected.name, method, path, origin))
        return Response(401 if (method, origin) != ("GET", "") or "prometheus" in expected.name else 200, headers, b"")

    _answers(monkeypatch, good)
    one._expected = [
        item for item in one._expected if item.name.split(".")[0] in ("prometheus", "api", "auth", "localhost")
    ]
    one.verify()
    assert ("api.localhost", "POST", "/v1/metadata", "") in asked
    assert any(name == "auth.localhost" and origin for name, _method, _path, origin in asked)
    _answers(monkeypatch, lambda *_words: Response(200, headers, b""))
    with pytest.raises(Mismatch, match="still answers"):
        one.verify()
    _answers(monkeypatch, lambda *_words: Response(401, (), b""))
    with pytest.raises(Mismatch, match=r"answers 401 with Strict-Transport-Security: \(none\)"):
        one.verify()
    _answers(monkeypatch, good, ["TLSv1"])
    with pytest.raises(Mismatch, match="still speaks TLSv1"):
        one.verify()


def test_the_rotation_comes_and_goes_and_is_taken_back(tmp_path, monkeypatch):
    from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts import nginx
    from ansible_collections.nself.prod.plugins.module_utils.host import Host

    monkeypatch.setattr(nginx, "ROTATION", str(tmp_path / "rotation"))
    monkeypatch.setattr(Changes, "file", lambda self, path, text: pathlib.Path(path).write_text(text) > 0)
    one = part(stack())
    one.stack.host = Host()
    one._logs = True
    one.settle(Changes(Host(), check=False))
    assert "copytruncate" in (tmp_path / "rotation").read_text()
    one.revert()
    assert not (tmp_path / "rotation").exists()

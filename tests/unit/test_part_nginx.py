# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part nginx: what nginx would read afterwards is read again, with the audit's own eyes."""

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.tables import nginx as table
from ansible_collections.nself.prod.plugins.module_utils.deployment import nginx_headers, nginx_limits
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import http_of, servers_of
from ansible_collections.nself.prod.plugins.module_utils.parse import nginx as parse
from nginx_projects import PROJECTS, SITE, copies, effective, part, planned, role, stack, text_of

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
    assert all("*" in line for line in item.text.splitlines() if line.strip().startswith("include "))


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


def test_a_value_comes_to_nginx_as_it_was_given():
    deployment = stack()
    wanted = 'geolocation=(self "https://a.example.com")'
    config = effective(deployment, planned(deployment, permissions_policy=wanted))
    block = next(item for item in http_of(config) if item.args[-1:] == ("$nself_prod_permissions",))
    assert next(item.first for item in block.block if item.name == "default") == wanted


def test_headers_that_are_not_wanted_are_not_sent():
    text = text_of(planned(stack(), hsts_max_age=0, xss_protection=""), "headers.inc")
    assert "Strict-Transport-Security" not in text and "X-XSS-Protection" not in text


@pytest.mark.parametrize(
    "options",
    [
        {"permissions_policy": "camera=($host)"},
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

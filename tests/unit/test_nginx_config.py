# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx's configuration means: which location serves, which headers and limits hold there.

The answers of LOCATIONS are those of a real nginx 1.26, which was asked for each path.
"""

from __future__ import annotations

import time

import pytest
from ansible_collections.nself.prod.plugins.module_utils.deployment import nginx_context as context
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_headers import places_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_limits import entries_of, patience_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_locations import Unclear, matches, serve
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import http_of, servers_of, sites_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_ways import way_to, ways_are_hidden, ways_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import role_of
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import load, named
from hypothesis import given
from hypothesis import strategies as st


def server(text, http=""):
    config = load("http { %s server { %s } }" % (http, text))
    return config, servers_of(config)[0]


# -- locations -----------------------------------------------------------------------------------------------------------

# Each location answers with its own name, so that a real nginx can be asked the same.
LOCATIONS = """
    rewrite ^/old/(.*)$ /api/$1;
    location = /exact { return 200 "exact"; }
    location =/glued { return 200 "glued"; }
    location / { return 200 "root"; }
    location /api { return 200 "api"; }
    location /api/ { return 200 "api/"; }
    location ^~ /static/ { return 200 "static"; location ~ \\.png$ { return 200 "static-png"; } }
    location ~ \\.php$ { return 200 "php"; }
    location ~* \\.JPG$ { return 200 "jpg"; }
    location ~ ^/api/v\\d+/ { return 200 "version"; }
    location /outer/ { return 200 "outer";
        location /outer/inner/ { return 200 "inner"; location = /outer/inner/x { return 200 "inner-x"; } }
        location ~ \\.php$ { return 200 "outer-php"; } }
    location /moved/ { rewrite ^/moved/(.*)$ /api/$1 last; return 200 "moved"; }
    location /stay/ { rewrite ^/stay/(.*)$ /api/$1 break; }
    location /away/ { rewrite ^ https://example.com/ redirect; }
    location "/with space/" { return 200 "space"; }
    location @named { return 200 "named"; }
    location /inside/ { internal; return 200 "inside"; }
    location /to-inside { rewrite ^ /inside/x last; }
    location /slash/ { proxy_pass http://127.0.0.1:1; }
    location /same { rewrite ^ /same; }
    location /early { rewrite ^ /exact; return 200 "early"; }
"""
ASKED = {
    "/exact": "exact",
    "/exact/": "root",
    "/glued": "glued",
    "/": "root",
    "/x": "root",
    "/api": "api",
    "/apix": "api",
    "/api/": "api/",
    "/api/x.php": "php",
    "/api/v1/x": "version",
    "/api/v1/x.php": "php",
    "/static/a.php": "static",
    "/static/a.png": "static-png",
    "/a.jpg": "jpg",
    "/A.PHP": "root",
    "/outer/": "outer",
    "/outer/a.php": "outer-php",
    "/outer/inner/a": "inner",
    "/outer/inner/x": "inner-x",
    "/outer/inner/a.php": "outer-php",
    "/moved/v2/a": "version",
    "/old/zzz": "api/",
    "/old/a.php": "php",
    "/with space/x": "space",
    "/to-inside": "inside",
    "/early": "early",
}
NOBODYS = ("/inside/x", "/slash", "/same")  # 404, 301, 500


def answer(served):
    return named(served.location.block or (), "return")[0].args[1]


@pytest.mark.parametrize("path", sorted(ASKED))
def test_the_location_that_serves(path):
    assert answer(serve(server(LOCATIONS)[1], path)) == ASKED[path]


def test_a_rewrite_with_break_stays_and_a_redirect_is_nobodys():
    found = serve(server(LOCATIONS)[1], "/stay/x")
    assert found.location.first == "/stay/" and found.path == "/api/x"
    assert serve(server(LOCATIONS)[1], "/away/x") is None


@pytest.mark.parametrize("path", NOBODYS)
def test_what_no_location_serves(path):
    assert serve(server(LOCATIONS)[1], path) is None


def test_a_server_that_returns_answers_everything():
    found = serve(server("return 301 https://$host; location / { }")[1], "/a")
    assert found.answered and found.location is None


def test_without_a_location_the_server_serves():
    found = serve(server("root /x;")[1], "/a")
    assert found.location is None and len(found.blocks) == 1


def test_rewrites_in_a_circle_end():
    assert serve(server("location / { rewrite ^(.*)$ /x$1 last; }")[1], "/") is None


@pytest.mark.parametrize(
    "text",
    [
        "location ~ (a+)+$ { }",
        "location ~ ^(a+b?)+$ { }",
        "location ~ ^(a|a)*$ { }",
        "location ~ '^(?:a{1,9}){9}$' { }",
        "location ~ ^.*.*.*.*.*.*.*.*.*.*x$ { }",
        "location ~ '%s' { }" % ("a?" * 30 + "a" * 30),
        "location ~ ^%sx { }" % ("(a|a)" * 40),
        "%s location / { }" % ("rewrite ^(.*)$ $1$1; " * 40),
        "location ~ (?C1)a { }",
        "location ~ [[:digit:]] { }",
        "location ~ %s { }" % ("a" * 600),
        "if ($host = x) { rewrite ^ /y last; }",
        "rewrite ^ /$host/x;",
        "location ~ '(' { }",
        "location / { access_by_lua_block { ngx.exit(403) } }",
    ],
)
def test_what_cannot_be_told_is_said(text):
    with pytest.raises(Unclear):
        serve(server(text)[1], "/aaaa")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^/(?:api|auth)/v(\d+)/(.*)$", "/api/v1/users/5"),
        (r"\.(?:js|css|png|jpe?g|gif|ico|svg|woff2?|ttf|eot|map)$", "/static/a/b/c.woff2"),
        (r"^/(?<name>[a-z-]+)(/.*)?$", "/storage/x"),
        (r"^/~(.+?)(/.*)?$", "/~me/x"),
        (r"(?:ab)+/[0-9a-f]{8}$", "/abab/0123abcd"),
        (r"[()*+?|]{2}", "/()"),
    ],
)
def test_an_ordinary_expression_is_followed(pattern, text):
    assert matches(pattern, text)


@given(st.text(alphabet="a|?*+(){},9.", max_size=40))
def test_no_expression_takes_long(pattern):
    started = time.monotonic()
    try:
        matches("^" + pattern + "x", "a" * 60)
    except Unclear:
        pass
    assert time.monotonic() - started < 2


@given(st.text(alphabet="ab/.*+()[]{}^$?\\|<>", max_size=12), st.text(alphabet="ab/.", max_size=12))
def test_any_expression_is_followed_or_unclear(pattern, text):
    try:
        matches(pattern, text)
    except Unclear:
        pass


# -- headers -------------------------------------------------------------------------------------------------------------


def headers(text, http=""):
    config, found = server(text, http)
    return {place.location: place for place in places_of(http_of(config), found)}


def test_one_header_of_its_own_drops_all_inherited_ones():
    found = headers(
        'add_header X-B b always; location / { } location /own { add_header X-C c; return 200 "x"; }',
        "add_header X-A a;",
    )
    assert found["/"].headers == {"x-b": "b"} and found["/"].always == {"x-b": True}
    assert found["/own"].headers == {"x-c": "c"} and found["/own"].always == {"x-c": False}
    assert found["/own"].answer == "200" and "" not in found


def test_a_server_without_headers_has_those_of_http():
    found = headers("location /a { location /a/b { } }", "add_header X-A a always;")
    assert {name: place.headers for name, place in found.items()} == {
        "": {"x-a": "a"},
        "/a": {"x-a": "a"},
        "/a/b": {"x-a": "a"},
    }


def test_merge_keeps_what_is_inherited_and_off_drops_it():
    inner = "add_header X-B b; location /off { add_header_inherit off; } location /on { add_header_inherit on; add_header X-C c; }"
    found = headers(inner + "location /m { add_header X-D d; }", "add_header X-A a; add_header_inherit merge;")
    assert set(found[""].headers) == {"x-a", "x-b"}
    assert found["/off"].headers == {}
    assert set(found["/on"].headers) == {"x-c"}
    assert set(found["/m"].headers) == {"x-a", "x-b", "x-d"}


def test_empty_and_repeated_headers():
    found = headers("add_header X-A ''; add_header X-B 1 always; add_header x-b 2; return https://x;")
    assert found[""].headers == {"x-b": "1, 2"} and found[""].always == {"x-b": False} and found[""].answer == "302"


def test_a_condition_answers_for_itself():
    found = headers("add_header A a; location / { if ($request_method = OPTIONS) { add_header B b; return 204; } }")
    assert found["/ if"].headers == {"b": "b"} and found["/"].headers == {"a": "a"}


# -- limits --------------------------------------------------------------------------------------------------------------

ZONES = """
    limit_req_zone $binary_remote_addr zone=auth:10m rate=10r/m;
    limit_req_zone $http_authorization zone=token:10m rate=1r/s;
    map $office $key { 1 ""; default $binary_remote_addr; }
    limit_req_zone $key zone=mapped:10m rate=2r/s;
    limit_conn_zone $binary_remote_addr zone=each:10m;
"""


def entries(text, http=ZONES):
    config, found = server(text, http)
    return {entry.path: entry for entry in entries_of(config, found, lambda host: role_of(host, ""))}


SIGN_IN = "/signin/email-password"


def test_a_limit_is_inherited_until_a_location_has_its_own():
    found = entries("limit_req zone=auth burst=5 nodelay; location / { proxy_pass http://auth:4000; }")
    assert found[SIGN_IN].limits == [
        {"zone": "auth", "defined": True, "keyed": True, "per_minute": 10.0, "burst": 5, "dry": False}
    ]
    assert found[SIGN_IN].status == "503" and found[SIGN_IN].location == "/"
    found = entries("limit_req zone=auth; location / { limit_req zone=token; proxy_pass http://auth:4000; }")
    assert [(limit["zone"], limit["keyed"]) for limit in found[SIGN_IN].limits] == [("token", False)]


def test_the_location_that_serves_the_path_counts():
    text = "location / { limit_req zone=auth; proxy_pass http://auth:4000; } location ^~ /signin/ { proxy_pass http://auth:4000; }"
    assert entries(text)[SIGN_IN].limits == [] and entries(text)[SIGN_IN].location == "^~ /signin/"


@pytest.mark.parametrize(
    "text",
    [
        "location /auth/ { proxy_pass http://auth:4000/; }",
        "location /auth { rewrite ^/auth(/.*)$ $1 break; proxy_pass http://auth:4000; }",
        "location ~ ^/auth/(.*)$ { proxy_pass http://auth:4000/$1; }",
        "set $up http://auth:4000; location /auth/ { rewrite ^/auth/(.*)$ /$1 break; proxy_pass $up; }",
    ],
)
def test_a_service_below_a_prefix(text):
    assert "/auth" + SIGN_IN in entries(text)


@pytest.mark.parametrize(
    "text",
    [
        "location /health { proxy_pass http://auth:4000; }",
        "return 301 https://$host; location / { proxy_pass http://auth:4000; }",
        "location / { return 403; proxy_pass http://auth:4000; }",
        "location / { proxy_pass http://app:3000; }",
        "location / { root /x; }",
    ],
)
def test_what_does_not_lead_to_sign_in(text):
    assert entries(text) == {}


def test_zones_modes_and_names():
    text = "limit_req_status 429; limit_req_dry_run on; limit_req zone=gone; location / { proxy_pass http://auth; }"
    found = entries(text)[SIGN_IN]
    assert found.status == "429" and found.limits[0]["defined"] is False and found.limits[0]["dry"] is True
    assert entries("limit_req zone=mapped; location / { proxy_pass http://auth; }")[SIGN_IN].limits[0]["keyed"] is True
    up = ZONES + "upstream pool { server auth:4000; }"
    assert SIGN_IN in entries("location / { proxy_pass http://pool; }", up)
    assert SIGN_IN in entries("location / { proxy_pass http://auth:4000$request_uri; }")
    assert "/v1/graphql" in entries("location / { proxy_pass http://hasura:8080; }")
    assert "/api/v1/graphql" in entries("location /api/ { proxy_pass http://hasura:8080/; }")


ALSO = "location / { limit_req zone=auth; proxy_pass http://hasura:8080; } "


# What arrives is what a real nginx 1.26 passed on.
@pytest.mark.parametrize(
    "text, path",
    [
        ("location = /graphql { proxy_pass http://hasura:8080/v1/graphql; }", "/graphql"),
        ("location /graphql { proxy_pass http://hasura:8080/v1/graphql; }", "/graphql"),
        ("location /api/ { proxy_pass http://hasura:8080/v1/; }", "/api/graphql"),
        ("location ~ ^/graphql$ { rewrite ^ /v1/graphql break; proxy_pass http://hasura:8080; }", "/graphql"),
        ("location /g { rewrite ^/g(.*)$ $1 break; return 404; proxy_pass http://hasura:8080/x/; }", "/g/v1/graphql"),
        ("set $u http://hasura:8080; location /g { proxy_pass $u/v1/graphql; }", "/g"),
        ("location /g/ { try_files $uri @up; } location @up { rewrite ^/g/(.*)$ /$1 break; proxy_pass http://hasura; }", "/g/v1/graphql"),
        ("location ~* ^/API/ { rewrite ^/api/(.*)$ /$1 break; proxy_pass http://hasura:8080; }", "/api/v1/graphql"),
        ("location /g { try_files /none /in; } location /in { internal; proxy_pass http://hasura/v1/graphql; }", "/in"),
    ],
)  # fmt: skip
def test_a_second_way_has_limits_of_its_own(text, path):
    if "@up" in text or "/in" in text:
        found = {way.path: way for way in ways_of(*server(text), lambda host: role_of(host, ""))[0]}
        assert len(found) == 1 and len(next(iter(found.values())).trail) == 2
        return
    found = entries(ALSO + text)
    assert found["/v1/graphql"].limits and found[path].limits == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("location / { proxy_pass http://auth:4000; }", "/healthz"),
        ("location /auth/ { proxy_pass http://auth:4000/; } location / { proxy_pass http://app; }", "/auth/healthz"),
        # Its own prefix is handed on: a service that knows of it answers below it.
        ("location /auth/ { proxy_pass http://auth:4000; } location / { proxy_pass http://app; }", "/auth/healthz"),
        ("location /auth/ { rewrite ^/auth(/.*)$ $1 break; proxy_pass http://auth:4000; }", "/auth/healthz"),
        ("location ~ ^/login/(.*)$ { proxy_pass http://auth:4000/$1; }", "/login/healthz"),
        (
            "location /in/ { rewrite ^/in(/.*)$ /x$1 last; } location /x/ { internal; proxy_pass http://auth:4000/; }",
            "/in/healthz",
        ),
        ("location / { try_files $uri @a; } location @a { proxy_pass http://auth:4000; }", "/healthz"),
        ("location / { return 404; } location = /x { return 404; }", None),
        ("location / { proxy_pass http://app; }", None),
        ("location ~ ^(a+)+$ { } location / { proxy_pass http://auth:4000; }", None),
    ],
)
def test_the_path_by_which_a_service_is_asked(text, path):
    config, found = server(text)
    assert way_to(config, found, lambda host: role_of(host, ""), "auth", "/healthz") == path


def test_a_target_of_many_variables_does_not_take_long():
    started = time.monotonic()
    config, found = server(
        "location @a { rewrite ^ %s/x; proxy_pass http://auth:4000; }" % ("/$a" * 40)
        + "location /b { rewrite ^/b %s$1- break; proxy_pass http://auth:4000; }" % ("$1" * 60)
    )
    try:
        ways_are_hidden(config, found, lambda host: role_of(host, ""))
    except Unclear:
        pass
    assert time.monotonic() - started < 2


def test_too_many_locations_are_not_followed():
    with pytest.raises(Unclear):
        entries("".join("location /a%d/ { proxy_pass http://auth; }" % number for number in range(600)))


def test_two_ways_to_one_location_are_two():
    text = "location /a/ { limit_req zone=auth; try_files /none @up; } location /b/ { try_files /none @up; } "
    text += "location @up { rewrite ^/[ab]/(.*)$ /$1 break; proxy_pass http://hasura; }"
    assert [bool(entry.limits) for entry in entries(text).values()] == [True, False]


def test_the_first_limit_on_a_way_counts():
    late = "location @up { limit_req zone=token; proxy_pass http://auth:4000; }"
    found = entries("location / { try_files /none @up; } " + late)
    assert [limit["zone"] for limit in found[SIGN_IN].limits] == ["token"] and found[SIGN_IN].location == "@up"
    found = entries("location / { limit_req zone=auth; try_files /none @up; } " + late)
    assert [limit["zone"] for limit in found[SIGN_IN].limits] == ["auth"]


@pytest.mark.parametrize(
    "text, hidden",
    [
        ("location / { proxy_pass http://auth:4000; }", False),
        ("location /health { proxy_pass http://auth:4000; }", False),
        ("location ~ ^/(live|ready)$ { proxy_pass http://auth:4000; }", False),
        ("location = /up { rewrite ^ /healthz break; proxy_pass http://auth:4000; }", False),
        ("location / { return 404; } location @x { proxy_pass http://auth:4000; }", True),
        ("location ~ ^/(v1|v2)/auth/ { rewrite ^/v./auth/(.*)$ /$1 break; proxy_pass http://auth:4000; }", True),
        ("location ~ ^/(a|b)/(.*)$ { proxy_pass http://auth:4000/$2; }", True),
        ("if ($x) { rewrite ^ /y last; } location / { proxy_pass http://auth:4000; }", False),
    ],
)
def test_what_may_lead_there_all_the_same_is_told(text, hidden):
    assert ways_are_hidden(*server(text), lambda host: role_of(host, "")) is hidden


@pytest.mark.parametrize(
    "key, http, text, holds",
    [
        ("$binary_remote_addr", "", "", True),
        ("${remote_addr}$uri", "", "", True),
        ("everybody", "", "", True),
        ("$server_name", "", "", True),
        ("$remote_addr$http_user_agent", "", "", False),
        ("$http_x_forwarded_for", "", "", False),
        ("$request_uri", "", "", False),
        ("$gone", "", "", False),
        ("$k", 'map $http_x $k { default $remote_addr; 1 ""; }', "", False),
        ("$k", "map $http_x $k { default $remote_addr; 1 $server_name; }", "", True),
        ("$k", "map $http_x $k { 1 $remote_addr; }", "", False),
        ("$k", 'map $request_method $k { default ""; POST $remote_addr; }', "", True),
        ("$k", 'geo $o { default 1; 10.0.0.0/8 0; } map $o $k { 0 ""; 1 $remote_addr; }', "", True),
        ("$k", 'geo $http_x $o { default 1; 10.0.0.0/8 0; } map $o $k { 0 ""; 1 $remote_addr; }', "", False),
        ("$k", 'geo $k { default ""; 10.0.0.0/8 1; }', "", False),
        ("$k", 'geo $k { default 1; 10.0.0.0/8 ""; }', "", True),
        ("$k", "map $k $k { default $k; }", "", False),
        ("$remote_addr", "", "set_real_ip_from 0.0.0.0/0;", False),
        ("$remote_addr", "set_real_ip_from ::/0;", "", False),
        ("$remote_addr", "", "set_real_ip_from 10.0.0.0/8; set_real_ip_from unix:; set_real_ip_from proxy;", True),
        ("$realip_remote_addr", "", "set_real_ip_from 0.0.0.0/0;", True),
    ],
)
def test_a_key_that_a_client_chooses_holds_nobody(key, http, text, holds):
    zone = "limit_req_zone %s zone=z:1m rate=1r/s; %s" % (key, http)
    found = entries(text + "limit_req zone=z; location / { proxy_pass http://auth; }", zone)
    assert found[SIGN_IN].limits[0]["keyed"] is holds


def test_a_location_does_not_undo_whom_the_server_believed():
    inner = "location / { set_real_ip_from 10.0.0.1; limit_req zone=auth; proxy_pass http://auth; }"
    assert entries("set_real_ip_from 0.0.0.0/0; " + inner)[SIGN_IN].limits[0]["keyed"] is False


def patience(text, http=ZONES):
    config, found = server(text, http)
    return patience_of(config, found, lambda host: role_of(host, ""))


def test_patience():
    found = patience("location / { proxy_pass http://auth; }")
    assert found == {"header_timeout": 60.0, "body_timeout": 60.0, "body": 1 << 20, "unlimited": ["/"]}
    found = patience(
        "client_header_timeout 10s; client_body_timeout 1m5s; limit_conn each 5; location / { proxy_pass http://auth; }"
        " location /up { client_body_timeout 5m; client_max_body_size 0; proxy_pass http://auth; }"
    )
    assert found == {"header_timeout": 10.0, "body_timeout": 300.0, "body": 0, "unlimited": []}
    found = patience("client_max_body_size 5G; location / { proxy_pass http://minio:9000; limit_conn gone 1; }")
    assert found["body"] is None and found["unlimited"] == ["/"]
    with pytest.raises(Unclear):
        patience("client_header_timeout $x;")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("15", 15.0),
        ("15s", 15.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("1d", 86400.0),
        ("x", None),
        ("", None),
        ("1x", None),
    ],
)
def test_times(text, expected):
    assert context.seconds(text) == expected


def test_sizes_and_rates():
    assert [context.size(text) for text in ("1", "1k", "2M", "1g", "1t", "")] == [1, 1024, 2 << 20, 1 << 30, None, None]
    assert [context.per_minute(text) for text in ("10r/s", "10r/m", "10", "r/s")] == [600.0, 10.0, None, None]


NAMES = [
    "location", "rewrite", "return", "proxy_pass", "add_header", "limit_req", "limit_conn", "if", "set", "map", "upstream",
    "server", "limit_req_zone", "try_files", "geo", "set_real_ip_from", "internal", "add_header_inherit", "client_max_body_size",
]  # fmt: skip
WORDS = [
    "/",
    "~",
    "=",
    "^~",
    "/a",
    "$a",
    "http://auth:1",
    "http://$a",
    "zone=x:1m",
    "zone=x",
    "merge",
    "last",
    "@x",
    "0.0.0.0/0",
    "^(.*)$",
    "1",
]
TREES = st.recursive(
    st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(WORDS), max_size=3), st.none()),
    lambda inner: st.tuples(
        st.sampled_from(NAMES), st.lists(st.sampled_from(WORDS), max_size=3), st.lists(inner, max_size=4)
    ),
    max_leaves=15,
)


def written(item):
    name, words, block = item
    return " ".join([name] + words) + (";" if block is None else " {%s}" % "".join(map(written, block)))


@given(st.lists(TREES, max_size=6))
def test_strange_configurations_are_judged_or_unclear(items):
    text = "".join(map(written, items))
    config, found = server(text, text)
    for look in (
        lambda: sites_of(config),
        lambda: places_of(http_of(config), found),
        lambda: entries_of(config, found, lambda host: role_of(host, "")),
        lambda: patience_of(config, found, lambda host: role_of(host, "")),
        lambda: way_to(config, found, lambda host: role_of(host, ""), "auth", "/healthz"),
    ):
        try:
            look()
        except Unclear:
            pass

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's language: what it means is read as nginx reads it, what it refuses is refused."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import sites_of
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import ParseError, load, named, walk
from hypothesis import given
from hypothesis import strategies as st


def words(text):
    return [(item.name,) + item.args for item in walk(load(text))]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a b;c;", [("a", "b"), ("c",)]),
        ("a 'b ; c' \"d { e\";", [("a", "b ; c", "d { e")]),
        ("a b#c; # d; }\n e;", [("a", "b#c"), ("e",)]),
        ("return 200 'healthy\\n';", [("return", "200", "healthy\n")]),
        (r"a 'it\'s' \"b\" c\\d;", [("a", "it's", '"b"', "c\\d")]),
        (r"location ~ \.php$ { }", [("location", "~", r"\.php$")]),
        ("proxy_pass http://${up}/x$y;", [("proxy_pass", "http://${up}/x$y")]),
        ('location ~ "^/a{2}$" {b;}', [("location", "~", "^/a{2}$"), ("b",)]),
        ("add_header X '';", [("add_header", "X", "")]),
        ('if ($a = "b"){return 1;}', [("if", "($a", "=", "b", ")"), ("return", "1")]),
        ("a b}c;", [("a", "b}c")]),
        ("a\\;b;", [("a\\;b",)]),
        ("", []),
        ("# nothing", []),
        ("a\r\n b\t;\r\n", [("a", "b")]),
    ],
)
def test_what_is_read(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a {",
        "}",
        "a { b }",
        ";",
        "{}",
        "a 'b",
        'a "b',
        "a 'b'c;",
        "a { } }",
        "x_by_lua_block { a",
        "x_by_lua_block { '}",
        "x_by_lua_block { --[[ }",
        "x_by_lua_block { --}",
        "a {" * 80,
    ],
)
def test_what_is_refused(text):
    with pytest.raises(ParseError):
        load(text, "x.conf")


def test_lua_is_left_out():
    text = """a; access_by_lua_block {
        if x then t = { a = "}", b = '\\'}', c = [==[ ]] } ]==] } end -- }
        --[[ } ]] f{}
    } b 1;"""
    tree = load(text)
    assert [(item.name, item.block, item.line) for item in tree] == [
        ("a", None, 1),
        ("access_by_lua_block", (), 1),
        ("b", None, 4),
    ]


@given(st.text(alphabet="ab{}[]=-'\"\\\n", max_size=40))
def test_any_lua_ends_or_is_refused(text):
    try:
        tree = load("x_by_lua_block {%s} last;" % text)
    except ParseError:
        return
    assert tree[0].block == ()


def test_a_refusal_quotes_nothing():
    with pytest.raises(ParseError) as caught:
        load("a;\nproxy_set_header X 'hunter2", "/etc/nginx/a.conf")
    assert "hunter2" not in str(caught.value) and "/etc/nginx/a.conf line 2" in str(caught.value)


def test_lines_are_counted_across_quotes_and_comments():
    tree = load("a 'x\ny'; # z\n\nb;\n", "f")
    assert [(item.name, item.line) for item in tree] == [("a", 1), ("b", 4)]


def test_an_include_stands_where_it_was_written():
    files = {"in.conf": "b; server { include more; }", "more": "c 1;\nd;"}
    tree = load("a; http { include in.conf; e; }", "main", lambda name: [(name, files[name])])
    assert [item.name for item in walk(tree)] == ["a", "http", "b", "server", "c", "d", "e"]
    assert [(item.file, item.line) for item in walk(tree) if item.name == "d"] == [("more", 2)]


@pytest.mark.parametrize(
    "include",
    [
        lambda name: [(name, "include x;")],
        lambda name: [(name + "x", "include %sx;" % name)],
        lambda name: [(str(number), "a;") for number in range(3000)],
    ],
)
def test_includes_without_end_are_refused(include):
    with pytest.raises(ParseError):
        load("include x;", "main", include)


def test_an_include_takes_one_file():
    with pytest.raises(ParseError):
        load("include a b;", "main", lambda name: [])


@given(st.text(alphabet="ab {};\"'\\#$\n\t()", max_size=80))
def test_rubbish_is_read_or_refused(text):
    try:
        tree = load(text, "x")
    except ParseError:
        return
    assert all(item.name or item.args is not None for item in walk(tree))
    sites_of(tree)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        load("http { server { %s } }" % text, "x", lambda name: [(name, text)])
    except ParseError:
        pass


WORDS = st.text(alphabet=st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=8)


@given(st.lists(st.lists(WORDS, min_size=1, max_size=4), max_size=5))
def test_what_is_quoted_comes_back(lines):
    quoted = [["'%s'" % word.replace("\\", "\\\\").replace("'", "\\'") for word in line] for line in lines]
    tree = load("".join(" ".join(line) + ";\n" for line in quoted))
    assert [[item.name] + list(item.args) for item in tree] == lines


NAMES = ["listen", "server_name", "proxy_pass", "set", "upstream", "map", "server", "location", "ssl_certificate"]
DIRECTIVES = st.recursive(
    st.tuples(
        st.sampled_from(NAMES), st.lists(st.sampled_from(["80", "$a", "443", "ssl", "[::]:1", "x:y", "unix:/s"]))
    ),
    lambda inner: st.tuples(st.sampled_from(NAMES), st.lists(inner, max_size=4)),
    max_leaves=12,
)


def written(item):
    name, rest = item
    if all(isinstance(part, str) for part in rest):
        return "%s %s;" % (name, " ".join(rest))
    return "%s {%s}" % (name, "".join(written(part) for part in rest))


@given(st.lists(DIRECTIVES, max_size=5))
def test_sites_of_strange_configurations(items):
    sites = sites_of(load("http { server { listen 80; %s } %s }" % (("".join(map(written, items)),) * 2)))
    assert sites and sites[0].listens


# -- sites ---------------------------------------------------------------------------------------------------------------

DEMO = """
http {
    upstream api { server hasura:8080; server 10.0.0.2:80 weight=2; }
    map $host $pool { default http://blue:1; b.example.com http://green:2; }
    ssl_certificate /a.pem;
    server { listen 80 default_server; server_name _; return 301 https://$host; }
    server { listen 443 ssl; server_name API.example.com *.example.org ~^x$; ssl_certificate_key /k.pem;
        location / { proxy_pass http://api; }
        location /g { grpc_pass grpc://Grpc:50051; } }
    server { listen [::]:443; listen 443; listen unix:/s; listen 443 quic; server_name b;
        set $upstream http://go_grpc:8003;
        location / { proxy_pass $upstream; location /x { proxy_pass ${pool}/y; } }
        location /dyn { proxy_pass http://$http_host; } }
    server { location / { proxy_pass http://unix:/run/x.sock; } }
}
"""


def test_sites():
    first, second, third, fourth = sites_of(load(DEMO, "n.conf"))
    assert first.names == () and first.listens[0].default and not first.tls
    assert second.names == ("api.example.com", "*.example.org", "~^x$") and second.plain_names == ("api.example.com",)
    assert (second.certificate, second.key) == ("/a.pem", "/k.pem")
    assert second.upstreams == ("hasura", "10.0.0.2", "grpc")
    # TLS is the socket's: another server on the same address has it without saying so.
    heard = [(listen.address, listen.port, listen.tls, listen.default) for listen in third.listens]
    assert heard == [("[::]", 443, False, True), ("*", 443, True, False)]
    assert third.upstreams == ("go_grpc", "blue", "green")
    assert fourth.listens[0].port == 80 and not fourth.listens[0].default and fourth.upstreams == ()
    assert named(load(DEMO), "http")


def test_directives_know_where_they_stand():
    inner = "a.inc: say 'x;y' z ;\n"
    text = "# first\nhttp { include a.inc; server { listen 80; }  lua_x_by_lua_block { return {} } }\nend on;\n"
    found = {item.name: item for item in walk(load(text, "n.conf", lambda _pattern: [("a.inc", inner)]))}
    assert inner[found["a.inc:"].start : found["a.inc:"].end] == "a.inc: say 'x;y' z ;"
    pieces = {name: text[item.start : item.end] for name, item in found.items() if item.file == "n.conf"}
    assert pieces["server"] == "server { listen 80; }" and pieces["listen"] == "listen 80;"
    assert pieces["lua_x_by_lua_block"] == "lua_x_by_lua_block { return {} }" and pieces["end"] == "end on;"
    assert pieces["http"].startswith("http {") and pieces["http"].endswith("} }")
    assert text[found["server"].inside : found["server"].end - 1] == " listen 80; " and found["listen"].inside == 0

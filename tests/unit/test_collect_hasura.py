# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running Hasura is asked, with its secret and as a stranger, against an engine made of a function."""

from __future__ import annotations

import json

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import graphql_answer, hasura_metadata
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st
from test_collect_deployment import SECRET, collect, engine, inspected, project

FILTER = {"id": {"_eq": "X-Hasura-User-Id"}}
METADATA = {
    "resource_version": 7,
    "metadata": {
        "sources": [
            {
                "name": "default",
                "kind": "postgres",
                "configuration": {"connection_info": {"pool_settings": {"max_connections": 20}}},
                "tables": [
                    {
                        "table": {"schema": "public", "name": "posts"},
                        "select_permissions": [
                            {"role": "public", "permission": {"filter": {}, "columns": ["id"], "limit": 5}},
                            {"role": "user", "permission": {"filter": FILTER, "columns": "*"}},
                        ],
                        "insert_permissions": [
                            {"role": "user", "permission": {"check": FILTER}},
                            {"role": "job", "permission": {"check": {}, "backend_only": True}},
                        ],
                    },
                    {
                        "table": {"schema": "auth", "name": "users"},
                        "select_permissions": [{"role": "user", "permission": {"filter": FILTER, "columns": "*"}}],
                    },
                ],
                "functions": [
                    {
                        "function": "add",
                        "configuration": {"exposed_as": "mutation"},
                        "permissions": [{"role": "user"}],
                    }
                ],
            }
        ],
        "actions": [{"name": "mail", "permissions": [{"role": "public"}], "definition": {"type": "mutation"}}],
    },
}
LEAF = {"kind": "NON_NULL", "ofType": {"kind": "SCALAR", "ofType": None}}
ROWS = {"kind": "NON_NULL", "ofType": {"kind": "LIST", "ofType": {"kind": "OBJECT", "ofType": None}}}


def answer(status, document, reason="X"):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n\r\n" % (status, reason.encode()) + body


class Engine:
    """A Hasura. secret: its admin secret; role: the one of requests without a token; shown: the operations of that role."""

    def __init__(self, secret=SECRET, role=None, shown=(), internals=False, console=False, metadata=None):
        self.secret, self.role, self.shown = secret, role, shown
        self.internals, self.has_console = internals, console
        self.metadata = METADATA if metadata is None else metadata
        self.asked = []

    def __call__(self, sent):
        head, _blank, body = sent.decode().partition("\r\n\r\n")
        method, path = head.split()[:2]
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
        admin = not self.secret or headers.get("x-hasura-admin-secret") == self.secret.lower()
        self.asked.append((method, path, admin))
        if path == "/console":
            return answer(200, b"<!doctype html>") if self.has_console else answer(404, {"code": "not-found"})
        if path == "/v1/metadata":
            if admin:
                return answer(200, self.metadata)
            return answer(400 if self.role else 401, {"code": "access-denied", "error": "no", "path": "$"})
        return answer(200, self.graphql(json.loads(body)["query"], admin, headers))

    def graphql(self, query, admin, headers):
        if query.count("{") != query.count("}"):
            extensions = {"code": "validation-failed"}
            extensions.update({"internal": {}} if self.internals else {})
            return {"errors": [{"message": "not a valid graphql query", "extensions": extensions}]}
        if "__type" in query and admin and headers.get("x-hasura-role") == "user":
            fields = [{"name": "token", "type": LEAF}, {"name": "secrets", "type": ROWS}, {"name": "id", "type": LEAF}]
            return {"data": {"t0": {"fields": fields}, "t1": None}}
        if not admin and not self.role:
            return {"errors": [{"message": "no", "extensions": {"code": "access-denied"}}]}
        names = self.shown or ["no_queries_available"]
        return {"data": {"__schema": {"queryType": {"name": "q", "fields": [{"name": n} for n in names]}}}}


def facts_of(peer, place=("127.0.0.1", 8080), secret=SECRET):
    running = inspected("hasura", "x", env=["HASURA_GRAPHQL_ADMIN_SECRET=%s" % secret] if secret else [])
    running["NetworkSettings"]["Networks"] = {"app": {"IPAddress": "172.18.0.5"}}
    facts = collect(FakeHost(project(), commands=engine(running), peers={place: peer}))
    assert SECRET not in repr(facts)
    return facts["hasura"]


@pytest.mark.parametrize("place", [("127.0.0.1", 8080), ("172.18.0.5", 8080)])
def test_hasura_is_asked_for_its_permissions_with_its_own_secret(place):
    found = facts_of(Engine(), place)
    keys = ("role", "table", "action", "filtered", "columns", "limit")
    rows = [tuple(entry[key] for key in keys) for entry in found["permissions"]]
    assert rows[0] == ("public", "mail", "action", False, [], None)
    assert rows[1] == ("public", "public.posts", "select", False, ["id"], 5)
    # What only a backend may do is nobody's, and the name of another table's rows is no column.
    assert rows[2][:4] == ("user", "auth.users", "select", True) and rows[2][4] == ["id", "token"]
    assert rows[3] == ("user", "public.add", "function", False, [], None)
    assert rows[4] == ("user", "public.posts", "insert", True, [], None)
    assert rows[5][:4] == ("user", "public.posts", "select", True) and isinstance(rows[5][4], Unread)
    assert found["pools"] == [{"source": "default", "most": 20}]


@pytest.mark.parametrize(
    ("rule", "narrow"),
    [
        ({}, False),
        (None, False),
        ({"_and": []}, False),
        ({"_and": [{}, {"_or": [{}, {"id": {"_eq": 1}}]}]}, False),
        ({"id": {}}, False),
        ({"_or": [{"id": {"_eq": 1}}, {}]}, False),
        (FILTER, True),
        ({"_and": [{}, FILTER]}, True),
        ({"_or": [FILTER, FILTER]}, True),
        ({"_or": []}, True),
        ({"_not": {}}, True),
        ({"_exists": {"_table": {"name": "x", "schema": "public"}, "_where": {}}}, True),
    ],
)
def test_a_rule_that_keeps_no_row_out_is_no_filter(rule, narrow):
    assert hasura_metadata.narrows(rule) is narrow


def test_a_closed_engine_gives_nothing_away():
    peer = Engine()
    assert facts_of(peer)["engines"] == [
        {"service": "hasura", "metadata_denied": True, "schema_fields": 0, "internals": False, "console": False}
    ]
    assert {method for method, _path, _admin in peer.asked} == {"GET", "POST"}
    assert [path for _method, path, admin in peer.asked if not admin].count("/v1/metadata") == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_engine_that_is_down_or_asked_too_often_refuses_nothing(status):
    found = facts_of(lambda sent: answer(status, {"error": "later", "errors": [{"message": "later"}]}))["engines"][0]
    assert all(isinstance(found[key], Unread) for key in ("metadata_denied", "schema_fields", "internals", "console"))


def test_what_is_no_error_shows_no_internals_and_proves_nothing():
    found = facts_of(lambda sent: answer(200, {"status": "ok"}))["engines"][0]
    assert isinstance(found["internals"], Unread) and isinstance(found["schema_fields"], Unread)


def test_an_open_engine_is_told_by_its_answers():
    found = facts_of(Engine("", "public", ["users", "posts"], True, True), secret="")["engines"]
    assert found == [
        {"service": "hasura", "metadata_denied": False, "schema_fields": 2, "internals": True, "console": True}
    ]


def test_a_role_that_may_do_nothing_is_shown_no_operation():
    found = facts_of(Engine(role="public"))["engines"][0]
    assert found["schema_fields"] == 0 and found["metadata_denied"] is True


@pytest.mark.parametrize(
    "peer",
    [
        answer(502, b"bad gateway"),
        answer(200, b"rubbish"),
        answer(200, []),
        b"SSH-2.0-x\r\n",
        b"",
        HostError("timeout", "127.0.0.1:8080", "no answer in time"),
    ],
)
def test_an_answer_that_is_no_hasuras_is_unread(peer):
    found = facts_of(peer)
    assert isinstance(found["permissions"], Unread) and isinstance(found["pools"], Unread)
    assert isinstance(found["engines"][0]["schema_fields"], Unread)
    assert isinstance(found["engines"][0]["internals"], Unread)
    assert found["engines"][0]["metadata_denied"] is not True


def test_a_secret_with_a_line_break_is_never_sent():
    assert isinstance(facts_of(Engine(), secret="a\r\nX-Evil: b")["permissions"], Unread)


def test_where_no_hasura_runs_nobody_is_asked():
    found = collect(FakeHost(project(), commands=engine()))["hasura"]
    assert found["engines"] == [] and isinstance(found["permissions"], Unread)


@pytest.mark.parametrize(
    "status, document, denied",
    [
        (200, {}, False),
        (401, None, True),
        (403, None, True),
        (404, {"code": "not-found"}, True),
        (400, {"code": "access-denied"}, True),
        (400, {"code": "parse-failed"}, None),
        (500, {"code": "access-denied"}, None),
        (302, None, None),
    ],
)
def test_what_counts_as_denied(status, document, denied):
    assert graphql_answer.is_denied(status, document) is denied


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "metadata sources tables table name schema role permission select_permissions insert_permissions columns limit "
                "filter actions functions configuration data errors extensions __schema queryType fields internal type kind ofType".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_rubbish_is_refused_and_never_a_traceback(document):
    for parse in (hasura_metadata.permissions_of, hasura_metadata.pools_of):
        try:
            parse(document)
        except ValueError:
            pass
    graphql_answer.is_denied(400, document)
    graphql_answer.plain_fields(document)
    assert graphql_answer.has_internals(document) in (True, False)
    shown = graphql_answer.fields_shown(document)
    assert shown is None or shown >= 0


@given(JSON)
def test_a_document_without_sources_is_no_metadata(document):
    metadata = document.get("metadata", document) if isinstance(document, dict) else None
    if not (isinstance(metadata, dict) and "sources" in metadata):
        with pytest.raises(ValueError):
            hasura_metadata.permissions_of(document)

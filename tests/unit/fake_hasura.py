# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack with a Hasura that answers: the stand-in of the test hosts, in this process."""

from __future__ import annotations

import importlib
import json
import pathlib

from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.hasura import Hasura
from fake_host import FakeHost
from fake_stack import FakeStack

SERVICES = pathlib.Path(__file__).resolve().parents[1] / "hosts/services"
ADMIN, ROLE = "HASURA_GRAPHQL_ADMIN_SECRET", "HASURA_GRAPHQL_UNAUTHORIZED_ROLE"
STRONG = "9f3c1e7ab04d5286c1d9e0f7a3b245860e1f2a3b4c5d6e7f8a9bacbdcedfe0f1"
OTHER = STRONG[::-1]
WEAK = "demo-admin-secret"
OWN = {"user_id": {"_eq": "X-Hasura-User-Id"}}
PLACE = ("172.18.0.10", 8080)


def permission(role, **rule):
    return {"role": role, "permission": rule}


def metadata(**lists):
    """Return exported metadata with one table; lists: its <action>_permissions."""
    tables = [
        dict({"table": {"schema": "public", "name": "posts"}}, **lists),
        {"table": {"schema": "public", "name": "users"}},
    ]
    return {"version": 3, "sources": [{"name": "default", "kind": "postgres", "tables": tables}]}


FILTERED = permission("public", columns=["id", "title"], filter={"published": {"_eq": True}}, limit=20)
OPEN = permission("public", columns=["id", "title"], filter={}, limit=20)


class Request:
    def __init__(self, sent):
        head, _blank, self.body = sent.decode().partition("\r\n\r\n")
        lines = head.split("\r\n")
        self.method, self.path = lines[0].split()[:2]
        self.headers = {name.title(): value for name, value in (line.split(": ", 1) for line in lines[1:])}

    def json(self):
        return json.loads(self.body) if self.body else None


def starter(monkeypatch, tmp_path):
    """Return a function that starts the stand-in with an environment and metadata and returns it: it answers as a peer of FakeHost."""
    monkeypatch.syspath_prepend(str(SERVICES))
    monkeypatch.delenv("HASURA_GRAPHQL_DATABASE_URL", raising=False)

    def start(environment, export):
        for name in (
            "ADMIN_SECRET",
            "UNAUTHORIZED_ROLE",
            "ENABLED_APIS",
            "CORS_DOMAIN",
            "DISABLE_CORS",
            "ENABLE_CONSOLE",
            "DEV_MODE",
        ):
            monkeypatch.delenv("HASURA_GRAPHQL_" + name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        file = tmp_path / "metadata.json"
        file.write_text(json.dumps(export))
        monkeypatch.setenv("STAND_IN_METADATA", str(file))
        module = importlib.reload(importlib.import_module("stand_in_hasura"))
        monkeypatch.setattr(module, "sql", lambda text: "")
        asked = module.asked = []

        def peer(sent):
            request = Request(sent)
            asked.append((request.method, request.path, request.body))
            status, kind, text, headers = (list(module.answer(request)) + [[]])[:4]
            lines = ["HTTP/1.1 %d X" % status, "Content-Type: " + kind] + ["%s: %s" % pair for pair in headers]
            return ("\r\n".join(lines) + "\r\n\r\n" + text).encode()

        module.peer = peer
        return module

    return start


def demo(engine, export=None, running=None, variables=None, raw=None, services=None, command=None, files=None):
    """Return a stack as nself generates it, and its engine. running: what its hasura container has beyond the model."""
    settings = dict({ADMIN: WEAK, "BASE_DOMAIN": "localhost"}, **(variables or {}))
    written = {
        ADMIN: "${%s}" % ADMIN,
        "HASURA_GRAPHQL_ENABLE_CONSOLE": "${HASURA_GRAPHQL_ENABLE_CONSOLE:-false}",
        "HASURA_GRAPHQL_CORS_DOMAIN": "${HASURA_GRAPHQL_CORS_DOMAIN}",
        ROLE: "public",
    }
    model = {
        ADMIN: settings[ADMIN],
        "HASURA_GRAPHQL_ENABLE_CONSOLE": "true",
        "HASURA_GRAPHQL_CORS_DOMAIN": settings.get("HASURA_GRAPHQL_CORS_DOMAIN", "http://localhost:3000"),
        ROLE: "public",
    }
    hasura = {"image": "hasura/graphql-engine:v2.36.0", "command": command}
    models = {"hasura": dict(hasura, environment=model)}
    raws = {"hasura": dict(hasura, environment=dict(written, **(raw or {})))}
    models["hasura"]["environment"].update({name: value for name, value in (raw or {}).items() if "$" not in value})
    for name, (value, filled) in (services or {}).items():
        raws[name], models[name] = {"environment": value}, {"environment": filled}
    now = dict(model, **(running or {}))
    now = {name: value for name, value in now.items() if value is not None}
    containers = {"hasura": {"Config": {"Env": ["%s=%s" % pair for pair in now.items()]}, "Args": command or []}}
    stand_in = engine(now, metadata() if export is None else export)
    there = {"/srv/app/" + name: text for name, text in (files or {}).items()}
    stack = FakeStack(models, raws, containers, variables=settings, host=FakeHost(there, peers={PLACE: stand_in.peer}))
    return stack, stand_in


def part_of(stack, secrets=None, **options):
    given = {name: entry.get("default") for name, entry in Hasura.SPEC.items()}
    return Hasura(stack, dict(given, **options), secrets or {})


def environment(plan, service="hasura"):
    return plan.fragment["services"][service]["environment"]

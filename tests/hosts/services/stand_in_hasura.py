# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A STAND-IN for Hasura: what its environment opens and closes, with metadata from a file that is read at each request.

What the metadata API changes is kept in PostgreSQL from then on, as the real one keeps all of it.
"""

import copy
import json
import os
import pathlib
import subprocess
import sys
import threading

from stand_in import psql_environment

METADATA = pathlib.Path(os.environ.get("STAND_IN_METADATA", "/stand-in/metadata.json"))
SECRET = os.environ.get("HASURA_GRAPHQL_ADMIN_SECRET", "")
ROLE = os.environ.get("HASURA_GRAPHQL_UNAUTHORIZED_ROLE", "")
APIS = os.environ.get("HASURA_GRAPHQL_ENABLED_APIS", "metadata,graphql,pgdump,config").split(",")
ORIGINS = os.environ.get("HASURA_GRAPHQL_CORS_DOMAIN", "*")
KEPT = {"version": 1}  # "metadata": what was changed, "version": how often
LOCK = threading.Lock()
# action: what a permission of it must say
NEEDED = {"select": ("columns", "filter"), "insert": ("check",), "update": ("columns", "filter"), "delete": ("filter",)}
if ROLE == "" and "HASURA_GRAPHQL_UNAUTHORIZED_ROLE" in os.environ:
    sys.exit("Fatal Error:- Environment variable HASURA_GRAPHQL_UNAUTHORIZED_ROLE: empty string not allowed")
# path -> the API that it belongs to; all but graphql are for administrators
PATHS = {
    "/v1/graphql": "graphql",
    "/v1/metadata": "metadata",
    "/v1/query": "metadata",
    "/v2/query": "metadata",
    "/v1alpha1/pg_dump": "pgdump",
    "/v1alpha1/config": "config",
}


def on(name):
    return os.environ.get("HASURA_GRAPHQL_" + name, "false").lower() in ("true", "t", "yes", "y", "1")


def problem(status, code, text, **more):
    return status, "application/json", json.dumps(dict({"path": "$", "error": text, "code": code}, **more))


def errors(code, text, **more):
    return (
        200,
        "application/json",
        json.dumps({"errors": [{"message": text, "extensions": dict({"path": "$", "code": code}, **more)}]}),
    )


class Wrong(Exception):
    """A command of the metadata API that Hasura refuses. args: code, text."""


def metadata():
    if "metadata" in KEPT:
        return KEPT["metadata"]
    try:
        return json.loads(METADATA.read_text())
    except OSError:
        return {"version": 3, "sources": [{"name": "default", "kind": "postgres", "tables": []}]}


def sql(text):
    """Run SQL as the service; return what it printed, "" where that fails."""
    words = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    environment = psql_environment(os.environ.get("HASURA_GRAPHQL_DATABASE_URL", ""))
    return subprocess.run(
        words, input=text, env=environment, capture_output=True, text=True, check=False
    ).stdout.strip()


def load():
    if "HASURA_GRAPHQL_DATABASE_URL" not in os.environ:
        return
    found = sql(
        "SELECT json_build_object('metadata', metadata, 'version', resource_version) FROM hdb_catalog.hdb_metadata"
    )
    if found:
        KEPT.update(json.loads(found))


def keep(changed):
    KEPT.update(metadata=changed, version=KEPT["version"] + 1)
    sql(
        "SET client_min_messages = error; CREATE SCHEMA IF NOT EXISTS hdb_catalog; "
        "CREATE TABLE IF NOT EXISTS hdb_catalog.hdb_metadata (id integer PRIMARY KEY, metadata json NOT NULL, resource_version integer NOT NULL); "
        "INSERT INTO hdb_catalog.hdb_metadata VALUES (1, $json$%s$json$, %d) ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata, "
        "resource_version = excluded.resource_version" % (json.dumps(changed), KEPT["version"])
    )


def change(document, command):
    """Carry out one command of the metadata API. Raises Wrong."""
    kind, args = command.get("type", ""), command.get("args") or {}
    if kind == "bulk":
        for item in args:
            change(document, item)
        return
    found = args.get("table")
    name = {"schema": "public", "name": found} if isinstance(found, str) else found
    source = next((item for item in document["sources"] if item["name"] == args.get("source", "default")), None)
    if source is None:
        raise Wrong("not-exists", "source with name %r does not exist" % args.get("source"))
    table = next((item for item in source.setdefault("tables", []) if item["table"] == name), None)
    if kind == "pg_track_table":
        if table is not None:
            raise Wrong("already-tracked", "view/table already tracked: %r" % name)
        source["tables"].append({"table": name})
        return
    verb, _pg, action = kind.replace("pg_", "", 1).replace("_permission", "").partition("_")
    if verb not in ("create", "drop") or action not in NEEDED:
        raise Wrong("parse-failed", "unknown metadata command %s" % kind)
    if table is None:
        raise Wrong("not-exists", "table %r does not exist in source" % name)
    entries = table.setdefault(action + "_permissions", [])
    there = [entry for entry in entries if entry["role"] == args.get("role")]
    if verb == "drop":
        if not there:
            raise Wrong(
                "not-exists", "%s permission on %r for role %r does not exist" % (action, name, args.get("role"))
            )
        entries.remove(there[0])
        return
    if there:
        raise Wrong("already-exists", "permission already defined on table %r with role %r" % (name, args["role"]))
    missing = [key for key in NEEDED[action] if key not in args["permission"]]
    if missing:
        raise Wrong("parse-failed", "key %r not found" % missing[0])
    entries.append({key: args[key] for key in ("role", "permission", "comment") if key in args})


def administrate(command):
    """Answer a command of the metadata API: all of a bulk holds, or none of it."""
    if command.get("type") == "export_metadata":
        return 200, "application/json", json.dumps({"resource_version": KEPT["version"], "metadata": metadata()})
    with LOCK:
        if command.get("resource_version", KEPT["version"]) != KEPT["version"]:
            return problem(409, "conflict", "metadata resource version referenced does not match current version")
        changed = copy.deepcopy(metadata())
        try:
            change(changed, command)
        except Wrong as wrong:
            return problem(400, *wrong.args)
        keep(changed)
    return 200, "application/json", json.dumps([{"message": "success"}])


def role_of(request):
    """Return the role that a request acts as, or None where it is refused."""
    given = request.headers.get("X-Hasura-Admin-Secret")
    if not SECRET or given == SECRET:
        return request.headers.get("X-Hasura-Role", "admin")
    return None if given is not None else ROLE or None


def selectable(role):
    tables = [table for source in metadata()["sources"] for table in source.get("tables", [])]
    return [
        table["table"]["name"]
        for table in tables
        if role == "admin" or any(entry["role"] == role for entry in table.get("select_permissions", []))
    ]


def graphql(request, role):
    query = (request.json() or {}).get("query", "")
    if role is None:
        return errors("access-denied", "x-hasura-admin-secret/x-hasura-access-key required, but not found")
    if query.count("{") != query.count("}") or "{" not in query:
        internal = {"internal": {"statement": "SELECT", "prepared": False}} if on("DEV_MODE") else {}
        return errors("validation-failed", "not a valid graphql query", **internal)
    if on("ENABLE_ALLOWLIST") and role != "admin":
        return errors("validation-failed", "query is not allowed")
    if "__schema" in query:
        closed = metadata().get("graphql_schema_introspection", {}).get("disabled_for_roles", [])
        if role in closed:
            return errors("validation-failed", "GraphQL introspection is not allowed for the current role.")
        fields = [{"name": name} for name in selectable(role)] or [{"name": "no_queries_available"}]
        schema = {
            "queryType": {"name": "query_root", "fields": fields},
            "mutationType": None,
            "types": [{"name": "query_root", "fields": fields}],
        }
        return 200, "application/json", json.dumps({"data": {"__schema": schema}})
    return 200, "application/json", json.dumps({"data": {"__typename": "query_root"}})


def inner(request):
    role = role_of(request)
    if request.path == "/healthz":
        return 200, "text/plain", "OK"
    if request.path == "/v1/version":
        return 200, "application/json", json.dumps({"server_type": "ce", "version": "v2.36.0"})
    if request.path == "/" and on("ENABLE_CONSOLE"):
        return 302, "text/html", "/console"
    if request.path.split("/")[1] == "console" and on("ENABLE_CONSOLE"):
        return (
            200,
            "text/html; charset=utf-8",
            "<html><head><title>Hasura Console</title><script>window.__env={}</script></head></html>",
        )
    api = PATHS.get(request.path)
    if api is None or api not in APIS:
        return problem(404, "not-found", "resource does not exist")
    if api == "graphql":
        return graphql(request, role)
    if role is None:
        return problem(401, "access-denied", "x-hasura-admin-secret/x-hasura-access-key required, but not found")
    if role != "admin":
        return problem(400, "access-denied", "restricted access : admin only")
    if request.path == "/v1/metadata":
        return administrate(request.json() or {})
    if api == "config":
        return 200, "application/json", json.dumps({"version": "v2.36.0", "is_admin_secret_set": bool(SECRET)})
    return problem(400, "parse-failed", "unknown type")


def answer(request):
    if on("DISABLE_CORS"):
        return inner(request) if request.method != "OPTIONS" else problem(404, "not-found", "resource does not exist")
    origin = request.headers.get("Origin")
    headers = []
    if origin and (ORIGINS == "*" or origin in [item.strip() for item in ORIGINS.split(",")]):
        headers = [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true")]
    if request.method == "OPTIONS":
        if headers:
            headers += [
                ("Access-Control-Max-Age", "1728000"),
                ("Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE,OPTIONS"),
            ]
        return 204, "text/plain", "", headers
    return inner(request) + (headers,)


load()

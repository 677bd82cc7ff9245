# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A STAND-IN for Hasura: what its environment opens and closes, with metadata from a file that is read at each request."""

import json
import os
import pathlib

METADATA = pathlib.Path(os.environ.get("STAND_IN_METADATA", "/stand-in/metadata.json"))
SECRET = os.environ.get("HASURA_GRAPHQL_ADMIN_SECRET", "")
ROLE = os.environ.get("HASURA_GRAPHQL_UNAUTHORIZED_ROLE", "")
APIS = os.environ.get("HASURA_GRAPHQL_ENABLED_APIS", "metadata,graphql,pgdump,config").split(",")
ORIGINS = os.environ.get("HASURA_GRAPHQL_CORS_DOMAIN", "*")
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


def metadata():
    try:
        return json.loads(METADATA.read_text())
    except OSError:
        return {"version": 3, "sources": [{"name": "default", "kind": "postgres", "tables": []}]}


def role_of(request):
    """Return the role that a request acts as, or None where it is refused."""
    given = request.headers.get("X-Hasura-Admin-Secret")
    if not SECRET or given == SECRET:
        return "admin"
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
    kind = (request.json() or {}).get("type")
    if api == "metadata" and kind == "export_metadata":
        return 200, "application/json", json.dumps({"resource_version": 1, "metadata": metadata()})
    if api == "config":
        return 200, "application/json", json.dumps({"version": "v2.36.0", "is_admin_secret_set": bool(SECRET)})
    return problem(400, "parse-failed", "unknown type")


def answer(request):
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

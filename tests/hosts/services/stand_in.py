#!/usr/bin/env python3
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""STAND-INS for services that cannot be had here: `stand_in.py NAME` answers as NAME does where the audit looks, and does nothing else.

Hasura, hasura-auth and MinIO read the same environment as the real ones (see their files); the rest answer from one table.
"""

import http.server
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

HTML = "<!doctype html><html><head><title>%s</title></head><body>%s</body></html>"


def page(title, body=""):
    return 200, "text/html; charset=utf-8", HTML % (title, body)


def ok(body="OK"):
    return 200, "text/plain", body


def data(value, status=200):
    return status, "application/json", json.dumps(value)


# name -> (port, {path: answer}); a path that is not there is 404, and every name answers on /health.
SIMPLE = {
    "admin": (3021, {"/": page("nself Admin"), "/api/health": data({"status": "ok"})}),
    "functions": (3000, {"/": data({"service": "functions"}), "/healthz": ok()}),
    "mailpit": (
        8025,
        {"/": page("Mailpit", '<div id="app"></div>'), "/api/v1/info": data({"Version": "v1.20", "Messages": 0})},
    ),
    "meilisearch": (
        7700,
        {"/": page("Meilisearch | mini-dashboard"), "/indexes": data({"code": "missing_authorization_header"}, 401)},
    ),
    "mlflow": (5005, {"/": page("MLflow")}),
    "prometheus": (
        9090,
        {
            "/": (302, "text/html", "/graph"),
            "/graph": page("Prometheus Time Series Collection and Processing Server"),
            "/-/healthy": ok(),
            "/api/v1/status/buildinfo": data({"status": "success", "data": {"version": "2.54.1"}}),
        },
    ),
    "grafana": (
        3000,
        {
            "/": (302, "text/html", "/login"),
            "/login": page("Grafana", '<form name="login"><input type="password"></form>'),
            "/api/org": data({"message": "Unauthorized"}, 401),
            "/api/health": data({"database": "ok"}),
        },
    ),
    "loki": (3100, {"/ready": ok("ready")}),
    "tempo": (3200, {"/ready": ok("ready")}),
    "alertmanager": (
        9093,
        {"/": page("Alertmanager"), "/-/healthy": ok(), "/api/v2/status": data({"cluster": {"status": "ready"}})},
    ),
    "cadvisor": (8080, {"/": (307, "text/html", "/containers/"), "/containers/": page("cAdvisor - /")}),
    "node-exporter": (9100, {"/": page("Node Exporter"), "/metrics": ok("up 1\n")}),
    "postgres-exporter": (9187, {"/metrics": ok("pg_up 1\n")}),
    "redis-exporter": (9121, {"/metrics": ok("redis_up 1\n")}),
    "express_api": (8001, {}),
    "bullmq_worker": (8002, {}),
    "go_grpc": (8003, {}),
    "python_api": (8004, {}),
}
OWN = {"hasura": 8080, "auth": 4000, "minio": 9000}


class Request:
    """What a stand-in is asked: method, path, query (a dict), raw query, headers, body (bytes)."""

    def __init__(self, handler):
        self.method, self.target = handler.command, handler.path
        self.path, _mark, self.raw_query = handler.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True))
        self.headers = handler.headers
        self.body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def handler_of(answer):
    """Return a request handler. answer(request) gives (status, content type, text[, headers])."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "stand-in"
        sys_version = ""

        def respond(self):
            status, kind, text, *more = answer(Request(self))
            body = text.encode()
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", text)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in more[0] if more else ():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = respond

        def log_message(self, *unused):
            pass

    return Handler


def simple(name):
    pages = SIMPLE[name][1]

    def answer(request):
        return pages.get(request.path) or (ok() if request.path == "/health" else data({"error": "not found"}, 404))

    return answer


def psql_environment(url):
    """Return the environment in which psql logs in as the service would, with the user, password and sslmode of its URL."""
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    environment = dict(
        os.environ,
        PGHOST=parts.hostname or "",
        PGPORT=str(parts.port or 5432),
        PGUSER=urllib.parse.unquote(parts.username or ""),
        PGPASSWORD=urllib.parse.unquote(parts.password or ""),
        PGDATABASE=parts.path.lstrip("/"),
        PGSSLMODE=query.get("sslmode", "prefer"),
        PGAPPNAME="stand-in",
        PGCONNECT_TIMEOUT="3",
        PSQLRC="/dev/null",
        HOME="/tmp",
    )
    environment.pop("PGSSLROOTCERT", None)
    if "sslrootcert" in query:
        environment["PGSSLROOTCERT"] = query["sslrootcert"]
    return environment


def hold_a_session(url):
    """Keep a real session of PostgreSQL open, as the service would."""
    environment = psql_environment(url)

    def hold():
        while True:
            # `cat` holds the session idle: psql waits for its next command.
            with subprocess.Popen(
                ["psql", "-X", "-q"], stdin=subprocess.PIPE, env=environment, stderr=subprocess.DEVNULL
            ) as session:
                session.wait()
            time.sleep(1)

    threading.Thread(target=hold, daemon=True).start()


def serve(port, answer):
    server = http.server.ThreadingHTTPServer(("", port), handler_of(answer))
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    signal.signal(signal.SIGTERM, lambda *unused: os._exit(0))
    name = sys.argv[1]
    if name in OWN:
        module = importlib.import_module("stand_in_" + name)
        serve(OWN[name], module.answer)
        if name == "minio":
            serve(9001, lambda request: page("MinIO Console", '<form id="login"></form>'))
        url = os.environ.get("HASURA_GRAPHQL_DATABASE_URL")
        if url:
            hold_a_session(url)
    elif name in SIMPLE:
        serve(SIMPLE[name][0], simple(name))
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()

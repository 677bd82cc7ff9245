# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of PostgreSQL."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer

from cases.units import NO_DEPLOYMENT, RANDOM, UNREADABLE, deployment, unit

SETTINGS = {
    "password_encryption": "scram-sha-256",
    "hba_file": "/data/pg_hba.conf",
    "ssl": "on",
    "ssl_min_protocol_version": "TLSv1.2",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_statement": "ddl",
    "log_line_prefix": "%m [%p] user=%u,db=%d,client=%h ",
    "log_destination": "stderr",
    "logging_collector": "off",
}
NOT_ASKED = Unread("error", "psql could not connect")
NOT_RUNNING = dict(deployment(unit("postgres", "postgres", "rendered")), postgres=NOT_ASKED)
SERVICE = {"role": "postgres"}
DATABASE = deployment(SERVICE)
NONE = [NO_DEPLOYMENT, deployment(unit("hasura", "hasura"))]
PLATFORM = {"today": "2026-12-01"}


def settings(source="configuration file", **changed):
    return {name: {"value": value, "source": source} for name, value in dict(SETTINGS, **changed).items()}


def facts(*units, **sections):
    tree = deployment(dict(SERVICE, **sections.pop("unit", {})), *units)
    more = {"platform": sections.pop("platform")} if "platform" in sections else {}
    return dict(tree, postgres=sections, **more)


def password(role="nself", **changed):
    secret = Reducer("a key").secret(changed.pop("text", RANDOM), "postgres")
    secret = {key: secret[key] for key in ("length", "bits", "empty", "placeholder", "known")}
    return dict(
        {
            "role": role,
            "login": True,
            "own": role == "nself",
            "method": "scram-sha-256",
            "matches_default": False,
            "matches_declared": True,
            "secret": secret,
        },
        **changed,
    )


def stored(role="nself", method="scram-sha-256"):
    return {"role": role, "method": method}


def rule(address="172.18.0.0", netmask="255.255.0.0", **changed):
    return dict(
        {
            "type": "hostssl",
            "database": ["app"],
            "user_name": ["app"],
            "address": address,
            "netmask": netmask,
            "auth_method": "scram-sha-256",
            "broken": False,
            "file_name": None,
            "line_number": 99,
        },
        **changed,
    )


LOCAL = rule(None, None, type="local", database=["all"], user_name=["all"], auth_method="trust")
LOOPBACK = rule("127.0.0.1", "255.255.255.255", type="host", auth_method="trust")
LOOPBACK6 = rule("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", type="host", auth_method="trust")
EVERYBODY = rule("all", None, type="host", database=["all"], user_name=["all"])


def hba(*rules, changed=(), **more):
    return facts(hba=list(rules), files={"changed": list(changed)}, settings=settings(), **more)


def scope(*rules, ports=(), host_namespaces=(), neighbours=(), **more):
    return hba(
        *rules,
        **more,
        neighbours=list(neighbours),
        unit={"level": "running", "ports": list(ports), "host_namespaces": list(host_namespaces)},
    )


def role(name="app", **changed):
    powers = dict.fromkeys(("bootstrap", "super", "createrole", "replication", "bypassrls"), False)
    return dict(powers, name=name, **dict({"member": []}, **changed))


SUPER = {"name": "nself", "super": True}
PLAIN = {"name": "app", "super": False}


def session(user="app", client="172.18.0.5", **more):
    return dict({"user": user, "client": client}, **more)


def clients(*sessions, sees=True, env=None, **more):
    units = [] if env is None else [unit("hasura", "hasura", env=env)]
    if "roles" not in more and "hba" not in more:
        more["roles"] = [SUPER, PLAIN]
    return facts(*units, sessions=list(sessions), server={"sees_sessions": sees}, **more)


def url(user="app", host="postgres", query=""):
    return {"HASURA_GRAPHQL_DATABASE_URL": "postgres://%s@%s:5432/app%s" % (user and user + ":pw", host, query)}


def encrypted(*sessions, env=None, rules=None, **more):
    return clients(
        *sessions, env=env, hba=list(rules or (LOCAL, rule())), files={"changed": []}, settings=settings(), **more
    )


def tls(mode=0o600, uid=70, first="2026-01-01", last="2027-01-01", **changed):
    files = {"key": {"mode": mode, "uid": uid}, "certificate": {"first": first, "last": last}}
    return facts(files=files, settings=settings(**changed), platform=PLATFORM)


def logs(*overrides, source="configuration file", **changed):
    return facts(settings=settings(source, **changed), overrides=list(overrides))


def override(name, value, role=None, database=None):
    return {"role": role, "database": database, "name": name, "value": value}


def live(pending=(), errors=(), broken=(), changed=()):
    return facts(
        pending_restart=list(pending), file_settings=list(errors), hba=list(broken), files={"changed": list(changed)}
    )


def version(number, today="2026-12-01"):
    return facts(server={"version_num": number}, platform={"today": today})


def schema(public_create=(), definers=(), untrusted_languages=()):
    return facts(
        schema={
            "public_create": list(public_create),
            "definers": list(definers),
            "untrusted_languages": list(untrusted_languages),
        }
    )


def definer(**changed):
    return dict({"name": "public.lend", "search_path": True, "public": False, "trigger": False}, **changed)


def case(passing, failing, unknown=()):
    return {
        "pass": passing,
        "fail": failing,
        "unknown": [UNREADABLE, DATABASE, NOT_RUNNING] + list(unknown),
        "not_applicable": NONE,
    }


CASES = {
    "DATA-01": case(
        [facts(passwords=[password(), password("app", secret=None)])],
        [
            facts(passwords=[password(matches_default=True)]),
            facts(passwords=[password(), password("app", matches_default=True)]),
            facts(passwords=[password(matches_declared=False)]),
            facts(passwords=[password(text="Kx9mQ2vT8")]),
            facts(passwords=[password(text="a" * 40)]),
            facts(passwords=[password(method="none", secret=None)]),
        ],
        [
            facts(passwords=[]),
            facts(passwords=[password("app")]),
            facts(passwords=[password(matches_declared=None)]),
            facts(passwords=[password(matches_default=Unread("timeout", "too many"))]),
        ],
    ),
    "DATA-02": case(
        [facts(settings=settings(), overrides=[], passwords=[stored()])],
        [
            facts(settings=settings(password_encryption="md5"), overrides=[], passwords=[stored()]),
            facts(settings=settings(), overrides=[], passwords=[stored(), stored("old", "md5")]),
            facts(settings=settings(), overrides=[override("password_encryption", "md5", "app")], passwords=[stored()]),
        ],
        [
            facts(settings=settings("user"), overrides=[], passwords=[stored()]),
            facts(settings=settings(), overrides=[], passwords=[stored(method="unknown")]),
        ],
    ),
    "DATA-03": case(
        [
            hba(LOCAL, LOOPBACK, LOOPBACK6, rule()),
            hba(LOCAL),
            hba(EVERYBODY, rule(auth_method="trust")),  # never met
            hba(rule("all", None, auth_method="reject", type="host", database=["all"], user_name=["all"]), EVERYBODY),
            hba(rule("samehost", None, auth_method="trust")),
        ],
        [
            hba(rule(auth_method="trust")),
            hba(LOCAL, rule(auth_method="md5")),
            hba(rule(auth_method="password")),
            hba(rule("all", None, auth_method="ident")),
            hba(rule("db.example.com", None, auth_method="trust")),
            hba(rule("::", "::", auth_method="trust")),
            hba(rule("127.0.0.0", "254.0.0.0", auth_method="trust")),
            # "all" databases is no replication.
            hba(EVERYBODY, rule(database=["replication"], auth_method="trust")),
            # What the file says is enough to fail.
            facts(hba=NOT_ASKED, hba_file=[rule(auth_method="trust")], files=NOT_ASKED, settings=NOT_ASKED),
            hba(rule(auth_method="trust"), changed=["/data/pg_hba.conf"]),
        ],
        [
            facts(hba=NOT_ASKED, hba_file=[rule()], files=NOT_ASKED, settings=NOT_ASKED),
            facts(hba=NOT_ASKED, hba_file=None),
            hba(rule(), changed=["/data/pg_hba.conf"]),
            hba(rule(file_name="/data/more.conf"), changed=["/data/more.conf"]),
            hba(rule(), rule(auth_method="scram", broken=True)),
        ],
    ),
    "DATA-04": case(
        [
            scope(EVERYBODY),
            scope(EVERYBODY, ports=[{"ip": "127.0.0.1", "port": 5432}]),
        ],
        [
            scope(EVERYBODY, ports=[{"ip": "0.0.0.0", "port": 5432}]),
            scope(rule("0.0.0.0", "0.0.0.0", database=["all"], user_name=["all"]), ports=[{"ip": "::", "port": 5432}]),
            scope(EVERYBODY, host_namespaces=["network"]),
            scope(EVERYBODY, neighbours=["shop_web"]),
        ],
        [scope(rule(), changed=["/data/pg_hba.conf"])],
    ),
    "DATA-05": case(
        [
            clients(session(), env=url()),
            clients(session(), session("nself", "127.0.0.1"), session("nself", None), env=url("nself", "localhost")),
            clients(env={"PGHOST": "postgres", "PGUSER": "app"}),
        ],
        [
            clients(session("nself"), env=url()),
            clients(session(), env=url("nself")),
            clients(env={"PGHOST": "postgres", "PGUSER": "nself"}),
            clients(session("nself"), env=url(), sees=True),
        ],
        [clients(session(), sees=False, env=url()), clients(env=url("")), clients(session("nself"), roles=NOT_ASKED)],
    ),
    "DATA-06": case(
        [tls(), tls(0o640, 0), tls(ssl_min_protocol_version="TLSv1.3")],
        [
            facts(settings=settings(ssl="off"), files={"key": None, "certificate": None}, platform=PLATFORM),
            tls(0o644),
            tls(0o640),
            tls(last="2026-11-30"),
            tls(first="2026-12-02"),
            tls(ssl_min_protocol_version="TLSv1"),
            tls(ssl_min_protocol_version=""),
        ],
        [tls(first="soon")],
    ),
    "DATA-07": case(
        [
            encrypted(session(ssl=True), env=url(query="?sslmode=require")),
            encrypted(session(ssl=True), env=url(query="?sslmode=verify-full"), rules=(LOCAL, LOOPBACK, rule())),
            encrypted(env={"PGHOST": "postgres", "PGUSER": "app", "PGSSLMODE": "verify-ca"}),
        ],
        [
            encrypted(session(ssl=False), env=url(query="?sslmode=require")),
            encrypted(session(ssl=True), env=url()),
            encrypted(session(ssl=True), env=url(query="?sslmode=prefer")),
            encrypted(session(ssl=True), env=url(query="?sslmode=require"), rules=(EVERYBODY,)),
            encrypted(session(ssl=True), env=url(query="?sslmode=require"), rules=(rule(type="hostnossl"),)),
        ],
        [encrypted(session(ssl=True), sees=False, env=url(query="?sslmode=require"))],
    ),
    "DATA-08": case(
        [
            logs(),
            logs(log_connections="all"),
            logs(log_connections="receipt,authentication"),
            logs(override("log_connections", "on", "app")),
        ],
        [
            logs(log_connections="off"),
            logs(log_connections=""),
            logs(log_connections="receipt"),
            logs(override("log_connections", "off", "app")),
        ],
        [logs(source="database")],
    ),
    "DATA-09": case(
        [logs()],
        [
            logs(log_disconnections="off"),
            logs(override("log_disconnections", "off", database="app")),
            logs(override("log_disconnections", "off", "app"), source="user"),
        ],
        [logs(source="user")],
    ),
    "DATA-10": case(
        [
            logs(),
            logs(log_statement="all", log_line_prefix="%t %c %q%-10u %d %r "),
            logs(log_destination="jsonlog", logging_collector="on", log_line_prefix=""),
        ],
        [
            logs(log_statement="none"),
            logs(log_line_prefix="%m [%p] "),
            logs(log_line_prefix="%m %p %%u %d %h"),
            logs(log_destination="csvlog", log_line_prefix=""),
            logs(log_destination="csvlog,stderr", logging_collector="on", log_line_prefix="%m"),
            logs(override("log_statement", "none", "app", "app")),
        ],
        [logs(source="database user")],
    ),
    "DATA-11": case(
        [
            live(),
            live(errors=[{"name": "port", "file": "/data/postgresql.conf", "line": 1, "error": None}]),
            live(broken=[{"line_number": 3, "broken": False}]),
        ],
        [
            live(["max_connections"]),
            live(errors=[{"name": None, "file": "/data/postgresql.conf", "line": 9, "error": "syntax error"}]),
            live(broken=[{"line_number": 3, "broken": True}]),
            live(changed=["/data/pg_hba.conf"]),
        ],
    ),
    "DATA-12": case(
        [version(150020), version(180001), version(140000, "2026-11-12")],
        [version(140000, "2026-11-13"), version(120022), version(90624)],
        [version(990001), version(160000, "today")],
    ),
    "DATA-13": case(
        [
            facts(roles=[dict(role("nself"), bootstrap=True, super=True), role()]),
            facts(roles=[role("watcher", member=["pg_monitor", "pg_read_all_stats"])]),
        ],
        [
            facts(roles=[dict(role(), super=True)]),
            facts(roles=[dict(role(), createrole=True)]),
            facts(roles=[dict(role(), replication=True)]),
            facts(roles=[dict(role(), bypassrls=True)]),
            facts(roles=[role(member=["pg_read_all_data"])]),
        ],
    ),
    "DATA-14": case(
        [schema(), schema(definers=[definer(), definer(public=True, trigger=True)])],
        [
            schema(["public"]),
            schema(untrusted_languages=["plpython3u"]),
            schema(definers=[definer(search_path=False)]),
            schema(definers=[definer(public=True)]),
        ],
    ),
}
OPTIONAL = {
    # Roles that may not log in at all are not asked for what else they are.
    ("DATA-01", "postgres.passwords.login"),
    # Names of what is found to be fine.
    ("DATA-04", "deployment.units.ports.port"),
    ("DATA-05", "deployment.units.service"),
    ("DATA-07", "postgres.sessions.user"),
    ("DATA-11", "postgres.file_settings.name"),
    ("DATA-11", "postgres.file_settings.file"),
    ("DATA-11", "postgres.file_settings.line"),
    ("DATA-11", "postgres.hba.line_number"),
    ("DATA-14", "postgres.schema.definers.name"),
    ("DATA-14", "postgres.schema.definers.trigger"),
}

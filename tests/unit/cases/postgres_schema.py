# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of the application's schema: row security, the audit log, second factors."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.units import NO_DEPLOYMENT, UNREADABLE, deployment, unit

DENIED = Unread("needs_root", "POSTGRES_USER is no superuser")
DAY = 86400.0
HASURA = {"user": "app", "client": "172.20.0.3"}


def database(*services, **sections):
    units = [unit("postgres", "postgres"), *services]
    return dict(deployment(*units), postgres=sections)


def connected(*users, sees=True, **sections):
    """Return a database to which these roles are connected over the network."""
    sessions = [dict(HASURA, user=user) for user in users]
    return database(sessions=sessions, server={"sees_sessions": sees}, **sections)


def table(enabled=True, policies=1, columns=("user_id",), exempt=(), name="public.posts"):
    return {
        "table": name,
        "enabled": enabled,
        "policies": policies,
        "columns": list(columns),
        "exempt": [{"role": role, "why": why} for role, why in exempt],
    }


def rows(**more):
    """Return a table as DATA-15 sees it: whom it exempts is not its business."""
    found = table(**more)
    del found["exempt"]
    return found


def guarded(**more):
    found = table(**more)
    del found["policies"], found["columns"]
    return found


def rule(**more):
    base = {
        "table": "public.posts",
        "name": "own",
        "permissive": True,
        "command": "ALL",
        "everyone": False,
        "open": False,
        "open_check": False,
        "hasura": False,
        "json": True,
    }
    return dict(base, **more)


def written(**more):
    base = {
        "table": "public.audit_logs",
        "who": "user_id",
        "what": "action",
        "when": "created_at",
        "indexed": True,
        "asked": True,
        "hidden": False,
        "newest": 60.0,
    }
    return dict(base, **more)


def kept(**more):
    base = {
        "table": "public.audit_logs",
        "asked": True,
        "hidden": False,
        "oldest": 100 * DAY,
        "deleted": 0,
        "alterers": ["root"],
    }
    return dict(base, **more)


def settings(libraries, log=None):
    found = {"shared_preload_libraries": {"value": libraries, "source": "configuration file"}}
    if log is not None:
        found["pgaudit.log"] = {"value": log, "source": "configuration file"}
    return found


def log(*logs, purges=(), users=("app",)):
    return connected(*users, audit_logs=list(logs), purges=None if purges is None else list(purges))


def factors(*found):
    facts = database(unit("auth", "auth"), factors=list(found))
    return facts


def role(name="admin", users=2, without=0):
    return {"role": name, "users": users, "without": without}


URL = "postgres://%s:x@postgres:5432/app"

CASES = {
    "DATA-15": {
        "pass": [database(rls=[rows()]), database(rls=[rows(policies=0), rows(columns=(), name="public.notes")])],
        "fail": [
            database(rls=[rows(enabled=False)]),
            database(rls=[rows(enabled=False, policies=0)]),
            database(rls=[rows(), rows(enabled=False, columns=(), name="public.notes")]),
        ],
        "unknown": [UNREADABLE, database(rls=DENIED), database()],
        "not_applicable": [NO_DEPLOYMENT, database(rls=[]), deployment(unit("hasura", "hasura"))],
    },
    "DATA-16": {
        "pass": [
            connected("app", rls=[guarded(exempt=[("postgres", "superuser")])]),
            connected("app", rls=[guarded(exempt=[])]),
        ],
        "fail": [
            connected("postgres", rls=[guarded(exempt=[("postgres", "superuser")])]),
            connected("app", "owner", rls=[guarded(exempt=[("owner", "owner")])]),
            connected("by", rls=[guarded(exempt=[("by", "BYPASSRLS")])]),
            database(
                unit("hasura", "hasura", env={"HASURA_GRAPHQL_DATABASE_URL": URL % "owner"}),
                sessions=[],
                server={"sees_sessions": True},
                rls=[guarded(exempt=[("owner", "owner")])],
            ),
        ],
        "unknown": [
            UNREADABLE,
            connected("app", rls=DENIED),
            connected("app", sees=False, rls=[guarded()]),
            connected(rls=[guarded()]),
            database(unit("hasura", "hasura"), sessions=[HASURA], server={"sees_sessions": True}, rls=[guarded()]),
        ],
        "not_applicable": [NO_DEPLOYMENT, connected("app", rls=[]), connected("app", rls=[guarded(enabled=False)])],
    },
    "DATA-17": {
        "pass": [
            database(policies=[rule()]),
            database(policies=[rule(permissive=False, everyone=True, open=True)]),
            database(policies=[rule(command="UPDATE", hasura=True)]),
        ],
        "fail": [
            database(policies=[rule(everyone=True, open=True)]),
            database(policies=[rule(everyone=True, open=True, command="SELECT")]),
            database(policies=[rule(everyone=True, open_check=True, command="INSERT")]),
            database(policies=[rule(json=False, hasura=True, command="UPDATE")]),
            database(policies=[rule(hasura=True)]),
            database(policies=[rule(), rule(hasura=True, command="SELECT", name="second")]),
        ],
        "unknown": [UNREADABLE, database(policies=DENIED)],
        "not_applicable": [NO_DEPLOYMENT, database(policies=[])],
    },
    "DATA-18": {
        "pass": [
            database(audit_logs=[written()]),
            database(audit_logs=[], settings=settings("pg_stat_statements, pgaudit", "ddl, role")),
        ],
        "fail": [
            database(audit_logs=[], settings=settings("")),
            database(audit_logs=[], settings=settings("pgaudit", "none")),
            database(audit_logs=[], settings=settings("pgaudit", "read")),
            database(audit_logs=[], settings=settings("pgaudit", "ddl, -ddl")),
            database(audit_logs=[written(newest=8 * DAY)], settings=settings("")),
            database(audit_logs=[written(newest=None)], settings=settings("")),
            database(audit_logs=[written(indexed=False)], settings=settings("")),
            database(audit_logs=[written(who=None)], settings=settings("")),
        ],
        "unknown": [
            UNREADABLE,
            database(audit_logs=DENIED),
            database(audit_logs=[], settings=DENIED),
            database(audit_logs=[written(newest=8 * DAY)], settings=DENIED),
            database(audit_logs=[written(hidden=True)], settings=settings("")),
            database(audit_logs=[written(asked=False)], settings=settings("")),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "DATA-19": {
        "pass": [
            log(kept()),
            log(kept(deleted=400), purges=None),
            log(kept(oldest=3 * DAY)),
            log(kept(deleted=400), purges=[{"days": 365.0}]),
        ],
        "fail": [
            log(kept(alterers=["app", "root"])),
            log(kept(), purges=[{"days": 30.0}]),
            log(kept(oldest=3 * DAY, deleted=7), purges=[{"days": 30.0}]),
            log(kept(oldest=None, alterers=["app"])),
        ],
        "unknown": [
            UNREADABLE,
            log(kept(oldest=3 * DAY, deleted=7)),
            log(kept(oldest=3 * DAY, deleted=None)),
            log(kept(oldest=3 * DAY), purges=None),
            log(kept(oldest=3 * DAY), purges=[{"days": -1.0}]),
            log(kept(oldest=None)),
            log(kept(asked=False)),
            log(kept(hidden=True)),
            log(kept(), users=()),
            database(audit_logs=[], settings=settings("pgaudit", "ddl")),
        ],
        "not_applicable": [NO_DEPLOYMENT, database(audit_logs=[], settings=settings(""))],
    },
    "AUTH-23": {
        "pass": [factors(role()), factors(role(), role("moderator", 9))],
        "fail": [factors(role(without=1)), factors(role("moderator", 1, 1)), factors(role(), role("staff", 3, 3))],
        "unknown": [
            UNREADABLE,
            database(unit("auth", "auth"), factors=None),
            database(unit("auth", "auth"), factors=DENIED),
            dict(
                deployment(unit("auth", "auth")), postgres=Unread("error", "no PostgreSQL of the deployment runs here")
            ),
        ],
        "not_applicable": [
            NO_DEPLOYMENT,
            factors(),
            factors(role("support", 2, 2)),
            deployment(unit("hasura", "hasura")),
        ],
    },
}
# What the database says does not depend on how its service is called.
OPTIONAL = {
    (check, "deployment.units." + name)
    for check in ("AUTH-23", "DATA-15", "DATA-17", "DATA-18")
    for name in ("service", "level")
}

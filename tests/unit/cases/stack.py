# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of what has no place in production."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.units import NO_DEPLOYMENT, UNREADABLE, deployment, unit

NO_SITES = {"sites": []}


def sites(*pairs):
    """Return the facts of public names. pairs: (role, status of the front page)."""
    out = []
    for role, status in pairs:
        more = {} if status is None else {"name": role, "answers": [{"probe": "root", "status": status}]}
        out.append(dict(more, role=role))
    return {"sites": out}


CASES = {
    "AUTH-08": {
        "pass": [
            dict(deployment(unit("hasura", "hasura")), web=NO_SITES),
            dict(deployment(unit("hasura", "hasura")), web=sites(("admin", 502), ("hasura", None))),
            dict(deployment(unit("hasura", "hasura")), web=sites(("admin", 404))),
            # nginx asks who is there, for nothing
            dict(deployment(unit("hasura", "hasura")), web=sites(("admin", 401))),
        ],
        "fail": [
            dict(deployment(unit("nself-admin", "admin")), web=NO_SITES),
            dict(deployment(unit("nself-admin", "admin")), web=sites(("admin", 401))),
            deployment(unit("panel", "admin", "rendered")),
            # whatever answers there is not on the list of services
            dict(deployment(unit("hasura", "hasura")), web=sites(("admin", 200))),
            dict(deployment(unit("hasura", "hasura")), web=sites(("admin", 302))),
        ],
        "unknown": [
            UNREADABLE,
            deployment(unit("hasura", "hasura")),
            dict(deployment(unit("hasura", "hasura")), web=sites(("admin", Unread("timeout", "no answer")))),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "AUTH-10": {
        "pass": [deployment(unit("auth", "auth", env={"AUTH_SMTP_HOST": "smtp.example.com"}))],
        "fail": [
            deployment(unit("mailpit", "mailpit", env={})),
            deployment(unit("queues", "bull-board", "rendered", env={})),
            deployment(unit("mail", "maildev", env={})),
            deployment(unit("auth", "auth", env={"AUTH_SMTP_HOST": "mailpit"})),
        ],
        "unknown": [UNREADABLE, deployment(unit("auth", "auth"))],
        "not_applicable": [NO_DEPLOYMENT],
    },
    "AUTH-11": {
        "pass": [
            deployment(unit(env={"ENV": "prod", "NODE_ENV": "production", "LOG_LEVEL": "warn", "DEBUG": "false"}))
        ],
        "fail": [
            deployment(unit(env={"ENV": "dev"})),
            deployment(unit(env={"NODE_ENV": "development"}), unit("other", env={"ENV": "prod"})),
            deployment(unit(env={"ENV": "prod", "SEED_DATA": "true"})),
            deployment(unit(env={"LOG_LEVEL": "debug"})),
        ],
        "unknown": [UNREADABLE, deployment(unit())],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit(env={"FOO": "bar"}))],
    },
}
# The name of a service that is no panel is not asked for.
OPTIONAL = {("AUTH-08", "deployment.units.service")}

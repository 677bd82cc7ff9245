# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks on Hasura's permissions and limits."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.units import NO_DEPLOYMENT, UNREADABLE, deployment, unit

LOST = Unread("timeout", "no answer")
SOCKET = "HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT"
QUIET = {"HASURA_GRAPHQL_ENABLE_TELEMETRY": "false"}


def select(columns, role="user", table="public.users"):
    return {"role": role, "table": table, "action": "select", "columns": columns}


def write(action, filtered, role="user", table="public.users"):
    return {"role": role, "table": table, "action": action, "filtered": filtered}


def allowing(*permissions):
    return dict(deployment({"role": "hasura"}), hasura={"permissions": list(permissions)})


def limited(*limits, env=None, most="100", pools=(None,), database=True):
    """Return facts of an engine whose select permissions have these limits; most: PostgreSQL's max_connections."""
    units = [unit("hasura", "hasura", env=QUIET if env is None else env)] + ([{"role": "postgres"}] if database else [])
    found = [{"role": "user", "table": "public.t%d" % n, "action": "select", "limit": k} for n, k in enumerate(limits)]
    facts = dict(deployment(*units), hasura={"permissions": found})
    if database:
        facts["hasura"]["pools"] = [{"most": pool} for pool in pools]
        facts["postgres"] = {"settings": {"max_connections": {"value": most, "source": "default"}} if most else {}}
    return facts


CASES = {
    "AUTH-32": {
        "pass": [
            allowing(),
            allowing({"role": "admin"}, {"role": "user", "action": "action"}),
            allowing(select(["id", "name", "passenger_id", "footprint", "hashtag", "compass"])),
            allowing(write("insert", True), write("update", True), write("delete", True), select(["id"])),
        ],
        "fail": [
            allowing(write("insert", False)),
            allowing(write("update", True), write("delete", False)),
            allowing(select(["id", "password_hash"])),
            allowing(select(["otpSecret"]), write("update", True)),
            allowing(select(["accesstoken"])),
            allowing(select(LOST), write("delete", False)),
            allowing(select(["id"]), select(["refresh_token"], "public")),
        ],
        "unknown": [
            UNREADABLE,
            dict(deployment(unit("hasura", "hasura")), hasura={"permissions": LOST}),
            allowing(select(LOST)),
            allowing(select(["id"]), select(LOST, table="auth.users")),
        ],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit("postgres", "postgres"))],
    },
    "AUTH-33": {
        "pass": [
            limited(),
            limited(100, 1),
            limited(50, env=dict(QUIET, **{SOCKET: "10"})),
            limited(50, pools=(60, 40)),
            limited(50, env=dict(QUIET, HASURA_GRAPHQL_PG_CONNECTIONS="200"), pools=(20,)),
            limited(50, database=False),
        ],
        "fail": [
            limited(None),
            limited(10, 101),
            limited(10, env={}),
            limited(10, env=dict(QUIET, **{SOCKET: "10s"})),
            limited(10, env=dict(QUIET, **{SOCKET: "11"})),
            limited(10, env=dict(QUIET, HASURA_GRAPHQL_PG_CONNECTIONS="101")),
            limited(10, env=dict(QUIET, HASURA_GRAPHQL_PG_STRIPES="3")),
            limited(10, pools=(60, None)),
            dict(limited(10, env={}), postgres=LOST),
            dict(limited(10, env={}), hasura={"permissions": LOST}),
        ],
        "unknown": [
            UNREADABLE,
            dict(limited(10), postgres={"settings": LOST}),
            limited(10, most=None),
            dict(limited(10), hasura={"permissions": LOST, "pools": []}),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    },
}
FREE_MAPS = {"settings"}

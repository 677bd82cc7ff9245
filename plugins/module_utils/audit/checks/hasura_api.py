# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hasura: what a stranger can learn of the schema, which APIs are there at all, and how much one request may cost."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.hasura import answers_of
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.public_sites import judge_sites, reached
from ansible_collections.nself.prod.plugins.module_utils.audit.units import (
    all_units,
    judge_units,
    level_of,
    name_of,
    of_role,
    plain,
    truthy,
    whole_number,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed, unread

ADMIN = "admin"
# What the engine does where nothing is set. https://hasura.io/docs/2.0/deployment/graphql-engine-flags/reference/
DEFAULT_APIS = "metadata,graphql,pgdump,config"
DEFAULT_SOCKET_SECONDS = "3"
DEFAULT_CONNECTIONS = "50"  # a stripe
API_PROBES = ("metadata", "query", "pg_dump", "config")
HASURA = ("hasura",)


@check(
    "AUTH-06",
    "schema-not-public",
    "Strangers are not shown the schema",
    Severity.WARNING,
    "The schema names every table, column and mutation: a map for whoever looks for the one that was left open.",
    "a __schema query without a token, sent to the engine; HASURA_GRAPHQL_ENABLE_ALLOWLIST of the Hasura process",
    "refused, without any operation, or only the allow-list's queries are run",
    Fix(
        "hasura",
        "Unset HASURA_GRAPHQL_UNAUTHORIZED_ROLE, or switch the allow-list on (HASURA_GRAPHQL_ENABLE_ALLOWLIST=true).",
        ("hasura_unauthorized_role", "hasura_allowlist_enabled: true"),
        HASURA,
    ),
    settings=("HASURA_GRAPHQL_ENABLE_ALLOWLIST",),
)
def schema_not_public(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        if truthy(plain(unit, "HASURA_GRAPHQL_ENABLE_ALLOWLIST", "false") or ""):
            return True, "only queries of the allow-list are run"
        if level_of(unit) != Level.RUNNING:
            raise Missing("hasura.engines", Reason.ERROR, "%s does not run, so it could not be asked" % name_of(unit))
        shown = max(answers_of(facts, unit, "schema_fields"))
        return shown == 0, "operations shown: %d" % shown

    return judge_units(of_role(facts, "hasura"), "no schema without a token", judge)


@check(
    "AUTH-07",
    "admin-apis-closed",
    "Administrator's APIs are closed",
    Severity.WARNING,
    "The metadata, query, pg_dump and config APIs serve administrators only: on a public name they are one stolen secret away from everything.",
    "HASURA_GRAPHQL_ENABLED_APIS of the Hasura process; what its public names answer at the paths of these APIs",
    "graphql, and metadata at most; 403, 404 or nginx's own login on every public name",
    Fix(
        "hasura",
        "Set HASURA_GRAPHQL_ENABLED_APIS=graphql,metadata and let nginx answer 403 at /v1/metadata, /v1/query, /v2/query, /v1alpha1/pg_dump and "
        "/v1alpha1/config, or ask for a login there, as the role nginx does.",
        ("hasura_enabled_apis: [graphql, metadata]",),
        HASURA + ("nginx",),
    ),
    settings=("HASURA_GRAPHQL_ENABLED_APIS",),
)
def admin_apis_closed(facts: Any, policy: Any) -> Verdict:
    allowed = policy["hasura_enabled_apis"]

    def judge(unit: Record) -> Tuple[bool, str]:
        value = plain(unit, "HASURA_GRAPHQL_ENABLED_APIS")
        names = sorted({part.strip().lower() for part in (value or DEFAULT_APIS).split(",") if part.strip()})
        text = ", ".join(names) if value else ", ".join(names) + " (HASURA_GRAPHQL_ENABLED_APIS is not set)"
        return bool(names) and set(names) <= set(allowed), text

    units = each(of_role(facts, "hasura"), name_of, judge, level_of)
    sites = judge_sites(facts, "hasura", API_PROBES, reached, "none is passed on")
    return summed("%s only, none on a public name" % ", ".join(allowed), units + sites)


@check(
    "AUTH-33",
    "graphql-limits",
    "One request cannot ask for everything",
    Severity.RECOMMENDATION,
    "Without limits a single query reads whole tables, and idle or greedy clients use up the database's connections.",
    "limits of the select permissions in Hasura's metadata; websocket timeout, connection pools and telemetry of the Hasura process; PostgreSQL's "
    "max_connections",
    "every select limited to 100 rows, websocket timeout at most 10 s, pools within max_connections, telemetry off",
    Fix(
        "hasura",
        "Give every select permission a limit, and set HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT=10, HASURA_GRAPHQL_PG_CONNECTIONS and "
        "HASURA_GRAPHQL_ENABLE_TELEMETRY=false.",
        ("hasura_websocket_init_timeout: 10", "hasura_pg_connections", "hasura_telemetry_enabled: false"),
        HASURA,
    ),
    settings=("HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT", "HASURA_GRAPHQL_PG_CONNECTIONS"),
    refs=("s:hasura",),
)
def graphql_limits(facts: Any, policy: Any) -> Verdict:
    rows, seconds = policy["graphql_max_rows"], policy["websocket_init_max_seconds"]
    units = of_role(facts, "hasura")

    def engine(unit: Record) -> Tuple[bool, str]:
        bad: List[str] = []
        timeout = whole_number(
            plain(unit, "HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT", DEFAULT_SOCKET_SECONDS) or ""
        )
        if timeout is None or timeout > seconds:
            bad.append("websocket timeout is %s" % ("no whole number" if timeout is None else "%d s" % timeout))
        if truthy(plain(unit, "HASURA_GRAPHQL_ENABLE_TELEMETRY", "true") or ""):
            bad.append("telemetry is on")
        try:
            pools = _pools(facts, unit)
        except Missing:
            if not bad:
                raise
        else:
            bad += [pools] if pools else []
        return not bad, ", ".join(bad) or "timeout, pools and telemetry are fine"

    def permission(item: Record) -> Tuple[bool, str]:
        limit = item.read("limit")
        return limit is not None and limit <= rows, "no limit" if limit is None else "%d rows" % limit

    resources = each(units, name_of, engine, level_of)
    try:
        selects = [item for item in facts.records("hasura.permissions") if item.read("action") == "select"]
        resources += each([item for item in selects if item.read("role") != ADMIN], permission_name, permission)
    except Missing as missing:
        resources.append(unread("permissions", missing))
    return summed("at most %d rows, %d s, max_connections; no telemetry" % (rows, seconds), resources)


def permission_name(item: Record) -> str:
    return "%s on %s" % (item.read("role"), item.read("table"))


def _pools(facts: Any, unit: Record) -> Optional[str]:
    """Return what is wrong with an engine's connection pools beside the project's own PostgreSQL, if anything."""
    if not any(other.read("role") == "postgres" for other in all_units(facts)):
        return None  # the database is somebody else's, and so is its limit
    each_pool = whole_number(plain(unit, "HASURA_GRAPHQL_PG_CONNECTIONS", DEFAULT_CONNECTIONS) or "")
    stripes = whole_number(plain(unit, "HASURA_GRAPHQL_PG_STRIPES", "1") or "")
    if each_pool is None or stripes is None:
        return "HASURA_GRAPHQL_PG_CONNECTIONS is no whole number"
    sizes = [pool.read("most") for pool in facts.records("hasura.pools")] or [None]
    total = sum(each_pool * stripes if size is None else size for size in sizes)
    entry = facts.read("postgres.settings").get("max_connections")
    if not entry:
        raise Missing("postgres.settings.max_connections", Reason.ERROR, "max_connections was not read")
    most = int(entry["value"])
    return "pools of %d connections, PostgreSQL takes %d" % (total, most) if total > most else None


CHECKS = (schema_not_public, admin_apis_closed, graphql_limits)

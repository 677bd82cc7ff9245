# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the running Hasura: with the admin secret it runs with for its permissions, and without one for what it gives away.

Facts `hasura`:
    engines[] of {service, metadata_denied, schema_fields, internals, console}: how each running engine answers a stranger;
    permissions[] of {role, table, action, filtered, columns, limit}, pools[] of {source, most}: its metadata in force.

Every request is a read over loopback or the container's own address; the secret goes into a header, never onto a command
line. https://hasura.io/docs/2.0/api-reference/overview/
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Mapping

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.pool import Pool
from ansible_collections.nself.prod.plugins.module_utils.deployment.doors import doors_of, first_answer
from ansible_collections.nself.prod.plugins.module_utils.parse import graphql_answer
from ansible_collections.nself.prod.plugins.module_utils.parse.hasura_metadata import (
    EVERY_COLUMN,
    permissions_of,
    pools_of,
)
from ansible_collections.nself.prod.plugins.module_utils.probe import http

FACT = "hasura.permissions"
PORT = 8080
TIMEOUT = 4.0
EXPORT = json.dumps({"type": "export_metadata", "version": 2, "args": {}})
# The names of the operations are counted: a role without any is shown one field that says so.
SCHEMA = json.dumps({"query": "{__schema{queryType{name fields{name}} mutationType{name fields{name}}}}"})
# No query at all, so it is an error in every mode.
MALFORMED = json.dumps({"query": "query {"})
TYPE = "{fields{name type{kind ofType{kind ofType{kind ofType{kind}}}}}}"


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts; the metadata is Unread where no Hasura runs or it does not answer."""
    units = attempt(lambda: need("project").running("hasura"))
    if isinstance(units, Unread):
        return dict.fromkeys(("engines", "permissions", "pools"), units)
    metadata = attempt(lambda: _metadata(host, units))
    facts: Dict[str, Any] = {"engines": [_engine(host, unit) for unit in units]}
    facts["permissions"] = metadata if isinstance(metadata, Unread) else _permissions(host, units[0], metadata)
    facts["pools"] = metadata if isinstance(metadata, Unread) else attempt(lambda: _parsed(pools_of, metadata))
    return facts


def _ask(host: Any, unit: Mapping[str, Any], method: str, path: str, body: str = "", **headers: str) -> http.Response:
    """Return the answer of the first place where the unit can be reached. Raises Missing."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if body:
        pairs.append(("Content-Type", "application/json"))

    def ask(address: str, port: int) -> http.Response:
        with host.connect(address, port, timeout=TIMEOUT) as stream:
            return http.request(stream, method, path, "%s:%d" % (address, port), pairs, body)

    return first_answer(doors_of(unit, PORT), ask, FACT, "Hasura")


# -- what a stranger is told ---------------------------------------------------------------------------------------------


def _engine(host: Any, unit: Mapping[str, Any]) -> Dict[str, Any]:
    probes: Dict[str, Callable[[], Any]] = {
        "metadata_denied": lambda: _metadata_denied(host, unit),
        "schema_fields": lambda: _schema_fields(host, unit),
        "internals": lambda: _internals(host, unit),
        "console": lambda: _console(host, unit),
    }
    # Side by side: an engine that hangs costs one timeout, not four.
    with Pool(len(probes)) as pool:
        answers = {name: pool.submit(attempt, probe) for name, probe in probes.items()}
    return dict({name: answer.result() for name, answer in answers.items()}, service=unit["service"])


def _told(host: Any, unit: Mapping[str, Any], method: str, path: str, body: str = "") -> http.Response:
    """Return what a stranger is answered. Raises Missing where the engine is down or asked too often: that refuses nothing."""
    answer = _ask(host, unit, method, path, body)
    if answer.status >= 500 or answer.status == 429:
        raise Missing("hasura.engines", Reason.ERROR, "Hasura answered %d at %s" % (answer.status, path))
    return answer


def _metadata_denied(host: Any, unit: Mapping[str, Any]) -> bool:
    answer = _told(host, unit, "POST", "/v1/metadata", EXPORT)
    denied = graphql_answer.is_denied(answer.status, graphql_answer.parse(answer.text))
    if denied is None:
        raise Missing("hasura.engines", Reason.ERROR, "Hasura answered %d to a metadata request" % answer.status)
    return denied


def _schema_fields(host: Any, unit: Mapping[str, Any]) -> int:
    answer = _told(host, unit, "POST", "/v1/graphql", SCHEMA)
    count = graphql_answer.fields_shown(graphql_answer.parse(answer.text))
    if count is None:
        raise Missing(
            "hasura.engines", Reason.PARSE_ERROR, "what answers at /v1/graphql (%d) is no GraphQL" % answer.status
        )
    return count


def _internals(host: Any, unit: Mapping[str, Any]) -> bool:
    document = graphql_answer.parse(_told(host, unit, "POST", "/v1/graphql", MALFORMED).text)
    if not isinstance(document, dict) or not ("errors" in document or "error" in document):
        raise Missing(
            "hasura.engines", Reason.PARSE_ERROR, "Hasura's answer to a malformed query is no error of GraphQL"
        )
    return graphql_answer.has_internals(document)


def _console(host: Any, unit: Mapping[str, Any]) -> bool:
    return 200 <= _told(host, unit, "GET", "/console").status < 300


# -- what an administrator is told ---------------------------------------------------------------------------------------


def _metadata(host: Any, units: List[Dict[str, Any]]) -> Any:
    """Return the exported metadata: engines of one project share it, so one is asked."""
    if not units:
        raise Missing(FACT, Reason.ERROR, "no Hasura runs here, so its permissions cannot be asked for")
    answer = _ask(host, units[0], "POST", "/v1/metadata", EXPORT, **_secret(units[0]))
    if answer.status != 200:
        raise Missing(FACT, Reason.ERROR, "Hasura answered %d to a metadata export" % answer.status)
    document = graphql_answer.parse(answer.text)
    if document is None:
        raise Missing(FACT, Reason.PARSE_ERROR, "Hasura's metadata is no JSON")
    return document


def _secret(unit: Mapping[str, Any]) -> Dict[str, str]:
    secret = unit["environment"].get("HASURA_GRAPHQL_ADMIN_SECRET", "")
    return {"X_Hasura_Admin_Secret": secret} if secret else {}


def _parsed(parse: Callable[[Any], Any], metadata: Any) -> Any:
    try:
        return parse(metadata)
    except ValueError as error:
        raise Missing(FACT, Reason.PARSE_ERROR, "Hasura's metadata cannot be read: %s" % error) from None


def _permissions(host: Any, unit: Mapping[str, Any], metadata: Any) -> Any:
    found = attempt(lambda: _parsed(permissions_of, metadata))
    if isinstance(found, Unread):
        return found
    for role in sorted({entry["role"] for entry in found if entry["columns"] == EVERY_COLUMN}):
        _spell_out(
            host, unit, role, [item for item in found if item["role"] == role and item["columns"] == EVERY_COLUMN]
        )
    return [{key: value for key, value in entry.items() if key != "type"} for entry in found]


def _spell_out(host: Any, unit: Mapping[str, Any], role: str, wide: List[Dict[str, Any]]) -> None:
    """Put the columns' names where a role may select every one of them; Unread where they cannot be told."""
    shown = attempt(lambda: _columns_shown(host, unit, role, wide))
    for number, entry in enumerate(wide):
        names = None if isinstance(shown, Unread) else shown.get("t%d" % number)
        text = "%s may select every column of %s, and which these are could not be read" % (role, entry["table"])
        entry["columns"] = names if isinstance(names, list) else Unread(Reason.ERROR, text)


def _columns_shown(host: Any, unit: Mapping[str, Any], role: str, wide: List[Dict[str, Any]]) -> Dict[str, Any]:
    """Return {"t<number>": columns} of the tables that a role may select whole, as the schema shows them to that role."""
    asked = [
        't%d:__type(name:"%s")%s' % (number, entry["type"], TYPE) for number, entry in enumerate(wide) if entry["type"]
    ]
    query = json.dumps({"query": "{%s}" % " ".join(asked or ["__typename"])})
    answer = _ask(host, unit, "POST", "/v1/graphql", query, X_Hasura_Role=role, **_secret(unit))
    return graphql_answer.plain_fields(graphql_answer.parse(answer.text))


COLLECTORS = (Collector("hasura", collect, deadline=18.0),)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the running Hasura for its permissions, with the admin secret it runs with.

Facts `hasura`: permissions[] of {role, table, action, filtered}. One request over loopback or the container's own address; the
secret goes into a header, never onto a command line.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

FACT = "hasura.permissions"
PORT = "8080"
# A read: it exports the metadata as it is in force. https://hasura.io/docs/2.0/api-reference/metadata-api/manage-metadata/
REQUEST = json.dumps({"type": "export_metadata", "version": 2, "args": {}})
ACTIONS = ("select", "insert", "update", "delete")


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts; permissions is Unread where no Hasura runs or it does not answer."""
    return {"permissions": attempt(lambda: _permissions(host, need))}


def _permissions(host: Any, need: Any) -> List[Dict[str, Any]]:
    for unit in need("project").running("hasura"):
        secret = unit["environment"].get("HASURA_GRAPHQL_ADMIN_SECRET", "")
        found = permissions_of(_export(host, places_of(unit), secret))
        return sorted(found, key=lambda entry: (entry["role"], entry["table"], entry["action"]))
    raise Missing(FACT, Reason.ERROR, "no Hasura runs here, so its permissions cannot be asked for")


def places_of(unit: Mapping[str, Any]) -> List[Tuple[str, int]]:
    """Return where a unit's port 8080 can be reached from the host, best first."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    published = [(here.get(item["ip"], item["ip"]), item["port"]) for item in unit["ports"] if item["target"] == PORT]
    return published + [(address, int(PORT)) for address in unit["addresses"]]


def _export(host: Any, places: List[Tuple[str, int]], secret: str) -> Any:
    if "\r" in secret or "\n" in secret:
        raise Missing(FACT, Reason.ERROR, "the admin secret has a line break, so it cannot be sent")
    problem = Missing(FACT, Reason.ERROR, "Hasura has no address that this host can reach")
    for address, port in places:
        try:
            status, body = _post(host, address, port, "/v1/metadata", REQUEST, {"X-Hasura-Admin-Secret": secret})
        except HostError as error:
            problem = error.missing(FACT)
            continue
        if status != 200:
            raise Missing(FACT, Reason.ERROR, "Hasura answered %d to a metadata export" % status)
        try:
            return json.loads(body)
        except ValueError:
            raise Missing(FACT, Reason.PARSE_ERROR, "Hasura's metadata is no JSON") from None
    raise problem


def _post(host: Any, address: str, port: int, path: str, body: str, headers: Mapping[str, str]) -> Tuple[int, str]:
    """Return (status, body) of a POST. HTTP/1.0, so that the answer is not chunked and ends with the connection."""
    lines = ["POST %s HTTP/1.0" % path, "Host: %s:%d" % (address, port), "Content-Type: application/json"]
    lines += ["%s: %s" % pair for pair in headers.items()] + [
        "Content-Length: %d" % len(body.encode("utf-8")),
        "",
        body,
    ]
    with host.connect(address, port, timeout=4) as stream:
        stream.send("\r\n".join(lines).encode("utf-8"))
        head, _blank, answer = stream.receive_all().partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise Missing(FACT, Reason.PARSE_ERROR, "what answers on Hasura's port speaks no HTTP")
    return int(words[1]), answer.decode("utf-8", "replace")


def permissions_of(export: Any) -> Iterator[Dict[str, Any]]:
    """Yield every role's permission of an exported metadata document: tables, and actions as the action `action`."""
    metadata = export.get("metadata", export) if isinstance(export, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("sources"), list):
        raise Missing(FACT, Reason.PARSE_ERROR, "Hasura's metadata has no sources")
    for source in metadata["sources"]:
        for table in source.get("tables") or []:
            name = (
                table["table"]
                if isinstance(table["table"], str)
                else "%s.%s" % (table["table"].get("schema"), table["table"].get("name"))
            )
            for action in ACTIONS:
                for entry in table.get(action + "_permissions") or []:
                    rule = entry.get("permission") or {}
                    filtered = bool(rule.get("check" if action == "insert" else "filter"))
                    yield {"role": entry.get("role"), "table": name, "action": action, "filtered": filtered}
    for item in metadata.get("actions") or []:
        if (item.get("definition") or {}).get("type", "mutation") == "mutation":
            for entry in item.get("permissions") or []:
                yield {"role": entry.get("role"), "table": item.get("name"), "action": "action", "filtered": False}


COLLECTORS = (Collector("hasura", collect, deadline=18.0),)

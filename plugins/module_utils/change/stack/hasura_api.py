# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running Hasura, asked with its admin secret and as a stranger. The secret goes into a header, never onto a command line."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.hasura import EXPORT, MALFORMED, TYPE
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.web_probes import FOREIGN_ORIGIN
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.stack import reach
from ansible_collections.nself.prod.plugins.module_utils.host import Host, HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import graphql_answer
from ansible_collections.nself.prod.plugins.module_utils.parse.hasura_metadata import sources_of
from ansible_collections.nself.prod.plugins.module_utils.parse.http_headers import cors_problem
from ansible_collections.nself.prod.plugins.module_utils.probe import http

ASK, CHANGE = (
    5.0,
    60.0,
)  # seconds for an answer, and for a change of the metadata, which makes the engine read the schema anew
NOBODY = "nself-prod-nobody"  # a role that nobody has
TYPENAME = json.dumps({"query": "{__typename}"})


class Closed(ChangeError):
    """The engine serves no metadata API."""


class Engine:
    """One engine. secret: its admin secret, "" for none."""

    def __init__(self, host: Host, name: str, address: str, port: int, secret: str) -> None:
        self.host, self.name = host, name
        self._address, self._port, self._secret = address, port, secret

    # -- as an administrator -----------------------------------------------------------------------------------------

    def export(self) -> Tuple[Any, int]:
        """Return (its metadata, the version of it). Raises Closed, ChangeError."""
        answer = self._ask("POST", "/v1/metadata", EXPORT, self._admin())
        self._good(answer, "a metadata export")
        document = graphql_answer.parse(answer.text)
        if not isinstance(document, dict):
            raise ChangeError("%s: its metadata is no JSON" % self.name)
        try:
            sources_of(document)
        except ValueError as error:
            raise ChangeError("%s: its metadata cannot be read: %s" % (self.name, error)) from None
        version = document.get("resource_version")
        return document.get("metadata", document), version if isinstance(version, int) else 0

    def change(self, commands: Sequence[Mapping[str, Any]], version: int) -> None:
        """Carry out commands of the metadata API, all or none. version: of the metadata that they were worked out from."""
        body: Dict[str, Any] = {"type": "bulk", "args": list(commands)}
        if version:
            body["resource_version"] = version
        self._good(
            self._ask("POST", "/v1/metadata", json.dumps(body), self._admin(), CHANGE), "a change of its metadata"
        )

    def columns(self, role: str, types: Sequence[Optional[str]]) -> List[Optional[List[str]]]:
        """Return the columns of each type that a role is shown, None where they cannot be told."""
        asked = ['t%d:__type(name:"%s")%s' % (number, name, TYPE) for number, name in enumerate(types) if name]
        query = json.dumps({"query": "{%s}" % " ".join(asked or ["__typename"])})
        answer = self._ask("POST", "/v1/graphql", query, dict(self._admin(), **{"X-Hasura-Role": role}))
        shown = graphql_answer.plain_fields(graphql_answer.parse(answer.text))
        return [shown.get("t%d" % number) for number in range(len(types))]

    def wait(self, seconds: float) -> None:
        """Wait until it is up. Raises ChangeError where it is not in time."""
        until = time.monotonic() + seconds
        while True:
            try:
                if self.healthy():
                    return
                problem = ChangeError("%s is not healthy" % self.name)
            except ChangeError as error:
                problem = error
            if time.monotonic() >= until:
                raise problem
            time.sleep(1.0)

    # -- as a stranger ---------------------------------------------------------------------------------------------------

    def healthy(self) -> bool:
        return self._ask("GET", "/healthz").status == 200

    def console(self) -> bool:
        return 200 <= self._ask("GET", "/console").status < 300

    def lets_in(self, secret: Optional[str]) -> bool:
        """Tell whether an export of the metadata is answered with a secret, None for none at all."""
        headers = {} if secret is None else {"X-Hasura-Admin-Secret": secret}
        answer = self._ask("POST", "/v1/metadata", EXPORT, headers)
        denied = graphql_answer.is_denied(answer.status, graphql_answer.parse(answer.text))
        if denied is None:
            raise ChangeError(
                "%s answered %d to a metadata request, which is neither yes nor no" % (self.name, answer.status)
            )
        return not denied

    def internals(self) -> bool:
        # As a role that may do nothing, which gets as far as the query: without a role the request ends before.
        headers = dict(self._admin(), **{"X-Hasura-Role": NOBODY})
        answer = self._ask("POST", "/v1/graphql", MALFORMED, headers)
        return graphql_answer.has_internals(graphql_answer.parse(answer.text))

    def answers_strangers(self) -> bool:
        document = graphql_answer.parse(self._ask("POST", "/v1/graphql", TYPENAME).text)
        return isinstance(document, dict) and bool(document.get("data"))

    def grants(self) -> Optional[str]:
        """Return what is granted to a page of an origin that nobody has, None where that is nothing."""
        asked = {"Origin": FOREIGN_ORIGIN, "Access-Control-Request-Method": "POST"}
        answer = self._ask("OPTIONS", "/v1/graphql", "", asked)
        return cors_problem(
            answer.header("Access-Control-Allow-Origin"),
            answer.header("Access-Control-Allow-Credentials"),
            FOREIGN_ORIGIN,
        )

    # -- inner -----------------------------------------------------------------------------------------------------------

    def _admin(self) -> Dict[str, str]:
        return {"X-Hasura-Admin-Secret": self._secret} if self._secret else {}

    def _ask(
        self, method: str, path: str, body: str = "", headers: Optional[Mapping[str, str]] = None, seconds: float = ASK
    ) -> http.Response:
        pairs = list((headers or {}).items()) + ([("Content-Type", "application/json")] if body else [])
        try:
            with self.host.connect(self._address, self._port, timeout=seconds) as stream:
                return http.request(stream, method, path, reach.named(self._address, self._port), pairs, body)
        except HostError as error:
            raise ChangeError(
                "%s does not answer at %s: %s" % (self.name, path, error.detail or error.reason)
            ) from error

    def _good(self, answer: http.Response, what: str) -> None:
        if answer.status == 200:
            return
        if answer.status in (404, 405):
            raise Closed("%s serves no metadata API: HASURA_GRAPHQL_ENABLED_APIS has no `metadata`" % self.name)
        if answer.status == 409:
            raise ChangeError("%s: its metadata was changed by somebody else meanwhile; run again" % self.name)
        document = graphql_answer.parse(answer.text)
        said = _said(document) if isinstance(document, dict) else ""
        raise ChangeError("%s answered %d to %s%s" % (self.name, answer.status, what, ": " + said if said else ""))


def _said(document: Mapping[str, Any]) -> str:
    """Return what an error says, with its place in the request: nothing else of it, as it may repeat what was sent."""
    parts = [str(document.get(key)) for key in ("error", "path") if document.get(key)]
    internal = document.get("internal")
    if isinstance(internal, list):
        parts += [str(item.get("reason")) for item in internal if isinstance(item, dict) and item.get("reason")]
    return " at ".join(parts)[:400]

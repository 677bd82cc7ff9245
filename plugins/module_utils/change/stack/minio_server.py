# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running MinIO, asked as its root user over its own address: buckets, their policies, and whether its key works."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import minio as probe
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.parse import s3_answers
from ansible_collections.nself.prod.plugins.module_utils.probe.http import Response

KEY_STATUS = "/minio/admin/v3/kms/key/status"


class Server:
    """One server. unit: its running container (units.py). Every method raises ChangeError where it does not answer as MinIO does."""

    def __init__(self, host: Any, unit: Mapping[str, Any]) -> None:
        self.host = host
        self.unit = unit
        self.service = str(unit["service"])
        self.credentials = probe.credentials_of(unit["environment"])

    def buckets(self) -> List[str]:
        try:
            return sorted(probe.bucket_names(partial(self._ask, "GET")))
        except Missing as problem:
            raise ChangeError("%s: %s" % (self.service, problem.detail)) from None

    def policy(self, bucket: str) -> Optional[Dict[str, Any]]:
        """Return a bucket's policy, None where it has none."""
        answer = self._ask("GET", "/" + bucket, {"policy": ""})
        if answer.status == 404 and s3_answers.error_code(answer.body) == probe.NO_POLICY:
            return None
        if answer.status != 200:
            raise self._refused(answer, "to tell the policy of the bucket %s" % bucket)
        try:
            found = json.loads(answer.text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ChangeError("%s: the policy of the bucket %s is no JSON object" % (self.service, bucket))
        return found

    def set_policy(self, bucket: str, policy: Optional[Mapping[str, Any]]) -> None:
        body = json.dumps(policy) if policy is not None else ""
        answer = self._ask("PUT" if body else "DELETE", "/" + bucket, {"policy": ""}, body)
        if answer.status not in (200, 204):
            raise self._refused(answer, "to change the policy of the bucket %s" % bucket)

    def facts(self, names: List[str]) -> Dict[str, Any]:
        """Return what the audit's own probe tells, without credentials too."""
        return probe.instance(self.host, self.unit, names)

    def key_problem(self, name: str) -> str:
        """Return what is wrong with the key by which it encrypts, by its name; "" where nothing is, or where it does not tell."""
        answer = self._ask("GET", KEY_STATUS, {"key-id": name})
        if answer.status in (403, 404):
            return ""  # releases differ in where they tell it
        if answer.status != 200:
            return "it answers %d %s" % (answer.status, s3_answers.error_code(answer.body))
        try:
            told = json.loads(answer.text)
        except ValueError:
            return "it answers no JSON"
        failed = sorted(key for key, text in told.items() if key.endswith("-error") and text) if told else ["status"]
        return "%s of the key `%s`" % (", ".join(failed), name) if failed else ""

    def _ask(self, method: str, path: str, query: Mapping[str, str], body: str = "") -> Response:
        try:
            return probe.ask_server(self.host, self.unit, path, query, self.credentials, method, body)
        except Missing as problem:
            raise ChangeError("%s: %s" % (self.service, problem.detail)) from None

    def _refused(self, answer: Response, what: str) -> ChangeError:
        return ChangeError(
            "%s refuses %s: %d %s" % (self.service, what, answer.status, s3_answers.error_code(answer.body))
        )

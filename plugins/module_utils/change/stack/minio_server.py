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

# Releases differ in where they tell it.
KEY_STATUS = ("/minio/admin/v3/kms/key/status", "/minio/kms/v1/key/status")
UNTOLD = (403, 404, 405, 426)  # a release, or a rule, that does not tell


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

    def key_problem(self, name: str) -> Optional[str]:
        """Have it encrypt and decrypt something with a key, by its name. Return what is wrong, "" where nothing is, None where it does not tell."""
        answers = (self._ask("GET", path, {"key-id": name}) for path in KEY_STATUS)
        answer = next((one for one in answers if one.status not in UNTOLD), None)
        if answer is None:
            return None
        if answer.status != 200:
            return "it answers %d %s" % (answer.status, s3_answers.error_code(answer.body))
        try:
            told = json.loads(answer.text)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            return "it answers no JSON object"
        failed = sorted(key for key, text in told.items() if key.endswith("-error") and text)
        if failed:
            return "%s of the key `%s`" % (", ".join(failed), name)
        # Only an answer about this key proves anything.
        return "" if told.get("key-id") == name else "it says nothing of the key `%s`" % name

    def _ask(self, method: str, path: str, query: Mapping[str, str], body: str = "") -> Response:
        try:
            return probe.ask_server(self.host, self.unit, path, query, self.credentials, method, body)
        except Missing as problem:
            raise ChangeError("%s: %s" % (self.service, problem.detail)) from None

    def _refused(self, answer: Response, what: str) -> ChangeError:
        return ChangeError(
            "%s refuses %s: %d %s" % (self.service, what, answer.status, s3_answers.error_code(answer.body))
        )

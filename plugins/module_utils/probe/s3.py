# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask an S3 server: without credentials, or signed (AWS Signature Version 4).

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Tuple
from urllib.parse import quote

from ansible_collections.nself.prod.plugins.module_utils.probe import http

EMPTY = hashlib.sha256(b"").hexdigest()
ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Credentials:
    """An access key. It must never become a fact."""

    user: str
    secret: str
    region: str = "us-east-1"


def ask(
    stream: Any,
    host: str,
    path: str,
    query: Mapping[str, str],
    credentials: Optional[Credentials] = None,
    now: float = 0.0,
    method: str = "GET",
    body: str = "",
) -> http.Response:
    """Return the answer to a request of a path, signed where credentials are given. Raises HostError.

    path: unencoded; host: the Host header, which is signed; now: seconds since the epoch.
    """
    target = encoded_path(path) + ("?" + encoded_query(query) if query else "")
    digest = hashlib.sha256(body.encode("utf-8")).hexdigest()
    headers = [("x-amz-content-sha256", digest), ("x-amz-date", stamp(now))] if credentials else []
    if credentials:
        signed = dict(headers, host=host)
        headers.append(("Authorization", authorization(credentials, method, path, query, signed)))
    return http.request(stream, method, target, host, headers, body)


def stamp(now: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


def encoded_path(path: str) -> str:
    return quote(path, safe="/-_.~")


def encoded_query(query: Mapping[str, str]) -> str:
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    return "&".join("%s=%s" % pair for pair in pairs)


def authorization(
    credentials: Credentials, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> str:
    """Return the Authorization header of a request. headers: those to sign, x-amz-date and x-amz-content-sha256 among them."""
    date = headers["x-amz-date"]
    names, request = canonical(method, path, query, headers)
    scope = "%s/%s/s3/aws4_request" % (date[:8], credentials.region)
    text = "\n".join((ALGORITHM, date, scope, hashlib.sha256(request.encode("utf-8")).hexdigest()))
    key = ("AWS4" + credentials.secret).encode("utf-8")
    for part in scope.split("/"):
        key = hmac.new(key, part.encode("utf-8"), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode("utf-8"), hashlib.sha256).hexdigest()
    return "%s Credential=%s/%s,SignedHeaders=%s,Signature=%s" % (
        ALGORITHM,
        credentials.user,
        scope,
        names,
        signature,
    )


def canonical(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Tuple[str, str]:
    """Return (names of the signed headers, the request in its canonical form)."""
    pairs = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    names = ";".join(name for name, _value in pairs)
    digest = headers.get("x-amz-content-sha256", EMPTY)
    lines = (
        [method, encoded_path(path), encoded_query(query)] + ["%s:%s" % pair for pair in pairs] + ["", names, digest]
    )
    return names, "\n".join(lines)

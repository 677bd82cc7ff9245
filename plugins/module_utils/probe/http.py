# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request over a Connection of host.py: what a probe sends, and the answer as data.

It follows no redirect, keeps no cookie and sends nothing that it was not told to, so that an answer is the server's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError

MOST_INTERIM = 8  # answers before the answer
BODY_LIMIT = 4 * 1024 * 1024  # bytes of an answer, its head included
AGENT = "nself.prod"
CHUNK_HEAD_LIMIT = 4096  # bytes of a chunk's size and what is said of it
_HEX = re.compile(rb"[0-9A-Fa-f]{1,16}\Z")
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r|$)")


class Silent(HostError):
    """The server closed the connection without a word, as nginx does for `return 444`."""


@dataclass(frozen=True)
class Response:
    """An answer. headers: (name, value) as they came, in order; body is cut where the server sent too much."""

    status: int
    headers: Tuple[Tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> Tuple[str, ...]:
        """Return every value of a header, in order."""
        return tuple(value for key, value in self.headers if key.lower() == name.lower())

    def header(self, name: str) -> Optional[str]:
        """Return a header's value, several joined by a comma as a client joins them; None where there is none."""
        values = self.all(name)
        return ", ".join(values) if values else None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def request(
    stream: Any, method: str, path: str, host: str, headers: Iterable[Tuple[str, str]] = (), body: str = ""
) -> Response:
    """Send one request and return the answer. Raises HostError, also for what is no HTTP and for a header with a line break.

    stream: a Connection, on which nothing can be asked afterwards; host: the Host header.
    """
    data = body.encode("utf-8")
    pairs = [("Host", host), ("User-Agent", AGENT), ("Accept", "*/*"), ("Connection", "close")] + list(headers)
    if data or method in ("POST", "PUT", "PATCH"):
        pairs.append(("Content-Length", str(len(data))))
    for text in [method, path] + [part for pair in pairs for part in pair]:
        if "\r" in text or "\n" in text:
            raise HostError(Reason.ERROR, "HTTP request", "a header has a line break, so it cannot be sent")
    head = ["%s %s HTTP/1.1" % (method, path)] + ["%s: %s" % pair for pair in pairs]
    stream.send("\r\n".join(head + ["", ""]).encode("utf-8") + data)
    return parse(stream.receive_all(BODY_LIMIT), method)


def parse(raw: bytes, method: str = "GET") -> Response:
    """Return the answer that a server sent until it closed the connection. Raises Silent, HostError(parse_error)."""
    if not raw:
        raise Silent(Reason.ERROR, "HTTP answer", "the server closed the connection without a word")
    for _turn in range(MOST_INTERIM + 1):
        head, _blank, body = raw.partition(b"\r\n\r\n")
        found = _STATUS.match(head)
        if not found:
            raise HostError(Reason.PARSE_ERROR, "HTTP answer", "what answers there speaks no HTTP")
        if found.group(1) == b"101" or not found.group(1).startswith(b"1"):
            break
        raw = body  # an interim answer, such as 100 or 103
    else:
        raise HostError(Reason.PARSE_ERROR, "HTTP answer", "nothing but interim answers comes from there")
    lines = [line.decode("latin-1").partition(":") for line in head.split(b"\r\n")[1:]]
    headers = tuple((name.strip(), value.strip()) for name, colon, value in lines if colon)
    response = Response(int(found.group(1)), headers, body)
    if method == "HEAD":
        return Response(response.status, headers, b"")
    if "chunked" in (response.header("Transfer-Encoding") or "").lower():
        body = _dechunked(body)
    return Response(response.status, headers, body)


def _dechunked(data: bytes) -> bytes:
    """Return a chunked body's content: all of it that came whole. In one pass, as a server may send a million chunks of one byte."""
    out: List[bytes] = []
    at = 0
    while True:
        end = data.find(b"\r\n", at, at + CHUNK_HEAD_LIMIT)
        head = data[at : end if end >= 0 else at + CHUNK_HEAD_LIMIT]
        size = head.split(b";")[0].strip() or b"0"
        if not _HEX.match(size):
            raise HostError(Reason.PARSE_ERROR, "HTTP answer", "its chunks have no size")
        count = int(size, 16)
        if end < 0 or count <= 0:
            return b"".join(out)
        out.append(data[end + 2 : end + 2 + count])
        at = end + 2 + count + 2

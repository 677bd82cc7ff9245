# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reduce an HTTP answer to what may become a fact: some of its headers without what is private in them, and marks of its body."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.nself.prod.plugins.module_utils.parse import graphql_answer

VALUE_LIMIT = 2000  # characters of one header
BODY_LIMIT = 256 * 1024  # characters of a body in which marks are looked for
_NONCE = re.compile(r"'nonce-[^']*'")
# A query may hold a state, a token or a key of whoever takes reports.
_QUERY = re.compile(r"(?<=\S)[?#][^\s;,]*")
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")


def headers_of(response: Any, allowed: Sequence[str]) -> Dict[str, str]:
    """Return {lower name: value} of the headers on the list, several joined by a comma."""
    out = {}
    for name in allowed:
        value = response.header(name)
        if value is not None:
            value = "".join(char if " " <= char <= "~" else " " for char in value)
            value = _NONCE.sub("'nonce-0'", value)
            out[name] = _USERINFO.sub("", _QUERY.sub("", value))[:VALUE_LIMIT]
    return out


def is_html(response: Any) -> bool:
    """Tell whether a browser would show the answer as a page: it follows a redirect without a look at its body."""
    kind = (response.header("Content-Type") or "").split(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml") and not 300 <= response.status < 400


def marks_of(text: str, table: Mapping[str, str]) -> List[str]:
    """Return the marks that a body bears, sorted: those of the table, and what a GraphQL answer gives away.

    internal: an error carries Hasura's internals; schema: the schema is shown.
    """
    text = text[:BODY_LIMIT]
    found = [mark for mark, pattern in table.items() if re.search(pattern, text, re.I)]
    if text.lstrip()[:1] == "{":
        document = graphql_answer.parse(text)
        if isinstance(document, dict):
            found += ["internal"] if graphql_answer.has_internals(document) else []
            data = document.get("data")
            found += ["schema"] if isinstance(data, dict) and isinstance(data.get("__schema"), dict) else []
    return sorted(found)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Hasura's answers give away: a document that only an administrator may have, the schema, internals of an error."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

# The one field that Hasura shows to a role that may query nothing.
EMPTY_FIELDS = frozenset({"no_queries_available", "no_mutations_available"})
_LEAVES = ("SCALAR", "ENUM")


def parse(text: str) -> Any:
    """Return the document, or None for what is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def is_denied(status: int, document: Any) -> Optional[bool]:
    """Tell whether an administrator's request was refused; None where the answer says neither.

    401, 403: no or a wrong secret; 404, 405: there is no such API; 400 with access-denied: the request acts as another role.
    """
    if 200 <= status < 300:
        return False
    if status in (401, 403, 404, 405):
        return True
    code = document.get("code") if isinstance(document, dict) else None
    return True if status == 400 and code == "access-denied" else None


def fields_shown(document: Any) -> Optional[int]:
    """Return how many operations an answered __schema query shows, 0 where it was refused; None for no GraphQL answer."""
    if not isinstance(document, dict) or not ("data" in document or "errors" in document or "error" in document):
        return None
    data = document.get("data")
    schema = data.get("__schema") if isinstance(data, dict) else None
    if not isinstance(schema, dict):
        return 0
    names: List[str] = []
    for root in ("queryType", "mutationType", "subscriptionType"):
        found = schema.get(root)
        if not isinstance(found, dict):
            continue
        fields = found.get("fields")
        # A root without a list of its fields was still shown.
        names += (
            [str(item.get("name")) for item in fields if isinstance(item, dict)] if isinstance(fields, list) else [root]
        )
    return len([name for name in names if name not in EMPTY_FIELDS])


def has_internals(document: Any) -> bool:
    """Tell whether an error carries `internal`, which Hasura adds in development mode only."""
    if not isinstance(document, dict):
        return False
    errors = document.get("errors")
    entries = [item for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []
    extensions = [item.get("extensions") for item in entries]
    return "internal" in document or any(isinstance(item, dict) and "internal" in item for item in extensions)


def plain_fields(document: Any) -> Dict[str, Optional[List[str]]]:
    """Return {alias: names of the fields that hold a value of their own, not a row of another table} of __type queries.

    None for a type that the role does not know.
    """
    data = document.get("data") if isinstance(document, dict) else None
    out: Dict[str, Optional[List[str]]] = {}
    for alias, found in data.items() if isinstance(data, dict) else ():
        fields = found.get("fields") if isinstance(found, dict) else None
        if not isinstance(fields, list):
            out[str(alias)] = None
            continue
        named = [item for item in fields if isinstance(item, dict)]
        out[str(alias)] = sorted(str(item.get("name")) for item in named if _innermost(item.get("type")) in _LEAVES)
    return out


def _innermost(kind: Any) -> Any:
    while isinstance(kind, dict) and isinstance(kind.get("ofType"), dict):
        kind = kind["ofType"]
    return kind.get("kind") if isinstance(kind, dict) else None

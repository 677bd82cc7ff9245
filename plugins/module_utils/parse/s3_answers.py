# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an S3 server answers: XML documents, and a bucket's policy, which is JSON."""

from __future__ import annotations

import json
import re
from typing import Any, List, Optional
from xml.etree import ElementTree

LIMIT = 1 << 20  # bytes: a list of a thousand keys takes half of it


class S3Error(ValueError):
    """The answer is not what S3 answers. The message quotes nothing of it."""


def document(body: bytes, root: str) -> ElementTree.Element:
    """Return the root element, which must be of this name. Raises S3Error.

    A document type is refused: entities that stand for each other make a small text a huge one.
    """
    if len(body) > LIMIT:
        raise S3Error("the answer is too long")
    # UTF-16 and the like would hide what is looked for; S3 speaks UTF-8.
    if (
        b"\0" in body
        or re.search(rb"<!(DOCTYPE|ENTITY)", body, re.I)
        or re.match(rb"<\?xml[^>]*encoding=[\"'](?!utf-8)", body.lstrip(), re.I)
    ):
        raise S3Error("the answer has a document type, or is no UTF-8")
    try:
        element = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError):
        raise S3Error("the answer is no XML") from None
    if _name(element) != root:
        raise S3Error("the answer is no %s" % root)
    return element


def _name(element: ElementTree.Element) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _texts(element: ElementTree.Element, name: str) -> List[str]:
    return [(child.text or "").strip() for child in element.iter() if _name(child) == name]


def error_code(body: bytes) -> str:
    """Return the code of an error answer; "" where it is none, as that of a HEAD."""
    try:
        codes = _texts(document(body, "Error"), "Code")
    except S3Error:
        return ""
    return codes[0] if codes and re.match(r"[A-Za-z]{1,80}\Z", codes[0]) else ""


def bucket_names(body: bytes) -> List[str]:
    """Return the buckets of a ListBuckets answer."""
    buckets = [item for item in document(body, "ListAllMyBucketsResult").iter() if _name(item) == "Bucket"]
    return sorted({name for item in buckets for name in _texts(item, "Name")[:1] if name})


def first_key(body: bytes) -> Optional[str]:
    """Return the first object's key of a ListObjectsV2 answer; None for an empty bucket."""
    keys = [item for item in document(body, "ListBucketResult").iter() if _name(item) == "Contents"]
    return next((key for item in keys for key in _texts(item, "Key")[:1] if key), None)


def encryption_of(body: bytes) -> Optional[str]:
    """Return the algorithm of a bucket's default encryption; None where it names none."""
    found = _texts(document(body, "ServerSideEncryptionConfiguration"), "SSEAlgorithm")
    return found[0] if found and re.match(r"[A-Za-z0-9:-]{1,30}\Z", found[0]) else None


def public_actions(body: bytes) -> List[str]:
    """Return the actions that a bucket's policy allows everybody, sorted. Raises S3Error.

    A condition narrows a statement in ways that are not followed: what it allows is taken for allowed.
    """
    try:
        policy = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise S3Error("the policy is no JSON") from None
    if not isinstance(policy, dict):
        raise S3Error("the policy is no JSON object")
    out = set()
    for statement in many(policy.get("Statement")):
        if not isinstance(statement, dict):
            raise S3Error("a statement of the policy is none")
        if statement.get("Effect") == "Allow" and everybody(statement.get("Principal")):
            if "NotAction" in statement:
                out.add("all but some")
            out.update(
                str(action)
                for action in many(statement.get("Action"))
                if re.match(r"[A-Za-z0-9:*?]{1,80}\Z", str(action))
            )
    return sorted(out)


def everybody(principal: Any) -> bool:
    if isinstance(principal, dict):
        return any("*" in many(value) for value in principal.values())
    return principal == "*"


def many(value: Any) -> List[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]

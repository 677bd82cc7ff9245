# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""References of images: is one exact, and do two name the same image?"""

from __future__ import annotations

import re
from typing import Tuple

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}\Z")
# At the beginning, after a word at most: in 20-alpine3.18.2 it is the base that has a whole version.
_EXACT = re.compile(r"([a-z]+[-.])?(v|version-v?)?\d+\.\d+\.\d+|RELEASE\.\d{4}-\d\d-\d\d", re.I)
_TWO_PARTS = re.compile(r"(?<![\d.])\d+\.\d+(?![\d])")
# Images whose whole versions have two parts: PostgreSQL counts so since 10.
TWO_PARTS = ("postgres",)


def split(reference: str) -> Tuple[str, str]:
    """Return an image's name and its tag, "" where it has none."""
    name = reference.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    image, _colon, tag = last.partition(":")
    return folder + slash + image, tag


def is_exact(reference: str) -> bool:
    """Tell whether a reference names one build: by digest, or by a tag with a whole version (1.2.3) or a date of release.

    A tag is a promise of who publishes it only; a digest is proof.
    """
    if DIGEST.search(reference):
        return True
    name, tag = split(reference)
    if _EXACT.match(tag):
        return True
    return name.rpartition("/")[2] in TWO_PARTS and bool(_TWO_PARTS.match(tag))


def full(reference: str) -> str:
    """Return a reference with the registry and the tag that Docker takes for granted."""
    name, tag = split(reference)
    digest = reference.partition("@")[2]
    first = name.partition("/")[0]
    if "/" not in name:
        name = "docker.io/library/" + name
    elif not ("." in first or ":" in first or first == "localhost"):
        name = "docker.io/" + name
    name = re.sub(r"\Aindex\.docker\.io/", "docker.io/", name)
    if digest:
        return "%s@%s" % (name, digest)
    return "%s:%s" % (name, tag or "latest")

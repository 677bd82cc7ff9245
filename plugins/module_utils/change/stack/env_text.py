# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set names in the text of an env file, and leave every other byte as it is. Pure."""

from __future__ import annotations

import re
from typing import List, Mapping

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv

_BARE = re.compile(r"[A-Za-z0-9_./:@%+,=-]*\Z")


def with_settings(text: str, settings: Mapping[str, str], path: str) -> str:
    """Return an env file's text in which each name has its value: in its last place, else at the end. Raises ChangeError.

    Who reads the file (a shell, compose, our own parser) has to read the same, so a value that cannot be written so is refused.
    """
    read = dotenv.parse(text).values
    for name, value in settings.items():
        if read.get(name) == value:
            continue
        line = "%s=%s" % (name, quoted(name, value))
        places = list(re.finditer(r"^[ \t]*(?:export[ \t]+)?%s[ \t]*=.*$" % re.escape(name), text, re.M))
        if places:
            place = places[-1]
            # A quoted value may go on over the following lines.
            if dotenv.parse(place.group(0)).errors:
                raise ChangeError("%s: the value of %s is written over several lines; write it in one" % (path, name))
            text = text[: place.start()] + line + text[place.end() :]
        else:
            text = text + ("" if text.endswith("\n") or not text else "\n") + line + "\n"
    after = dotenv.parse(text).values
    wrong = [name for name, value in settings.items() if after.get(name) != value]
    if wrong:
        raise ChangeError("%s: %s cannot be set there; look at its quotes and lines" % (path, ", ".join(wrong)))
    return text


def quoted(name: str, value: str) -> str:
    """Return a value as an env file holds it. Raises ChangeError for what not all readers take alike."""
    if _BARE.match(value):
        return value
    if "'" in value or "\n" in value:
        raise ChangeError(
            "%s may hold neither a single quote nor a line's end: not all readers of an env file take those alike"
            % name
        )
    return "'%s'" % value


def targets(names: List[str], directory: str) -> List[str]:
    """Return which of these env files take a setting: `.env`, which wins in nself's chain, and those that the stack was started with."""
    own = directory.rstrip("/") + "/.env"
    return list(dict.fromkeys([own] + names))

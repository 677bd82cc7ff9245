# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read .env files as the shell and docker compose read them: quotes, export, CRLF, comments, values with `=`.

Nothing is expanded: `${NAME}` stays as it stands, because whether it is expanded depends on who reads the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Tuple

_NAME = re.compile(r"^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=(.*)$", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


@dataclass(frozen=True)
class Dotenv:
    """A parsed file. values: the last value of each name; errors: (line number, what is wrong), free of values."""

    values: Dict[str, str]
    errors: Tuple[Tuple[int, str], ...]


def parse(text: str) -> Dotenv:
    """Parse a file's text. A line that is no assignment is an error of its own and hides no other line."""
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    values: Dict[str, str] = {}
    errors: List[Tuple[int, str]] = []
    number = 0
    while number < len(lines):
        line = lines[number].strip()
        number += 1
        if not line or line.startswith("#"):
            continue
        found = _NAME.match(line)
        if not found or "\x00" in line:
            errors.append((number, "is not NAME=value"))
            continue
        name, raw = found.group(1), found.group(2).lstrip()
        if raw[:1] not in ("'", '"'):
            values[name] = _bare(raw)
            continue
        first = number
        # A quoted value may go on over the following lines.
        while _end_of_quotes(raw) < 0 and number < len(lines):
            raw += "\n" + lines[number]
            number += 1
        end = _end_of_quotes(raw)
        if end < 0:
            errors.append((first, "opens a quote that never closes"))
            number = first
            continue
        inner = raw[1:end]
        values[name] = inner if raw[0] == "'" else _unescape(inner)
    return Dotenv(values, tuple(errors))


def _bare(raw: str) -> str:
    """Return an unquoted value: a comment starts at a # that follows white space."""
    if raw.startswith("#"):
        return ""
    return re.split(r"[ \t]#", raw, maxsplit=1)[0].strip()


def _end_of_quotes(raw: str) -> int:
    """Return the index of the quote that closes raw[0], or -1."""
    quote = raw[0]
    index = 1
    while index < len(raw):
        if raw[index] == "\\" and quote == '"':
            index += 1
        elif raw[index] == quote:
            return index
        index += 1
    return -1


def _unescape(inner: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group(0)), inner, flags=re.DOTALL)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for a terminal: cleaning what hosts sent, wrapping, marks and colours."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Categories of characters that may move the cursor, reorder a line or hide in it.
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_SPACES = frozenset("\t\n\v\f\r\x85\u2028\u2029")
_ASCII = {
    "–": "-",
    "—": "-",
    "…": "...",
    "≥": ">=",
    "≤": "<=",
    "→": "->",
    "·": "-",
    "×": "x",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
}

_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def clean(text: str) -> str:
    """Return a text that is one line and safe to print: a host must not be able to write to the reader's terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_clean_character, text))


def _clean_character(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zs" or character in _SPACES:
        return " "
    return "?" if category in _HIDDEN else character


def clean_tree(value: Any) -> Any:
    """Return plain data with every string in it cleaned, keys too."""
    # str() and int() drop Ansible's tags, which are subclasses.
    if isinstance(value, str):
        return clean(str(value))
    if isinstance(value, Mapping):
        return {clean(str(key)): clean_tree(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_tree(item) for item in value]
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return int(value)
    return clean(str(value))


def width(text: str) -> int:
    """Return how many columns a cleaned text takes."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def pad(text: str, columns: int, right: bool = False) -> str:
    """Return a text filled up with blanks to so many columns, at the left where it is to stand right."""
    blanks = " " * max(0, columns - width(text))
    return blanks + text if right else text + blanks


def cut(text: str, columns: int, end: str = "…") -> str:
    """Return a text cut to so many columns, with a mark where something is missing."""
    if width(text) <= columns:
        return text
    while text and width(text) + width(end) > columns:
        text = text[:-1]
    return text.rstrip() + end


@dataclass(frozen=True)
class Style:
    """What the terminal can do. columns: its width; colour: whether it takes ANSI sequences; unicode: whether it shows ✓."""

    columns: int = 79
    colour: bool = False
    unicode: bool = True

    def paint(self, text: str, *names: str) -> str:
        """Return a text in these colours, or as it is where there are none."""
        if not self.colour or not names or not text:
            return text
        return "\033[%sm%s\033[0m" % (";".join(_SGR[name] for name in names), text)

    def plain(self, text: str) -> str:
        """Return a text in the characters that the terminal shows."""
        if self.unicode or text.isascii():
            return text
        return "".join(_ASCII.get(c, c) for c in text).encode("ascii", "replace").decode("ascii")

    def wrap(self, text: str, first: str = "", rest: str = "") -> list[str]:
        """Return a text in lines that fit the terminal: first stands before the first line, rest before the others."""
        lines = textwrap.wrap(
            self.plain(text),
            max(self.columns, width(rest) + 20),
            initial_indent=first,
            subsequent_indent=rest,
            break_on_hyphens=False,
        )
        return lines or [first.rstrip()]

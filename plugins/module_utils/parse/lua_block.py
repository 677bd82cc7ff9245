# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a block of Lua within nginx's configuration ends: braces in its strings and comments are none.

https://www.lua.org/manual/5.1/manual.html#2.1
"""

from __future__ import annotations

import re

_PIECE = re.compile(r"--\[(=*)\[|--|\[(=*)\[|['\"{}]")
_STRING = {quote: re.compile(r"(?:[^\\%s]|\\.)*%s" % (quote, quote), re.S) for quote in "'\""}


def end_of_lua(text: str, at: int) -> int:
    """Return where it goes on behind the brace that closes the block whose first character is at; -1 where none does."""
    depth = 1
    while True:
        found = _PIECE.search(text, at)
        if not found:
            return -1
        piece, at = found.group(), found.end()
        if piece in "{}":
            depth += 1 if piece == "{" else -1
            if depth == 0:
                return at
        elif piece in "'\"":
            string = _STRING[piece].match(text, at)
            at = string.end() if string else -1
        elif piece == "--":
            at = text.find("\n", at)
        else:
            close = "]%s]" % (found.group(1) or found.group(2) or "")
            at = text.find(close, at) + len(close) if close in text[at:] else -1
        if at < 0:
            return -1

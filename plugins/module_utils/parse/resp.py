# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis' wire format, RESP2: https://redis.io/docs/latest/develop/reference/protocol-spec/"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Tuple

MOST_NESTED = 8
MOST_ITEMS = 4096


class RespError(ValueError):
    """The bytes are no RESP. They may hold secrets, so the message quotes none."""


@dataclass(frozen=True)
class Refusal:
    """An error reply. code: its first word, as NOAUTH or ERR; text: all of it."""

    code: str
    text: str


def command(*words: str) -> bytes:
    """Return a command as a client sends it."""
    parts = [word.encode("utf-8") for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def replies(data: bytes) -> List[Any]:
    """Return every whole reply: str, int, None, list or Refusal. What was cut off at the end is left out. Raises RespError."""
    out: List[Any] = []
    index = 0
    while index < len(data):
        try:
            value, index = _reply(data, index, 0)
        except EOFError:
            break
        out.append(value)
    return out


def _reply(data: bytes, index: int, depth: int) -> Tuple[Any, int]:
    kind, (line, index) = data[index : index + 1], _line(data, index + 1)
    if kind == b"+":
        return line, index
    if kind == b"-":
        return Refusal((line.split(" ", 1) or [""])[0], line), index
    if kind == b":":
        return _number(line), index
    if kind == b"$":
        size = _number(line)
        if size < 0:
            return None, index
        end = index + size
        if len(data) < end + 2:
            raise EOFError
        if data[end : end + 2] != b"\r\n":
            raise RespError("a text does not end where it says")
        return data[index:end].decode("utf-8", "replace"), end + 2
    if kind == b"*":
        count = _number(line)
        if depth >= MOST_NESTED or count > MOST_ITEMS:
            raise RespError("too deep or too long")
        if count < 0:
            return None, index
        items = []
        for _number_of_item in range(count):
            item, index = _reply(data, index, depth + 1)
            items.append(item)
        return items, index
    raise RespError("no kind of reply")


def _line(data: bytes, index: int) -> Tuple[str, int]:
    end = data.find(b"\r\n", index)
    if end < 0:
        raise EOFError
    return data[index:end].decode("utf-8", "replace"), end + 2


def _number(text: str) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise RespError("a number is none")
    return int(text)

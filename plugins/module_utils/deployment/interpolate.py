# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose's variable interpolation: $NAME, ${NAME}, :- - :? ? :+ +, nested defaults and $$.

Grammar: https://docs.docker.com/reference/compose-file/interpolation/
"""

from __future__ import annotations

import re
from typing import Any, Mapping

MOST_VALUES = 100000  # the demo project of 28 services has about 1200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class InterpolationError(ValueError):
    """A template is malformed, or a required variable is not set. The message names variables, never values."""


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """Return value with every string in it (not the keys) interpolated. Raises InterpolationError.

    Aliases of YAML are walked as often as they are used, so a small file may stand for a huge one, or for one without
    an end: both are refused.
    """
    left = [MOST_VALUES]

    def walk(item: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise InterpolationError("more than %d values" % MOST_VALUES)
        if isinstance(item, str):
            return _expand(item, variables) if "$" in item else item
        if isinstance(item, dict):
            return {key: walk(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [walk(inner) for inner in item]
        return item

    try:
        return walk(value)
    except RecursionError:
        raise InterpolationError("values nested too deep") from None


def _expand(text: str, variables: Mapping[str, str]) -> str:
    out = []
    index = 0
    while index < len(text):
        if text[index] != "$":
            step = text.find("$", index)
            step = len(text) if step < 0 else step
            out.append(text[index:step])
            index = step
        elif text.startswith("$$", index):
            out.append("$")
            index += 2
        elif text.startswith("${", index):
            end = _closing(text, index + 2)
            out.append(_braced(text[index + 2 : end], variables))
            index = end + 1
        else:
            found = _NAME.match(text, index + 1)
            # A $ before anything else, such as a shell's $(…), stays as it is.
            out.append(variables.get(found.group(0), "") if found else "$")
            index = found.end() if found else index + 1
    return "".join(out)


def _closing(text: str, index: int) -> int:
    """Return where the brace closes that was opened before index."""
    depth = 1
    while index < len(text):
        if text.startswith("${", index):
            depth += 1
            index += 1
        elif text[index] == "}":
            depth -= 1
            if not depth:
                return index
        index += 1
    raise InterpolationError("a ${ that never closes")


def _braced(inner: str, variables: Mapping[str, str]) -> str:
    found = _NAME.match(inner)
    if not found:
        raise InterpolationError("a ${ that is followed by no name")
    name, rest = found.group(0), inner[found.end() :]
    if not rest:
        return variables.get(name, "")
    operator = next((item for item in _OPERATORS if rest.startswith(item)), None)
    if operator is None:
        raise InterpolationError("${%s…} has an unknown operator" % name)
    word = rest[len(operator) :]
    value = variables.get(name)
    there = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("-"):
        return str(value) if there else _expand(word, variables)
    if operator.endswith("+"):
        return _expand(word, variables) if there else ""
    if not there:
        raise InterpolationError("%s must be set" % name)
    return str(value)

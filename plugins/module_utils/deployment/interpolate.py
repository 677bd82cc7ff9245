# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose's variable interpolation: $NAME, ${NAME}, :- - :? ? :+ +, nested defaults and $$.

Grammar: https://docs.docker.com/reference/compose-file/interpolation/
"""

from __future__ import annotations

import re
from typing import Any, Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class InterpolationError(ValueError):
    """A template is malformed, or a required variable is not set. The message names variables, never values."""


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """Return value with every string in it (not the keys) interpolated. Raises InterpolationError."""
    if isinstance(value, str):
        return _expand(value, variables) if "$" in value else value
    if isinstance(value, dict):
        return {key: interpolate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, variables) for item in value]
    return value


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

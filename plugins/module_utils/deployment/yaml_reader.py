# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read YAML with the host's PyYAML, where it has one: the audit installs nothing."""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason

MOST_NODES = 500000
OPEN = -1


def load(text: str, path: str) -> Any:
    """Return a YAML document. Raises Missing: tool_absent without PyYAML, parse_error for what is no YAML."""
    try:
        # Here and not above: most hosts have docker compose, and loading PyYAML costs every audit.
        import yaml
    except ImportError:
        raise Missing(
            "deployment.units", Reason.TOOL_ABSENT, "neither docker compose nor PyYAML is there to read " + path
        ) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)  # a safe loader, in C where the host has it
    try:
        node = loader.get_single_node()
        # Before anything is made of it: a few lines of aliases, or of merges, may stand for more than fits into memory.
        _measure(node, {})
        return loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        # Only the place: the message of a YAML error quotes the text around it.
        line = "line %d" % (error.problem_mark.line + 1) if error.problem_mark else "an unknown line"
        raise Missing("deployment.units", Reason.PARSE_ERROR, "%s is not valid YAML at %s" % (path, line)) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Missing("deployment.units", Reason.PARSE_ERROR, path + " is not valid YAML") from None
    finally:
        loader.dispose()


def _measure(node: Any, known: Dict[int, int]) -> int:
    """Return of how many nodes a document is with every alias written out. Raises ValueError for too many, or an endless one."""
    parts = node.value if node is not None else ()
    if not isinstance(parts, list):
        return 1
    if id(node) in known:
        if known[id(node)] == OPEN:
            raise ValueError("it holds itself")
        return known[id(node)]
    known[id(node)] = OPEN
    size = 1
    for part in parts:
        for item in part if isinstance(part, tuple) else (part,):
            size += _measure(item, known)
        if size > MOST_NODES:
            raise ValueError("it is too large")
    known[id(node)] = size
    return size

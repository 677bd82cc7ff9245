# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read YAML with the host's PyYAML, where it has one: the audit installs nothing."""

from __future__ import annotations

from typing import Any

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason


def load(text: str, path: str) -> Any:
    """Return a YAML document. Raises Missing: tool_absent without PyYAML, parse_error for what is no YAML."""
    try:
        # Here and not above: most hosts have docker compose, and loading PyYAML costs every audit.
        import yaml
    except ImportError:
        raise Missing(
            "deployment.units", Reason.TOOL_ABSENT, "neither docker compose nor PyYAML is there to read " + path
        ) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)  # a safe loader, in C where the host has it
    except yaml.MarkedYAMLError as error:
        # Only the place: the message of a YAML error quotes the text around it.
        line = "line %d" % (error.problem_mark.line + 1) if error.problem_mark else "an unknown line"
        raise Missing("deployment.units", Reason.PARSE_ERROR, "%s is not valid YAML at %s" % (path, line)) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Missing("deployment.units", Reason.PARSE_ERROR, path + " is not valid YAML") from None

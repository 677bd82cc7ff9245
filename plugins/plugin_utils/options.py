# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may ask of a check, read strictly: a wrong word is refused before any host is touched."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit import waivers
from ansible_collections.nself.prod.plugins.module_utils.audit.model import CATEGORIES
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy, PolicyError
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS
from ansible_collections.nself.prod.plugins.plugin_utils.report.fleet import GATES

FORMATS = (".json",)


class OptionError(ValueError):
    """An option that cannot be used. The message names it and what it takes."""


def categories(given: Any) -> list[str]:
    """Return the categories of a list or of a comma list, empty for all. Raises OptionError for an unknown one."""
    if given is None:
        return []
    words = given.split(",") if isinstance(given, str) else given
    if not isinstance(words, Sequence):
        raise OptionError("nself_check_category takes names separated by commas, or a list of them")
    names = [str(word).strip().lower() for word in words if str(word).strip()]
    unknown = sorted(set(names) - set(CATEGORIES))
    if unknown:
        raise OptionError(
            "nself_check_category does not know %s; it takes %s" % (", ".join(unknown), ", ".join(CATEGORIES))
        )
    return [name for name in CATEGORIES if name in names]


def fail_on(given: Any) -> str:
    """Return the level of the gate. Raises OptionError."""
    # A bare `none` may arrive as null from YAML.
    level = "none" if given is None else str(given).strip().lower()
    if level not in GATES:
        raise OptionError("nself_check_fail_on takes %s, not %s" % (", ".join(GATES), given))
    return level


def output(given: Any, folder: str) -> Optional[str]:
    """Return the absolute path of the report's file, None where none is wanted. Raises OptionError for one that cannot be."""
    if given is None or not str(given).strip():
        return None
    path = os.path.normpath(os.path.join(folder, os.path.expanduser(str(given).strip())))
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in FORMATS:
        raise OptionError("nself_check_output takes a file that ends in %s, not %s" % (" or ".join(FORMATS), given))
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        raise OptionError("nself_check_output: there is no folder %s" % parent)
    if os.path.isdir(path) or not os.access(parent, os.W_OK):
        raise OptionError("nself_check_output: %s cannot be written" % path)
    return path


def policy(given: Any) -> dict[str, Any]:
    """Return the user's thresholds. Raises OptionError."""
    if given is not None and not isinstance(given, Mapping):
        raise OptionError("nself_check_policy takes a mapping of names to values")
    try:
        Policy(given)
    except PolicyError as error:
        raise OptionError("nself_check_policy: %s" % error) from None
    return dict(given or {})


def exceptions(given: Any) -> list[waivers.Waiver]:
    """Return the user's waivers. Raises OptionError."""
    if given is None:
        return []
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise OptionError("nself_check_waivers takes a list of waivers")
    try:
        return waivers.parse(given, [check.id for check in CHECKS])
    except PolicyError as error:
        raise OptionError("nself_check_waivers: %s" % error) from None

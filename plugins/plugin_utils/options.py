# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may ask of a check, read strictly: a wrong word is refused before any host is touched."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.nself.prod.plugins.module_utils.audit import waivers
from ansible_collections.nself.prod.plugins.module_utils.audit.model import CATEGORIES
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy, PolicyError
from ansible_collections.nself.prod.plugins.module_utils.audit.user_checks import is_foreign
from ansible_collections.nself.prod.plugins.plugin_utils.report.fleet import GATES

FORMATS = (".json",)
OWN_MODULE = "nself.prod.nself_audit"
PREFIX = "nself_check_"
OPTIONS = tuple(
    PREFIX + name
    for name in ("category", "verbose", "output", "fail_on", "fail_on_unknown", "policy", "waivers", "become", "module")
)
REGISTERED = tuple(PREFIX + name for name in ("options", "result", "report"))  # the playbook's own


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


def flag(name: str, given: Any) -> bool:
    """Return a yes or no. Raises OptionError for anything else: a typo must not decide how a run ends."""
    try:
        return bool(boolean(given))
    except TypeError:
        raise OptionError("%s takes true or false, not %s" % (name, given)) from None


def known_variables(names: Iterable[str]) -> None:
    """Raise OptionError for a variable that looks like one of ours and is none: it would be passed over in silence."""
    unknown = sorted({str(name) for name in names if str(name).startswith(PREFIX)} - set(OPTIONS) - set(REGISTERED))
    if unknown:
        raise OptionError("unknown variable %s; known are: %s" % (", ".join(unknown), ", ".join(OPTIONS)))


def output(given: Any, folder: str, name: str = "nself_check_output") -> Optional[str]:
    """Return the absolute path of the report's file, None where none is wanted. Raises OptionError for one that cannot be."""
    if given is None or not str(given).strip():
        return None
    path = os.path.normpath(os.path.join(folder, os.path.expanduser(str(given).strip())))
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in FORMATS:
        raise OptionError("%s takes a file that ends in %s, not %s" % (name, " or ".join(FORMATS), given))
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        raise OptionError("%s: there is no folder %s" % (name, parent))
    if os.path.islink(path):
        # The report is put in place by renaming, which would replace the link and not what it leads to.
        path = os.path.realpath(path)
    if not os.access(os.path.dirname(path), os.W_OK):
        raise OptionError("%s: %s cannot be written" % (name, path))
    if os.path.lexists(path) and not os.path.isfile(path):
        raise OptionError("%s: %s is no regular file" % (name, path))
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


def module(given: Any) -> str:
    """Return the full name of the module that audits. Raises OptionError for what is no such name."""
    name = OWN_MODULE if given is None else str(given).strip()
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){2,}", name, re.ASCII):
        raise OptionError(
            "nself_check_module takes a module's full name such as acme.checks.acme_audit, not %s" % given
        )
    return name


def exceptions(given: Any, user_checks: bool = False) -> list[waivers.Waiver]:
    """Return the user's waivers. Raises OptionError.

    user_checks: whether a waiver may name a check that only the host knows, for it comes with the user's own module.
    """
    if given is None:
        return []
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise OptionError("nself_check_waivers takes a list of waivers")
    if not given:
        return []
    # Only here, since Ansible compiles a collection's code on each run, and the checks are half of this one.
    from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS

    try:
        known = [check.id for check in CHECKS]
        if user_checks:
            named = (entry.get("id") for entry in given if isinstance(entry, Mapping))
            known += [str(name) for name in named if is_foreign(name)]
        return waivers.parse(given, known)
    except PolicyError as error:
        raise OptionError("nself_check_waivers: %s" % error) from None

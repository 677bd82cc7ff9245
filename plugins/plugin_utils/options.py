# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may ask of a playbook, read strictly: a wrong word is refused before any host is touched."""

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
CHECK, HARDEN = "check", "harden"
# By playbook: what a user may set, and what the playbook itself registers. harden.yml takes policy, waivers and module from check.yml.
OPTIONS = {
    CHECK: ("category", "verbose", "output", "fail_on", "fail_on_unknown", "policy", "waivers", "become", "module"),
    HARDEN: ("verbose", "output", "fail_on", "fail_on_unknown", "serial", "max_fail_percentage"),
}
REGISTERED = {
    CHECK: ("options", "result", "report"),
    HARDEN: ("options", "port", "before", "after", "failure", "batch", "report"),
}
PLAYBOOKS_READ = {CHECK: (CHECK,), HARDEN: (HARDEN, CHECK)}


class OptionError(ValueError):
    """An option that cannot be used. The message names it and what it takes."""


def variable(name: str, playbook: str = CHECK) -> str:
    """Return the variable by which a playbook's option is set."""
    return "nself_%s_%s" % (playbook, name)


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


def fail_on(given: Any, name: str = "nself_check_fail_on") -> str:
    """Return the level of the gate. Raises OptionError."""
    # A bare `none` may arrive as null from YAML.
    level = "none" if given is None else str(given).strip().lower()
    if level not in GATES:
        raise OptionError("%s takes %s, not %s" % (name, ", ".join(GATES), given))
    return level


def flag(name: str, given: Any) -> bool:
    """Return a yes or no. Raises OptionError for anything else: a typo must not decide how a run ends."""
    try:
        return bool(boolean(given))
    except TypeError:
        raise OptionError("%s takes true or false, not %s" % (name, given)) from None


def known_variables(names: Iterable[str], playbook: str = CHECK) -> None:
    """Raise OptionError for a variable that looks like one of ours and is none: it would be passed over in silence."""
    given = [str(name) for name in names]
    for read in PLAYBOOKS_READ[playbook]:
        known = [variable(name, read) for name in OPTIONS[read]]
        own = {variable(name, read) for name in REGISTERED[read]}
        unknown = sorted({name for name in given if name.startswith(variable("", read))} - set(known) - own)
        if unknown:
            raise OptionError("unknown variable %s; known are: %s" % (", ".join(unknown), ", ".join(known)))


def percentage(name: str, given: Any) -> int:
    """Return a number of percent. Raises OptionError."""
    text = str(given).strip().rstrip("%").strip()
    if isinstance(given, bool) or not re.fullmatch(r"\d{1,3}", text, re.ASCII) or int(text) > 100:
        raise OptionError("%s takes a number from 0 to 100, not %s" % (name, given))
    return int(text)


def serial(name: str, given: Any) -> list[str]:
    """Return the sizes of the batches, numbers of hosts and percentages, of a list or a comma list. Raises OptionError."""
    sizes = given.split(",") if isinstance(given, str) else given if isinstance(given, (list, tuple)) else [given]
    words = [str(size).strip() for size in sizes]
    if not words or any(isinstance(size, bool) for size in sizes):
        raise OptionError("%s takes numbers of hosts or percentages, such as 1,25%%,100%%, not %s" % (name, given))
    for word in words:
        found = re.fullmatch(r"(\d{1,6})(%?)", word, re.ASCII)
        if not found or not int(found.group(1)) or (found.group(2) and int(found.group(1)) > 100):
            raise OptionError("%s takes numbers of hosts or percentages, such as 1,25%%,100%%, not %s" % (name, word))
    return words


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

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How judges reach the deployment's units and the settings in force on them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Callable, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, NotApplicable, Reason, Verdict
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

NO_DEPLOYMENT = "no nself deployment on this host"


def all_units(facts: Any) -> List[Record]:
    """Return every unit. Raises NotApplicable where the host has no deployment."""
    if facts.read("deployment.state") == "none":
        raise NotApplicable(NO_DEPLOYMENT)
    return facts.records("deployment.units")


def of_role(facts: Any, role: str) -> List[Record]:
    """Return the units of a role. Raises NotApplicable where the deployment has none."""
    found = [unit for unit in all_units(facts) if unit.read("role") == role]
    if not found:
        raise NotApplicable("the deployment has no %s service" % role)
    return found


def name_of(unit: Record) -> str:
    return str(unit.read("service"))


def level_of(unit: Record) -> str:
    return str(unit.read("level"))


def judge_units(
    units: List[Record], expected: str, judge: Callable[[Record], Tuple[bool, str]], nothing: str = "nothing to judge"
) -> Verdict:
    """Judge each unit for itself and sum up."""
    return summed(expected, each(units, name_of, judge, level_of), nothing)


def plain(unit: Record, name: str, default: Optional[str] = None) -> Optional[str]:
    """Return a setting of a unit's environment; default where it is not set or empty. Raises Missing for a reduced value."""
    value = unit.read("env").get(name)
    if value is None or value == "":
        return default
    if not isinstance(value, str):
        raise Missing(name, Reason.PARSE_ERROR, "%s is not a plain value" % name)
    return value


def setting(
    facts: Any, role: str, name: str, default: Optional[str], expected: str, good: Callable[[str], Tuple[bool, str]]
) -> Verdict:
    """Judge one setting on every unit of a role. good(value) returns (good, actual); default is what the service assumes."""
    units = of_role(facts, role)

    def one(unit: Record) -> Tuple[bool, str]:
        value = plain(unit, name)
        if value is None and default is None:
            return False, "%s is not set" % name
        ok, actual = good(value if value is not None else str(default))
        return ok, actual if value is not None else "%s (%s is not set)" % (actual, name)

    verdict = judge_units(units, expected, one)
    try:
        return replace(verdict, effective=plain(units[0], name, default))
    except Missing:
        return verdict


def truthy(value: str) -> bool:
    """Tell whether a service takes a value for true (Hasura: true, yes, on …; hasura-auth: Go's ParseBool)."""
    return value.strip().lower() in ("true", "t", "yes", "y", "1", "on")


def switch(facts: Any, role: str, name: str, default: str, wanted: bool) -> Verdict:
    """Judge a boolean setting on every unit of a role."""
    expected = "%s=%s" % (name, "true" if wanted else "false")
    return setting(
        facts, role, name, default, expected, lambda value: (truthy(value) == wanted, "%s=%s" % (name, value))
    )


def whole_number(value: str) -> Optional[int]:
    """Return a whole number, or None where a service that wants one would refuse the value."""
    return int(value) if re.match(r"^\d+$", value.strip()) else None


_GO_DURATION = re.compile(r"^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$")


def go_duration(value: str) -> Optional[float]:
    """Return a Go duration (1h30m, 900s) in seconds, or None where it is none."""
    found = _GO_DURATION.match(value.strip())
    if not value.strip() or not found:
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds

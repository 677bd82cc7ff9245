# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How judges reach the names that nginx serves, as the collector `tls` met them."""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Missing,
    NotApplicable,
    Reason,
    Resource,
    Verdict,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import NO_DEPLOYMENT
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

HTTPS = 443


def all_names(facts: Any) -> List[Record]:
    """Return every name that nginx serves. Raises NotApplicable where the host has no deployment, Missing where there is none."""
    if facts.read("deployment.state") == "none":
        raise NotApplicable(NO_DEPLOYMENT)
    found: List[Record] = facts.records("tls.names")
    if not found:
        raise Missing("tls.names", Reason.ERROR, "no site of nginx has a name that can be asked for")
    return found


def encrypted(facts: Any) -> List[Record]:
    """Return the names that TLS serves. Raises NotApplicable where there are none: NET-01 says so."""
    found = [name for name in all_names(facts) if name.read("tls")]
    if not found:
        raise NotApplicable("no name is served over TLS")
    return found


def label(name: Record) -> str:
    port = name.read("port")
    return str(name.read("name")) + ("" if port == HTTPS else ":%d" % port)


def judged(names: List[Record], judge: Callable[[Record], Tuple[bool, str]]) -> List[Resource]:
    """Judge each name for itself."""
    return each(names, label, judge)


def judge_names(facts: Any, expected: str, judge: Callable[[Record], Tuple[bool, str]]) -> Verdict:
    """Judge each name that TLS serves and sum up."""
    return summed(expected, judged(encrypted(facts), judge))

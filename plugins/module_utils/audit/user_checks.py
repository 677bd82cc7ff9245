# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks and collectors that a user adds from a collection of their own: taken strictly, so that none passes for one of ours."""

from __future__ import annotations

import re
from typing import Any, Sequence, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    CATEGORIES,
    CATEGORY_OF_PREFIX,
    Check,
    Severity,
    prefix_of,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import PolicyError

ID = re.compile(r"[A-Z][A-Z0-9]*-[0-9]{2,}\Z")
SLUG = re.compile(r"[a-z0-9-]+\Z")
TEXTS = ("title", "why", "reads", "passes")


def is_foreign(check_id: Any) -> bool:
    """Tell whether an id may be that of a user's check: of the right form, with a prefix that is none of ours."""
    text = str(check_id)
    return bool(ID.match(text)) and prefix_of(text) not in CATEGORY_OF_PREFIX


def checks_with(own: Sequence[Check], extra: Sequence[Any]) -> Tuple[Check, ...]:
    """Return our checks and the user's after them. Raises PolicyError for one that cannot stand in a report."""
    seen: Set[str] = set()
    for item in extra:
        if not isinstance(item, Check):
            raise PolicyError("a user's check is made by the decorator check, and this is none: %r" % (item,))
        _checked(item)
        if item.id in seen:
            raise PolicyError("two of the user's checks have the id %s" % item.id)
        seen.add(item.id)
    return tuple(own) + tuple(extra)


def _checked(item: Check) -> None:
    where = "the user's check %s" % item.id
    if not ID.match(item.id):
        raise PolicyError("%s: an id is like ACME-01" % where)
    if not is_foreign(item.id):
        ours = ", ".join(CATEGORY_OF_PREFIX)
        raise PolicyError("%s: %s are this collection's prefixes; take one of your own" % (where, ours))
    if item.category not in CATEGORIES:
        raise PolicyError("%s: its category is one of %s, and must be given" % (where, ", ".join(CATEGORIES)))
    if item.severity not in Severity.ALL:
        raise PolicyError("%s: its severity is one of %s" % (where, ", ".join(Severity.ALL)))
    if not SLUG.match(item.slug):
        raise PolicyError("%s: its slug consists of a-z, 0-9 and -" % where)
    absent = [name for name in TEXTS if not getattr(item, name)] + ["fix.by_hand"] * (not item.fix.by_hand)
    if absent:
        raise PolicyError("%s has no %s" % (where, ", ".join(absent)))


def collectors_with(own: Sequence[Collector], extra: Sequence[Any]) -> Tuple[Collector, ...]:
    """Return our collectors and the user's. Raises PolicyError for one whose facts would take the place of others."""
    taken = {name for item in own for name in (item.name, item.fact) if name}
    for item in extra:
        if not isinstance(item, Collector):
            raise PolicyError("a user's collector is a Collector, and this is none: %r" % (item,))
        names = {name for name in (item.name, item.fact) if name}
        if names & taken:
            raise PolicyError("the user's collector %s: there is one of that name already" % item.name)
        taken |= names
    return tuple(own) + tuple(extra)

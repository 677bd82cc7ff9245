# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How judges reach what nginx's configuration says: the facts `nginx`, and only where they are what runs."""

from __future__ import annotations

from typing import Any, List

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, NotApplicable, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.units import NO_DEPLOYMENT


def in_force(facts: Any) -> Record:
    """Return the facts of the running nginx.

    Raises NotApplicable without a deployment; Missing where no nginx runs, or where its files are not what it was
    started with: then nothing that they say can be held against it or for it.
    """
    state = facts.read("nginx.state")
    if state == "none":
        raise NotApplicable(NO_DEPLOYMENT)
    if state != "running":
        raise Missing("nginx.state", Reason.ERROR, "nginx does not run, so what it would do is not known")
    stale = facts.read("nginx.stale")
    if stale != "":
        raise Missing("nginx.stale", Reason.ERROR, "%s changed after nginx was started or reloaded" % stale)
    found: Record = facts.record("nginx")
    return found


def entries(facts: Any, role: str) -> List[Record]:
    """Return the paths by which nginx passes requests on to a role, each with its site. Raises like in_force()."""
    return [entry for entry in in_force(facts).records("entries") if entry.read("role") in (role, "")]


def throttles(limit: Record) -> bool:
    """Tell whether a limit really holds every client back."""
    return bool(limit.read("defined") is True and limit.read("keyed") is True and limit.read("dry") is False)

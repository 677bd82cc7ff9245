# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builders of deployment facts for the cases of several topics. It holds no case of its own."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer

CASES = {}
NO_DEPLOYMENT = {"deployment": {"state": "none", "units": []}}
UNREADABLE = {
    "deployment": {"state": "found", "units": Unread("needs_root", "docker: permission denied on its socket")}
}
RANDOM = "7d1f0c9be24a58836d0fb1a97c5e2d4483b6a90f1c7e5d2a"  # as `openssl rand -hex 24` prints them


def unit(service="app", role=None, level="running", env=None, **more):
    """Return a unit with just these facts; env is given in clear and reduced as on a host."""
    out = {"service": service, "level": level}
    if role is not None:
        out["role"] = role
    if env is not None:
        out["env"] = Reducer("a key").environment(env)
    out.update(more)
    return out


def deployment(*units, **more):
    """Return the facts of a deployment with these units."""
    return {"deployment": dict({"state": "found", "units": list(units)}, **more)}

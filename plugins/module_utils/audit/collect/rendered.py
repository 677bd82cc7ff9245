# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the env files would give a service that runs already, if it were started now.

Facts `rendered`: services[] of {service, env}, env reduced and limited to the names that the guide's settings end up in.
"""

from __future__ import annotations

from typing import Any, Dict, List

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.guide_settings import REAL_NAMES
from ansible_collections.nself.prod.plugins.module_utils.deployment.hasura_flags import with_flags


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts. Raises Missing where compose's files could not be rendered."""
    rendered = need("project").rendered
    if isinstance(rendered, Unread):
        raise Missing("rendered.services", rendered.reason, rendered.detail)
    reducer = Reducer(need.options.fingerprint_key)
    services: List[Dict[str, Any]] = []
    for unit in rendered or []:
        environment = unit["environment"]
        if unit["role"] == "hasura":
            environment = with_flags(environment, " ".join(unit["argv"]))
        known = {name: value for name, value in environment.items() if name in REAL_NAMES}
        services.append({"service": unit["service"], "env": reducer.environment(known)})
    return {"services": services}


COLLECTORS = (Collector("rendered", collect, deadline=19.0),)

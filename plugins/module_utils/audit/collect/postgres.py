# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running PostgreSQL of the deployment.

Hidden `postgres_sql`: {"unit": its unit in clear, "sections": every section of tables/postgres_sql.py, those with secrets included}.
Facts `postgres`: one key a section, without the private ones.
"""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import psql
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.postgres_sql import PRIVATE, SECTIONS

FACT = "postgres"


def collect_sql(host: Any, need: Any) -> Dict[str, Any]:
    """Ask the deployment's PostgreSQL everything at once. Raises Missing where none runs, or it lets nobody in."""
    unit = the_unit(need("project").running("postgres"))
    return {"unit": unit, "sections": psql.ask(host, str(unit["id"]), SECTIONS)}


def the_unit(units: Any) -> Any:
    """Return the deployment's own PostgreSQL among the running ones: the service postgres, or the only one there is."""
    named = [unit for unit in units if unit["service"] == "postgres"] or units
    if not named:
        raise Missing(FACT, Reason.ERROR, "no PostgreSQL of the deployment runs here, so it cannot be asked")
    if len(named) > 1:
        names = ", ".join(sorted(str(unit["name"]) for unit in named))
        raise Missing(
            FACT, Reason.ERROR, "more than one PostgreSQL runs here (%s): which one is meant is not known" % names
        )
    return named[0]


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the public facts."""
    asked = need("postgres_sql")
    return {name: value for name, value in asked["sections"].items() if name not in PRIVATE}


COLLECTORS = (
    Collector("postgres_sql", collect_sql, deadline=20.0, hidden=True),
    Collector("postgres", collect, deadline=22.0),
)

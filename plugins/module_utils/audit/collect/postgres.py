# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running PostgreSQL of the deployment.

Hidden `postgres_sql`: {"unit": its unit in clear, "sections": every section of tables/postgres_sql.py, those with secrets included}.
Facts `postgres`: one key a section without the private ones, and passwords[], files{}, neighbours[], hba_file[].
"""

from __future__ import annotations

from typing import Any, Dict, List

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import postgres_files, postgres_passwords, psql
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.postgres_sql import PRIVATE, SECTIONS
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.postgres_sql_schema import (
    SECTIONS as SCHEMA_SECTIONS,
)

FACT = "postgres"
EVERYTHING = dict(SECTIONS, **SCHEMA_SECTIONS)


def collect_sql(host: Any, need: Any) -> Dict[str, Any]:
    """Ask the deployment's PostgreSQL everything at once. Raises Missing where none runs."""
    unit = the_unit(need("project").running("postgres"))
    sections = attempt(lambda: psql.ask(host, str(unit["id"]), EVERYTHING))
    if isinstance(sections, Unread):
        sections = dict.fromkeys(EVERYTHING, sections)
    return {"unit": unit, "sections": sections}


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
    unit, sections = asked["unit"], asked["sections"]
    facts = {name: value for name, value in sections.items() if name not in PRIVATE}
    facts["passwords"] = attempt(lambda: postgres_passwords.judged(host, need, unit, sections))
    facts["files"] = attempt(lambda: postgres_files.collect(host, unit, sections))
    facts["neighbours"] = attempt(lambda: neighbours(unit, need("docker_containers")))
    # Only where the server does not tell its rules: then the file is all there is.
    unasked = isinstance(sections["hba"], Unread)
    for rule in [] if unasked else sections["hba"]:
        rule.setdefault("file_name", None)  # told since PostgreSQL 16
    facts["hba_file"] = attempt(lambda: postgres_files.hba(host, unit)) if unasked else None
    return facts


def neighbours(unit: Any, containers: Any) -> List[str]:
    """Return the running containers of other projects that share a network with PostgreSQL."""
    own = next((item for item in containers if str(item.get("Id")) == unit["id"]), None)
    if own is None:
        raise Missing(FACT, Reason.ERROR, "PostgreSQL's container ended while it was read")
    networks, project = set(_networks(own)), _project(own)
    return sorted(
        str(item.get("Name", "")).lstrip("/")
        for item in containers
        if item is not own
        and (item.get("State") or {}).get("Running")
        and networks.intersection(_networks(item))
        and (not project or _project(item) != project)
    )


def _networks(item: Any) -> Any:
    return (item.get("NetworkSettings") or {}).get("Networks") or {}


def _project(item: Any) -> str:
    return str(((item.get("Config") or {}).get("Labels") or {}).get("com.docker.compose.project") or "")


COLLECTORS = (
    Collector("postgres_sql", collect_sql, deadline=20.0, hidden=True),
    Collector("postgres", collect, deadline=22.0),
)

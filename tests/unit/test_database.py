# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second PostgreSQL, which nobody asked, lets no check of PostgreSQL pass."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.checks import (
    postgres_access,
    postgres_audit_log,
    postgres_roles,
    postgres_schema,
    postgres_settings,
    postgres_tls,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, NotApplicable
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from cases import postgres
from cases import postgres_schema as schema_cases
from cases.units import unit

MODULES = (postgres_access, postgres_audit_log, postgres_roles, postgres_schema, postgres_settings, postgres_tls)
CHECKS = [check for module in MODULES for check in module.CHECKS]
CASES = dict(postgres.CASES, **schema_cases.CASES)


def verdicts(check, kind, level):
    for facts in CASES[check.id][kind]:
        tree = copy.deepcopy(facts)
        more = unit("analytics", "postgres", level)
        # A service of its own: no URL of it, no port.
        more.update(env={}, ports=[], host_namespaces=[])
        for item in tree["deployment"]["units"]:
            item.setdefault("service", "postgres")
            item.setdefault("level", "running")
        tree["deployment"]["units"].append(more)
        try:
            yield check.judge(Facts(tree), Policy(None)).status
        except Missing:
            yield "unknown"
        except NotApplicable:
            yield "not_applicable"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_second_server_that_runs_lets_nothing_pass(check):
    assert set(verdicts(check, "pass", "running")) == {"unknown"}
    assert set(verdicts(check, "fail", "running")) == {"fail"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_one_that_does_not_run_is_no_server(check):
    assert set(verdicts(check, "pass", "rendered")) == {"pass"}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose models of any shape: an error that says so, or units; never a traceback, and no hardening out of thin air."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit import engine
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Status
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS
from ansible_collections.nself.prod.plugins.module_utils.deployment.compose import ComposeError, merge, units
from hypothesis import given, settings
from hypothesis import strategies as st

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)  # fmt: skip
KEYS = st.sampled_from(
    "image user environment ports volumes command entrypoint privileged cap_add cap_drop security_opt read_only devices pid ipc deploy mem_limit "
    "cpus pids_limit networks network_mode profiles healthcheck env_file labels container_name extends".split()
)
SERVICES = st.dictionaries(KEYS, VALUES, max_size=6)
MODELS = VALUES | st.fixed_dictionaries(
    {"services": st.dictionaries(st.text(max_size=8), SERVICES | VALUES, max_size=3)}
)
HARDENING = ("INFRA-33", "INFRA-34", "INFRA-35", "INFRA-36")


@settings(max_examples=300, deadline=None)
@given(MODELS)
def test_a_model_is_read_or_refused(model):
    try:
        found = units(model, "/opt/nself")
    except ComposeError:
        return
    assert all(unit["service"] is not None and unit["level"] == "rendered" for unit in found)


@settings(max_examples=200, deadline=None)
@given(MODELS, MODELS)
def test_any_two_models_merge(base, over):
    merged = merge(base, over)
    if isinstance(base, dict) and isinstance(over, dict):
        assert set(merged) == set(base) | set(over)


@pytest.mark.parametrize("check", [check for check in CHECKS if check.id in HARDENING], ids=lambda check: check.id)
@settings(max_examples=100, deadline=None)
@given(
    service=st.dictionaries(
        KEYS.filter(lambda key: key not in ("cap_drop", "security_opt", "read_only", "deploy", "mem_limit")),
        VALUES,
        max_size=6,
    )
)
def test_what_a_service_does_not_ask_for_it_does_not_have(check, service):
    try:
        found = units({"services": {"app": service}}, "/opt/nself")
    except ComposeError:
        return
    for unit in found:
        # Of the unit in clear, this is what compose could have told.
        unit["env"] = {}
    if found:
        facts = Facts({"deployment": {"state": "found", "units": found}})
        assert engine.judge(check, facts, Policy()).status != Status.PASS

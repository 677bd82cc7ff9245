# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check that a role of harden.yml mends passes afterwards, apart from a short list."""

from __future__ import annotations

import json

import lab as labs
import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS
from ansible_collections.nself.prod.plugins.plugin_utils.report import deployment
from ansible_collections.nself.prod.plugins.plugin_utils.report.hardening import ROLES
from exceptions import EXCEPTIONS, OF_A_STOPPED_DEPLOYMENT
from outside import HOSTS, policy

# No deployment runs here: what its roles mend is proven by the scenario `deployment`.
MENDED = {check.id for check in CHECKS if check.fix.role in ROLES and check.fix.role not in deployment.ROLES}
EXCUSED = {"fresh12": {*EXCEPTIONS, *OF_A_STOPPED_DEPLOYMENT}, "fresh13": set(EXCEPTIONS)}


@pytest.fixture(scope="session")
def findings(state, tmp_path_factory):
    """What an audit says of each host: that of the last run, or a new one after the reboot."""
    path = labs.EPHEMERAL / "report.json"
    if state == "rebooted":
        path = tmp_path_factory.mktemp("rebooted") / "report.json"
        options = {"nself_check_policy": policy(), "nself_check_output": str(path), "nself_check_fail_on": "none"}
        finished = labs.play("-e", json.dumps(options), "--limit", ",".join(HOSTS))
        assert finished.returncode == 0, finished.stdout
    return {name: {item["id"]: item for item in host["findings"]} for name, host in labs.report(path).items()}


@pytest.mark.parametrize("host", HOSTS)
def test_every_check_of_the_host_passes(host, findings):
    left = {
        check: (findings[host][check]["status"], findings[host][check]["actual"])
        for check in sorted(MENDED - EXCUSED[host])
        if findings[host][check]["status"] not in ("pass", "not_applicable")
    }
    assert not left


@pytest.mark.parametrize("host", HOSTS)
def test_most_of_them_are_about_something_here(host, findings):
    assert sum(findings[host][check]["status"] == "pass" for check in MENDED) >= 22

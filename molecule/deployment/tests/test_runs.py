# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode said is what the run did, and the next one did nothing and recreated nothing."""

from __future__ import annotations

import json

import lab as labs
from ansible_collections.nself.prod.plugins.plugin_utils.report import deployment
from deployed import HOST, RUNNING, harden


def changed(name):
    return {tuple(pair) for pair in json.loads((labs.EPHEMERAL / name).read_text())}


def test_check_mode_predicted_exactly_what_changed():
    checked, ran = changed("checked.json"), changed("run-1.json")
    assert checked == ran
    assert (HOST, "Change the deployment") in ran


def test_the_second_run_changed_nothing():
    assert changed("run-2.json") == set()


def test_a_further_run_makes_no_container_anew():
    host = labs.lab(HOST)
    before = host.sh(RUNNING)
    finished = harden(tags=deployment.ROLES)
    assert finished.returncode == 0, finished.stdout
    assert "changed=0" in finished.stdout and "Recreated" not in finished.stdout
    assert before.split() and host.sh(RUNNING) == before

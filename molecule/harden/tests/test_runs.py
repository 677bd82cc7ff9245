# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode said is what the run did, and the next one did nothing."""

from __future__ import annotations

import json

import lab as labs
from outside import HOSTS


def changed(name):
    return [tuple(pair) for pair in json.loads((labs.EPHEMERAL / name).read_text())]


def test_check_mode_predicted_exactly_what_changed():
    checked, ran = changed("checked.json"), changed("run-1.json")
    assert set(checked) == set(ran)
    assert {host for host, _task in ran} == set(HOSTS)
    assert len(ran) >= 2 * 6


def test_the_second_run_changed_nothing():
    assert changed("run-2.json") == []

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module nself_deployment: which parts it takes, and where their options come from (by Ansible's own validation: ansible.module_utils)."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import deployment
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part

# What the module validates with; an old Python of a host has no Ansible.
pytest.importorskip("ansible.module_utils.common.arg_spec")


class Example(Part):
    name = "example"
    SPEC = {"size": {"type": "int", "default": 3}, "names": {"type": "list", "elements": "str", "default": []}}


def test_the_first_source_that_has_a_value_wins_and_the_default_comes_last():
    assert deployment.options_of(Example, {"size": None}, {"size": "5"}) == {"size": 5, "names": []}
    assert deployment.options_of(Example, {"size": 7}, {"size": 5}) == {"size": 7, "names": []}
    assert deployment.options_of(Example) == {"size": 3, "names": []}


@pytest.mark.parametrize("options", [{"sise": 3}, {"size": "big"}], ids=str)
def test_an_option_that_does_not_fit_is_named(options):
    with pytest.raises(Refused, match="example.*si[sz]e"):
        deployment.options_of(Example, options)


def test_an_unknown_part_is_named_with_those_there_are():
    with pytest.raises(Refused, match="nonsense"):
        deployment.parts_of({"nonsense": {}})

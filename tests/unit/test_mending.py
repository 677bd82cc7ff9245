# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop is closed: what a check names as its mend exists, and each break of a host has a role that mends it, or a reason."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS
from ansible_collections.nself.prod.plugins.plugin_utils.report import deployment
from ansible_collections.nself.prod.plugins.plugin_utils.report.hardening import ROLES
from truth import mending_deployment, merge
from truth.mending import BY_HAND, HELD_BACK, LEAN, MORE, ROLE_OF, VARIABLES, mendable, roles_of
from truth.tables import MUTATIONS
from truth.unproven import UNPROVEN

OF_THE_HOST = [check for check in CHECKS if check.fix.role in ROLES]
NAMES = {mutation.name for mutation in (*MUTATIONS, *MORE)}


@pytest.fixture(scope="module")
def options(root):
    """The variables of each role, as its argument_specs know them."""
    found = {}
    for role in ROLES:
        path = root / "roles" / role / "meta/argument_specs.yml"
        found[role] = set(yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"])
    return found


def imported(tasks):
    """Yield the tasks that import a role, those in blocks too."""
    for task in tasks:
        if "ansible.builtin.import_role" in task:
            yield task
        yield from imported(task.get("block") or ())


def test_harden_runs_each_role_that_is_there(root):
    play = yaml.safe_load((root / "playbooks/harden.yml").read_text(encoding="utf-8"))[1]
    found = list(imported(play["tasks"]))
    assert tuple(task["tags"] for task in found) == ROLES
    assert [task["ansible.builtin.import_role"]["name"] for task in found] == ["nself.prod." + role for role in ROLES]
    # The others begin with the role packages, or consist of the role deployment.
    assert {path.parent.name for path in (root / "roles").glob("*/tasks")} == {*ROLES, "packages", "deployment"}


def test_the_change_of_the_deployment_is_run_by_the_tag_of_each_of_its_roles(root):
    play = yaml.safe_load((root / "playbooks/harden.yml").read_text(encoding="utf-8"))[1]
    (outer,) = [task["block"] for task in play["tasks"] if "block" in task]
    (block,) = [task for task in outer if "block" in task]
    (change,) = [task for task in block["block"] if "nself.prod.nself_deployment" in task]
    assert tuple(change["tags"]) == deployment.ROLES
    assert block["vars"] == {"nself_deployment_defer": True}
    assert change["register"] == deployment.RESULT


def test_every_check_of_the_host_is_broken_and_mended_live_or_it_is_said_why_not():
    mended = {check for mutation in mendable() for check in mutation.flips if ROLE_OF[check] in ROLES}
    by_hand = {check for mutation in MUTATIONS if mutation.name in BY_HAND for check in mutation.flips}
    assert {check.id for check in OF_THE_HOST} - mended <= by_hand | set(UNPROVEN)


def test_every_role_mends_something_live():
    # Nobody can load rules of audit in a container.
    assert {role for mutation in mendable() for role in roles_of(mutation)} == set(ROLES) - {"auditd"}


def test_the_tables_name_mutations_that_exist_and_say_why():
    assert set(BY_HAND) | set(HELD_BACK) | set(VARIABLES) <= NAMES
    assert all(len(reason) > 20 for reason in (*BY_HAND.values(), *HELD_BACK.values()))
    assert {*LEAN, *mending_deployment.LEAN} <= {mutation.name for mutation in mendable()}
    assert len(NAMES) == len(MUTATIONS) + len(MORE)


def test_the_variables_of_a_break_are_those_of_its_roles(options):
    for name, variables in VARIABLES.items():
        (mutation,) = [item for item in (*MUTATIONS, *MORE) if item.name == name]
        assert set(variables) <= set().union(*(options[role] for role in roles_of(mutation)))


OVERRIDE = """# Written by nself.prod, role by role.
x-nself-prod: {}
# nself.prod: yours, as it was; what the roles below set wins over it
--- # nself.prod: role containers
x-nself-prod-containers: {"version": 1}
services:
  auth:
    read_only: true
    tmpfs: !override
      - /tmp
--- # nself.prod: role auth
x-nself-prod-auth: {"version": 1}
services:
  auth:
    environment:
      A: b
--- # nself.prod: what you add below this line wins over all of the above
x-nself-prod-below: {}
"""


def test_a_break_goes_into_the_document_of_the_role_that_mends_it_and_leaves_the_others():
    text = merge.in_document(OVERRIDE, {"services": {"auth": {"read_only": False}}}, ["containers"])
    assert "read_only: false" in text and "!override" in text
    assert text.replace("read_only: false", "read_only: true") == OVERRIDE.replace("    - /tmp", "  - /tmp")
    text = merge.in_document(OVERRIDE, {"services": {"auth": {"environment": {"A": "c"}}}}, ["containers", "auth"])
    assert text == OVERRIDE.replace("A: b", "A: c")


def test_a_break_goes_into_what_is_the_users_own():
    once = merge.in_document(OVERRIDE, {"services": {"auth": {"init": True}}}, ["yours"])
    assert once == OVERRIDE.replace("over it\n", "over it\nservices:\n  auth:\n    init: true\n")
    opened = once.replace("over it\n", "over it\n--- # yours\n")
    assert merge.in_document(opened, {"services": {"auth": {"tty": True}}}, ["yours"]) == opened.replace(
        "init: true\n", "init: true\n    tty: true\n"
    )

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new files of a run: whose hands their folder is in, and what they say of services that a build took away."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.stack import override
from ansible_collections.nself.prod.plugins.module_utils.change.stack.candidate import Candidate, _others_write
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo
from fake_host import FakeHost
from fake_stack import FakeStack


def folder(mode, uid=0):
    return FileInfo(mode, uid, 0, 0, 0.0, "dir")


@pytest.mark.parametrize(
    ("own", "above", "others"),
    [
        (folder(0o755), folder(0o755), False),
        (folder(0o755), folder(0o1777), False),
        (folder(0o755, 1000), folder(0o755), True),
        (folder(0o2775), folder(0o755), True),
        (folder(0o755), folder(0o755, 1000), True),
    ],
)
def test_a_folder_is_roots_alone_only_with_all_above_it(own, above, others):
    root = folder(0o755)
    host = FakeHost(stats={"/": root, "/srv": root, "/srv/apps": above, "/srv/apps/nself": own})
    assert _others_write(host, "/srv/apps/nself") is others


def documents(**services):
    return {
        role: override.document({"services": {name: {"read_only": True} for name in names}}, role, {"version": 1})
        for role, names in services.items()
    }


def taken_out(roles, services, unused=()):
    """Return (documents, the override without what is gone) of a candidate."""
    found = Candidate.__new__(Candidate)
    found.stack = FakeStack({name: {"image": name} for name in services})
    found.stack.unused = set(unused)
    found.order, found.stand_in = ["containers", "nginx", "shared"], ""
    new = override.Override("", "services: {}\n", documents(**roles), "")
    found._take_out_what_is_gone(new)
    return new.roles, found.stand_in


def test_a_service_that_a_build_took_away_goes_out_of_every_roles_document():
    roles, stand_in = taken_out({"containers": ["nginx", "mail"], "nginx": ["nginx"], "shared": ["mail"]}, ["nginx"])
    assert roles == documents(containers=["nginx"], nginx=["nginx"])
    assert override.split(stand_in).roles == roles and override.split(stand_in).yours == "services: {}\n"


def test_one_of_a_profile_that_is_not_used_stays():
    roles = {"containers": ["nginx", "once"]}
    assert taken_out(roles, ["nginx"], ["once"]) == (documents(**roles), "")
    assert taken_out({"containers": ["nginx"]}, ["nginx"]) == (documents(containers=["nginx"]), "")


def test_where_nothing_is_left_compose_still_has_a_file_to_read():
    found = taken_out({"containers": ["mail"]}, [])
    assert found == ({}, "services: {}\n")

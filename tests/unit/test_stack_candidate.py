# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose hands a project's folder is in: root writes through no link there."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.stack.candidate import (
    FILES_LABEL,
    _others_write,
    _with_labels,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import File, Plan
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


def test_a_container_is_made_anew_for_the_same_text_where_somebody_changed_the_file_since():
    def label(there, now, wanted="x"):
        config = {"Config": {"Labels": {FILES_LABEL + "nginx": now}}}
        host = FakeHost({"/srv/app/a.conf": there} if there is not None else {})
        stack = FakeStack(services={"nginx": {}}, host=host, containers={"nginx": config})
        plan = Plan(files=[File("a.conf", wanted, services=("nginx",))])
        return _with_labels({}, "nginx", plan, stack)["services"]["nginx"]["labels"][FILES_LABEL + "nginx"]

    made = label(None, "")
    assert label("x", made) == made
    assert label("changed by hand", made) == made + "-1"
    assert label("x", made + "-1") == made + "-1"
    assert label("changed by hand", made + "-1") == made + "-2"
    # A new text needs no count, and neither does an old one.
    assert label("x", made + "-1", "y") == label("x", "", "y") != made
    assert label("x", "of another text") == made

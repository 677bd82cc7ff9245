# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose hands a project's folder is in: root writes through no link there."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.stack.candidate import _others_write
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo
from fake_host import FakeHost


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

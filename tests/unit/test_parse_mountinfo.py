# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which device a path lies, and where memory is written to."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse.mountinfo import Mount, Swap, mount_of, mounts, swaps
from hypothesis import given
from hypothesis import strategies as st

TABLE = """\
22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw
30 22 0:40 / /srv rw - zfs tank/srv rw
31 22 8:1 / /mnt/my\\040disk rw,noatime shared:9 master:2 - xfs /dev/sda1 rw
32 22 8:2 / /var/lib/docker rw - ext4 /dev/sda2 rw
33 22 8:3 /sub /var/lib/docker rw - ext4 /dev/sda3 rw
"""
HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


@pytest.mark.parametrize(
    "path, device",
    [
        ("/", "253:0"),
        ("/var/lib/dockerd", "253:0"),
        ("/srv/data", "0:40"),
        ("/mnt/my disk/data", "8:1"),
        # the last mount on a point covers the others
        ("/var/lib/docker/volumes/x", "8:3"),
    ],
)
def test_a_path_lies_on_the_nearest_mount(path, device):
    assert mount_of(path, mounts(TABLE)).device == device


def test_no_mount_holds_a_path():
    assert mount_of("/a", [Mount("8:1", "/b", "ext4", "/dev/sda1")]) is None


def test_swap_areas():
    text = HEADER + "/dev/dm-1 partition 1 0 -2\n/swap\\040file\\040(deleted) file 1 0 -3\n"
    assert swaps(text) == [Swap("/dev/dm-1", "partition"), Swap("/swap file (deleted)", "file")]
    assert swaps(HEADER) == []


@pytest.mark.parametrize("text", ["rubbish", "22 1 253:0 / / rw", "22 1 x:y / / rw - ext4 /dev/a"])
def test_a_line_that_is_no_mount_is_refused(text):
    with pytest.raises(ValueError):
        mounts(text)


@pytest.mark.parametrize("text", ["", "rubbish", HEADER + "/dev/sda2"])
def test_what_is_no_table_of_swap_is_refused(text):
    with pytest.raises(ValueError):
        swaps(text)


@given(st.text(max_size=200))
def test_rubbish_raises_nothing_else(text):
    for parse in (mounts, swaps):
        try:
            parse(text)
        except ValueError:
            pass

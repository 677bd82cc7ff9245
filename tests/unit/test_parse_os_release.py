# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""os-release and systemctl show."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.parse.os_release import parse_os_release
from ansible_collections.nself.prod.plugins.module_utils.parse.systemd import parse_show
from hypothesis import given, settings
from hypothesis import strategies as st

TRIXIE = """\
PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION_CODENAME=trixie
# a comment
ID=debian
BUG='it\\'s'
"""
SHOW = """\
Id=rpcbind.service
LoadState=loaded
ActiveState=inactive
UnitFileState=enabled

Id=cups.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
"""


def test_os_release():
    release = parse_os_release(TRIXIE)
    assert (release["ID"], release["VERSION_ID"], release["BUG"]) == ("debian", "13", "it's")
    assert release["PRETTY_NAME"] == "Debian GNU/Linux 13 (trixie)"


def test_systemctl_show():
    assert [(unit["Id"], unit["UnitFileState"]) for unit in parse_show(SHOW)] == [
        ("rpcbind.service", "enabled"),
        ("cups.service", ""),
    ]
    assert parse_show("") == []


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_rubbish_never_raises(text):
    parse_os_release(text)
    parse_show(text)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of two values of a setting of sshd is the stricter one."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change import sshd_wish


@pytest.mark.parametrize(
    "keyword, value, wished, good",
    [
        ("permitrootlogin", "prohibit-password", "without-password", True),
        ("permitrootlogin", "yes", "no", False),
        ("allowtcpforwarding", "local", "no", False),
        ("passwordauthentication", "no", "yes", True),
        ("pubkeyauthentication", "no", "yes", False),
        ("clientaliveinterval", "0", "300", False),
        ("clientaliveinterval", "60", "300", True),
        ("maxauthtries", "many", "3", False),
        ("allowusers", "a", "a b", True),
        ("allowusers", "", "a b", False),
    ],
)
def test_which_value_is_the_stricter_one(keyword, value, wished, good):
    assert sshd_wish.strict_enough(keyword, value, [wished]) is good

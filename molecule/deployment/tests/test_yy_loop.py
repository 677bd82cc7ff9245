# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is broken in a hardened deployment is mended by the role that the broken check names. `make loop` tries what else can be broken."""

from __future__ import annotations

import json
import subprocess
import sys

import lab as labs
import power
from deployed import HOST
from truth.mending_deployment import LEAN


def test_each_role_mends_what_is_broken():
    words = [
        sys.executable,
        str(labs.PROJECT / "tests/truth/loop.py"),
        power.container(HOST),
        "--lean-deployment",
        "--hardened",
    ]
    words += [
        "--inventory",
        str(labs.INVENTORY),
        "--host",
        HOST,
        "--options",
        json.dumps({"policy": {"nopasswd_users": ["deploy"]}}),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(name in done.stdout for name in LEAN)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is broken on a hardened host is mended by the role that the broken check names. `make loop` tries everything that can be broken."""

from __future__ import annotations

import json
import subprocess
import sys

import lab as labs
from outside import policy
from power import container
from truth.mending import LEAN


def test_each_role_mends_what_is_broken():
    words = [sys.executable, str(labs.PROJECT / "tests/truth/loop.py"), container("fresh13"), "--lean", "--hardened"]
    words += ["--inventory", str(labs.INVENTORY), "--host", "fresh13", "--options", json.dumps({"policy": policy()})]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(name in done.stdout for name in LEAN)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads of a collector: in order, at once, and none that the end of the module waits for."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit import pool as module
from ansible_collections.nself.prod.plugins.module_utils.audit.pool import Pool


def test_results_come_in_order_and_errors_to_whoever_awaits_them():
    with Pool(3) as pool:
        assert pool.map(lambda number: number * 2, range(20)) == [number * 2 for number in range(20)]
        failing = pool.submit(int, "x")
        assert pool.submit(int, "7").result() == 7
        with pytest.raises(ValueError):
            failing.result()
        with pytest.raises(ZeroDivisionError):
            pool.map(lambda number: 1 // number, [1, 0])


def test_as_many_as_are_allowed_run_at_once():
    meeting = threading.Barrier(4, timeout=10)
    with Pool(4) as pool:
        pool.map(lambda _number: meeting.wait(), range(4))


def test_a_thread_that_hangs_does_not_keep_the_process():
    text = "import runpy, threading\nPool = runpy.run_path(%r)['Pool']\nPool(1).submit(threading.Event().wait)\n"
    done = subprocess.run([sys.executable, "-c", text % module.__file__], timeout=20, check=False)
    assert done.returncode == 0

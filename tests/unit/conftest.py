# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every unit test shares."""

from __future__ import annotations

import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root():
    """The project's root."""
    return ROOT


@pytest.fixture(scope="session")
def ledger():
    """Every check id ever given out, with its slug: {id: slug}. An id is never reused."""
    lines = (ROOT / "tests/fixtures/ledger.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))

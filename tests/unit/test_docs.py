# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents say is what the code says."""

from __future__ import annotations

import importlib.util


def test_the_page_of_checks_is_fresh(root):
    spec = importlib.util.spec_from_file_location("checks_page", root / "tests/tools/checks_page.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text(encoding="utf-8") == tool.current(), "run `make checks-page`"

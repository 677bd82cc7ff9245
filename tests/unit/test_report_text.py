# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts send is cleaned before anything else is done with it."""

from __future__ import annotations

import unicodedata

from ansible_collections.nself.prod.plugins.plugin_utils.report.text import clean, clean_tree, cut, pad, width
from hypothesis import given
from hypothesis import strategies as st


@given(st.text())
def test_cleaned_text_is_one_printable_line(text):
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in cleaned)
    assert clean(cleaned) == cleaned
    cleaned.encode("utf-8")


def test_ordinary_text_stays():
    assert clean("Größe ≥ 5 – ok 日本") == "Größe ≥ 5 – ok 日本"
    assert clean("a\nb\tc\r") == "a b c "
    assert clean("\033[31mred") == "?[31mred"


def test_a_tree_is_cleaned_whole():
    class Tagged(str):
        pass

    cleaned = clean_tree({"a\0": [Tagged("b\033"), ("c", None, True, 5, 1.5)], 7: b"bytes"})
    assert cleaned == {"a?": ["b?", ["c", None, True, 5, 1.5]], "7": "b'bytes'"}
    assert not isinstance(cleaned["a?"][0], Tagged)


def test_wide_characters_take_two_columns():
    assert width("日本") == 4
    assert pad("日本", 6) == "日本  "
    assert pad("7", 3, right=True) == "  7"
    assert cut("日本語", 5) == "日本…"
    assert cut("short", 5) == "short"

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML of a project: what is read of it, and what is refused before it fills the memory."""

from __future__ import annotations

import pytest

pytest.importorskip("yaml")

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.deployment.yaml_reader import load
from hypothesis import given
from hypothesis import strategies as st

LEVELS = range(1, 9)
ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    "a%d: &a%d [%s]\n" % (n, n, ", ".join(["*a%d" % (n - 1)] * 9)) for n in LEVELS
)
MERGES = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    "a%d: &a%d {<<: [%s]}\n" % (n, n, ", ".join(["*a%d" % (n - 1)] * 9)) for n in LEVELS
)


def test_a_document_is_read_with_its_anchors():
    text = "x-common: &c {restart: always}\nservices:\n  db: {<<: *c, image: postgres}\n"
    assert load(text, "f")["services"]["db"] == {"restart": "always", "image": "postgres"}
    assert load("", "f") is None and load("a", "f") == "a"


@pytest.mark.parametrize("text", [ALIASES, MERGES, "a: &a [*a]", "[" * 5000, "a: [", "a: 1\n---\nb: 2\n"])
def test_a_bomb_is_refused(text):
    with pytest.raises(Missing) as caught:
        load(text, "f")
    assert caught.value.reason == "parse_error"


@given(st.text(alphabet="ab:-[]{}&*<>\n ,!'\"", max_size=60))
def test_any_text_is_a_document_or_refused(text):
    try:
        load(text, "f")
    except Missing:
        pass

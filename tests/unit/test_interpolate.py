# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose's variables, as `docker compose config` expands them."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.deployment.interpolate import InterpolationError, interpolate
from hypothesis import given
from hypothesis import strategies as st

VARIABLES = {"A": "one", "EMPTY": ""}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("$A", "one"),
        ("${A}", "one"),
        ("x${A}y", "xoney"),
        ("${NONE}", ""),
        ("${NONE:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${EMPTY-two}", ""),
        ("${NONE:-${A}}", "one"),
        ("${NONE:-${OTHER:-deep}}", "deep"),
        ("${A:+set}", "set"),
        ("${NONE:+set}", ""),
        ("$$A", "$A"),
        ("$$bucket in $(echo x)", "$bucket in $(echo x)"),
        ("100$", "100$"),
    ],
)
def test_expansion(text, expected):
    assert interpolate(text, VARIABLES) == expected


def test_values_are_expanded_everywhere_and_keys_nowhere():
    assert interpolate({"$A": ["$A", {"b": "$A"}], "n": 1}, VARIABLES) == {"$A": ["one", {"b": "one"}], "n": 1}


@pytest.mark.parametrize("text", ["${NONE:?must be set}", "${A", "${}", "${A*b}"])
def test_malformed_or_required_is_an_error_that_shows_no_value(text):
    with pytest.raises(InterpolationError) as caught:
        interpolate(text, {"A": "s3cret"})
    assert "s3cret" not in str(caught.value)


@given(st.text(alphabet="${}:-?+AB x", max_size=40))
def test_rubbish_raises_nothing_else(text):
    try:
        interpolate(text, VARIABLES)
    except InterpolationError:
        pass

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of secret rotations."""

from __future__ import annotations

import json

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse.rotation_ledger import LedgerError, parse
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "date, seconds",
    [
        ("1970-01-02", 86400),
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01 00:01", 60),
        ("1970-01-01T01:00:00.5+01:00", 0),
        ("1969-12-31T23:00:00-0100", 0),
    ],
)
def test_dates_are_read(date, seconds):
    assert parse(json.dumps({"A": date})) == {"A": seconds}


@pytest.mark.parametrize(
    "text", ["", "[]", "7", '{"A": 7}', '{"A": "soon"}', '{"A": "2026-13-01"}', '{"A": "2026-01-01T25:00"}', "[" * 9999]
)
def test_what_is_no_ledger_is_refused(text):
    with pytest.raises(LedgerError):
        parse(text)


@given(
    st.text(max_size=80)
    | st.dictionaries(st.text(max_size=5), st.text("0123456789-:TZ+ .", max_size=25)).map(json.dumps)
)
def test_rubbish_raises_nothing_else(text):
    try:
        assert all(isinstance(when, float) for when in parse(text).values())
    except LedgerError:
        pass

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Env files as people write them."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse.dotenv import parse
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "text, name, value",
    [
        ("A=1", "A", "1"),
        ("export A=1", "A", "1"),
        ("A='one # two'", "A", "one # two"),
        ('A="one\\ntwo"', "A", "one\ntwo"),
        ('A="say \\"hi\\""', "A", 'say "hi"'),
        ("A=one # a comment", "A", "one"),
        ("A=one#two", "A", "one#two"),
        ("A=key==", "A", "key=="),
        ("A=postgres://u:p@h/d?a=b", "A", "postgres://u:p@h/d?a=b"),
        ("A=${PROD_PASSWORD}", "A", "${PROD_PASSWORD}"),
        ("A=1\r\nB=2\r\n", "A", "1"),
        ("\ufeffA=1", "A", "1"),
        ("A=", "A", ""),
        ("A = 1", "A", "1"),
        ("A='line one\nline two'", "A", "line one\nline two"),
        ("A=1\nA=2", "A", "2"),
        ("rubbish\nA=1", "A", "1"),
        ('A="never closed\nB=2', "B", "2"),
    ],
)
def test_value(text, name, value):
    assert parse(text).values[name] == value


def test_a_bad_line_is_named_by_number_and_never_quoted():
    result = parse("A=1\nnot an assignment s3cret\n'B=2")
    assert [line for line, _problem in result.errors] == [2, 3]
    assert "s3cret" not in repr(result.errors)


def test_comments_and_blank_lines_are_no_errors():
    assert parse("# a comment\n\n   \n#A=1").errors == ()


@given(st.text())
def test_rubbish_never_raises(text):
    result = parse(text)
    assert all(name and "=" not in name for name in result.values)


@given(st.binary())
def test_binary_rubbish_never_raises(data):
    parse(data.decode("utf-8", "replace"))

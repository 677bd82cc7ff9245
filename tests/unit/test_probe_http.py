# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server may send as an answer, and that none of it keeps the audit busy."""

from __future__ import annotations

import time

import pytest
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.probe import http
from hypothesis import given
from hypothesis import strategies as st

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MILLION = 1000000  # more than a server may send in an answer that is read


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"3\r\nabc\r\n5\r\nde", b"abcde"),
        (b"0\r\n\r\n", b""),
        (b"", b""),
    ],
)
def test_a_chunked_body_is_put_together(body, content):
    assert http.parse(CHUNKED + body).body == content


@pytest.mark.parametrize("body", [b"x\r\nabc\r\n", b"-3\r\nabc\r\n", b"1_0\r\nabc", b"f" * 5000])
def test_a_chunk_without_a_size_is_refused(body):
    with pytest.raises(HostError):
        http.parse(CHUNKED + body)


def test_an_interim_answer_is_passed_over():
    assert http.parse(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").status == 204


@pytest.mark.parametrize(
    "raw", [CHUNKED + b"1\r\nx\r\n" * (MILLION // 2), b"HTTP/1.1 100 Continue\r\n\r\n" * (MILLION // 8)]
)
def test_a_million_small_pieces_cost_no_time(raw):
    started = time.monotonic()
    try:
        http.parse(raw)
    except HostError:
        pass
    assert time.monotonic() - started < 5


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_an_error(raw):
    for data in (raw, CHUNKED + raw):
        try:
            http.parse(data)
        except HostError:
            pass

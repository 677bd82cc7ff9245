# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis' wire format."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse import resp
from hypothesis import given
from hypothesis import strategies as st


def test_commands_are_framed_by_their_bytes():
    assert resp.command("AUTH", "pä ss\r\n") == b"*2\r\n$4\r\nAUTH\r\n$8\r\np\xc3\xa4 ss\r\n\r\n"


def test_replies_of_every_kind_are_read():
    data = b"+PONG\r\n-NOAUTH Authentication required.\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n$1\r\nx\r\n*-1\r\n*0\r\n"
    found = resp.replies(data)
    assert found == [
        "PONG",
        resp.Refusal("NOAUTH", "NOAUTH Authentication required."),
        -7,
        "a\r\n",
        None,
        ["x", None],
        [],
    ]


@pytest.mark.parametrize("cut", range(1, 21))
def test_what_is_cut_off_is_left_out(cut):
    data = b"+OK\r\n*2\r\n$1\r\nx\r\n:1\r\n"
    found = resp.replies(data[:cut])
    assert found == (["OK", ["x", 1]] if cut == len(data) else ["OK"] if cut >= 5 else [])


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"$x\r\n",
        b"$2\r\nabcd\r\n",
        b"*1\r\n" * 20,
        b"*9999999\r\n",
        b":\xd9\xa1\r\n",
    ],
)
def test_what_is_no_reply_is_refused(data):
    with pytest.raises(resp.RespError):
        resp.replies(data)


@given(st.binary(max_size=200) | st.text("+-:$*0123456789\r\nPONG ", max_size=60).map(str.encode))
def test_rubbish_raises_nothing_else(data):
    try:
        assert isinstance(resp.replies(data), list)
    except resp.RespError:
        pass


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_a_command_is_read_back(words):
    plain = [word.encode("utf-8", "replace").decode("utf-8") for word in words]
    assert resp.replies(resp.command(*plain)) == [plain]

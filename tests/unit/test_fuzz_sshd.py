# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `sshd -T` and sshd's files might say, of any shape."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.parse import sshd
from hypothesis import given, settings
from hypothesis import strategies as st

LINES = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.tuples(
            st.sampled_from(
                [
                    "PermitRootLogin",
                    "Match",
                    "Include",
                    "AllowUsers",
                    "Port",
                    "ListenAddress",
                    "passwordauthentication",
                    "Ciphers",
                ]
            ),
            st.text(max_size=20),
        ).map(" ".join),
    ),
    max_size=12,
).map("\n".join)


@settings(max_examples=300, deadline=None)
@given(LINES)
def test_rubbish_is_settings_of_words_or_refused(text):
    try:
        settings_read = sshd.parse_settings(text)
    except ValueError:
        return
    for values in settings_read.values():
        assert all(isinstance(value, str) for value in values)
    sshd.judged_values(settings_read)


@settings(max_examples=300, deadline=None)
@given(LINES)
def test_files_are_read_without_a_crash(text):
    try:
        includes, matches = sshd.parse_config(text)
    except ValueError:
        return
    assert isinstance(includes, list) and isinstance(matches, list)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_patterns_and_addresses_of_any_shape(pattern, text):
    assert sshd.matches(pattern, text) in (True, False)
    for read in (sshd.listen_address, sshd.kernel_address):
        try:
            read(text)
        except ValueError:
            pass

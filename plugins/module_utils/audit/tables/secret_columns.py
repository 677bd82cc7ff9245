# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which columns hold what nobody should be able to select: passwords, hashes, secrets, tokens, one-time codes."""

from __future__ import annotations

import re

# By words: `passenger`, `footprint` and `hashtag` hold none of these, `passwordHash`, `otp_secret` and `accesstoken` do.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_WHOLE = frozenset(
    "pass passwd pwd passphrase passcode hash hashes hashed otp totp secret secrets token tokens".split()
)
_PARTS = ("password", "passwd", "passphrase", "passcode")
_ENDS = ("secret", "secrets", "token", "tokens", "hash", "totp")


def is_secret_column(name: str) -> bool:
    """Tell whether a column of this name, snake_case or camelCase, holds a secret."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return any(word in _WHOLE or word.endswith(_ENDS) or any(part in word for part in _PARTS) for word in words)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is given more time than the audit's few seconds: a change that gives up half-way on a busy host helps nobody."""

from __future__ import annotations

from typing import Any, Sequence

LEAST_SECONDS = 30.0


class Patient:
    """What a host can do, with at least LEAST_SECONDS for each command."""

    def __init__(self, host: Any) -> None:
        self._host = host

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def run(self, argv: Sequence[str], timeout: float = 5.0, **options: Any) -> Any:
        return self._host.run(argv, timeout=max(timeout, LEAST_SECONDS), **options)

    def within(self, seconds: float) -> "Patient":
        """Return this host: a collector's deadline is the audit's."""
        return self

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of Debian's packages are there: a question of milliseconds, where asking apt costs seconds."""

from __future__ import annotations

from typing import Any, List, Sequence


def missing(host: Any, names: Sequence[str]) -> List[str]:
    """Return those of the packages that are not installed."""
    done = host.run(["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"] + list(names))
    there = {line.split()[0] for line in done.out.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in there]

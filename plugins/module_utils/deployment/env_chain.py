# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which env files an nself project reads, in which order, and which file wins each name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Sequence, Tuple

# Later files win: `.env` beats `.env.secrets`, and production inherits what only `.env.dev` sets.
CHAINS = {
    "prod": (".env.dev", ".env.staging", ".env.prod", ".env.secrets", ".env"),
    "staging": (".env.dev", ".env.staging", ".env"),
    "dev": (".env.dev", ".env.local", ".env"),
}
SYNONYMS = {"production": "prod", "development": "dev", "local": "dev"}
SELECTORS = ("TARGET_ENV", "NSELF_ENV", "ENV")


@dataclass(frozen=True)
class Setting:
    """A name's winning value and where it stands. others: the files of the chain whose value lost."""

    value: str
    file: str
    others: Tuple[str, ...] = ()


def environment_name(dotenv: Mapping[str, str], shell: Mapping[str, Optional[str]]) -> str:
    """Return which environment a project runs as. dotenv: the values of `.env`; shell: this process' variables."""
    for name in SELECTORS[:2]:
        value = dotenv.get(name) or shell.get(name)
        if value:
            return _normal(value)
    return _normal(dotenv.get("ENV") or shell.get("ENV") or "dev")


def _normal(value: str) -> str:
    value = value.strip().lower()
    return SYNONYMS.get(value, value)


def files_of(environment: str) -> Tuple[str, ...]:
    """Return the chain of an environment, first to last; an unknown environment reads its own file and `.env`."""
    return CHAINS.get(environment, (".env.dev", ".env." + environment, ".env"))


def merge(files: Sequence[Tuple[str, Mapping[str, str]]]) -> Dict[str, Setting]:
    """Merge (file name, values) pairs, last wins, and remember who lost."""
    out: Dict[str, Setting] = {}
    for file, values in files:
        for name, value in values.items():
            before = out.get(name)
            others = before.others + (before.file,) if before else ()
            out[name] = Setting(value, file, others)
    return out

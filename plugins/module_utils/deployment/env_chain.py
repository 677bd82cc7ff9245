# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which env files an nself project reads, in which order, and which file wins each name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import VARIABLE

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
    """A name's winning value and where it stands.

    others: the files of the chain whose value lost; differing: those of them that say something else, and no variable.
    """

    value: str
    file: str
    others: Tuple[str, ...] = ()
    differing: Tuple[str, ...] = ()


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


def files_of_1x(environment: str) -> Tuple[str, ...]:
    """Return the chain of an environment in nself 1.x: `.env` is only its ground there, and `.env.local` comes last."""
    return (".env", ".env." + environment, ".env.secrets", ".env.local")


def meant_to_win(environment: str) -> Tuple[str, ...]:
    """Return the files of an environment whose values somebody wrote for it: where `.env` says otherwise, they are lost.

    What a production takes from `.env.dev` or `.env.staging` is only the ground that it builds on, and in development
    `.env` is the place for one's own values.
    """
    own = () if environment == "dev" else (".env." + environment,)
    return tuple(name for name in files_of(environment)[:-1] if name in own + (".env.secrets", ".env.local"))


def merge(files: Sequence[Tuple[str, Mapping[str, str]]]) -> Dict[str, Setting]:
    """Merge (file name, values) pairs, last wins, and remember who lost."""
    found: Dict[str, List[Tuple[str, str]]] = {}
    for file, values in files:
        for name, value in values.items():
            found.setdefault(name, []).append((file, value))
    out: Dict[str, Setting] = {}
    for name, places in found.items():
        file, winner = places[-1]
        # A variable that waits to be filled in says nothing of its own.
        differing = tuple(
            other for other, value in places[:-1] if value != winner and not VARIABLE.match(value.strip())
        )
        out[name] = Setting(winner, file, tuple(other for other, _value in places[:-1]), differing)
    return out

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role wants of a running deployment, and what it does around the change: the pieces that transaction.py puts together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes

FOLDER = ".nself-prod"  # of our files, in the project's folder: no build touches it


class Replace(List[Any]):
    """A list of a fragment that takes the place of the one that is there; others are added to it."""


class ReplaceMap(Dict[str, Any]):
    """A mapping of a fragment that takes the place of what is there; others are merged with it."""


class Reset:
    """A value of a fragment that takes away what is there."""


RESET = Reset()


def literal(text: str) -> str:
    """Return text that compose takes as it stands: everything else in a fragment may refer to variables."""
    return text.replace("$", "$$")


@dataclass(frozen=True)
class File:
    """A file of ours, or a copy of the project's. path: relative to its folder; services: those that read it only when they are made."""

    path: str
    text: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    secret: bool = False
    services: Tuple[str, ...] = ()


@dataclass(frozen=True)
class DatabaseUrl:
    """A change of a PostgreSQL URL in a service's environment. query: parameters to set; user, password: "" leaves them."""

    service: str
    name: str
    query: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    password: str = ""


@dataclass
class Plan:
    """What a part wants.

    fragment: a compose model, in compose's own syntax, so no secret stands in it; settings: {name: value} for the project's env files,
    for secrets that compose fills in; folders: (path, mode, uid, gid); postgres_settings: {service: {setting: value}};
    recreate: services that are made anew although nothing of theirs differs; remove: services whose container has to go;
    used: names of the guide's settings that the part reads by itself, beside its options; follows: {name: value} of those settings that the
    env files declare and that are in force by this; left: what stays as it is and what to do about it.
    """

    fragment: Dict[str, Any] = field(default_factory=dict)
    files: List[File] = field(default_factory=list)
    absent: List[str] = field(default_factory=list)
    folders: List[Tuple[str, int, int, int]] = field(default_factory=list)
    settings: Dict[str, str] = field(default_factory=dict)
    postgres_settings: Dict[str, Dict[str, str]] = field(default_factory=dict)
    database_urls: List[DatabaseUrl] = field(default_factory=list)
    recreate: List[str] = field(default_factory=list)
    remove: List[str] = field(default_factory=list)
    used: List[str] = field(default_factory=list)
    follows: Dict[str, str] = field(default_factory=dict)
    left: List[str] = field(default_factory=list)


class Part:
    """One role's part. stack: the deployment (stack.py); options: by the names of SPEC; secrets: by the names of SECRETS.

    The methods are called in the order in which they stand here; plan() once, and it reads only.
    declared: settings of the guide for this part that the env files declare, as {name: value}, without secrets;
    stays: what revert() found that nobody can take back, and what to do about it, one line each.
    """

    name = ""
    SPEC: Mapping[str, Any] = {}
    SECRETS: Tuple[str, ...] = ()

    def __init__(self, stack: Any, options: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self.stack = stack
        self.options = options
        self.secrets = secrets
        self.declared: Dict[str, str] = {}
        self.stays: List[str] = []

    def plan(self) -> Plan:
        """Return what is wanted. Raises Refused for what cannot be."""
        raise NotImplementedError

    def fetch(self, changes: Changes) -> None:
        """Fetch images that the user named, while all is as it was: one more on the host harms nobody. Raises Refused. In check mode, only note."""

    def prepare(self, changes: Changes) -> None:
        """Take the steps that the old stack has to take before any file changes. In check mode, which changes tells, only note them."""

    def validate(self) -> None:
        """Have the services' own programs judge the files, before anything is made anew. Raises Mismatch."""

    def settle(self, changes: Changes) -> None:
        """Take the steps that a healthy stack has to take. Called in every run: what is so already is no change. In check mode, only note."""

    def verify(self) -> None:
        """Probe the effect from outside. Raises Mismatch. Called when anything changed."""

    def finish(self, changes: Changes) -> None:
        """Take the steps that nothing may be left to take back after: the change stays by now, whatever becomes of them. As settle()."""

    def revert(self) -> None:
        """Take back what prepare() and settle() did, once the old files and containers are back."""

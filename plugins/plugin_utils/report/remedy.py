# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that mends a finding: only where the collection in use really ships what it names."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

INSTALLED = os.path.join("ansible_collections", "nself", "prod")


@dataclass(frozen=True)
class Remedies:
    """How findings can be mended here.

    playbook: harden.yml as ansible-playbook takes it, None where it is not shipped; roles: the roles that are;
    inventory: the inventories of this run; check: check.yml as ansible-playbook takes it.
    """

    playbook: Optional[str] = None
    roles: frozenset[str] = frozenset()
    inventory: tuple[str, ...] = ()
    check: str = "playbooks/check.yml"

    def command(self, fix: Mapping[str, Any], host: str) -> Optional[str]:
        """Return the exact command that mends a finding on a host, None where only hands can."""
        if self.playbook is None or fix.get("role") not in self.roles:
            return None
        return shlex.join(self._words(self.playbook) + ["--tags", fix["role"], "--limit", host])

    def audit(self) -> str:
        """Return the command that audits the hosts of this run."""
        return shlex.join(self._words(self.check))

    def _words(self, playbook: str) -> list[str]:
        words = ["ansible-playbook", playbook]
        for source in self.inventory:
            words += ["-i", source]
        return words

    def advice(self, fix: Mapping[str, Any], host: str) -> str:
        """Return the command, or what to do by hand."""
        return self.command(fix, host) or "by hand: " + fix["by_hand"]


def shipped(root: str, inventory: Sequence[str] = (), folder: str = ".") -> Remedies:
    """Return what the collection at root can mend. folder: where the user stands, for paths that are short and right."""
    playbook = os.path.join(root, "playbooks", "harden.yml")
    roles_folder = os.path.join(root, "roles")
    try:
        names = os.listdir(roles_folder)
    except OSError:
        names = []
    roles = frozenset(name for name in names if os.path.isdir(os.path.join(roles_folder, name, "tasks")))
    installed = os.path.realpath(root).endswith(os.sep + INSTALLED)

    def called(name: str) -> str:
        if installed:
            return "nself.prod." + name
        return _short(os.path.realpath(os.path.join(root, "playbooks", name + ".yml")), folder)

    sources = tuple(_short(source, folder) for source in inventory)
    return Remedies(called("harden") if os.path.isfile(playbook) else None, roles, sources, called("check"))


def _short(path: str, folder: str) -> str:
    """Return a path as seen from folder where it lies below it; host lists such as `web1,` stay what they are."""
    if not os.path.isabs(path):
        return path
    relative = os.path.relpath(os.path.realpath(path), os.path.realpath(folder))
    return path if relative.startswith(os.pardir) else relative

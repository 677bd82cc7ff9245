# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shut a host to everything but ssh from the management addresses, or open it again: one guarded change."""

from __future__ import annotations

import datetime
import json
import os
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change import guarded, lockdown_host
from ansible_collections.nself.prod.plugins.module_utils.change import lockdown_rules as rules
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, exists

SPEC = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "sources": {"type": "list", "elements": "str", "default": []},
    "peers": {"type": "list", "elements": "str", "default": []},
}
FILES = [rules.RULES] + [path for path, _text, _mode in rules.UNITS] + [rules.RECORD]


def main() -> None:
    """Be the module nself_lockdown."""
    guarded.run(SPEC, Lockdown)


class Lockdown(guarded.Guarded):
    """The lockdown of this host, or its end."""

    def __init__(self, host: Any, params: Any, operator: Any) -> None:
        super().__init__(host, params, operator)
        self.wanted = params["state"] == "present"
        self._was_locked = False
        self._links: List[lockdown_host.Link] = []
        self._wish: Optional[rules.Wish] = None
        self._listing: Optional[str] = None

    # -- what is to be -----------------------------------------------------------------------------------------------

    def plan(self, changes: Changes) -> None:
        if self.wanted:
            self._plan_present(changes)
        else:
            self._plan_absent(changes)

    def _plan_present(self, changes: Changes) -> None:
        if self._wish is None:
            # Once: the second plan is to do what the first one told.
            lockdown_host.nft(self.host)
            self._wish = self._read_wish()
            self._listing = lockdown_host.canonical(self.host, rules.rules(self._wish))
            self._was_locked = self._exists(rules.RULES)
        self._folder(changes, rules.RULES, 0o700)
        changes.file(rules.RULES, rules.rules(self._wish), 0o600)
        for path, text, mode in rules.UNITS:
            self._folder(changes, path)
            changes.file(path, text, mode)
        if lockdown_host.in_force(self.host) != self._listing:
            changes.note("the rules of the lockdown are loaded: nothing but ssh passes")
        self._plan_record(changes)

    def _plan_record(self, changes: Changes) -> None:
        told = self.told()
        try:
            before = json.loads(changes.read(rules.RECORD) or "{}")
        except ValueError:
            before = {}  # only a record: one that was damaged is written anew
        if not changes.changed and isinstance(before, dict) and all(before.get(key) == told[key] for key in told):
            return
        now = datetime.datetime.fromtimestamp(self.host.now(), datetime.timezone.utc)
        record = dict(told, since=now.strftime("%Y-%m-%dT%H:%M:%SZ"), by=self._who())
        self._folder(changes, rules.RECORD)
        changes.file(rules.RECORD, json.dumps(record, indent=2, sort_keys=True) + "\n", 0o600)

    def _plan_absent(self, changes: Changes) -> None:
        self._was_locked = self._was_locked or self._exists(rules.RULES)
        known = any(self._exists(path) for path in FILES)
        for path in FILES:
            changes.absent(path)
        if self._exists(rules.NFT):
            if lockdown_host.in_force(self.host) is not None:
                changes.note("the rules of the lockdown are removed: what was in force before applies again")
        elif known and not changes.check:
            raise Refused("%s is missing, so the lockdown cannot be lifted: install the package nftables" % rules.NFT)

    # -- may it be ---------------------------------------------------------------------------------------------------

    def preflight(self) -> None:
        if not self.wanted:
            if not self._exists(rules.NFT):
                raise Refused(
                    "%s is missing, so the lockdown cannot be lifted: install the package nftables" % rules.NFT
                )
            return
        wish = self.wish
        if self.operator is not None:
            here = rules.address(self.operator.address)
            if not rules.within(wish.sources + wish.peers, here):
                raise Refused(
                    "the sources (%s) leave out %s, where Ansible comes from: add it to nself_lockdown_sources"
                    % (", ".join(map(rules.plain, wish.sources)), here)
                )
            way = lockdown_host.tunnel(self.host, self._links, str(here))
            if way and not wish.peers:
                raise Refused(
                    "ssh comes through the tunnel %s, whose own packets would be cut: name its other end in nself_lockdown_peers, "
                    "or run from an address that reaches the host without it" % way
                )
        for what, server in lockdown_host.remote_disks(self.host):
            self._check_disk(what, server, wish)
        lockdown_host.try_out(self.host, rules.rules(wish))

    @staticmethod
    def _check_disk(what: str, server: str, wish: rules.Wish) -> None:
        try:
            kept = rules.within(wish.peers, rules.address(server)) if server else bool(wish.peers)
        except rules.Unusable:
            kept = bool(wish.peers)  # a name, which the peers have no way to hold
        if not kept:
            raise Refused(
                "%s comes over the network%s and the host would hang without it: add its server to nself_lockdown_peers"
                % (what, " from %s" % server if server else "")
            )

    # -- the way there and back --------------------------------------------------------------------------------------

    @property
    def keep(self) -> List[str]:
        return FILES

    @property
    def undo(self) -> List[List[str]]:
        if self._was_locked:
            return [[rules.NFT, "-f", rules.RULES]]
        return [[rules.NFT, rules.REMOVE], ["systemctl", "stop", rules.UNIT]]

    def enforce(self) -> None:
        if self.wanted:
            command(self.host, [rules.NFT, "-f", rules.RULES], timeout=20)
            lockdown_host.end(self.host, lockdown_host.cut_off(self.host, self.wish))
            command(self.host, ["systemctl", "daemon-reload"], timeout=60)
            # Not waited for: the rules are in force, and a queue of systemd's must not hold that up.
            command(self.host, ["systemctl", "--no-block", "start", rules.UNIT], timeout=20)
            return
        command(self.host, [rules.NFT, rules.REMOVE], timeout=20)
        # While systemd still knows the unit: afterwards there is none to stop.
        self.host.run(["systemctl", "stop", rules.UNIT], timeout=60)
        for path, _text, _mode in rules.UNITS[1:]:
            self.host.run(["rmdir", "--ignore-fail-on-non-empty", os.path.dirname(path)])
        command(self.host, ["systemctl", "daemon-reload"], timeout=60)

    def verify(self) -> None:
        found = lockdown_host.in_force(self.host)
        if found == self._listing:
            return
        if not self.wanted:
            raise Mismatch("the table inet %s is still there: see `nft list ruleset`" % rules.TABLE)
        raise Mismatch("the rules in force are not those of %s: see `nft list ruleset`" % rules.RULES)

    def extra(self) -> Dict[str, Any]:
        return {"lockdown": self.told() if self.wanted else None, "stopped": self._exists(rules.CONTAINERS)}

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def wish(self) -> rules.Wish:
        if self._wish is None:
            raise RuntimeError("nothing is asked of the wish before it is planned")
        return self._wish

    def told(self) -> Dict[str, Any]:
        """Return the lockdown as the record and the result tell it."""
        wish = self.wish
        return {
            "sources": [str(source) for source in wish.sources],
            "ports": list(wish.ports),
            "peers": [str(peer) for peer in wish.peers],
            "inside": list(wish.inside),
        }

    def _read_wish(self) -> rules.Wish:
        sources, peers = self._networks("sources"), self._networks("peers")
        if not sources:
            if self.operator is None:
                raise Refused(
                    "Ansible did not come here by ssh, so who may still log in is not known: set nself_lockdown_sources"
                )
            sources = rules.networks([self.operator.address])
        ports = lockdown_host.ssh_ports(self.host, self.operator.server_port if self.operator else None)
        if not ports:
            raise Refused("no sshd listens on this host, so nobody could log in any more: start it first")
        self._links = lockdown_host.links(self.host)
        return rules.Wish(sources, ports, lockdown_host.inside(self.host, self._links), peers)

    def _networks(self, name: str) -> Tuple[Any, ...]:
        try:
            return rules.networks(self.params[name])
        except rules.Unusable as error:
            raise Refused("nself_lockdown_%s: %s" % (name, error)) from None

    def _folder(self, changes: Changes, path: str, mode: int = 0o755) -> None:
        """Make sure of a file's folder. One that is there keeps its access: it may be somebody else's."""
        folder = os.path.dirname(path)
        if not self._exists(folder):
            changes.directory(folder, mode)

    def _who(self) -> str:
        return (
            "%s from %s" % (self.operator.user, self.operator.address) if self.operator else "root on the host itself"
        )

    def _exists(self, path: str) -> bool:
        try:
            return exists(self.host, path, follow=False)
        except HostError as error:
            raise ChangeError(str(error)) from error

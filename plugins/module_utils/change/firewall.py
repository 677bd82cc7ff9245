# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw as it is wished for: its files and what the kernel holds of them, in one guarded change.

The user rules are written as ufw itself writes them and loaded in one step, so there is no moment without a filter, and a host whose
rules are right is only read.
"""

from __future__ import annotations

import base64
import gzip
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change import (
    firewall_docker,
    firewall_kernel,
    firewall_rules,
    firewall_state,
)
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.firewall_state import (
    AROUND,
    CONF,
    DEFAULTS,
    SAVE,
    USER,
    State,
)
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.guarded import Guarded
from ansible_collections.nself.prod.plugins.module_utils.change.operator import Operator

RESTORE = {"v4": "iptables-restore", "v6": "ip6tables-restore"}
INIT = "/lib/ufw/ufw-init"
BOOT_LINK = "/etc/systemd/system/multi-user.target.wants/ufw.service"
LONGEST = 120000  # characters of one argument, of which the kernel takes 128 KiB


class Firewall(Guarded):
    """The change that the module nself_firewall makes."""

    _state: Optional[State] = None

    @property
    def state(self) -> State:
        """What was found when it was first asked for: both passes of the plan are about that."""
        if self._state is None:
            self._state = self._look()
        return self._state

    def _look(self) -> State:
        return firewall_state.look(self.host, self.params, [self.operator.server_port] if self.operator else [])

    # -- plan --------------------------------------------------------------------------------------------------------

    def plan(self, changes: Changes) -> None:
        state = self.state
        if not state.installed and not changes.check:
            raise Refused("ufw or iptables is not installed; install them first, as the role ufw does")
        for path, text in state.texts.items():
            found = state.found[path]
            if text != found:
                changes.file(path, text, mode=0o640 if found is None else None, uid=None, gid=None)
        if state.guards_docker:
            changes.directory(firewall_docker.FOLDER, 0o700)
            changes.file(firewall_docker.SCRIPT, firewall_docker.script(state.docker_rules), 0o700)
            changes.file(firewall_docker.UNIT_FILE, firewall_docker.unit())
        else:
            for path in (firewall_docker.LINK, firewall_docker.UNIT_FILE, firewall_docker.SCRIPT):
                changes.absent(path)
        for note in state.notes + state.obstacles:
            changes.note(note)

    # -- the guard ---------------------------------------------------------------------------------------------------

    def preflight(self) -> None:
        state = self.state
        why = firewall_state.obstacle(state)
        if why:
            raise Refused(why)
        if state.installed and state.level >= firewall_kernel.RELOAD:
            self._test_files(state)
        if self.operator:
            self._operator_stays(state, self.operator)

    def _test_files(self, state: State) -> None:
        """Raise Refused where ufw would stumble, when it starts, over a file that is not written here."""
        for family in state.families:
            for path in AROUND[family]:
                text = state.read(path)
                if text is None:
                    raise Refused("%s is missing, and ufw would not start; take it from /usr/share/ufw" % path)
                words = [RESTORE[family], "--test", "-n", "-w", "10"]
                done = self.host.run(words, stdin=firewall_kernel.testable(text), timeout=15)
                if done.rc != 0:
                    said = " ".join(done.err.split())[:160]
                    raise Refused("ufw would not start with %s: %s" % (path, said))

    def _operator_stays(self, state: State, operator: Operator) -> None:
        """Raise Refused where the operator's own way in would be closed."""
        address, port = operator.address, operator.server_port
        family = "v6" if ":" in address else "v4"
        you = "you come from %s to port %d" % (address, port)
        if family not in state.blocks:
            raise Refused("%s, and ufw_ipv6: false would close IPv6; connect over IPv4" % you)
        if port not in state.ssh:
            raise Refused("%s, which is not in ufw_ssh_ports; add it, or log in by another port first" % you)
        action, block = firewall_rules.decision(state.blocks[family], address, port)
        if block is None:
            raise Refused("%s, and no network in ufw_ssh_sources holds that address; add it" % you)
        if action != "allow":
            why = "let you in only now and then" if action == "limit" else "shut you out"
            raise Refused("%s, and the rule `%s` would %s; change it" % (you, firewall_rules.shown(block), why))
        if not state.installed:
            return
        gone = state.surplus.get(family, [])
        table = firewall_kernel.planned(state.tables[family], state.texts[USER[family]], family, gone)
        will = firewall_kernel.reach(firewall_kernel.parsed(table, family), family, state.interfaces)
        if not firewall_kernel.lets_in(will, address, port):
            raise Refused(
                "%s, and a rule of INPUT that is not ufw's would shut you out; see `%s`" % (you, SAVE[family])
            )

    @property
    def keep(self) -> List[str]:
        docker = [firewall_docker.SCRIPT, firewall_docker.UNIT_FILE, firewall_docker.LINK]
        return ["/etc/ufw", DEFAULTS, BOOT_LINK] + docker

    @property
    def undo(self) -> List[List[str]]:
        """Put the kernel's tables back as they are now; after a reboot, load what the files say."""
        by_files = "if grep -q '^ENABLED=yes' %s; then %s force-reload; else %s force-stop; fi" % (CONF, INIT, INIT)
        steps = []
        for family, table in self.state.tables.items():
            packed = base64.b64encode(gzip.compress(table.encode("utf-8"))).decode("ascii")
            steps.append("printf %%s %s | base64 -d | gzip -d | %s -w 10 -T filter" % (packed, RESTORE[family]))
        boot = self.host.read("/proc/sys/kernel/random/boot_id").strip()
        same = '[ "$(cat /proc/sys/kernel/random/boot_id)" = %s ]' % boot
        script = "if %s; then %s; else %s; fi" % (same, " && ".join(steps), by_files)
        return [["sh", "-c", script if len(script) < LONGEST else by_files]]

    # -- in force ----------------------------------------------------------------------------------------------------

    def enforce(self) -> None:
        state = self.state
        if state.units["ufw"].get("UnitFileState") != "enabled":
            self._do(["systemctl", "enable", "ufw.service"])
        if state.level == firewall_kernel.REBUILD:
            for family, table in state.tables.items():
                self._restore(family, firewall_kernel.teardown(table, family))
        if state.level >= firewall_kernel.RELOAD:
            self._do([INIT, "force-reload"])
        elif state.level == firewall_kernel.USER_RULES:
            for family in state.families:
                self._restore(family, state.texts[USER[family]])
        logging = firewall_rules.setting(state.found[CONF] or "", "LOGLEVEL")
        bare = any("### LOGGING ###" not in state.texts[USER[family]] for family in state.families)
        if logging != self.params["logging"] or bare:
            self._do(["ufw", "logging", self.params["logging"]])
        # Last of all: until here they may be what lets the operator in.
        for family, rules in state.surplus.items():
            if rules:
                self._restore(family, firewall_kernel.removal(rules))
        self._enforce_docker(state)

    def _enforce_docker(self, state: State) -> None:
        if not state.guards_docker:
            for family, table in state.tables.items():
                batch = firewall_docker.removal(table)
                if batch:
                    self._restore(family, batch)
            if state.had_docker_unit:
                self._do(["systemctl", "stop", firewall_docker.UNIT])
                self._do(["systemctl", "daemon-reload"])
            return
        self._do(["systemctl", "daemon-reload"])
        self._do(["systemctl", "enable", firewall_docker.UNIT])
        if state.docker.state == "running":
            self._do(["systemctl", "restart", firewall_docker.UNIT])
        for family in state.docker_jump:
            self._restore(family, firewall_kernel.batch(["-I FORWARD 1 -j DOCKER-USER"]))

    def _do(self, argv: Sequence[str]) -> None:
        command(self.host, argv, timeout=60)

    def _restore(self, family: str, batch: str) -> None:
        command(self.host, [RESTORE[family], "-n", "-w", "10"], stdin=batch, timeout=30)

    def verify(self) -> None:
        """Read everything anew: nothing may be left to do, and the operator's way in has to be open."""
        now = self._look()
        differs = ["%s is not as it was written" % path for path, text in now.texts.items() if text != now.found[path]]
        left = now.notes + now.obstacles + differs
        if left:
            raise Mismatch("the firewall is not as wanted although it was applied: %s" % "; ".join(left))
        if self.operator:
            address, port = self.operator.address, self.operator.server_port
            if not firewall_kernel.lets_in(now.summaries["v6" if ":" in address else "v4"], address, port):
                raise Mismatch(
                    "port %d is not open to %s: another table of the packet filter closes it" % (port, address)
                )

    def extra(self) -> Dict[str, Any]:
        state = self.state
        docker = {"state": state.docker.state, "backend": state.docker.backend, "guarded": state.guards_docker}
        return {
            "ssh_ports": state.ssh,
            "rules": [firewall_rules.shown(block) for family in state.families for block in state.blocks[family]],
            "removed": state.removed,
            "foreign": state.foreign,
            "docker": docker,
        }


def spec() -> Mapping[str, Any]:
    """Return the options of the module."""
    rule = {"type": "list", "elements": "dict", "options": firewall_rules.options()}
    return {
        "allow": dict(rule, default=[{"port": "80"}, {"port": "443"}]),
        "deny": dict(rule, default=[]),
        "limit": dict(rule, default=[]),
        "ssh_ports": {"type": "list", "elements": "int", "default": []},
        "ssh_sources": {"type": "list", "elements": "str", "default": ["any"]},
        "ipv6": {"type": "bool", "default": True},
        "purge": {"type": "bool", "default": True},
        "logging": {"type": "str", "choices": ["off", "low", "medium", "high", "full"], "default": "low"},
        "docker_user": {"type": "bool", "default": True},
        "docker_allow": dict(rule, default=[]),
    }

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

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import firewall as collected
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.change import (
    firewall_docker,
    firewall_facts,
    firewall_kernel,
    firewall_rules,
)
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.guarded import Guarded
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound

USER = {"v4": "/etc/ufw/user.rules", "v6": "/etc/ufw/user6.rules"}
AROUND = {
    "v4": ("/etc/ufw/before.rules", "/etc/ufw/after.rules"),
    "v6": ("/etc/ufw/before6.rules", "/etc/ufw/after6.rules"),
}
DEFAULTS, CONF = "/etc/default/ufw", "/etc/ufw/ufw.conf"
SAVE = {"v4": "iptables-save", "v6": "ip6tables-save"}
RESTORE = {"v4": "iptables-restore", "v6": "ip6tables-restore"}
INIT = "/lib/ufw/ufw-init"
BOOT_LINK = "/etc/systemd/system/multi-user.target.wants/ufw.service"
LONGEST = 120000  # characters of one argument, of which the kernel takes 128 KiB
UNITS = ("ufw", "docker") + firewall_facts.RIVALS


class State:
    """What was found, and what is to be."""

    def __init__(self) -> None:
        self.installed = True
        self.units: Dict[str, Dict[str, str]] = {}
        self.ssh: List[int] = []
        self.interfaces: List[str] = ["any"]
        self.found: Dict[str, Optional[str]] = {}  # path -> text
        self.texts: Dict[str, str] = {}  # path -> text as it is to be
        self.tables: Dict[str, str] = {}  # family -> filter table in the kernel, as iptables-save prints it
        self.summaries: Dict[str, Any] = {}
        self.blocks: Dict[str, List[firewall_rules.Block]] = {}
        self.level = firewall_kernel.NOTHING
        self.accepts: Dict[str, List[str]] = {}
        self.notes: List[str] = []
        self.obstacles: List[str] = []
        self.removed: List[str] = []
        self.foreign: List[str] = []
        self.docker = firewall_docker.Docker("absent", "none")
        self.docker_stale = False


class Firewall(Guarded):
    """The change that the module nself_firewall makes."""

    _state: Optional[State] = None

    # -- plan --------------------------------------------------------------------------------------------------------

    def plan(self, changes: Changes) -> None:
        if self._state is None:
            self._state = self._look()
        state = self.state
        if not state.installed and not changes.check:
            raise Refused("ufw or iptables is not installed; install them first, as the role ufw does")
        for path, text in state.texts.items():
            if text != (state.found[path] or "") or state.found[path] is None:
                changes.file(path, text, mode=None if state.found[path] is not None else 0o640, uid=None, gid=None)
        self._plan_docker(changes)
        for note in state.notes:
            changes.note(note)

    @property
    def state(self) -> State:
        assert self._state is not None
        return self._state

    def _look(self) -> State:
        state = State()
        host, params = self.host, self.params
        state.installed = host.which("ufw") is not None and host.which("iptables-save") is not None
        state.units = firewall_facts.units(host, UNITS)
        state.ssh = sorted(set(params["ssh_ports"] or firewall_facts.ssh_ports(host) + self._operators_port()))
        self._wish(state)
        if state.installed:
            self._read_kernel(state)
            for family in self._families():
                self._compare(state, family)
            if not params["ipv6"]:
                self._compare_closed(state)
        else:
            state.level = firewall_kernel.RELOAD
            state.notes.append("ufw is put in force")
        if state.units["ufw"].get("UnitFileState") != "enabled":
            state.notes.append("ufw.service is enabled")
        logging = firewall_rules.setting(state.found[CONF] or "", "LOGLEVEL") or "none"
        if logging != params["logging"]:
            state.notes.append("ufw's logging is set from %s to %s" % (logging, params["logging"]))
        state.docker = firewall_docker.look(host, state.units["docker"])
        self._compare_docker(state)
        return state

    def _operators_port(self) -> List[int]:
        return [self.operator.server_port] if self.operator else []

    def _families(self) -> Sequence[str]:
        return firewall_rules.FAMILIES if self.params["ipv6"] else ("v4",)

    def _wish(self, state: State) -> None:
        """Work out the texts of ufw's files."""
        params = self.params
        deny = firewall_rules.rules("deny", params["deny"], "ufw_deny")
        ssh = firewall_rules.ssh_rules(state.ssh, params["ssh_sources"], "ufw_ssh_sources")
        limit = firewall_rules.rules("limit", params["limit"], "ufw_limit")
        allow = firewall_rules.rules("allow", params["allow"], "ufw_allow")
        rules = deny + ssh
        for rule in limit + allow:
            if not any(rule[1:4] == known[1:4] for known in rules):
                rules.append(rule)
        for family in self._families():
            path = USER[family]
            state.found[path] = self._read(path)
            text = state.found[path] or firewall_rules.STOCK[family]
            known = firewall_rules.parse(text, path)
            wanted = [firewall_rules.block(rule, family) for rule in rules if family in rule.families()]
            blocks = firewall_rules.reconcile(known.blocks, wanted, params["purge"])
            state.blocks[family] = blocks
            state.removed += [
                firewall_rules.shown(block)
                for block in known.blocks
                if block.fields not in {other.fields for other in blocks}
            ]
            state.texts[path] = known.text(blocks)
        for path, wanted_settings in (
            (
                DEFAULTS,
                {
                    "IPV6": "yes" if params["ipv6"] else "no",
                    "DEFAULT_INPUT_POLICY": '"DROP"',
                    "DEFAULT_OUTPUT_POLICY": '"ACCEPT"',
                    "DEFAULT_FORWARD_POLICY": '"DROP"',
                },
            ),
            (CONF, {"ENABLED": "yes"}),
        ):
            state.found[path] = self._read(path)
            state.texts[path] = firewall_rules.settings(state.found[path] or "", wanted_settings)

    def _read(self, path: str) -> Optional[str]:
        try:
            return self.host.read_bytes(path).decode("utf-8")
        except NotFound:
            return None
        except UnicodeDecodeError:
            raise ChangeError("%s is not UTF-8 text; look at it and mend it by hand first" % path) from None
        except HostError as error:
            raise ChangeError("%s cannot be read: %s" % (path, error.detail or error.reason)) from error

    # -- what is in force --------------------------------------------------------------------------------------------

    def _read_kernel(self, state: State) -> None:
        raw = collected.read(self.host, None)
        state.interfaces = raw["interfaces"]
        for family in firewall_rules.FAMILIES:
            found = raw[family]
            done = None if isinstance(found, Unread) else self.host.run([SAVE[family]])
            if done is None or done.rc != 0:
                why = found.detail if isinstance(found, Unread) else done.err.strip() if done else ""
                if family == "v4":
                    raise ChangeError("the packet filter cannot be read (%s), so nothing was changed" % why)
                if self.params["ipv6"]:
                    raise ChangeError(
                        "IPv6's packet filter cannot be read (%s); without IPv6 set ufw_ipv6: false" % why
                    )
                continue
            state.tables[family] = firewall_kernel.filter_table(done.out)
            state.summaries[family] = collected.summary(family, found, state.interfaces)

    def _files(self, state: State, family: str) -> Dict[str, str]:
        before, after = (self._read(path) for path in AROUND[family])
        return {"before": before or "", "after": after or "", "user": state.texts[USER[family]]}

    def _compare(self, state: State, family: str) -> None:
        table, files = state.tables[family], self._files(state, family)
        drift = firewall_kernel.drift(table, family, files)
        state.level = max(state.level, drift.level)
        if drift.why and (drift.level != firewall_kernel.USER_RULES or files["user"] == state.found[USER[family]]):
            state.notes.append(drift.why)
        wanted = firewall_kernel.opened(firewall_kernel.wished(files["user"], family, state.interfaces))
        accepts = firewall_kernel.foreign_accepts(table, family, state.interfaces, wanted)
        if not self.params["purge"]:
            state.foreign += accepts
            accepts = []
        state.accepts[family] = accepts
        name = "IP%s" % family
        state.notes += [
            "%s: the rule `%s` is removed, which opens more than is wanted" % (name, rule) for rule in accepts
        ]
        if drift.level >= firewall_kernel.RELOAD or not self.params["purge"]:
            return
        after = firewall_kernel.planned(table, files["user"], family, accepts, loaded=True)
        more = firewall_kernel.beyond(
            firewall_kernel.opened(
                firewall_kernel.reach(firewall_kernel.parsed(after, family), family, state.interfaces)
            ),
            wanted,
        )
        if not more:
            return
        chain = firewall_kernel.tampered(table, family, files)
        ports = firewall_kernel.ports_text(more)
        if chain:
            state.level = max(state.level, firewall_kernel.RELOAD)
            state.notes.append("%s: the chain %s, which lets in %s, is loaded again" % (name, chain, ports))
        else:
            text = "%s: a rule that is not ufw's own, or one in %s, lets everybody in on %s" % (
                name,
                AROUND[family][0],
                ports,
            )
            state.obstacles.append(text)
            state.notes.append(text)

    def _compare_closed(self, state: State) -> None:
        """IPv6 that ufw leaves out: it drops everything then."""
        table = state.tables.get("v6")
        if table is not None and firewall_kernel.policies(table).get("INPUT") != "DROP":
            state.level = max(state.level, firewall_kernel.RELOAD)
            state.notes.append("IPv6 is closed")

    # -- Docker ------------------------------------------------------------------------------------------------------

    def _docker_rules(self) -> Dict[str, List[Any]]:
        params = self.params
        allow = firewall_rules.rules("allow", params["docker_allow"], "ufw_docker_allow")
        if not allow:
            allow = firewall_rules.rules("allow", params["allow"], "ufw_allow")
            allow += firewall_rules.rules("allow", params["limit"], "ufw_limit")
        return {"allow": allow, "deny": firewall_rules.rules("deny", params["deny"], "ufw_deny")}

    def _guards_docker(self, state: State) -> bool:
        return bool(self.params["docker_user"]) and state.docker.state != "absent" and state.docker.backend != "none"

    def _compare_docker(self, state: State) -> None:
        if not self._guards_docker(state):
            if any(firewall_docker.removal(table) for table in state.tables.values()):
                state.notes.append("the chain %s is removed" % firewall_docker.CHAIN)
            return
        if state.docker.backend != "iptables":
            return
        if not self._is_there(firewall_docker.LINK):
            state.notes.append("%s is enabled" % firewall_docker.UNIT)
        if state.docker.state != "running":
            return
        rules = self._docker_rules()
        for family in firewall_rules.FAMILIES:
            if family not in state.tables or (family == "v6" and not self._is_there("/proc/net/if_inet6")):
                continue
            why = firewall_docker.drift(
                state.tables[family], family, firewall_docker.chain(family, rules["allow"], rules["deny"])
            )
            if why:
                state.docker_stale = True
                state.notes.append(why)

    def _is_there(self, path: str) -> bool:
        try:
            self.host.stat(path, follow=False)
        except NotFound:
            return False
        return True

    def _plan_docker(self, changes: Changes) -> None:
        state = self.state
        if self._guards_docker(state):
            rules = self._docker_rules()
            changes.directory(firewall_docker.FOLDER, 0o700)
            changes.file(
                firewall_docker.SCRIPT, firewall_docker.script(state.docker, rules["allow"], rules["deny"]), 0o700
            )
            changes.file(firewall_docker.UNIT_FILE, firewall_docker.unit())
        else:
            for path in (firewall_docker.LINK, firewall_docker.UNIT_FILE, firewall_docker.SCRIPT):
                changes.absent(path)

    # -- the guard ---------------------------------------------------------------------------------------------------

    def preflight(self) -> None:
        state = self.state
        rival = firewall_facts.rival(self.host, state.units)
        if rival:
            raise Refused(rival)
        if state.units["ufw"].get("UnitFileState", "").startswith("masked"):
            raise Refused("ufw.service is masked; run `systemctl unmask ufw.service`")
        if firewall_rules.setting(state.found[DEFAULTS] or "", "MANAGE_BUILTINS").lower() == "yes":
            raise Refused(
                "MANAGE_BUILTINS=yes in %s makes ufw remove the rules of Docker and fail2ban at each start; set it to no"
                % DEFAULTS
            )
        if state.docker.backend == "nftables" and self._guards_docker(state):
            raise Refused(
                "Docker filters by nftables here, without a chain DOCKER-USER; set ufw_docker_user: false, and publish ports on "
                "127.0.0.1 only"
            )
        if state.obstacles:
            raise Refused(
                "%s; remove it, or set ufw_purge: false to leave other rules alone" % "; ".join(state.obstacles)
            )
        if not state.ssh and self.host.which("sshd"):
            raise Refused("no port of ssh is known; name it in ufw_ssh_ports")
        self._test_files(state)
        if self.operator:
            self._operator_stays(state)

    def _test_files(self, state: State) -> None:
        """Raise Refused where ufw would stumble over a file that is not ours when it starts."""
        if not state.installed or state.level < firewall_kernel.RELOAD:
            return
        for family in self._families():
            for path in AROUND[family]:
                text = self._read(path)
                if text is None:
                    raise Refused("%s is missing, and ufw would not start; take it from /usr/share/ufw" % path)
                done = self.host.run([RESTORE[family], "--test", "-n", "-w", "10"], stdin=text, timeout=15)
                if done.rc != 0:
                    said = " ".join(done.err.split())[:160]
                    raise Refused("ufw would not start with %s: %s" % (path, said))

    def _operator_stays(self, state: State) -> None:
        """Raise Refused where the operator's own way in would be closed."""
        assert self.operator is not None
        address, port = self.operator.address, self.operator.server_port
        family = "v6" if ":" in address else "v4"
        you = "you come from %s to port %d" % (address, port)
        if family not in state.blocks:
            raise Refused("%s, and ufw_ipv6: false would close IPv6; connect over IPv4" % you)
        if port not in state.ssh:
            raise Refused("%s, which is not in ufw_ssh_ports; add it, or log in by another port first" % you)
        action, block = firewall_rules.decision(state.blocks[family], address, port)
        if action != "allow":
            by = "the rule `%s`" % firewall_rules.shown(block) if block else "no rule of ufw_ssh_sources"
            why = "would let you in only now and then" if action == "limit" else "would shut you out"
            if block is None:
                raise Refused("%s, and %s holds that address; add it to ufw_ssh_sources" % (you, by))
            raise Refused("%s, and %s %s; change it" % (you, by, why))
        if not state.installed:
            return
        table = firewall_kernel.planned(
            state.tables[family], state.texts[USER[family]], family, state.accepts.get(family, [])
        )
        will = firewall_kernel.reach(firewall_kernel.parsed(table, family), family, state.interfaces)
        if not firewall_kernel.lets_in(will, address, port):
            raise Refused(
                "%s, and a rule of the chain INPUT that is not ufw's would shut you out; see `%s`" % (you, SAVE[family])
            )

    @property
    def keep(self) -> List[str]:
        docker = [firewall_docker.SCRIPT, firewall_docker.UNIT_FILE, firewall_docker.LINK]
        return ["/etc/ufw", DEFAULTS, BOOT_LINK] + docker

    @property
    def undo(self) -> List[List[str]]:
        """Put the kernel's tables back as they are now; after a reboot, load what the files say."""
        state = self.state
        by_files = "if grep -q '^ENABLED=yes' %s; then %s force-reload; else %s force-stop; fi" % (CONF, INIT, INIT)
        steps = []
        for family, table in state.tables.items():
            packed = base64.b64encode(gzip.compress(table.encode("utf-8"), mtime=0)).decode("ascii")
            steps.append("printf %%s %s | base64 -d | gzip -d | %s -w 10 -T filter" % (packed, RESTORE[family]))
        boot = self.host.read("/proc/sys/kernel/random/boot_id").strip()
        script = 'if [ "$(cat /proc/sys/kernel/random/boot_id)" = %s ]; then %s; else %s; fi' % (
            boot,
            " && ".join(steps),
            by_files,
        )
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
            for family in self._families():
                self._restore(family, state.texts[USER[family]])
        logging = firewall_rules.setting(state.found[CONF] or "", "LOGLEVEL")
        bare = any("### LOGGING ###" not in state.texts[USER[family]] for family in self._families())
        if logging != self.params["logging"] or bare:
            self._do(["ufw", "logging", self.params["logging"]])
        for family, rules in state.accepts.items():
            if rules:
                self._restore(family, firewall_kernel.removal(rules))
        self._enforce_docker(state)

    def _enforce_docker(self, state: State) -> None:
        if not self._guards_docker(state):
            for family, table in state.tables.items():
                batch = firewall_docker.removal(table)
                if batch:
                    self._restore(family, batch)
            return
        self._do(["systemctl", "daemon-reload"])
        self._do(["systemctl", "enable", firewall_docker.UNIT])
        if state.docker.state == "running":
            self._do(["systemctl", "restart", firewall_docker.UNIT])

    def _do(self, argv: Sequence[str]) -> None:
        command(self.host, argv, timeout=60)

    def _restore(self, family: str, batch: str) -> None:
        command(self.host, [RESTORE[family], "-n", "-w", "10"], stdin=batch, timeout=30)

    def verify(self) -> None:
        """Read everything anew: nothing may be left to do, and the operator's way in has to be open."""
        now = self._look()
        # What ufw itself has written meanwhile is compared as it is now.
        if now.notes or any(text != now.found[path] for path, text in now.texts.items()):
            raise Mismatch("after it was applied: %s" % ("; ".join(now.notes) or "ufw wrote its files differently"))
        if self.operator:
            family = "v6" if ":" in self.operator.address else "v4"
            if not firewall_kernel.lets_in(now.summaries[family], self.operator.address, self.operator.server_port):
                raise Mismatch("the port of ssh is not open to %s" % self.operator.address)

    def extra(self) -> Dict[str, Any]:
        state = self.state
        names = [block for family in self._families() for block in state.blocks[family]]
        return {
            "ssh_ports": state.ssh,
            "rules": [firewall_rules.shown(block) for block in names],
            "removed": state.removed,
            "foreign": state.foreign,
            "docker": {
                "state": state.docker.state,
                "backend": state.docker.backend,
                "guarded": self._guards_docker(state),
            },
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

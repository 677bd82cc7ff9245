# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firewall is, what it is to be, and what lies between: reads, and changes nothing."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import firewall as collected
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.change import (
    firewall_docker,
    firewall_facts,
    firewall_kernel,
    firewall_rules,
)
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, text_of
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, exists, first_line

USER = {"v4": "/etc/ufw/user.rules", "v6": "/etc/ufw/user6.rules"}
AROUND = {
    "v4": ("/etc/ufw/before.rules", "/etc/ufw/after.rules"),
    "v6": ("/etc/ufw/before6.rules", "/etc/ufw/after6.rules"),
}
DEFAULTS, CONF = "/etc/default/ufw", "/etc/ufw/ufw.conf"
SAVE = {"v4": "iptables-save", "v6": "ip6tables-save"}
UNITS = ("ufw", "docker") + firewall_facts.RIVALS
POLICIES = {"DEFAULT_INPUT_POLICY": '"DROP"', "DEFAULT_OUTPUT_POLICY": '"ACCEPT"', "DEFAULT_FORWARD_POLICY": '"DROP"'}


class State:
    """What was found, and what is to be. Made by look()."""

    def __init__(self, host: Any, params: Mapping[str, Any], ports: Sequence[int]) -> None:
        """ports: of ssh, by which the operator came in."""
        self.host = host
        self.params = params
        self.installed = host.which("ufw") is not None and host.which("iptables-save") is not None
        self.units = firewall_facts.units(host, UNITS)
        self.ssh = sorted(set(params["ssh_ports"] or firewall_facts.ssh_ports(host) + list(ports)))
        self.families: Sequence[str] = firewall_rules.FAMILIES if params["ipv6"] else ("v4",)
        self.interfaces: List[str] = ["any"]
        self.found: Dict[str, Optional[str]] = {}  # path -> text
        self.texts: Dict[str, str] = {}  # path -> text as it is to be
        self.blocks: Dict[str, List[firewall_rules.Block]] = {}  # family -> user rules as they are to be
        self.removed: List[str] = []
        self.tables: Dict[str, str] = {}  # family -> filter table in the kernel, as iptables-save prints it
        self.summaries: Dict[str, Any] = {}  # family -> what strangers reach, all tables considered
        self.level = firewall_kernel.NOTHING
        self.surplus: Dict[str, List[str]] = {}  # family -> rules of INPUT and FORWARD to be removed
        self.foreign: List[str] = []  # such rules that stay
        self.notes: List[str] = []  # effects that are due
        self.obstacles: List[str] = []  # why nothing may be done
        self.docker = firewall_docker.look(host, self.units["docker"])
        self.had_docker_unit = self.is_there(firewall_docker.UNIT_FILE)
        self.docker_rules: Dict[str, List[str]] = {}  # family -> our chain
        self.docker_jump: List[str] = []  # families in which nothing leads to DOCKER-USER

    @property
    def guards_docker(self) -> bool:
        return bool(self.params["docker_user"]) and self.docker.state != "absent" and self.docker.backend == "iptables"

    def read(self, path: str) -> Optional[str]:
        return text_of(self.host, path)

    def is_there(self, path: str) -> bool:
        return exists(self.host, path, follow=False)


def look(host: Any, params: Mapping[str, Any], ports: Sequence[int]) -> State:
    """Return the state. Raises ChangeError where it cannot be told, or where an option makes no sense."""
    state = State(host, params, ports)
    _wish(state)
    if state.installed:
        _read_kernel(state)
        for family in state.families:
            _compare(state, family)
        if not params["ipv6"]:
            _compare_closed(state)
        if state.units["ufw"].get("UnitFileState") != "enabled":
            state.notes.append("ufw.service is enabled")
        logging = firewall_rules.setting(state.found[CONF] or "", "LOGLEVEL") or "none"
        if logging != params["logging"]:
            state.notes.append("ufw's logging is set from %s to %s" % (logging, params["logging"]))
    else:
        # Only a check comes here. What else the package brings, and what differs of that, is not known yet.
        state.level = firewall_kernel.RELOAD
        state.notes.append("ufw is installed and put in force")
    _compare_docker(state)
    return state


# -- the wish --------------------------------------------------------------------------------------------------------


def _wish(state: State) -> None:
    """Work out the texts of ufw's files."""
    params = state.params
    deny = firewall_rules.rules("deny", params["deny"], "ufw_deny")
    limit = firewall_rules.rules("limit", params["limit"], "ufw_limit")
    allow = firewall_rules.rules("allow", params["allow"], "ufw_allow")
    for rule in limit:
        clash = [port for port in state.ssh if rule.proto != "udp" and firewall_rules.covers(rule.port, port)]
        if clash:
            raise Refused("ufw_limit names port %d, which is ssh's: a playbook logs in too often for it" % clash[0])
    rules = deny + firewall_rules.ssh_rules(state.ssh, params["ssh_sources"], "ufw_ssh_sources")
    for rule in limit + allow:
        if not any(rule[1:4] == known[1:4] for known in rules):
            rules.append(rule)
    for family in state.families:
        path = USER[family]
        state.found[path] = state.read(path)
        known = firewall_rules.parse(state.found[path] or firewall_rules.STOCK[family], path)
        wanted = [firewall_rules.block(rule, family) for rule in rules if family in rule.families()]
        blocks = firewall_rules.reconcile(known.blocks, wanted, params["purge"])
        state.blocks[family] = blocks
        stays = {block.fields for block in blocks}
        state.removed += [firewall_rules.shown(block) for block in known.blocks if block.fields not in stays]
        state.texts[path] = known.text(blocks)
    defaults = dict(POLICIES, IPV6="yes" if params["ipv6"] else "no")
    for path, settings in ((DEFAULTS, defaults), (CONF, {"ENABLED": "yes"})):
        state.found[path] = state.read(path)
        if state.installed:
            state.texts[path] = firewall_rules.settings(state.found[path] or "", settings)
    # What Docker publishes: the same, unless it is said apart.
    open_ports = firewall_rules.rules("allow", params["docker_allow"], "ufw_docker_allow") or allow + [
        rule._replace(action="allow") for rule in limit
    ]
    for family in firewall_rules.FAMILIES:
        state.docker_rules[family] = firewall_docker.chain(family, open_ports, deny)


# -- what is in force ------------------------------------------------------------------------------------------------


def _read_kernel(state: State) -> None:
    raw = collected.read(state.host, None)
    state.interfaces = raw["interfaces"]
    for family in firewall_rules.FAMILIES:
        try:
            done = state.host.run([SAVE[family]])
            why = "" if done.rc == 0 else first_line(done.err) or "it ended with %d" % done.rc
        except HostError as error:
            why = error.detail or error.reason
        if why:
            if family in state.families:
                hint = "; on a host without IPv6 set ufw_ipv6: false" if family == "v6" else ""
                raise ChangeError("the packet filter cannot be read (%s: %s)%s" % (SAVE[family], why, hint))
            continue
        table = firewall_kernel.filter_table(done.out)
        state.tables[family] = table
        # Where another table is not understood, its say is unknown; the fresh login finds out.
        found = raw[family]
        if isinstance(found, Unread):
            found = collected.Filter(firewall_kernel.parsed(table, family), None)
        state.summaries[family] = collected.summary(family, found, state.interfaces)


def _files(state: State, family: str) -> Dict[str, str]:
    before, after = (state.read(path) for path in AROUND[family])
    return {"before": before or "", "after": after or "", "user": state.texts[USER[family]]}


def _compare(state: State, family: str) -> None:
    table, files, name = state.tables[family], _files(state, family), "IP%s" % family
    drift = firewall_kernel.drift(table, family, files)
    state.level = max(state.level, drift.level)
    if drift.why and (drift.level != firewall_kernel.USER_RULES or files["user"] == state.found[USER[family]]):
        state.notes.append(drift.why)
    wanted = firewall_kernel.opened(firewall_kernel.wished(files["user"], family, state.interfaces))
    accepts = firewall_kernel.foreign_accepts(table, family, state.interfaces, wanted)
    _surplus(state, family, accepts)
    if drift.level >= firewall_kernel.RELOAD or not state.params["purge"]:
        return
    after = firewall_kernel.planned(table, files["user"], family, accepts, loaded=True)
    will = firewall_kernel.reach(firewall_kernel.parsed(after, family), family, state.interfaces)
    more = firewall_kernel.beyond(firewall_kernel.opened(will), wanted)
    if not more:
        return
    chain = firewall_kernel.tampered(table, family, files)
    ports = firewall_kernel.ports_text(more)
    if chain:
        state.level = max(state.level, firewall_kernel.RELOAD)
        state.notes.append("%s: the chain %s, which lets in %s, is loaded again" % (name, chain, ports))
    else:
        state.obstacles.append(
            "%s: a chain that is not ufw's own, or a rule in %s, lets everybody in on %s; remove it, name the port in "
            "ufw_allow, or set ufw_purge: false" % (name, AROUND[family][0], ports)
        )


def _surplus(state: State, family: str, rules: List[str]) -> None:
    """Have rules removed that open more than is wanted, or only tell of them."""
    if state.params["purge"]:
        state.surplus[family] = state.surplus.get(family, []) + rules
        state.notes += [
            "IP%s: the rule `%s` is removed, which opens more than is wanted" % (family, rule) for rule in rules
        ]
    else:
        state.foreign += ["IP%s: %s" % (family, rule) for rule in rules]


def _compare_closed(state: State) -> None:
    """IPv6 that ufw leaves out: it has no rules then, and drops everything."""
    table = state.tables.get("v6")
    if table is None:
        return
    closed = firewall_kernel.policies(table).get("INPUT") == "DROP"
    reached = firewall_kernel.reach(firewall_kernel.parsed(table, "v6"), "v6", state.interfaces)
    left = ":ufw6-user-input " in table or reached["restricted"] or any(firewall_kernel.opened(reached).values())
    if left or not closed:
        state.level = max(state.level, firewall_kernel.RELOAD)
        state.notes.append("IPv6 is closed")


# -- Docker ----------------------------------------------------------------------------------------------------------


def _compare_docker(state: State) -> None:
    if state.docker.backend == "nftables":
        state.obstacles.append(
            "Docker filters by nftables here, beside which ufw would cut off all containers; set "
            '"firewall-backend": "iptables" in %s and restart Docker' % firewall_docker.CONFIG
        )
    if state.docker.state == "absent" and state.params["docker_user"] and _hidden_docker(state):
        state.obstacles.append(
            "Docker runs here but not as docker.service, so its published ports cannot be guarded; install Docker as a package, or "
            "set ufw_docker_user: false"
        )
    if not state.guards_docker:
        if any(firewall_docker.removal(table) for table in state.tables.values()):
            state.notes.append("the chain %s is removed" % firewall_docker.CHAIN)
        return
    if not state.is_there(firewall_docker.LINK):
        state.notes.append("%s is enabled" % firewall_docker.UNIT)
    if state.docker.state != "running":
        return
    for family, table in state.tables.items():
        # Docker leaves IPv6 alone unless told otherwise: nothing is forwarded then.
        if family == "v6" and not state.is_there("/proc/net/if_inet6"):
            continue
        why = firewall_docker.drift(table, family, state.docker_rules[family])
        if why:
            state.notes.append(why)
        if ":DOCKER " not in table:
            continue
        if "-j DOCKER-USER" not in firewall_kernel.appended(table, "FORWARD"):
            state.docker_jump.append(family)
            state.notes.append("IP%s: nothing leads to DOCKER-USER any more" % family)
        else:
            _surplus(state, family, firewall_docker.bypasses(table, family, state.interfaces))


def _hidden_docker(state: State) -> bool:
    """Return whether a Docker from elsewhere, a snap say, filters here."""
    return ":DOCKER-USER " in state.tables.get("v4", "") and state.is_there("/run/docker.sock")


def obstacle(state: State) -> Optional[str]:
    """Return why nothing may be done on this host, None where nothing is in the way."""
    rival = firewall_facts.rival(state.host, state.units)
    if rival:
        return rival
    if re.match("masked", state.units["ufw"].get("UnitFileState", "")):
        return "ufw.service is masked; run `systemctl unmask ufw.service`"
    if firewall_rules.setting(state.found[DEFAULTS] or "", "MANAGE_BUILTINS").lower() == "yes":
        return (
            "MANAGE_BUILTINS=yes in %s makes ufw remove the rules of Docker and fail2ban at each start; set it to no"
            % DEFAULTS
        )
    if not state.ssh and state.host.which("sshd"):
        return "no port of ssh is known; name it in ufw_ssh_ports"
    return "; ".join(state.obstacles) or None

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's published ports, held to the firewall's policy.

Docker translates addresses before ufw's chains are asked. It keeps what others write into DOCKER-USER, and asks that chain first: a
chain of ours is called from its top, by a unit that runs before each start of Docker, so that there is no moment without it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.firewall_kernel import appended, batch, parsed
from ansible_collections.nself.prod.plugins.module_utils.change.firewall_rules import FAMILIES, Rule
from ansible_collections.nself.prod.plugins.module_utils.change.tables import docker_user
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import packet_filter
from ansible_collections.nself.prod.plugins.module_utils.parse.packet_filter import Packet

CHAIN = "NSELF-PROD-DOCKER"
FOLDER = "/etc/nself-prod"
SCRIPT = FOLDER + "/docker-user"
UNIT = "nself-prod-docker-user.service"
UNIT_FILE = "/etc/systemd/system/" + UNIT
LINK = "/etc/systemd/system/docker.service.wants/" + UNIT
CONFIG = "/etc/docker/daemon.json"
# Where new connections of containers come from, and where those to containers go.
INNER = ("lo", "docker0", "br-+", "docker_gwbridge")
BRIDGES = ("docker0", "br-+", "docker_gwbridge")


class Docker(NamedTuple):
    """The engine of this host. state: absent, stopped or running; backend: iptables, nftables or none."""

    state: str
    backend: str


def look(host: Any, unit: Mapping[str, str]) -> Docker:
    """Return what there is. unit: what systemd says of docker.service. Raises ChangeError where its settings are not readable."""
    if unit.get("LoadState") != "loaded":
        return Docker("absent", "none")
    running = unit.get("ActiveState") in ("active", "reloading", "activating")
    config = _config(host)
    arguments = _arguments(host, unit.get("MainPID", "0")) if running else ""
    backend = str(config.get("firewall-backend") or "iptables")
    given = re.search(r"(?:^|\0)--firewall-backend[=\0](\w+)", arguments)
    backend = given.group(1) if given else backend
    if config.get("iptables") is False or "--iptables=false" in arguments:
        backend = "none"
    return Docker("running" if running else "stopped", backend)


def _config(host: Any) -> Dict[str, Any]:
    try:
        config = json.loads(host.read(CONFIG))
    except NotFound:
        return {}
    except (HostError, ValueError, RecursionError) as error:
        raise ChangeError("%s cannot be read, so Docker's firewall is not known: %s" % (CONFIG, error)) from error
    if not isinstance(config, dict):
        raise ChangeError("%s is not a JSON object; Docker would not start with it" % CONFIG)
    return config


def _arguments(host: Any, pid: str) -> str:
    try:
        return str(host.read("/proc/%s/cmdline" % pid)) if pid.isdigit() and pid != "0" else ""
    except HostError:
        return ""


# -- rules -----------------------------------------------------------------------------------------------------------


def chain(family: str, allow: Sequence[Rule], deny: Sequence[Rule]) -> List[str]:
    """Return the rules of our chain for a family, each as iptables-save prints it after `-A CHAIN`.

    RETURN leaves the decision to whoever comes next, Docker itself in the end. Only what Docker (or another) has translated is
    judged by its port, and what goes to its bridges without that comes from a neighbour who knows the inner addresses.
    """
    out = ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"]
    out += ["-i %s -j RETURN" % name for name in INNER]
    for target, rules in (("DROP", deny), ("RETURN", allow)):
        out += [_rule(rule, target) for rule in rules if family in rule.families()]
    out.append("-m conntrack --ctstate DNAT -j DROP")
    return out + ["-o %s -j DROP" % name for name in BRIDGES]


def _rule(rule: Rule, target: str) -> str:
    source = "-s %s " % rule.source if rule.source is not None else ""
    proto = "-p %s " % rule.proto if rule.proto != "any" else ""
    port = " --ctorigdstport %s" % rule.port if rule.port != "any" else ""
    return "%s%s-m conntrack --ctstate DNAT%s -j %s" % (source, proto, port, target)


def script(rules: Mapping[str, Sequence[str]]) -> str:
    """Return the script that the unit runs. rules: of our chain, by family."""
    lines = {family: "\n".join("-A %s %s" % (CHAIN, rule) for rule in rules[family]) for family in FAMILIES}
    return docker_user.IPTABLES.substitute(CHAIN=CHAIN, V4=lines["v4"], V6=lines["v6"])


def unit() -> str:
    return docker_user.UNIT.substitute(SCRIPT=SCRIPT)


# -- what is in force ------------------------------------------------------------------------------------------------


def drift(table: str, family: str, wanted: Sequence[str]) -> str:
    """Return in which way a filter table does not hold published ports back as wanted, "" where it does."""
    name = "IP%s" % family
    if appended(table, CHAIN) != list(wanted):
        return "%s: the chain %s does not hold what it has to" % (name, CHAIN)
    for rule in appended(table, "DOCKER-USER"):
        if rule == "-j " + CHAIN:
            return ""
        if re.search(r"-j (RETURN|ACCEPT)\b", rule):
            break
    return "%s: DOCKER-USER does not ask the chain %s first" % (name, CHAIN)


def bypasses(table: str, family: str, interfaces: Sequence[str]) -> List[str]:
    """Return the rules of FORWARD that let strangers through to published ports before DOCKER-USER is asked."""
    out = []
    for rule in appended(table, "FORWARD"):
        if rule == "-j DOCKER-USER":
            break
        line = "-A FORWARD " + rule
        if not re.search(r"(^| )-j ACCEPT\b", rule):
            continue
        tables = parsed("*filter\n:FORWARD DROP [0:0]\n%s\nCOMMIT\n" % line, family)
        # A port that is nowhere else: what such a rule lets through, it lets through whatever the port outside.
        packets = (Packet(family, proto, name, 1) for proto in ("tcp", "udp") for name in interfaces)
        if any(packet_filter.reach(tables, "forward", packet).open for packet in packets):
            out.append(line)
    return out


def removal(table: str) -> Optional[str]:
    """Return the batch that takes our chain out of a filter table, None where it is not there."""
    if ":%s " % CHAIN not in table:
        return None
    jumps = ["-D DOCKER-USER -j " + CHAIN for rule in appended(table, "DOCKER-USER") if rule == "-j " + CHAIN]
    return batch(jumps + ["-F " + CHAIN, "-X " + CHAIN])

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether fail2ban sees attacks and stops them."""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts, Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Status,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, each, summed
from ansible_collections.nself.prod.plugins.module_utils.parse import packet_filter

# Where a ban must stand to stop traffic that is forwarded to a container; INPUT is never asked for it.
BEFORE_CONTAINERS = {"DOCKER-USER", "FORWARD", "PREROUTING", "forward", "prerouting", "ingress", "route"}
# Where a ban must stand to stop traffic to a process of the host.
BEFORE_HOST = {"INPUT", "PREROUTING", "input", "prerouting", "ingress", "route"}
PORT_NAMES = {"ssh": 22, "all": "0-65535"}
LOG_FOLDER = "/var/log"  # in nginx's container


def _jails(facts: Facts) -> List[Tuple[str, Record]]:
    return [(name, Record(jail, "fail2ban.jails." + name)) for name, jail in facts.read("fail2ban.jails").items()]


def _best(expected: str, jails: List[Tuple[str, Record]], judge: Callable[[Record], Tuple[bool, str]]) -> Verdict:
    """One good jail is enough: a second, stricter or laxer one does no harm."""
    resources = each(jails, lambda jail: "jail " + jail[0], lambda jail: judge(jail[1]))
    good = [item for item in resources if item.status == Status.PASS]
    unknown = [item for item in resources if item.status == Status.UNKNOWN]
    return summed(expected, good or unknown or resources)


def _reads_ssh(name: str, jail: Record) -> bool:
    if "ssh" in name.lower():
        return True
    return any("ssh" in word for word in jail.read("source.matches"))


@check(
    "INFRA-17",
    "fail2ban-ssh",
    "fail2ban guards ssh",
    Severity.WARNING,
    "Passwords and keys of ssh are guessed all day; a ban after few failures makes guessing pointless and logs readable.",
    "the running fail2ban server: its jail for ssh, that jail's limits, what it ignores, where its actions ban, and the age of what it "
    "reads; whether its filter ever matches a line cannot be told",
    "fail2ban runs with an sshd jail that bans after at most fail2ban_max_retry failures for at least fail2ban_min_bantime_seconds, and "
    "the log it reads exists and grows; counts over at least fail2ban_min_findtime_seconds, bans ssh's port(s) in the packet filter and "
    "ignores no part of the internet as large as a /8 (IPv4) or a /20 (IPv6)",
    Fix(
        "fail2ban",
        "Enable the jail sshd in /etc/fail2ban/jail.d with maxretry 3, bantime 1h and backend systemd, then restart fail2ban.",
        ("fail2ban_sshd_maxretry", "fail2ban_sshd_bantime"),
        ("fail2ban",),
    ),
    refs=("s:fail2ban",),
)
def guards_ssh(facts: Facts, policy: Policy) -> Verdict:
    most, least = policy["fail2ban_max_retry"], policy["fail2ban_min_bantime_seconds"]
    expected = "an sshd jail with maxretry ≤ %d, bantime ≥ %d s and a live source" % (most, least)
    state = facts.read("fail2ban.state")
    if state != "running":
        return decide(False, expected, "fail2ban is %s" % state)

    def judge(jail: Record) -> Tuple[bool, str]:
        maxretry, bantime, live = jail.read("maxretry"), jail.read("bantime"), jail.read("source_live")
        good = maxretry <= most and (bantime == -1 or bantime >= least) and live is True
        wrong = _gaps(jail, ssh_ports, policy) if good else []
        if wrong:
            return False, ", ".join(wrong)
        words = "maxretry %d, bantime %s" % (maxretry, "for ever" if bantime == -1 else "%d s" % bantime)
        return good, words + ("" if live else ", but its source is dead: " + _source(jail))

    ssh_ports = facts.read("ssh.ports")
    jails = [(name, jail) for name, jail in _jails(facts) if _reads_ssh(name, jail)]
    if not jails:
        return decide(False, expected, "fail2ban runs without a jail for ssh")
    return _best(expected, jails, judge)


def _gaps(jail: Record, ssh_ports: List[int], policy: Policy) -> List[str]:
    """Return why a jail with good limits bans nobody. Raises Missing where that cannot be told."""
    wrong = []
    shortest = policy["fail2ban_min_findtime_seconds"]
    if jail.read("findtime") < shortest:
        wrong.append("findtime %d s is under %d s" % (jail.read("findtime"), shortest))
    ignored = [text for text in jail.read("ignoreip") if _is_network(text)]
    if packet_filter.share(ignored) >= 1:
        wrong.append("ignores much of the internet: " + ", ".join(ignored[:4]))
    banning = [action for action in jail.records("actions") if BEFORE_HOST & set(action.read("places"))]
    if not banning:
        wrong.append("no action bans in the packet filter")
    open_ports = [port for port in ssh_ports if not any(_bans(action.read("ports"), port) for action in banning)]
    if banning and open_ports:
        wrong.append("bans do not close ssh's port " + ", ".join(str(port) for port in open_ports))
    if not wrong and jail.read("ignorecommand"):
        raise Missing("fail2ban.jails", Reason.ERROR, "ignorecommand may spare anybody")
    return wrong


def _is_network(text: str) -> bool:
    try:
        return bool(packet_filter.networks(text))
    except ValueError:
        return False  # a host name


def _bans(ports: List[str], port: int) -> bool:
    for text in ports:
        first, _dash, last = str(PORT_NAMES.get(text, text)).partition("-")
        if first.isdigit() and int(first) <= port <= int(last or first):
            return True
    return not ports


def _source(jail: Record) -> str:
    if jail.read("source.kind") == "journal":
        return "journal " + " ".join(jail.read("source.matches"))
    return ", ".join(jail.read("source.files")) or "no file"


@check(
    "INFRA-18",
    "fail2ban-nginx-effective",
    "fail2ban's bans reach nginx in its container",
    Severity.WARNING,
    "A jail that reads a log nobody writes, or bans in a chain that container traffic never passes, looks like protection and is none.",
    "the running fail2ban server: its jails for nginx, what they read and where they ban; the mounts of nginx's container",
    "a jail for nginx reads a log that nginx's container writes to the host, and bans in DOCKER-USER, FORWARD or earlier",
    Fix(
        "fail2ban",
        "Mount a host folder on nginx's /var/log/nginx, point a jail's logpath at it and set `chain = DOCKER-USER` for that jail.",
        ("fail2ban_nginx_enabled",),
        ("fail2ban", "nginx"),
    ),
    refs=("s:fail2ban",),
)
def nginx_effective(facts: Facts, policy: Policy) -> Verdict:
    if facts.read("deployment.state") == "none":
        raise NotApplicable("there is no deployment on this host")
    units = [unit for unit in facts.records("deployment.units") if unit.read("role") == "nginx"]
    if not units:
        raise NotApplicable("the deployment has no nginx")
    expected = "a jail on nginx's own logs that bans in DOCKER-USER or FORWARD"
    state = facts.read("fail2ban.state")
    if state != "running":
        return decide(False, expected, "fail2ban is %s" % state)
    jails = [(name, jail) for name, jail in _jails(facts) if "nginx" in name + _source(jail)]
    if not jails:
        return decide(False, expected, "fail2ban runs without a jail for nginx")
    mounts = [mount for unit in units for mount in unit.records("mounts")]
    names = [unit.read("name") for unit in units]

    def judge(jail: Record) -> Tuple[bool, str]:
        if not _reads_nginx(jail, mounts, names):
            return False, "nginx's log does not reach %s" % _source(jail)
        if jail.read("source_live") is not True:
            return False, "nginx does not write %s" % _source(jail)
        places = {place for action in jail.records("actions") for place in action.read("places")}
        if not places & BEFORE_CONTAINERS:
            return False, "bans in %s, which traffic to containers does not pass" % (
                ", ".join(sorted(places)) or "no chain"
            )
        if places & BEFORE_CONTAINERS == {"DOCKER-USER"} and facts.read("firewall.v4.docker_user") is not True:
            return False, "bans in DOCKER-USER, which the packet filter does not ask"
        return True, "reads %s, bans in %s" % (_source(jail), ", ".join(sorted(places & BEFORE_CONTAINERS)))

    return _best(expected, jails, judge)


def _reads_nginx(jail: Record, mounts: List[Record], names: List[Any]) -> bool:
    if jail.read("source.kind") == "journal":
        # Docker's journald driver names the container in each entry.
        return any(
            word in ("CONTAINER_NAME=%s" % name, "CONTAINER_TAG=%s" % name)
            for word in jail.read("source.matches")
            for name in names
        )
    files = jail.read("source.files")
    return any(_inside(path, mount) for mount in mounts for path in files)


def _inside(path: str, mount: Record) -> bool:
    """Return whether a file of the host is one of the container's logs."""
    source, target = mount.read("source").rstrip("/"), mount.read("target").rstrip("/")
    if path != source and not path.startswith(source + "/"):
        return False
    return (target + path[len(source) :]).startswith(LOG_FOLDER + "/") and mount.read("rw") is not False


CHECKS = (guards_ssh, nginx_effective)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firewall has to know of the host: its units, the ports of ssh, other firewalls. Reads only."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import ssh_daemon
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import attempt
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, command
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse.proc_net import is_loopback

PROPERTIES = "--property=Id,LoadState,ActiveState,UnitFileState,MainPID"
RIVALS = ("firewalld", "nftables", "netfilter-persistent")


def units(host: Any, names: Sequence[str]) -> Dict[str, Dict[str, str]]:
    """Return {name: properties} of services. Raises ChangeError."""
    done = command(host, ["systemctl", "show", PROPERTIES] + [name + ".service" for name in names], timeout=15)
    found = {}
    for name, part in zip(names, done.out.split("\n\n")):
        found[name] = dict(line.partition("=")[::2] for line in part.splitlines())
    if len(found) != len(names):
        raise ChangeError("systemctl did not describe the units of firewalls: %r" % done.out[:80])
    return found


def ssh_ports(host: Any) -> List[int]:
    """Return the ports on which sshd, or systemd for it, listens beyond loopback. Raises ChangeError where that is not to be told."""
    if host.which("sshd") is None:
        return []
    try:
        found = ssh_daemon.read_units(host)
        listens = list(ssh_daemon.socket_listens(found) or [])
        pid = ssh_daemon.read_pid(host, found)
        if pid is not None and not listens:
            listens += ssh_daemon.read_listens(host, pid)
        for others in ssh_daemon.read_others(host, pid).values():
            listens += others
    except HostError as error:
        raise ChangeError("the ports of sshd cannot be seen (%s); name them in ufw_ssh_ports" % error) from error
    ports = sorted({port for address, port in listens if not is_loopback(address)})
    return ports or _configured(host)


def _configured(host: Any) -> List[int]:
    """Return the ports of an sshd that does not run: the next start opens them."""
    done = attempt(lambda: host.run(["sshd", "-T"]))
    found = re.findall(r"^port (\d+)$", getattr(done, "out", ""), re.MULTILINE)
    if not found:
        raise ChangeError("sshd neither runs nor tells its port (`sshd -T`); name it in ufw_ssh_ports")
    return sorted({int(port) for port in found})


def rival(host: Any, found: Mapping[str, Mapping[str, str]]) -> Optional[str]:
    """Return why another firewall of the host would undo ufw's rules, None where there is none."""
    for name in RIVALS:
        unit = found[name]
        runs, starts = unit.get("ActiveState") == "active", unit.get("UnitFileState") == "enabled"
        if unit.get("LoadState") != "loaded" or not (runs or starts):
            continue
        if name == "nftables" and not _flushes(host):
            continue
        how = " and ".join(word for word, true in (("is running", runs), ("starts at boot", starts)) if true)
        return (
            "%s.service %s, and would replace the rules of ufw; remove it or run `systemctl disable --now %s.service`"
            % (name, how, name)
        )
    return None


def _flushes(host: Any) -> bool:
    """Return whether the file of nftables.service empties the kernel's rules, or filters by itself."""
    try:
        text = re.sub(r"#.*", "", host.read("/etc/nftables.conf"))
    except NotFound:
        return False
    return bool(re.search(r"\bflush\s+ruleset\b|\bhook\s+(input|forward)\b|\binclude\b", text))

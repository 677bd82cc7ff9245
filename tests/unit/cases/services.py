# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of services: INFRA-27."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread


def unit(name, active=False, enabled=False):
    return {"name": name, "active": active, "enabled": enabled}


def tree(*units, tcp=(), udp=()):
    def sockets(found):
        return [{"port": port, "process": process} for port, process in found]

    return {"services": {"units": list(units)}, "ports": {"tcp": sockets(tcp), "udp": sockets(udp)}}


NO_SYSTEMD = Unread("tool_absent", "systemctl: systemd does not run here")

CASES = {
    "INFRA-27": {
        "pass": [
            tree(),
            tree(unit("vsftpd.service"), tcp=[(22, "sshd")]),
            # Any port may be used for something else.
            tree(tcp=[(21, "docker-proxy")], udp=[(5353, "systemd-resolve")]),
        ],
        "fail": [
            tree(unit("avahi-daemon.service", active=True), unit("vsftpd.service")),
            tree(unit("rpcbind.socket", enabled=True)),
            tree(tcp=[(2323, "in.telnetd"), (23, "in.telnetd")]),
            tree(udp=[(161, "snmpd"), (161, None)]),
            dict(tree(tcp=[(21, "vsftpd")]), services=NO_SYSTEMD),
            dict(tree(unit("snmpd.service", active=True, enabled=True)), ports=Unread("error", "no /proc/net/tcp")),
        ],
        "unknown": [
            dict(tree(), services=NO_SYSTEMD),
            dict(tree(), ports=Unread("error", "no /proc/net/tcp")),
            tree(tcp=[(23, None), (8080, None)]),
        ],
    }
}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts for the check of public ports."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

NO_ROOT = Unread("needs_root", "only root may read the packet filter")


def listening(port, ip="0.0.0.0", process=None):
    return {"ip": ip, "port": port, "process": process}


def published(port, ip="0.0.0.0", proto="tcp", target=None):
    return {"container": "db", "ip": ip, "port": port, "proto": proto, "target": str(target or port)}


def forwarded(first, last=None, to="172.18.0.2:8443", inner=(8443, 8443)):
    return {"proto": "tcp", "first": first, "last": last or first, "to": to, "inner": inner and list(inner)}


def rendered(*ports):
    units = [{"service": "postgres", "level": "rendered", "ports": list(ports)}]
    return {"state": "found", "units": units}


def tree(tcp=(), docker=(), v4=(), v6=(), ssh=(22,), deployment=None):
    def leaf(value):
        return value if isinstance(value, Unread) else list(value)

    return {
        "ssh": {"ports": leaf(ssh)},
        "ports": {"tcp": leaf(tcp)},
        "docker": {"published": leaf(docker)},
        "firewall": {"v4": {"dnat": leaf(v4)}, "v6": {"dnat": leaf(v6)}},
        "deployment": deployment or {"state": "none"},
    }


CASES = {
    "NET-25": {
        "pass": [
            tree(),
            tree(
                [
                    listening(22),
                    listening(22, "::"),
                    listening(5432, "127.0.0.1"),
                    listening(53, "127.0.0.53"),
                    listening(9000, "::1"),
                ]
            ),
            tree(
                [listening(2222, "::")],
                [published(443), published(443, "::", "udp"), published(5432, "127.0.0.1"), published(6379, "::1")],
                ssh=(2222,),
            ),
            tree(v4=[forwarded(80), forwarded(443)], v6=[forwarded(80)]),
            tree(deployment=rendered(published(5432, "127.0.0.1"), published(443))),
        ],
        "fail": [
            tree([listening(5432, process="postgres")]),
            tree([listening(5432, "::")]),
            tree([listening(5432, "10.0.0.5")]),
            tree(docker=[published(5432)]),
            tree(docker=[published(443, target=5432)]),
            tree(v4=[forwarded(80, to="5432", inner=(5432, 5432))]),
            tree(v4=[forwarded(5432, inner=None)]),
            tree(deployment=rendered(published(5432))),
            tree(docker=[published(5432, "::")]),
            tree(docker=[published(9000, proto="udp")]),
            tree(docker=[published(5432, "")]),
            tree(v4=[forwarded(5432)]),
            tree(v6=[forwarded(79, 81)]),
            tree([listening(22)], ssh=(2222,)),
            # What is found decides, whatever else could not be read.
            tree([listening(5432)], NO_ROOT, NO_ROOT, NO_ROOT),
            tree(NO_ROOT, [published(5432)], NO_ROOT, NO_ROOT),
        ],
        "unknown": [
            tree([listening(22)], v4=NO_ROOT),
            tree([listening(22)], NO_ROOT),
            tree(NO_ROOT),
            tree(v6=NO_ROOT),
            tree(ssh=NO_ROOT),
        ],
    },
}
OPTIONAL = {
    ("NET-25", "ports.tcp.process"),
    ("NET-25", "deployment.units.ports.container"),
    ("NET-25", "deployment.units.ports.proto"),
}

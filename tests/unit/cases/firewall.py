# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts for the checks of the packet filter."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

NO_TOOL = Unread("tool_absent", "nft: is not installed")
NO_ROOT = Unread("needs_root", "iptables-save: only root may read the packet filter")


def opened(*ports, proto="tcp"):
    return [{"proto": proto, "first": port, "last": port} for port in ports]


def family(default="deny", open=(22, 80, 443), restricted=(), unsure=(), **more):
    return dict(
        {"default": default, "open": opened(*open), "restricted": list(restricted), "unsure": list(unsure)}, **more
    )


def boot(default="deny", enabled=("ufw",)):
    return {"firewall": {"v4": {"default": default}, "boot": enabled if isinstance(enabled, Unread) else list(enabled)}}


def rules(v4, global_v6=False, ssh=(22,), **more):
    return {"ssh": {"ports": list(ssh)}, "firewall": dict({"v4": v4, "global_v6": global_v6}, **more)}


def from_office(first, last=None):
    return {"proto": "tcp", "first": first, "last": last or first, "from": "192.0.2.0/24"}


def docker(*published, state="present", iptables=True, backend="iptables", ports=(22,), global_v6=None):
    tree = {
        "ssh": {"ports": list(ports)},
        "docker": {"state": state, "iptables": iptables, "backend": backend},
        "exposure": {"published": list(published)},
    }
    return tree if global_v6 is None else dict(tree, firewall={"global_v6": global_v6})


def port(number, reachable=None, ip="0.0.0.0"):
    item = {"container": "app_db_1", "ip": ip, "port": number, "proto": "tcp"}
    return item if reachable is None else dict(item, reachable=reachable)


CASES = {
    "INFRA-01": {
        "pass": [boot(), boot(enabled=["nftables"])],
        "fail": [boot("accept"), boot(enabled=[]), boot("accept", NO_TOOL)],
        "unknown": [boot(NO_TOOL), boot(NO_ROOT), boot(enabled=NO_TOOL), {"firewall": NO_ROOT}],
    },
    "INFRA-02": {
        "pass": [
            rules(family()),
            rules(family(open=(22,))),
            rules(family(open=(2222, 443)), ssh=(2222,)),
            rules(family(restricted=[from_office(5432)])),
            rules(family(open=(80,), restricted=[from_office(1, 65535)])),
            rules(family(), True, v6=family()),
            rules(family(open=(80,), unsure=opened(22))),
        ],
        "fail": [
            rules(family("accept")),
            rules(family(open=(22, 5432))),
            rules(family(open=(80, 443))),
            rules(family(), ssh=(22, 2222)),
            rules(family(), True, v6=family(open=(22, 6379))),
            rules(family(), True, v6=family("accept")),
            rules(dict(family(), open=opened(22) + opened(53, proto="udp"))),
            rules(family(open=(80,), restricted=[from_office(5432)])),
            rules(dict(family(), open=[{"proto": "tcp", "first": 22, "last": 25}])),
        ],
        "unknown": [
            rules(family(NO_TOOL)),
            rules(NO_ROOT),
            rules(family(), NO_TOOL),
            rules(family(), True, v6=NO_ROOT),
            rules(family(unsure=opened(9000))),
            {"firewall": {"v4": family(), "global_v6": False}},
        ],
    },
    "INFRA-03": {
        "pass": [
            {"firewall": {"global_v6": False}},
            {
                "firewall": {
                    "global_v6": True,
                    "v4": {"open": opened(22, 80)},
                    "v6": {"default": "deny", "open": opened(22), "unsure": []},
                }
            },
        ],
        "fail": [
            {"firewall": {"global_v6": True, "v6": {"default": "accept"}}},
            {
                "firewall": {
                    "global_v6": True,
                    "v4": {"open": opened(22)},
                    "v6": {"default": "deny", "open": opened(22, 5432), "unsure": []},
                }
            },
        ],
        "unknown": [
            {"firewall": {"global_v6": NO_TOOL}},
            {"firewall": {"global_v6": True, "v6": NO_ROOT}},
            {
                "firewall": {
                    "global_v6": True,
                    "v4": NO_ROOT,
                    "v6": {"default": "deny", "open": opened(22), "unsure": []},
                }
            },
        ],
    },
    "INFRA-04": {
        "pass": [
            docker(),
            docker(port(443)),
            docker(port(5432, False)),
            docker(port(5432, False), port(80), backend="nftables"),
            docker(iptables=False),
            docker(port(5432, ip="::"), global_v6=False),
        ],
        "fail": [
            docker(port(5432, True)),
            docker(port(80), port(6379, True), backend="nftables"),
            docker(port(5432, True), iptables=False),
            docker(port(5432, True, "::"), global_v6=True),
            docker(port(5432, False), port(6379, True)),
        ],
        "unknown": [
            docker(port(5432, NO_ROOT)),
            docker(port(5432)),
            docker(state=NO_ROOT),
            dict(docker(), exposure=NO_ROOT),
            dict(docker(), exposure={"published": NO_ROOT}),
        ],
        "not_applicable": [docker(state="absent"), docker(state="stopped")],
    },
}

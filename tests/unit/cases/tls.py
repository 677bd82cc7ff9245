# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of protocols and cipher suites."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.certificates import LOST, NOTHING, names, served

ALL = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
MODERN = ("TLSv1.2", "TLSv1.3")
STRONG, ECDSA, CBC, RSA, ANON = 0xC02F, 0xC02B, 0xC013, 0x009C, 0xC018
NO_TLS = Unread("error", "no nginx runs")
SILENT = [names(), names(served(protocols=LOST, suites=LOST, server_order=LOST)), dict(NOTHING[1], tls=NO_TLS)]


def spoken(*accepted):
    return names(
        served(protocols={"accepted": list(accepted), "refused": [item for item in ALL if item not in accepted]})
    )


def taken(*suites, protocols=MODERN, **more):
    return names(served(protocols={"accepted": list(protocols)}, suites=list(suites), **more))


CASES = {
    "NET-08": {
        "pass": [spoken(*MODERN), spoken("TLSv1.2"), spoken("TLSv1.3")],
        "fail": [spoken("TLSv1", *MODERN), spoken("SSLv3", *MODERN), spoken("TLSv1.1"), spoken()],
        "unknown": SILENT + [names(served(protocols={"accepted": list(MODERN), "refused": ["TLSv1"]}))],
        "not_applicable": NOTHING,
    },
    "NET-09": {
        "pass": [taken(STRONG, ECDSA, 0xCCA8, 0xC09F), taken(protocols=("TLSv1.3",))],
        "fail": [taken(STRONG, CBC), taken(STRONG, RSA), taken(ANON), taken(0xEEEE), taken(protocols=("TLSv1",))],
        "unknown": SILENT,
        "not_applicable": NOTHING,
    },
    "NET-10": {
        "pass": [taken(STRONG, ECDSA), taken(STRONG, CBC, RSA, server_order=True)],
        "fail": [taken(STRONG, CBC, server_order=False), taken(CBC, server_order=None)],
        "unknown": SILENT + [taken(STRONG, CBC, server_order=Unread("timeout", "no answer"))],
        "not_applicable": NOTHING,
    },
}

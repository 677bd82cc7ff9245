# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of services: INFRA-27."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread


def unit(name, active=False, enabled=False):
    return {"name": name, "active": active, "enabled": enabled}


CASES = {
    "INFRA-27": {
        "pass": [{"services": {"units": []}}, {"services": {"units": [unit("vsftpd.service")]}}],
        "fail": [
            {"services": {"units": [unit("avahi-daemon.service", active=True), unit("vsftpd.service")]}},
            {"services": {"units": [unit("rpcbind.socket", enabled=True)]}},
        ],
        "unknown": [{"services": Unread("tool_absent", "systemctl: systemd does not run here")}],
    }
}
# A unit of the list whose name was not read is one that is neither active nor enabled: nothing to name.
OPTIONAL = {("INFRA-27", "services.units.name")}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job that removes old entries of the audit log: a timer of systemd, a script of plain sh, and a function of the database's."""

from __future__ import annotations

from string import Template

SCRIPT = Template(
    """#!/bin/sh
# Written by nself.prod. Removes entries of the audit log that are older than the days which nself_audit.purge() itself holds.
set -eu
id=$$(docker ps --quiet --filter label=com.docker.compose.project=$project --filter label=com.docker.compose.service=$service)
[ -n "$$id" ] || { echo "$service of $project does not run, so nothing is removed" >&2; exit 1; }
# Over the server's own socket, as the role that the container knows: neither a password nor an address is needed here.
inside() { printf '%s\\n' '\\set ON_ERROR_STOP on' "SET lock_timeout = '5s';" "SELECT nself_audit.purge();" | docker exec --interactive "$$@" sh -c $shell; }
inside "$$id" || inside --user postgres "$$id"
"""
)
SERVICE = Template(
    """# Written by nself.prod.
[Unit]
Description=Remove old entries of the audit log of $project
After=docker.service

[Service]
Type=oneshot
ExecStart=/bin/sh $script
TimeoutStartSec=30min
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
"""
)
TIMER = Template(
    """# Written by nself.prod.
[Unit]
Description=Remove old entries of the audit log of $project every day

[Timer]
OnCalendar=*-*-* 03:40
RandomizedDelaySec=30min
Persistent=true

[Install]
WantedBy=timers.target
"""
)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script and the unit that hold Docker's published ports to the firewall's policy: plain sh, run at each start of Docker."""

from __future__ import annotations

from string import Template

IPTABLES = Template(
    """#!/bin/sh
# Written by nself.prod (role ufw): published ports obey the firewall's policy. Changes here are lost.
chain=$CHAIN
apply() { # the family's command; the rules of the chain on standard input
    tool=$$1
    # Docker keeps a DOCKER-USER that is there before it starts, and what is in it.
    "$$tool" -w 10 -n -L DOCKER-USER >/dev/null 2>&1 || "$$tool" -w 10 -N DOCKER-USER || return
    there=$$("$$tool" -w 10 -S DOCKER-USER | grep -cxF -e "-A DOCKER-USER -j $$chain")
    # In one step: there is no moment without the chain.
    {
        printf '*filter\\n:%s - [0:0]\\n' "$$chain"
        cat
        while [ "$$there" -gt 0 ]; do
            echo "-D DOCKER-USER -j $$chain"
            there=$$((there - 1))
        done
        printf -- '-I DOCKER-USER 1 -j %s\\nCOMMIT\\n' "$$chain"
    } | "$$tool-restore" -w 10 -n
}
failed=0
apply iptables <<'END' || failed=1
$V4
END
if [ -e /proc/net/if_inet6 ]; then
    apply ip6tables <<'END' || failed=1
$V6
END
fi
exit $$failed
"""
)

UNIT = Template(
    """[Unit]
Description=Hold Docker's published ports to the firewall's policy
# Before Docker: no container answers before its ports are guarded. PartOf: again at each restart.
After=ufw.service
Before=docker.service
PartOf=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh $SCRIPT
Restart=on-failure
RestartSec=5

[Install]
WantedBy=docker.service
"""
)

#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_fail2ban
short_description: Ban who guesses at ssh and at nginx in its container
version_added: "0.3.0"
description:
  - Writes one file, C(/etc/fail2ban/jail.d/zz-nself-prod.local), which is read after all others and wins, and makes the running server do
    what it says. What the server does is read from the server, so a limit that was changed at run time is mended too.
  - The jail V(sshd) reads the journal and bans on the ports on which sshd really listens.
  - A jail for nginx is made only where its log is on the host, and it bans where traffic to containers passes.
  - The address that Ansible comes from is never banned, and a ban that it has is lifted. Addresses that other files ignore stay ignored.
  - A configuration that fail2ban refuses is taken back before the service is touched.
options:
  sshd_enabled:
    description: Guard ssh.
    type: bool
    default: true
  sshd_maxretry:
    description: After how many failures an address is banned.
    type: int
    default: 3
  sshd_bantime:
    description: For how many seconds. V(-1) is for ever.
    type: int
    default: 3600
  sshd_findtime:
    description: Within how many seconds the failures count.
    type: int
    default: 600
  sshd_mode:
    description:
      - Which lines of sshd count as failures. V(normal) counts failed logins, and connections that name a user and end
        without a login, which is all that guessing leaves in the log of an sshd that takes keys only.
      - V(aggressive) also counts who only connects, such as scanners, and monitoring that only looks.
    type: str
    choices: [normal, ddos, extra, aggressive]
    default: normal
  nginx_enabled:
    description: Guard nginx, as far as its logs are on the host. Without effect where nginx sits behind a proxy whose address it logs.
    type: bool
    default: true
  nginx_jails:
    description:
      - Which of V(nginx-http-auth), V(nginx-limit-req), V(nginx-botsearch), V(nginx-bad-request) and V(nginx-forbidden).
    type: list
    elements: str
    default: [nginx-http-auth, nginx-limit-req, nginx-botsearch]
  nginx_maxretry:
    description: After how many failures an address is banned.
    type: int
    default: 10
  nginx_bantime:
    description: For how many seconds. V(-1) is for ever.
    type: int
    default: 3600
  nginx_findtime:
    description: Within how many seconds the failures count.
    type: int
    default: 600
  ignoreip:
    description: Addresses, networks and names of hosts that are never banned.
    type: list
    elements: str
    default: []
  ignore_operator:
    description:
      - Never ban the address that Ansible comes from. The last four such addresses are remembered in the file, so operators who take
        turns change nothing. V(false) forgets them.
    type: bool
    default: true
  banaction:
    description: How bans are made. V(auto) takes nftables where it works, else iptables.
    type: str
    choices: [auto, nftables, iptables]
    default: auto
  bantime_increment:
    description: Ban who comes back for longer each time.
    type: bool
    default: false
  project_dir:
    description: The folder of the nself deployment on the host. Without it the deployment is discovered.
    type: str
extends_documentation_fragment:
  - nself.prod.attributes
  - nself.prod.attributes.changing
attributes:
  action_group:
    support: full
    membership: [nself.prod.prod]
author:
  - The nself.prod authors (@nself-org)
"""

EXAMPLES = r"""
- name: Ban who guesses passwords for a day
  nself.prod.nself_fail2ban:
    sshd_bantime: 86400
    ignoreip: [203.0.113.0/24]
  become: true
"""

RETURN = r"""
left:
  description: What is left to do by hand, in lines for people.
  returned: success
  type: list
  elements: str
missing:
  description: The packages that have to be installed first. Outside of check mode the module fails where there are any.
  returned: success
  type: list
  elements: str
jails:
  description: The jails that are on.
  returned: success
  type: list
  elements: str
left_out:
  description: The jails that are not, by name, and why.
  returned: success
  type: dict
ignored:
  description: What is never banned.
  returned: success
  type: list
  elements: str
not_ignored:
  description: What another file ignores and this one does not, since it is a large part of the internet or cannot be told.
  returned: success
  type: list
  elements: str
banaction:
  description: How bans are made, V(nftables) or V(iptables).
  returned: success
  type: str
unbanned:
  description: The operator's address, where it was banned.
  returned: success
  type: str
"""

from ansible_collections.nself.prod.plugins.module_utils.change.fail2ban import work
from ansible_collections.nself.prod.plugins.module_utils.change.module import main

SPEC = {
    "sshd_enabled": {"type": "bool", "default": True},
    "sshd_maxretry": {"type": "int", "default": 3},
    "sshd_bantime": {"type": "int", "default": 3600},
    "sshd_findtime": {"type": "int", "default": 600},
    "sshd_mode": {"type": "str", "choices": ["normal", "ddos", "extra", "aggressive"], "default": "normal"},
    "nginx_enabled": {"type": "bool", "default": True},
    "nginx_jails": {
        "type": "list",
        "elements": "str",
        "default": ["nginx-http-auth", "nginx-limit-req", "nginx-botsearch"],
    },
    "nginx_maxretry": {"type": "int", "default": 10},
    "nginx_bantime": {"type": "int", "default": 3600},
    "nginx_findtime": {"type": "int", "default": 600},
    "ignoreip": {"type": "list", "elements": "str", "default": []},
    "ignore_operator": {"type": "bool", "default": True},
    "banaction": {"type": "str", "choices": ["auto", "nftables", "iptables"], "default": "auto"},
    "bantime_increment": {"type": "bool", "default": False},
    "project_dir": {"type": "str"},
}

if __name__ == "__main__":
    main(SPEC, work)

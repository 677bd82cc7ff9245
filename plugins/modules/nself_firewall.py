#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_firewall
short_description: Bring ufw and the ports that Docker publishes to one policy
version_added: "0.3.0"
description:
  - Reconciles the rules of ufw with the wish in one step, on IPv4 and IPv6. Incoming and routed traffic is denied by default, outgoing allowed.
  - It compares what the kernel holds, not the files alone, so rules that were flushed, added or let in before ufw's are mended too.
  - Ports that Docker publishes obey the same policy, by a chain of its own that the chain C(DOCKER-USER) asks first.
  - Rules are loaded in one step, and C(ufw reset) is never used. Where nothing differs nothing is run that writes.
  - The address and port by which Ansible comes in have to stay open, otherwise nothing is changed. The host takes a change back by
    itself unless a fresh login confirms it.
options:
  allow:
    description: What everybody, or a network, may reach.
    type: list
    elements: dict
    default: [{port: "80"}, {port: "443"}]
    suboptions: &rule
      port:
        description: A port, a range such as V(8000:8010), or V(any).
        type: str
        required: true
      proto:
        description: The protocol. V(any) is TCP and UDP.
        type: str
        choices: [tcp, udp, any]
        default: tcp
      from:
        description: An address or network of IPv4 or IPv6. V(any) is everybody.
        type: str
        default: any
      comment:
        description: Shown by C(ufw status).
        type: str
        default: ""
  deny:
    description: What is dropped before anything is allowed, an unwelcome network for example.
    type: list
    elements: dict
    default: []
    suboptions: *rule
  limit:
    description: What is allowed, but to one address no more than six new connections in 30 seconds.
    type: list
    elements: dict
    default: []
    suboptions: *rule
  ssh_ports:
    description:
      - The ports of ssh. Without any those on which sshd, or C(ssh.socket) for it, listens.
    type: list
    elements: int
    default: []
  ssh_sources:
    description:
      - From where ssh is open. The address that Ansible comes from has to be among them.
    type: list
    elements: str
    default: [any]
  ipv6:
    description: Whether ufw filters IPv6 as it does IPv4. Otherwise IPv6 is closed altogether.
    type: bool
    default: true
  purge:
    description:
      - Whether rules of ufw for incoming traffic that are not named here go, and rules of the chain C(INPUT) that open more to everybody than is wanted.
      - Bans by fail2ban, rules for outgoing and routed traffic and chains of other software stay in any case.
    type: bool
    default: true
  logging:
    description: What ufw logs.
    type: str
    choices: ["off", low, medium, high, full]
    default: low
  docker_user:
    description: Whether ports that Docker publishes obey the policy. Where Docker is not installed, nothing is done.
    type: bool
    default: true
  docker_allow:
    description: Which published ports, by their numbers on the host, are reachable. Without any those of O(allow) and O(limit).
    type: list
    elements: dict
    default: []
    suboptions: *rule
extends_documentation_fragment:
  - nself.prod.attributes
  - nself.prod.attributes.changing
  - nself.prod.attributes.guarded
attributes:
  action_group:
    support: full
    membership: [nself.prod.prod]
  action:
    support: full
author:
  - The nself.prod authors (@nself-org)
"""

EXAMPLES = r"""
- name: Open the web to everybody, and ssh and the metrics to the office
  nself.prod.nself_firewall:
    allow:
      - port: "80"
      - port: "443"
        proto: any
        comment: HTTPS and HTTP/3
      - port: "9100"
        from: 192.0.2.0/24
    ssh_sources: [192.0.2.0/24, "2001:db8:1::/48"]
  become: true
"""

RETURN = r"""
ssh_ports:
  description: The ports of ssh that are open.
  returned: success
  type: list
  elements: int
rules:
  description: The rules of ufw, in their order.
  returned: success
  type: list
  elements: str
  sample: [allow 22/tcp, allow 443/tcp, allow 22/tcp (v6)]
removed:
  description: The rules of ufw that went, or would go.
  returned: success
  type: list
  elements: str
foreign:
  description: Rules of the chain INPUT that open more than is wanted, and stay since O(purge) is false.
  returned: success
  type: list
  elements: str
docker:
  description: What was found of Docker, and whether its published ports are guarded.
  returned: success
  type: dict
  contains:
    state:
      description: V(absent), V(stopped) or V(running).
      type: str
      returned: success
    backend:
      description: By what Docker filters, V(iptables), V(nftables) or V(none).
      type: str
      returned: success
    guarded:
      description: Whether published ports obey the policy.
      type: bool
      returned: success
"""

from ansible_collections.nself.prod.plugins.module_utils.change.firewall import Firewall, spec
from ansible_collections.nself.prod.plugins.module_utils.change.guarded import run


def main():
    run(spec(), Firewall)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_lockdown
short_description: Shut a host to everything but ssh from the management addresses
version_added: "0.3.0"
description:
  - Drops every packet into the host, out of it and through it, over IPv4 and IPv6, but ssh from the given addresses.
    Published ports of containers and connections that are open already are cut, too.
  - What goes on inside of the host goes on. That is the loopback, and what containers on its bridges say to each other and to the host.
  - What the network itself needs still passes, which is the discovery of neighbours and of the router, DHCP, and messages about packets
    that are too large.
  - The rules are one table of nftables, C(inet nself_prod_lockdown), and change no other rule. So lifting the lockdown is to remove it.
  - They are loaded in one step and survive a reboot and a restart of nftables, ufw and Docker.
  - The change is guarded. The host takes it back by itself unless a fresh login of the controller confirms it.
  - A host whose disks come over the network, or whose operator comes through a tunnel, is refused unless the other ends are in O(peers).
  - Virtual machines and containers with a network interface of their own (macvlan, ipvlan) are other hosts to this module.
options:
  state:
    description:
      - V(present) locks the host down. V(absent) lifts that.
    type: str
    choices: [present, absent]
    default: present
  sources:
    description:
      - The addresses and networks from which ssh is let in.
      - The address that Ansible comes from has to be among them. It is the only one where none is given.
    type: list
    elements: str
    default: []
  peers:
    description:
      - Addresses and networks with which the host itself goes on to exchange packets of any kind, such as the server of a network disk or
        the other end of a tunnel that ssh comes through.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - nself.prod.attributes
  - nself.prod.attributes.changing
  - nself.prod.attributes.guarded
attributes:
  action_group:
    support: full
    membership: [nself.prod.prod]
author:
  - The nself.prod authors (@nself-org)
seealso:
  - module: nself.prod.nself_lockdown_containers
  - module: nself.prod.nself_guard
"""

EXAMPLES = r"""
- name: Lock the host down
  nself.prod.nself_lockdown:
    sources: [203.0.113.7, "2001:db8:1::/64"]
  become: true

- name: Lift the lockdown
  nself.prod.nself_lockdown:
    state: absent
  become: true
"""

RETURN = r"""
lockdown:
  description: What still passes. V(null) where the lockdown was lifted.
  returned: success
  type: dict
  contains:
    sources:
      description: From where ssh is let in.
      type: list
      elements: str
      returned: success
    ports:
      description: The ports of ssh.
      type: list
      elements: int
      returned: success
    peers:
      description: With whom the host exchanges packets of any kind.
      type: list
      elements: str
      returned: success
    inside:
      description: The bridges of containers, between which packets pass.
      type: list
      elements: str
      returned: success
stopped:
  description: Whether M(nself.prod.nself_lockdown_containers) has stopped containers that wait to be started again.
  returned: success
  type: bool
seconds:
  description: How long it took, with the fresh login.
  returned: always
  type: float
"""

from ansible_collections.nself.prod.plugins.module_utils.change.lockdown import main

if __name__ == "__main__":
    main()

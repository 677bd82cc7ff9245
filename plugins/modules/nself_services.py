#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_services
short_description: Turn off the services that a server does not need, and keep its clock right
version_added: "0.3.0"
description:
  - Stops and disables what a server of web applications has no use for, such as telnet, rsh, FTP, TFTP, NIS, rpcbind, SNMP, CUPS, Avahi and
    the servers of NFS, SMB, DHCP and LDAP. Sockets go with their services.
  - What listens on the network is found by its process and turned off by the unit it belongs to, whatever that is called.
  - The unwanted services in the files of inetd and xinetd are turned off as well.
  - Packages stay. SSH, Docker, the network, systemd's own services and containers are never touched.
  - Makes sure that a daemon that is installed keeps the clock. Where there is none, RV(install) names the package that is missing.
options:
  disabled:
    description: More units to turn off. A name without a kind is a service together with its socket.
    type: list
    elements: str
    default: []
  keep:
    description:
      - What is not turned off, by the name of a unit, of a process, or of a kind, as the audit's finding names it, such as V(nfs server).
    type: list
    elements: str
    default: []
  mask:
    description: Whether the units are masked too, so that nothing can start them. A unit whose file is in C(/etc) cannot be masked.
    type: bool
    default: false
  stop_strays:
    description: Whether to end a process that listens and belongs to no unit. Otherwise it is told. One in a container is told always.
    type: bool
    default: false
  clock:
    description: Whether to see to the clock.
    type: bool
    default: true
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
- name: Turn off what is not needed, but go on serving files
  nself.prod.nself_services:
    keep: [nfs server, rpc]
    disabled: [ModemManager]
  become: true
"""

RETURN = r"""
stopped:
  description: The units that ran and were stopped.
  returned: success
  type: list
  elements: str
disabled:
  description: The units that were started at boot and are not any more.
  returned: success
  type: list
  elements: str
masked:
  description: The units that were masked.
  returned: success
  type: list
  elements: str
killed:
  description: The processes that belonged to no unit and were ended.
  returned: success
  type: list
  elements: str
strays:
  description: The unwanted processes that go on listening, and why.
  returned: success
  type: list
  elements: str
needed:
  description: What was left on because something on the host needs it, and what needs it.
  returned: success
  type: dict
clock:
  description: What keeps the clock.
  returned: success
  type: dict
  contains:
    state:
      description: V(present), V(absent), V(masked), V(not_applicable) in a container, or V(not_asked).
      returned: success
      type: str
    reason:
      description: Why.
      returned: success
      type: str
install:
  description: The packages that are missing.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.nself.prod.plugins.module_utils.change.module import main as run
from ansible_collections.nself.prod.plugins.module_utils.change.services import SPEC, work


def main():
    run(SPEC, work)


if __name__ == "__main__":
    main()

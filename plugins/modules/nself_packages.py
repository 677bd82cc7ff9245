#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_packages
short_description: Ask dpkg which packages are missing
version_added: "0.3.0"
description:
  - Changes nothing, needs neither root nor package lists, and takes a moment, where M(ansible.builtin.apt) takes a second or more.
  - A package that is removed but not purged, or half installed, is missing. One on hold is not.
options:
  names:
    description: The packages by their names, without versions, architectures and patterns.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - nself.prod.attributes
attributes:
  platform:
    platforms: debian
  action_group:
    support: full
    membership: [nself.prod.prod]
seealso:
  - module: ansible.builtin.apt
author:
  - The nself.prod authors (@nself-org)
"""

EXAMPLES = r"""
- name: Look whether the firewall's tools are there
  nself.prod.nself_packages:
    names: [ufw, nftables]
  register: tools

- name: Install those that are not
  ansible.builtin.apt:
    name: "{{ tools.missing }}"
  become: true
  when: tools.missing | length > 0
"""

RETURN = r"""
missing:
  description: Those of the packages that are not installed, in the order in which they were named.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.nself.prod.plugins.module_utils.change.module import main
from ansible_collections.nself.prod.plugins.module_utils.change.packages import work

SPEC = {"names": {"type": "list", "elements": "str", "required": True}}

if __name__ == "__main__":
    main(SPEC, work)

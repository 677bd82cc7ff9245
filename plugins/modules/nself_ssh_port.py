#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_ssh_port
short_description: Find the port on which a host's sshd answers
version_added: "0.3.0"
description:
  - Tells on which port an SSH server greets, so that a run goes on where an earlier one moved sshd and the inventory names the old port.
  - It asks from the controller, without logging in. A host behind a jump host is not asked.
options:
  ports:
    description:
      - The ports to try where the inventory's port does not answer.
    type: list
    elements: int
    required: true
  timeout:
    description:
      - How long to wait for each, in seconds.
    type: float
    default: 3.0
extends_documentation_fragment:
  - nself.prod.attributes
attributes:
  action_group:
    support: full
    membership: [nself.prod.prod]
author:
  - The nself.prod authors (@nself-org)
"""

EXAMPLES = r"""
- name: Find the port of ssh
  nself.prod.nself_ssh_port:
    ports: [2222]
  register: found

- name: Go on over it
  ansible.builtin.set_fact:
    ansible_port: "{{ found.port }}"
  when: found.moved
"""

RETURN = r"""
port:
  description: The port on which an SSH server greets. The inventory's where none does.
  returned: success
  type: int
moved:
  description: Whether that is another port than the inventory's.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule


def main():
    # The action plugin of this name does the work, on the controller.
    module = AnsibleModule(
        argument_spec={
            "ports": {"type": "list", "elements": "int", "required": True},
            "timeout": {"type": "float", "default": 3.0},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="nself_ssh_port runs on the controller only: its action plugin was not found")


if __name__ == "__main__":
    main()

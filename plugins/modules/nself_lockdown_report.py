#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_lockdown_report
short_description: Tell what became of each host of a lockdown
version_added: "0.3.0"
description:
  - Gathers what M(nself.prod.nself_lockdown) registered on the hosts of the play as C(nself_lockdown_result), and what
    M(nself.prod.nself_lockdown_containers) registered as C(nself_lockdown_containers).
  - Prints one line a host, and writes a file where the options name one. It is written in check mode too, as it is the controller's own.
options:
  options:
    description:
      - What M(nself.prod.nself_lockdown_options) returned.
    type: dict
    required: true
extends_documentation_fragment:
  - nself.prod.attributes
  - nself.prod.attributes.controller
attributes:
  action_group:
    support: full
    membership: [nself.prod.prod]
author:
  - The nself.prod authors (@nself-org)
seealso:
  - module: nself.prod.nself_lockdown
"""

EXAMPLES = r"""
- name: Report on all hosts
  nself.prod.nself_lockdown_report:
    options: "{{ nself_lockdown_options }}"
  register: nself_lockdown_report
  run_once: true
"""

RETURN = r"""
hosts:
  description: What became of each host, by its name.
  returned: success
  type: dict
bad:
  description: Why a host is not in the state that was asked for, by its name.
  returned: success
  type: dict
output:
  description: The file that was written, V(null) where none was asked for.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main():
    # The action plugin of this name does the work, on the controller.
    module = AnsibleModule(argument_spec={"options": {"type": "dict", "required": True}}, supports_check_mode=True)
    module.fail_json(msg="nself_lockdown_report runs on the controller only: its action plugin was not found")


if __name__ == "__main__":
    main()

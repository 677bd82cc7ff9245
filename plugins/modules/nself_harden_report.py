#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_harden_report
short_description: Print what hardening did to the hosts of a play
version_added: "0.3.0"
description:
  - Compares the two audits that C(nself.prod.harden) registered on each host, and prints what got better, what got worse, and what is left.
  - Says which role failed, what could not apply on a host, and which hosts were not begun with.
  - In check mode it says what the roles would change instead.
options:
  batch:
    description:
      - Whether this is the end of a batch and not of the run. Then one line a host is printed, and RV(stop) says whether to go on.
    type: bool
    default: false
  verbose:
    description:
      - Whether to show the checks of each host, also where there are many hosts.
    type: bool
    default: false
  output:
    description:
      - A file on the controller to write the second audit to, as M(nself.prod.nself_report) does. Its suffix has to be C(.json).
    type: path
  fail_on:
    description:
      - The level of the gate. RV(gate) names the checks of this severity or of a higher one that got worse, and those that the roles
        that were run should have mended and did not.
      - A host that failed is named with V(none) too.
    type: str
    choices: [none, critical, warning]
    default: critical
  fail_on_unknown:
    description:
      - Whether such a check that could not be decided counts like one that fails.
    type: bool
    default: true
  max_fail_percentage:
    description:
      - How many of the hosts of a batch may fail, in percent, before RV(stop) is true.
    type: int
    default: 0
  waivers:
    description:
      - The waivers that were given to the audits.
    type: list
    elements: dict
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
  - module: nself.prod.nself_audit
  - module: nself.prod.nself_report
"""

EXAMPLES = r"""
# As playbooks/harden.yml has it, after the roles and the audits of all hosts.
- name: Report on all hosts
  nself.prod.nself_harden_report:
    fail_on: warning
  register: report
  run_once: true
"""

RETURN = r"""
hosts:
  description: What became of each host. At the end of a batch only their names.
  returned: success
  type: raw
stop:
  description: Whether so many hosts of the batch failed that the rollout has to stop.
  returned: at the end of a batch
  type: bool
lost:
  description: The hosts that gave no answer any more while they were hardened.
  returned: at the end of a batch
  type: list
  elements: str
gate:
  description: Why the gate does not hold, one sentence a cause. Empty where it holds.
  returned: at the end of the run
  type: list
  elements: str
gate_message:
  description: These sentences in one line that begins with the hosts they are about.
  returned: at the end of the run
  type: str
output:
  description: The file that was written.
  returned: at the end of the run
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main():
    # The action plugin of this name does the work, on the controller.
    module = AnsibleModule(
        argument_spec={
            "batch": {"type": "bool", "default": False},
            "verbose": {"type": "bool", "default": False},
            "output": {"type": "path"},
            "fail_on": {"type": "str", "choices": ["none", "critical", "warning"], "default": "critical"},
            "fail_on_unknown": {"type": "bool", "default": True},
            "max_fail_percentage": {"type": "int", "default": 0},
            "waivers": {"type": "list", "elements": "dict"},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="nself_harden_report runs on the controller only: its action plugin was not found")


if __name__ == "__main__":
    main()

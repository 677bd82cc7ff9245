#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_report
short_description: Print and write the report of an audit of all hosts of a play
version_added: "0.1.0"
description:
  - Gathers the results that M(nself.prod.nself_audit) registered on the hosts of the play.
  - Prints one report on all of them, and writes it to a file.
  - Hosts that were unreachable or could not be audited are listed with the reason, never dropped.
  - Compares the secrets of the hosts by their keyed fingerprints, and drops the fingerprints.
  - Put it in a play of its own, so that C(serial) and C(strategy) of the play with the audit do not matter.
options:
  result:
    description:
      - The name of the variable that the audit's result was registered in.
    type: str
    default: nself_check_result
  verbose:
    description:
      - Whether to show each check with what was expected and found, why it matters, and what mends it.
    type: bool
    default: false
  output:
    description:
      - A file on the controller to write the report to. Its suffix chooses the format, and has to be C(.json).
      - Where it is a symbolic link, the file that it leads to is written. What is no regular file is refused.
      - It is written in check mode too, as it is the controller's own and no change to a host.
    type: path
  fail_on:
    description:
      - The level of the gate. RV(gate) is empty as long as no check of this severity, or of a higher one, fails unwaived.
      - With V(none) RV(gate) is always empty.
    type: str
    choices: [none, critical, warning]
    default: critical
  fail_on_unknown:
    description:
      - Whether a check of the gate's level that could not be decided, and is not waived, closes the gate like one that fails.
    type: bool
    default: true
  waivers:
    description:
      - The waivers that were given to the audit. They hold for what only the comparison of hosts can find, too.
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
"""

EXAMPLES = r"""
- name: Audit all hosts
  hosts: all
  gather_facts: false
  tasks:
    - name: Audit the host
      nself.prod.nself_audit:
      become: true
      register: nself_check_result
      ignore_unreachable: true
      failed_when: false

- name: Report on all hosts
  hosts: all
  gather_facts: false
  tasks:
    - name: Print the report and write it to a file
      nself.prod.nself_report:
        output: security-report.json
      register: report

    - name: Fail where a critical check fails
      ansible.builtin.fail:
        msg: "{{ report.gate_message }}"
      when: report.gate | length > 0
      run_once: true
"""

RETURN = r"""
fleet:
  description: The sums over all hosts, as C(fleet) in the JSON Schema that the collection ships in C(docs/schema).
  returned: success
  type: dict
gate:
  description: Why the gate does not hold, one sentence a cause. Empty where it holds.
  returned: success
  type: list
  elements: str
gate_message:
  description: These sentences in one line that begins with the hosts they are about. Empty where the gate holds.
  returned: success
  type: str
output:
  description: The file that was written.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main():
    # The action plugin of this name does the work, on the controller.
    module = AnsibleModule(
        argument_spec={
            "result": {"type": "str", "default": "nself_check_result"},
            "verbose": {"type": "bool", "default": False},
            "output": {"type": "path"},
            "fail_on": {"type": "str", "choices": ["none", "critical", "warning"], "default": "critical"},
            "fail_on_unknown": {"type": "bool", "default": True},
            "waivers": {"type": "list", "elements": "dict"},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="nself_report runs on the controller only: its action plugin was not found")


if __name__ == "__main__":
    main()

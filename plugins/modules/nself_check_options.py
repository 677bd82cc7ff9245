#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_check_options
short_description: Read the options of a playbook before any host is touched
version_added: "0.1.0"
description:
  - Reads what the user asked of C(nself.prod.check) or C(nself.prod.harden) and fails with one clear line where that cannot be.
  - Refuses a variable whose name begins with C(nself_check_), or with C(nself_harden_) where it is that playbook, and that it does not know.
  - Makes the random key by which equal secrets of the hosts of one run are recognised.
options:
  playbook:
    description:
      - Whose options these are. It decides by which variables the messages call them.
    type: str
    choices: [check, harden]
    default: check
  category:
    description:
      - The categories to audit, as a list or separated by commas. All where none is named.
    type: raw
  output:
    description:
      - The file to write the report to. Its suffix has to be C(.json), and its folder has to exist.
      - Where it is a symbolic link, the file that it leads to is written. What is no regular file is refused.
    type: raw
  fail_on:
    description:
      - The level of the gate, one of V(none), V(critical) and V(warning).
    type: raw
    default: critical
  fail_on_unknown:
    description:
      - Whether a check of the gate's level that could not be decided closes the gate like one that fails. V(true) or V(false).
    type: raw
    default: true
  verbose:
    description:
      - Whether the report is to be verbose.
    type: bool
    default: false
  policy:
    description:
      - Thresholds that differ from the defaults, by their names.
    type: raw
  waivers:
    description:
      - Known exceptions, as M(nself.prod.nself_audit) takes them.
    type: raw
  module:
    description:
      - The full name of the module that audits, where it is one that adds checks of your own.
      - Only with such a module a waiver may name a check that is none of this collection's.
    type: raw
  serial:
    description:
      - How many hosts are hardened at a time, batch after batch. Numbers or percentages, as a list or separated by commas.
    type: raw
    default: 100%
  max_fail_percentage:
    description:
      - How many of the hosts of a batch may fail, in percent, before no further batch is begun.
    type: raw
    default: 0
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
- name: Read the options
  nself.prod.nself_check_options:
    category: network,data
    output: security-report.json
    fail_on: warning
  register: nself_check_options
"""

RETURN = r"""
categories:
  description: The categories to audit, empty for all.
  returned: success
  type: list
  elements: str
fail_on:
  description: The level of the gate.
  returned: success
  type: str
fail_on_unknown:
  description: Whether a check that could not be decided closes the gate.
  returned: success
  type: bool
output:
  description: The absolute path of the file to write, V(null) where none is wanted.
  returned: success
  type: str
verbose:
  description: Whether the report is to be verbose.
  returned: success
  type: bool
module:
  description: The full name of the module that audits.
  returned: success
  type: str
serial:
  description: The sizes of the batches.
  returned: success
  type: list
  elements: str
max_fail_percentage:
  description: How many of the hosts of a batch may fail.
  returned: success
  type: int
fingerprint_key:
  description: A random key. The result is not shown, so that it stays secret.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main():
    # The action plugin of this name does the work, on the controller.
    module = AnsibleModule(
        argument_spec={
            "playbook": {"type": "str", "choices": ["check", "harden"], "default": "check"},
            "category": {"type": "raw"},
            "output": {"type": "raw"},
            "fail_on": {"type": "raw", "default": "critical"},
            "fail_on_unknown": {"type": "raw", "default": True},
            "verbose": {"type": "bool", "default": False},
            "policy": {"type": "raw"},
            "waivers": {"type": "raw"},
            "module": {"type": "raw"},
            "serial": {"type": "raw", "default": "100%"},
            "max_fail_percentage": {"type": "raw", "default": 0},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="nself_check_options runs on the controller only: its action plugin was not found")


if __name__ == "__main__":
    main()

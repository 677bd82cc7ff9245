#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_lockdown_options
short_description: Read the options of a lockdown before any host is touched
version_added: "0.3.0"
description:
  - Reads the variables C(nself_lockdown_*) of all hosts of the play for C(nself.prod.lockdown), and fails with one clear line where one
    cannot be used or is unknown.
options:
  output:
    description:
      - The file on the controller that is to say what was done. Its suffix has to be C(.json), and its folder has to exist.
    type: raw
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
- name: Read the options
  nself.prod.nself_lockdown_options:
    output: lockdown.json
  register: nself_lockdown_options
"""

RETURN = r"""
output:
  description: The absolute path of the file to write, V(null) where none is wanted.
  returned: success
  type: str
hosts:
  description: The options of each host by its name, which are C(state), C(sources), C(peers), C(stop), C(guard_seconds) and C(become).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule


def main():
    # The action plugin of this name does the work, on the controller.
    module = AnsibleModule(argument_spec={"output": {"type": "raw"}}, supports_check_mode=True)
    module.fail_json(msg="nself_lockdown_options runs on the controller only: its action plugin was not found")


if __name__ == "__main__":
    main()

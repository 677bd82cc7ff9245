#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_permissions
short_description: Take away access that is too wide
version_added: "0.3.0"
description:
  - Closes the files of the nself deployment that hold secrets, and the system's own files, to all but who needs them.
  - Takes free ways to root out of sudoers, and locks accounts that have no password.
  - It only takes away, and never gives. It walks no volume, and follows no link that leaves the project.
  - What a container reads as a user of its own stays readable for it, and is told in RV(left).
  - The account that Ansible logged in by keeps all its rights.
options:
  project_dir:
    description:
      - The folder of the nself deployment on the host.
      - Without it the deployment is discovered, as M(nself.prod.nself_audit) does.
    type: str
  system_files:
    description: Whether to close the system's own files as well, to what CIS' benchmarks want at most.
    type: bool
    default: true
  sudoers:
    description:
      - What becomes of a line in sudoers that gives root without a password, apart from O(nopasswd_users).
      - V(password) takes NOPASSWD out, so that sudo asks for the account's password. Where one has none to give, the line stays, and is
        told of in RV(left).
      - V(disable) takes the whole line out.
      - V(report) changes nothing, and tells of them in RV(left).
      - The old line stays as a comment. Where the operator needs it, a line for him alone takes its place.
      - The new files are checked by C(visudo), and put back when the operator could not sudo any more.
    type: str
    choices: [report, password, disable]
    default: password
  nopasswd_users:
    description: Who may become root without a password, as sudoers names them. A group begins with V(%).
    type: list
    elements: str
    default: []
  empty_passwords:
    description: What becomes of an account with an empty password.
    type: str
    choices: [report, lock]
    default: lock
  extra_root:
    description:
      - What becomes of an account besides root that has uid 0.
      - V(lock) closes it to logins. Its number stays in any case, since what belongs to it is also root's.
    type: str
    choices: [report, lock]
    default: report
extends_documentation_fragment:
  - nself.prod.attributes
  - nself.prod.attributes.changing
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
- name: Take away what is too wide, on a host where the account deploy may sudo freely
  nself.prod.nself_permissions:
    nopasswd_users: [deploy]
  become: true
  register: permissions

- name: Tell what is left to do by hand
  ansible.builtin.debug:
    var: permissions.left
"""

RETURN = r"""
project:
  description: The folder of the deployment whose files were looked at.
  returned: success
  type: str
  sample: /var/www/nself
left:
  description: What stays as it is, and what to do about it, a line each.
  returned: success
  type: list
  elements: str
  sample:
    - git has /var/www/nself/.env.prod
"""

from ansible_collections.nself.prod.plugins.module_utils.change.module import main as be_module
from ansible_collections.nself.prod.plugins.module_utils.change.permissions import SPEC, work


def main():
    be_module(SPEC, work)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_unattended_upgrades
short_description: Have security updates install themselves, without restarting Docker
version_added: "0.3.0"
description:
  - Writes one file, C(/etc/apt/apt.conf.d/zz-nself-prod.conf), which apt reads after the others of that folder, and makes sure that apt
    then has it so. A file that apt cannot read is taken back.
  - Enables and starts apt's timers.
  - Runs what the timers run, once, where the last successful run or the package lists are more than seven days old, or where a security
    update is pending. It never upgrades anything else.
  - It never reboots the host by itself, unless O(reboot) tells unattended-upgrades to.
options:
  origins:
    description:
      - Where updates are taken from, as in C(Unattended-Upgrade::Origins-Pattern). By default the security archives of Debian or Ubuntu.
    type: list
    elements: str
    default: []
  blacklist:
    description:
      - Patterns of packages that are left to you. By default those whose update restarts Docker, and with it every container.
      - What other files of apt blacklist stays blacklisted.
    type: list
    elements: str
    default: [docker-ce, 'docker\.io', containerd, runc$]
  reboot:
    description: Reboot by itself after an update that asks for it.
    type: bool
    default: false
  reboot_with_users:
    description: Do so even while somebody is logged in.
    type: bool
    default: true
  reboot_time:
    description: When, as V(03:30) or V(now).
    type: str
    default: "03:30"
  remove_unused:
    description: Remove old kernels, and packages that an update made superfluous.
    type: bool
    default: true
  needrestart:
    description: Whether needrestart has to be installed. Where it is, it is told to restart nothing by itself.
    type: bool
    default: false
  run:
    description: Whether to run the daily job now if it is due, or V(never).
    type: str
    choices: [when_due, never]
    default: when_due
  run_timeout:
    description: For how many seconds to wait for it. It goes on after that.
    type: int
    default: 3600
  lock_timeout:
    description: For how many seconds to wait for another apt.
    type: int
    default: 300
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
- name: Update by itself, and reboot at night where an update asks for it
  nself.prod.nself_unattended_upgrades:
    reboot: true
    reboot_time: "04:00"
  become: true
"""

RETURN = r"""
left:
  description: What is left to do by hand, in lines for people.
  returned: success
  type: list
  elements: str
missing:
  description: The packages that have to be installed first. Outside of check mode the module fails where there are any.
  returned: success
  type: list
  elements: str
ran:
  description: Why the daily job was run, V(null) where it was not.
  returned: success
  type: str
pending:
  description: Packages with a security update that is not installed.
  returned: success
  type: list
  elements: str
held_back:
  description: Packages with a security update that O(blacklist) leaves to you.
  returned: success
  type: list
  elements: str
left_out:
  description: Important packages that a blacklist in another file leaves out.
  returned: success
  type: list
  elements: str
reboot_required:
  description: Whether the host has to be rebooted for its updates to take effect.
  returned: success
  type: bool
"""

from ansible_collections.nself.prod.plugins.module_utils.change.module import main
from ansible_collections.nself.prod.plugins.module_utils.change.updates import work

SPEC = {
    "origins": {"type": "list", "elements": "str", "default": []},
    "blacklist": {"type": "list", "elements": "str", "default": ["docker-ce", r"docker\.io", "containerd", "runc$"]},
    "reboot": {"type": "bool", "default": False},
    "reboot_with_users": {"type": "bool", "default": True},
    "reboot_time": {"type": "str", "default": "03:30"},
    "remove_unused": {"type": "bool", "default": True},
    "needrestart": {"type": "bool", "default": False},
    "run": {"type": "str", "choices": ["when_due", "never"], "default": "when_due"},
    "run_timeout": {"type": "int", "default": 3600},
    "lock_timeout": {"type": "int", "default": 300},
}

if __name__ == "__main__":
    main(SPEC, work)

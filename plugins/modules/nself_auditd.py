#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_auditd
short_description: Let the kernel's audit record changes of what matters
version_added: "0.3.0"
description:
  - Writes C(/etc/audit/rules.d/50-nself-prod.rules), loads it, and makes sure that auditd runs and that the rules in force are those on disk.
  - Recorded are changes of accounts, sudoers, ssh, Docker, the folder of the nself deployment, the clock, kernel modules and the audit itself.
    What services write all the time is not, so the log is not flooded.
  - In C(auditd.conf) whatever would halt the host or fill its disk is changed. The rest stays.
  - A rule in another file that keeps everything from being audited is turned into a comment. What else in other files works against the rules
    is told in a warning.
  - In a container, which has no audit of its own, the files are written and nothing else.
options:
  project_dir:
    description:
      - The folder of the nself deployment. Without it the deployment is discovered, as M(nself.prod.nself_audit) does.
    type: path
  rules:
    description: Further rules, each as one line of a file of rules.
    type: list
    elements: str
    default: []
  immutable:
    description: Whether the rules are locked (C(-e 2)) once they are loaded. Then every further change takes a reboot.
    type: bool
    default: false
extends_documentation_fragment:
  - nself.prod.attributes
  - nself.prod.attributes.changing
attributes:
  action_group:
    support: full
    membership: [nself.prod.prod]
requirements:
  - auditd, outside of check mode
author:
  - The nself.prod authors (@nself-org)
"""

EXAMPLES = r"""
- name: Record what matters, and who reads the backups
  nself.prod.nself_auditd:
    rules:
      - -w /srv/backups -p r -k backups
  become: true
"""

RETURN = r"""
file:
  description: The file of rules.
  returned: success
  type: str
project:
  description: The folder of the deployment that is watched, V(null) where there is none.
  returned: success
  type: str
left_out:
  description: What of that folder is data and is not watched.
  returned: success
  type: list
  elements: str
service:
  description: The daemon.
  returned: success
  type: dict
  contains:
    state:
      description:
        - V(running), V(locked) where the new rules count from the next reboot on, V(absent) in check mode before it is installed, or
          V(not_applicable).
      returned: success
      type: str
    reason:
      description: Why.
      returned: success
      type: str
"""

from ansible_collections.nself.prod.plugins.module_utils.change.auditd import SPEC, work
from ansible_collections.nself.prod.plugins.module_utils.change.module import main as run


def main():
    run(SPEC, work)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_guard
short_description: Confirm or take back a change that could have cut the operator off
version_added: "0.3.0"
description:
  - A change of sshd or of the firewall leaves a rollback on the host that takes it back, unless a fresh login confirms it in time.
  - The modules that make such changes call this one by themselves. By hand it serves to see whether a rollback waits, or to hasten it.
options:
  state:
    description:
      - V(status) tells what there is.
      - V(disarmed) confirms the change of O(run), which has to wait for that still. It has to be asked over a connection of its own.
      - V(rolled_back) takes the change that waits back at once.
    type: str
    choices: [status, disarmed, rolled_back]
    default: status
  run:
    description:
      - The name of the run that made the change. Needed to confirm it.
    type: str
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
- name: See whether a rollback waits
  nself.prod.nself_guard:
  become: true
  register: guard

- name: Do not wait for it
  nself.prod.nself_guard:
    state: rolled_back
  become: true
  when: guard.armed
"""

RETURN = r"""
armed:
  description: Whether a rollback waits now.
  returned: success
  type: bool
run:
  description: The name of the run whose rollback waits or waited, V(null) where there is none.
  returned: success
  type: str
seconds_left:
  description: In how many seconds it begins, V(0) where none waits.
  returned: success
  type: int
outcome:
  description:
    - V(confirmed) where the change of O(run) stays, V(ok) where it was taken back, or what could not be put back. V(null) where neither
      is known.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nself.prod.plugins.module_utils.change import operator
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Guard
from ansible_collections.nself.prod.plugins.module_utils.host import Host, HostError


def answer(host, params, check):
    """Do what is asked and return the module's result. Raises ChangeError, HostError."""
    guard = Guard(host, params["run"] or "")
    found = guard.armed()
    changed = False
    if params["state"] == "disarmed":
        changed = True
        who = operator.find(host)
        if not check:
            guard.disarm("%s %d" % (who.address, who.port) if who else "")
    elif params["state"] == "rolled_back" and found is not None:
        changed = True
        if not check:
            outcome = Guard(host, found.run).roll_back()
            if outcome != "ok":
                raise ChangeError("the rollback met with: %s" % outcome)
    waits = found if not changed or check else None
    return {
        "changed": changed,
        "armed": waits is not None,
        "run": found.run if found else None,
        "seconds_left": max(0, int(waits.since + waits.seconds - host.now())) if waits else 0,
        "outcome": guard.outcome() if params["run"] else None,
    }


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["status", "disarmed", "rolled_back"], "default": "status"},
            "run": {"type": "str"},
        },
        required_if=[("state", "disarmed", ["run"])],
        supports_check_mode=True,
    )
    try:
        result = answer(Host(), module.params, module.check_mode)
    except (ChangeError, HostError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()

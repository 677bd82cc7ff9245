#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_lockdown_containers
short_description: Stop the containers of the deployment for a lockdown, and start exactly those again
version_added: "0.3.0"
description:
  - Stops the running containers of the nself deployment, those first that depend on others, and remembers them on the host in
    C(/var/lib/nself-prod/lockdown-containers.json).
  - Starts exactly those again, in the opposite order. What had been stopped before stays stopped.
  - A container with the restart policy V(always) is started by Docker itself when Docker or the host restarts.
options:
  state:
    description:
      - V(stopped) stops what runs. V(started) starts what V(stopped) had stopped.
    type: str
    choices: [stopped, started]
    required: true
  project_dir:
    description:
      - The folder of the nself deployment on the host. Without it the deployment is discovered.
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
seealso:
  - module: nself.prod.nself_lockdown
"""

EXAMPLES = r"""
- name: Stop the stack
  nself.prod.nself_lockdown_containers:
    state: stopped
  become: true

- name: Start again what was stopped
  nself.prod.nself_lockdown_containers:
    state: started
  become: true
"""

RETURN = r"""
containers:
  description: The names of the containers that were stopped or started.
  returned: success
  type: list
  elements: str
note:
  description: What there is to say of it in a line, empty where there is nothing.
  returned: success
  type: str
"""

from ansible_collections.nself.prod.plugins.module_utils.change.lockdown_containers import SPEC, work
from ansible_collections.nself.prod.plugins.module_utils.change.module import main

if __name__ == "__main__":
    main(SPEC, work)

#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_docker_daemon
short_description: Set up Docker's engine without stopping what runs
version_added: "0.3.0"
description:
  - Merges C(/etc/docker/daemon.json) with what is wanted. Other keys in it are kept.
  - The new file is judged by C(dockerd --validate), where the engine has that, beside the flags that it is started with.
  - A reload puts live-restore in force first. A restart follows only where a setting needs one, and where containers live through it.
    Otherwise RV(restart_needed) tells.
  - Closes the engine's socket to all but root and the group docker, and takes accounts out of that group.
  - An engine that does not run is not started. On a host without one nothing is done.
options:
  live_restore:
    description:
      - Whether containers live on while the engine is down. It is left out where the engine is part of a swarm.
    type: bool
    default: true
  log_opts:
    description:
      - Options of the log driver, merged with those there are. They hold for containers that are made from then on.
      - They are left out where logs go elsewhere than to V(json-file) or V(local).
    type: dict
    default:
      max-size: 10m
      max-file: "3"
  insecure_registries:
    description: The registries that the engine may speak to without TLS. All others are removed.
    type: list
    elements: str
    default: []
  settings:
    description: Further keys of daemon.json, merged last. V(null) removes one.
    type: dict
    default: {}
  group_users:
    description: Who may be in the group docker, which makes them root. All others leave it.
    type: list
    elements: str
    default: []
  group_manage:
    description: Whether the others leave the group. Otherwise it stays as it is, and RV(left) tells of them.
    type: bool
    default: true
  group_keep_owner:
    description: Whether the account that owns the nself deployment stays in the group, since it runs the deployment by that.
    type: bool
    default: true
  restart:
    description: Whether the engine may be restarted where its containers live through that.
    type: bool
    default: true
  project_dir:
    description: The folder of the nself deployment. Without it the deployment is discovered.
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
  - module: nself.prod.nself_audit
"""

EXAMPLES = r"""
- name: Set up Docker's engine, and keep the data root
  nself.prod.nself_docker_daemon:
    settings:
      data-root: /srv/docker
    group_users: [deploy]
  become: true
  register: engine

- name: Tell what is left to do by hand
  ansible.builtin.debug:
    var: engine.left
"""

RETURN = r"""
applicable:
  description: Whether there is an engine to set up.
  returned: success
  type: bool
restarted:
  description: Whether the engine was restarted.
  returned: success
  type: bool
restart_needed:
  description: Whether settings wait for a restart that would stop containers, or that was not allowed.
  returned: success
  type: bool
left:
  description: What stays as it is, and what to do about it, a line each.
  returned: success
  type: list
  elements: str
  sample:
    - "these keep logs without a limit until they are recreated: app-redis-1"
"""

from ansible_collections.nself.prod.plugins.module_utils.change.docker_daemon import SPEC, work
from ansible_collections.nself.prod.plugins.module_utils.change.module import main as be_module


def main():
    be_module(SPEC, work)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_deployment
short_description: Harden a running nself deployment in one transaction
version_added: "0.4.0"
description:
  - Carries out the parts of the deployment's roles together. Each part adds a document to C(docker-compose.override.yml), which survives
    C(nself build), and files of its own in the folder C(.nself-prod) of the project.
  - What the user has in the override file stays byte for byte. The documents win over it, and what stands below their last line wins over them.
  - The new files are judged by C(docker compose config) with every set of env files that nself starts the project with, and by the
    services' own programs. Only services whose configuration changed are made anew, in the order of their dependencies, with the project's
    name and the env files that the stack was started with.
  - Where a service does not become healthy, where a probe does not find the effect, or where anything else fails, files and containers are
    put back as they were. This holds where the module is killed, or the host is restarted, in the middle.
  - In the end every service that ran before has to run, to stay up, and to be as healthy as it was, also those that were not made anew. What
    was unhealthy already is held against that, is not waited for, and is told in C(left).
  - On a host without a deployment nothing is done.
options:
  parts:
    description:
      - What is to be done, by role. The roles C(containers), C(postgres_tls), C(postgres_audit), C(hasura), C(auth), C(minio), C(redis) and
        C(nginx) call this module; their options are documented there, without the role's name in front.
    type: dict
    required: true
  secrets:
    description: Secrets that the parts take, by the names that the deployment's env files have for them. They are written there and nowhere else.
    type: dict
    default: {}
  settings:
    description: Settings of nself's security guide, as it names them. They are translated to what their readers know.
    type: dict
    default: {}
  settings_from_env:
    description: Whether settings of the guide that the deployment's env files declare are taken too, where they are not weaker than the default.
    type: bool
    default: true
  project_dir:
    description: The folder of the nself deployment. Without it the deployment is discovered.
    type: str
  wait_seconds:
    description: How long to wait for services to become healthy, for those that are made anew together.
    type: int
    default: 180
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
- name: Close Hasura's console and take Redis' password off its command line, in one transaction
  nself.prod.nself_deployment:
    parts:
      hasura:
        console_enabled: false
      redis: {}
  become: true
  register: deployment

- name: Tell what is left to do by hand
  ansible.builtin.debug:
    var: deployment.left
"""

RETURN = r"""
applicable:
  description: Whether there is a deployment to harden.
  returned: success
  type: bool
project:
  description: The project's name.
  returned: where there is a deployment
  type: str
recreated:
  description: The services that were made anew, or would be.
  returned: success
  type: list
  elements: str
restarted:
  description:
    - The services whose container was only started again, or would be, since it did not see any more what is mounted into it. Somebody had
      put another file in the place of the one that was mounted, or of the one that it was mounted over.
  returned: where there is a deployment
  type: list
  elements: str
removed:
  description: The services whose container was removed, or would be.
  returned: where there is a deployment
  type: list
  elements: str
order:
  description: The services that were made anew or started again, in layers, one after the other.
  returned: success
  type: list
  elements: list
  sample: [[postgres], [auth, hasura], [nginx]]
downtime:
  description: For how many seconds each of them did not answer, at most.
  returned: success
  type: dict
  sample: {postgres: 4.1}
parts:
  description: What became of each part, by role.
  returned: success
  type: dict
  contains:
    services:
      description: The services of the part that were made anew, or would be.
      type: list
      elements: str
    settings:
      description: The settings of the guide that the part follows.
      type: list
      elements: str
    left:
      description: What stays as it is, and what to do about it, a line each.
      type: list
      elements: str
left:
  description: What stays as it is, and what to do about it, of all parts.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.nself.prod.plugins.module_utils.change.module import main as be_module
from ansible_collections.nself.prod.plugins.module_utils.change.stack.deployment import SPEC, work


def main():
    be_module(SPEC, work)


if __name__ == "__main__":
    main()

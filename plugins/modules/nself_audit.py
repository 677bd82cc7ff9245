#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_audit
short_description: Audit the security of a host and of its nself deployment
version_added: "0.1.0"
description:
  - Reads the effective state of a host and of the nself deployment on it, and judges it by the checks of this collection.
  - It changes nothing, and needs nothing but Python on the host.
  - What cannot be read is V(unknown) in the report, never a pass. Much can be read by root only, so run it with C(become).
  - Where C(become) fails, the audit runs as the login user, and the report says so.
  - Secrets never leave the host. The report holds properties of them only.
options:
  project_dir:
    description:
      - The folder of the nself deployment on the host.
      - Without it the deployment is discovered from the labels of Docker Compose, then from C(/var/www/nself) and C(/opt/nself).
    type: str
  categories:
    description:
      - The categories to audit. All where none is named.
    type: list
    elements: str
    choices: [authentication, network, data, infrastructure]
    default: []
  policy:
    description:
      - Thresholds that differ from the defaults, by their names.
    type: dict
    default: {}
  waivers:
    description:
      - Known exceptions. A waiver turns a failing or unknown check into V(waived) until it expires.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The check.
        type: str
        required: true
      owner:
        description: Who answers for the exception.
        type: str
        required: true
      reason:
        description: Why it is acceptable.
        type: str
        required: true
      expires:
        description: The last day on which it holds (UTC), such as V(2027-01-31).
        type: str
        required: true
      hosts:
        description: Patterns of the hosts for which it holds. All where there is none.
        type: list
        elements: str
      resources:
        description: Patterns of the resources for which it holds. All where there is none.
        type: list
        elements: str
  fingerprint_key:
    description:
      - The key of the fingerprints by which equal secrets are recognised. Give all hosts of a run the same random one.
      - Without it secrets are compared within the host only.
    type: str
  outside:
    description:
      - What the controller saw of the host from outside. The action plugin fills it in, by TCP connections to the inventory's address.
      - It connects to V(5432), V(6379), V(8080), V(4000), V(9000), V(9001), V(3000), V(9090), V(2375) and V(2376), and to the port of ssh.
        It does so only where Ansible reaches the host by ssh, and where O(categories) includes the network.
    type: dict
    suboptions:
      address:
        description: The address that was tried.
        type: str
        required: true
      ports:
        description: How each port answered, V(open), V(refused), V(timeout) or V(error), by its number.
        type: dict
        required: true
      same_host:
        description: Whether the address is the controller's own, which gives no view from outside.
        type: bool
        required: true
      control:
        description: How the port of ssh answered. Where it is not V(open), silence of the others proves nothing.
        type: str
        default: error
  module:
    description:
      - A module that audits in place of this one, with checks of your own besides. The action plugin runs it with the other options.
      - C(docs/user-checks.md) tells how to write one.
    type: str
    default: nself.prod.nself_audit
  host_name:
    description:
      - The name by which waivers know the host. The action plugin fills in the name in the inventory.
    type: str
extends_documentation_fragment:
  - nself.prod.attributes
attributes:
  action_group:
    support: full
    membership: [nself.prod.prod]
author:
  - The nself.prod authors (@nself-org)
seealso:
  - module: nself.prod.nself_report
"""

EXAMPLES = r"""
- name: Audit the host and the deployment that is found on it
  nself.prod.nself_audit:
  become: true
  register: audit

- name: Audit the network of a deployment, with a stricter policy and one exception
  nself.prod.nself_audit:
    project_dir: /srv/shop
    categories: [network]
    policy:
      ssh_max_auth_tries: 2
    waivers:
      - id: NET-25
        owner: alice@example.org
        reason: The metrics port is public until the new monitoring is in place
        expires: "2027-01-31"
        hosts: [web*]
  become: true
  register: audit
"""

RETURN = r"""
report:
  description:
    - The host's report, as C(hosts[]) in the JSON Schema that the collection ships in C(docs/schema).
    - It may also hold keyed fingerprints of secrets, which M(nself.prod.nself_report) compares between hosts and drops.
  returned: success
  type: dict
  contains:
    score:
      description: 0 to 100, at most 59 while a critical check fails. V(null) where nothing that counts was decided.
      type: int
      returned: success
    coverage:
      description: How many of the applicable checks were decided.
      type: dict
      returned: success
    findings:
      description: One entry a check.
      type: list
      elements: dict
      returned: success
    deployment:
      description: Which nself deployment was audited, if one was found.
      type: dict
      returned: success
    privileged:
      description: Whether the audit ran as root.
      type: bool
      returned: success
    notes:
      description: What the reader should know of how the audit ran.
      type: list
      elements: str
      returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nself.prod.plugins.module_utils.audit.module import ARGUMENT_SPEC, answer


def main():
    answer(AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()

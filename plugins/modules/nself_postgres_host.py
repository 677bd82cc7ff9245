#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_postgres_host
short_description: Let nobody reach a PostgreSQL on the host in clear, and log who comes
version_added: "0.4.0"
description:
  - For a PostgreSQL of the distribution, as Debian's C(postgresql-common) manages it, on the host itself. One in a container of the deployment
    is the business of the role C(postgres_tls).
  - Writes C(conf.d/nself-prod.conf) and a folder C(nself-prod) beside C(postgresql.conf), which stays as it is. C(pg_hba.conf) is read, and
    the rules that are to be in force are made out of it.
  - A server of its own is started with the new settings and files first. Then the cluster reads them, or is restarted where it has to be, and is
    asked over its network. Where anything does not hold the host puts all of it back, also where the module is killed.
  - Where somebody is connected in clear who would be turned away TLS is only offered, and RV(left) tells of it.
options:
  on_host:
    description:
      - Whether clusters on the host are hardened. With V(auto) they are where a deployment of nself runs that has no PostgreSQL of its own.
    type: str
    choices: [auto, always, never]
    default: auto
  clusters:
    description: The clusters, such as V(17/main). All that run where this is empty.
    type: list
    elements: str
    default: []
  required:
    description: Whether connections in clear are refused over every network, once nobody is connected in clear any more. Otherwise TLS is only offered.
    type: bool
    default: true
  min_protocol:
    description: The oldest TLS that is spoken.
    type: str
    choices: [TLSv1.2, TLSv1.3]
    default: TLSv1.2
  allowed_hosts:
    description: Addresses, networks or names that may come besides this machine and the deployment's networks.
    type: list
    elements: str
    default: []
  hba_rules:
    description: Further rules in the words of pg_hba.conf, put first and taken as they stand.
    type: list
    elements: str
    default: []
  keep_rules:
    description: Whether the rules that are there stay, with a weak method replaced and C(host) by C(hostssl). Otherwise only those for the UNIX socket do.
    type: bool
    default: true
  certificate:
    description:
      - The server's certificate with what leads to its authority, PEM, as text or as a path on the host.
      - Where this is empty a private authority is made on the host and issues one. A certificate of the server's own stays, but for the
        distribution's one for tests (snakeoil).
    type: str
    default: ""
  key:
    description: The certificate's key without a passphrase, PEM, as text or as a path on the host.
    type: str
    default: ""
  ca:
    description: The authority that vouches for O(certificate), PEM, as text or as a path on the host.
    type: str
    default: ""
  names:
    description: Further names and addresses that the certificate is for.
    type: list
    elements: str
    default: []
  max_connections:
    description: The most connections at once. The server's own setting where this is not given.
    type: int
  log_connections:
    description: Whether it is logged who comes.
    type: bool
    default: true
  log_disconnections:
    description: Whether it is logged who leaves.
    type: bool
    default: true
  log_statement:
    description: Which statements are logged.
    type: str
    choices: [none, ddl, mod, all]
    default: ddl
  log_line_prefix:
    description: What stands before each line of the log.
    type: str
    default: "%m [%p] user=%u,db=%d,client=%h "
  restart:
    description: Whether a cluster may be restarted where the new rules or the limit of connections want that.
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
  - module: nself.prod.nself_deployment
"""

EXAMPLES = r"""
- name: Have the host's PostgreSQL speak TLS with everybody
  nself.prod.nself_postgres_host:
    on_host: always
    clusters: [17/main]
    allowed_hosts: [10.20.0.0/16]
  become: true
"""

RETURN = r"""
applicable:
  description: Whether there is a cluster to harden.
  returned: success
  type: bool
clusters:
  description: The clusters that are as they are wanted now.
  returned: success
  type: list
  elements: str
  sample: [17/main]
restarted:
  description: The clusters that were restarted, or would be.
  returned: success
  type: list
  elements: str
left:
  description: What stays as it is, and what to do about it, a line each.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.nself.prod.plugins.module_utils.change.module import main as be_module
from ansible_collections.nself.prod.plugins.module_utils.change.postgres_host import SPEC, work


def main():
    be_module(SPEC, work)


if __name__ == "__main__":
    main()

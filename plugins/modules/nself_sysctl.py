#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_sysctl
short_description: Harden the kernel's settings, on disk and as they run
version_added: "0.3.0"
description:
  - Writes one file in C(/etc/sysctl.d) that wins over all others at boot, and sets those running values that differ, each interface included.
  - A value that is as strict as asked for, or stricter, is left alone, whether it runs or stands in another file.
  - Lines of other files in C(/etc) that would set a weaker value later are turned into comments. So are those of C(/etc/sysctl.conf) and of
    ufw's own file, which are applied again and again. Files of packages are not touched.
  - What the kernel lacks or refuses is told, and is no failure.
  - In a container only the container's own settings are written. C(kernel.*), C(vm.*) and C(fs.*) belong to the machine around it.
  - Forwarding is never turned off where Docker or a bridge needs it.
options:
  settings:
    description:
      - Settings by name, merged over the built-in ones. V(null) leaves one alone.
      - The name of an interface may be V(*).
    type: dict
    default: {}
  rp_filter:
    description:
      - How strictly the sender of a packet is checked against the way back to it, V(1) strict or V(2) loose.
      - V(auto) is strict, unless the host has several bridges, several default routes or routing rules, or answers Ansible by another way.
    type: str
    choices: [auto, "1", "2", keep]
    default: auto
  forwarding:
    description: Whether forwarding is left as it is, or turned off. Turning it off is refused where Docker or a bridge needs it.
    type: str
    choices: [keep, "off"]
    default: keep
  kernel:
    description: Whether to set C(kernel.*), C(fs.*) and C(net.core.bpf_jit_harden) as well as the settings of the network.
    type: bool
    default: true
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
- name: Harden the kernel's settings, and leave the magic key alone
  nself.prod.nself_sysctl:
    settings:
      kernel.sysrq: null
      net.ipv4.tcp_keepalive_time: 600
  become: true
"""

RETURN = r"""
file:
  description: The file in C(/etc/sysctl.d).
  returned: success
  type: str
written:
  description: The running values that were set.
  returned: success
  type: list
  elements: str
refused:
  description: What this host may not set, and why.
  returned: success
  type: dict
absent:
  description: What this kernel does not have.
  returned: success
  type: list
  elements: str
outside:
  description: In a container, what belongs to the machine around it.
  returned: success
  type: list
  elements: str
left:
  description: What was left alone, and why.
  returned: success
  type: dict
weaker:
  description: The lines of other files that were turned into comments, by file.
  returned: success
  type: dict
rp_filter:
  description: Which C(rp_filter) was chosen, and why.
  returned: success
  type: dict
"""

from ansible_collections.nself.prod.plugins.module_utils.change.module import main as run
from ansible_collections.nself.prod.plugins.module_utils.change.sysctl import SPEC, work


def main():
    run(SPEC, work)


if __name__ == "__main__":
    main()

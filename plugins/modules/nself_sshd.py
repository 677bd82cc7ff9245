#!/usr/bin/python
# SPDX-FileCopyrightText: the nself.prod authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nself_sshd
short_description: Lock sshd down without locking anybody out
version_added: "0.3.0"
description:
  - Writes a drop-in of its own that sshd reads before everything else, and makes sure that nothing wins against it.
  - What holds is what C(sshd -T) says for the operator, for root and for a stranger. It is compared before and after the change.
  - A change that would cut the operator off is refused. One that does it all the same is taken back by the host itself, unless
    a fresh login from the controller confirms it.
  - Sessions that are open stay open. No private key is ever deleted. Where there is no sshd, there is nothing to do.
options:
  ports:
    description:
      - The ports to listen on. Where there is none, they stay what they are.
      - Where ufw is active, it is told to let a new port through. Where a socket unit of systemd listens for sshd, it is moved.
    type: list
    elements: int
    default: []
  allow_users:
    description:
      - The users who may log in, as patterns of C(AllowUsers). Taken exactly.
      - Where this and O(allow_groups) are empty, a limit that is there is kept. Where there is none, those may log in who have a key now.
    type: list
    elements: str
    default: []
  allow_groups:
    description:
      - The groups whose members may log in, as patterns of C(AllowGroups). Where users are named too, a login has to meet both.
    type: list
    elements: str
    default: []
  authorized_keys:
    description:
      - Public keys that users are to have, as lists by the user's name. Other keys stay.
    type: dict
    default: {}
  weak_user_keys:
    description:
      - What to do with keys of users that are weak, such as RSA below 3072 bits or ECDSA.
      - V(disable) comments them out, but only where the user has a strong key too.
    type: str
    choices: [keep, disable]
    default: keep
  permit_root_login:
    description: Whether root may log in.
    type: str
    choices: ["no", prohibit-password, forced-commands-only, "yes"]
    default: "no"
  password_authentication:
    description: Whether passwords are accepted.
    type: bool
    default: false
  kbd_interactive_authentication:
    description: Whether keyboard-interactive logins are, by which PAM asks for passwords too.
    type: bool
    default: false
  max_auth_tries:
    description: How many tries a connection has.
    type: int
    default: 3
  login_grace_time:
    description: In how many seconds a login has to be complete.
    type: int
    default: 60
  allow_tcp_forwarding:
    description: Whether TCP connections are forwarded.
    type: str
    choices: ["no", local, remote, "yes"]
    default: "no"
  client_alive_interval:
    description: After how many silent seconds the client is asked whether it is still there.
    type: int
    default: 300
  client_alive_count_max:
    description: After how many questions without an answer a session is closed.
    type: int
    default: 3
  kex_algorithms:
    description: Key exchanges in order of preference. Those that this host's OpenSSH does not know are left out.
    type: list
    elements: str
    required: true
  host_key_algorithms:
    description: Signatures by host keys, likewise.
    type: list
    elements: str
    required: true
  ciphers:
    description: Ciphers, likewise.
    type: list
    elements: str
    required: true
  macs:
    description: Message authentication codes, likewise.
    type: list
    elements: str
    required: true
  host_keys:
    description:
      - The private host keys to show. One that does not exist is made, a weak one is refused.
      - Where there is none, the strong ones that sshd uses now. Where it has none, an Ed25519 key is made.
    type: list
    elements: path
    default: []
  moduli_minimum:
    description:
      - The least size of the groups for Diffie-Hellman, as the file of moduli tells it, which is one bit less. V(0) leaves the file alone.
    type: int
    default: 3071
  settings:
    description:
      - Further directives of sshd_config by their names. A list becomes several lines, an empty value leaves a directive alone
        that the module sets otherwise.
    type: dict
    default: {}
  foreign_settings:
    description:
      - What to do with directives in other files that would win against these, by an earlier place, in a C(Match) block, or
        because they add up.
      - V(disable) comments them out, with a mark. Stricter ones in C(Match) blocks stay.
      - V(keep) leaves them, and fails where they make a difference.
    type: str
    choices: [disable, keep]
    default: disable
extends_documentation_fragment:
  - nself.prod.attributes
  - nself.prod.attributes.changing
  - nself.prod.attributes.guarded
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
- name: Lock sshd down
  nself.prod.nself_sshd:
    allow_users: [deploy]
    kex_algorithms: [sntrup761x25519-sha512@openssh.com, curve25519-sha256]
    host_key_algorithms: [ssh-ed25519, rsa-sha2-512]
    ciphers: [chacha20-poly1305@openssh.com, aes256-gcm@openssh.com]
    macs: [hmac-sha2-512-etm@openssh.com]
  become: true
"""

RETURN = r"""
applicable:
  description: Whether there is an sshd on the host.
  returned: success
  type: bool
ports:
  description: The ports on which it listens.
  returned: when there is an sshd
  type: list
  elements: int
login_port:
  description: The port to connect to from now on, V(null) where it stays the same.
  returned: success
  type: int
allow_users:
  description: The users whom C(AllowUsers) names, none where that is left to others.
  returned: when there is an sshd
  type: list
  elements: str
allow_groups:
  description: The groups that C(AllowGroups) names, likewise.
  returned: when there is an sshd
  type: list
  elements: str
host_keys:
  description: The host keys that are shown.
  returned: when there is an sshd
  type: list
  elements: str
foreign:
  description: The directives in other files that are against these, with C(place) and C(setting).
  returned: when there is an sshd
  type: list
  elements: dict
weak_user_keys_left:
  description: Weak keys that were not disabled, since their users have no other.
  returned: when there is an sshd
  type: list
  elements: str
"""

from ansible_collections.nself.prod.plugins.module_utils.change import guarded
from ansible_collections.nself.prod.plugins.module_utils.change.sshd import SshdChange


def words(**more):
    return dict({"type": "list", "elements": "str"}, **more)


SPEC = {
    "ports": {"type": "list", "elements": "int", "default": []},
    "allow_users": words(default=[]),
    "allow_groups": words(default=[]),
    "authorized_keys": {"type": "dict", "default": {}, "no_log": False},
    "weak_user_keys": {"type": "str", "choices": ["keep", "disable"], "default": "keep", "no_log": False},
    "permit_root_login": {
        "type": "str",
        "choices": ["no", "prohibit-password", "forced-commands-only", "yes"],
        "default": "no",
    },
    "password_authentication": {"type": "bool", "default": False, "no_log": False},
    "kbd_interactive_authentication": {"type": "bool", "default": False},
    "max_auth_tries": {"type": "int", "default": 3},
    "login_grace_time": {"type": "int", "default": 60},
    "allow_tcp_forwarding": {"type": "str", "choices": ["no", "local", "remote", "yes"], "default": "no"},
    "client_alive_interval": {"type": "int", "default": 300},
    "client_alive_count_max": {"type": "int", "default": 3},
    "kex_algorithms": words(required=True),
    "host_key_algorithms": words(required=True, no_log=False),
    "ciphers": words(required=True),
    "macs": words(required=True),
    "host_keys": {"type": "list", "elements": "path", "default": [], "no_log": False},
    "moduli_minimum": {"type": "int", "default": 3071},
    "settings": {"type": "dict", "default": {}},
    "foreign_settings": {"type": "str", "choices": ["disable", "keep"], "default": "disable"},
}


def main():
    guarded.run(SPEC, SshdChange)


if __name__ == "__main__":
    main()

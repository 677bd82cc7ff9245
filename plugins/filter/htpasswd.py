# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter htpasswd: users and passwords as the lines of a file that web servers read."""

from __future__ import annotations

import hashlib
import re

from ansible.errors import AnsibleFilterError
from ansible.module_utils.basic import missing_required_lib

try:
    from passlib.hash import sha512_crypt
except ImportError:  # only needed where a password is no hash yet
    sha512_crypt = None

DOCUMENTATION = r"""
name: htpasswd
version_added: 0.4.0
author: The nself.prod authors
short_description: Users and passwords as lines of a password file
description:
  - Returns the lines of a file that C(auth_basic_user_file) of nginx takes. Passwords are hashed where the playbook runs.
  - The salt follows from user and host, so that the same input gives the same lines and a second run changes nothing.
options:
  _input:
    description: Users and their passwords. What begins with C($) is a hash already and stays as it is.
    type: dict
    required: true
  host:
    description: The host that the file is for, so that the same password has another hash elsewhere.
    type: str
    required: true
requirements:
  - passlib, on the controller, unless all passwords are hashes already
"""

EXAMPLES = r"""
- name: Show the names only
  ansible.builtin.debug:
    msg: "{{ {'ops': ops_password} | nself.prod.htpasswd(inventory_hostname) | regex_findall('^[^:]+', multiline=true) }}"
"""

RETURN = r"""
_value:
  description: The lines, sorted by user, each ending with a line break; an empty text without users.
  type: str
"""

# nginx hashes what it is sent at every request, within the worker: the count that crypt(3) itself has as its default.
ROUNDS = 5000
SALT_CHARACTERS = 16
_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HASH = re.compile(r"\$[a-z0-9]+\$[^:\s]+\Z")


def htpasswd(users, host):
    """Return the lines of a password file."""
    if not users:
        return ""
    if not hasattr(users, "items"):
        raise AnsibleFilterError("htpasswd takes users and their passwords as a dictionary")
    lines = []
    for name, password in sorted(users.items(), key=lambda pair: str(pair[0])):
        name, password = str(name), str(password)
        if not name or re.search(r"[:\s]", name):
            raise AnsibleFilterError("htpasswd: a user's name is empty, or has a colon or white space in it")
        if not password or "\n" in password:
            raise AnsibleFilterError("htpasswd: the password of %s is empty or has a line break" % name)
        lines.append("%s:%s\n" % (name, password if _HASH.match(password) else _hashed(name, password, str(host))))
    return "".join(lines)


def _hashed(name, password, host):
    if sha512_crypt is None:
        raise AnsibleFilterError(missing_required_lib("passlib"))
    digest = hashlib.sha256(("%s\0%s" % (host, name)).encode("utf-8")).digest()
    salt = "".join(_ALPHABET[byte % 64] for byte in digest[:SALT_CHARACTERS])
    return sha512_crypt.using(rounds=ROUNDS, salt=salt).hash(password)


class FilterModule:
    """What Ansible looks for."""

    def filters(self):
        """Return the filters by their names."""
        return {"htpasswd": htpasswd}

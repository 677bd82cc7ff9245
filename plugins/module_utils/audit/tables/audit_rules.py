# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's audit must watch for writes and changes of attributes. Paths that a host does not have are left out.

/var/lib/docker is not here on purpose: watching it floods the log. The project's directory is added by the judge.
"""

from __future__ import annotations

WATCHED = (
    ("docker", ("/etc/docker", "/usr/bin/dockerd")),
    ("ssh", ("/etc/ssh",)),
    ("sudoers", ("/etc/sudoers", "/etc/sudoers.d")),
    ("identity", ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow")),
)
ACCESS = frozenset("wa")
RULES_DIR = "/etc/audit/rules.d"

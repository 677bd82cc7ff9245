# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault, a file a topic."""

from lockout.tables import firewall, guard, lockdown, sshd

FAULTS = tuple(item for module in (sshd, firewall, lockdown, guard) for item in module.FAULTS)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault, a file a topic."""

from lockout.tables import guard

FAULTS = tuple(item for module in (guard,) for item in module.FAULTS)

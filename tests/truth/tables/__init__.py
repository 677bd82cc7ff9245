# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mutation, a file a topic."""

from truth.tables import auth, containers, ssh, system

MUTATIONS = tuple(item for module in (ssh, system, containers, auth) for item in module.MUTATIONS)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mutation, a file a topic."""

from truth.tables import auth, containers, postgres, project, ssh, system, tls, web

MUTATIONS = tuple(
    item for module in (ssh, system, containers, auth, project, web, tls, postgres) for item in module.MUTATIONS
)

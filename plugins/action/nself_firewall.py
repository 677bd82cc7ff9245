# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall's change, and the fresh login that confirms it."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.plugin_utils.guarded import GuardedAction


class ActionModule(GuardedAction):
    """Run the module and confirm what it changed."""

    module = "nself.prod.nself_firewall"

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of nself_sshd: the fresh login that confirms the change."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.plugin_utils.guarded import GuardedAction


class ActionModule(GuardedAction):
    module = "nself.prod.nself_sshd"

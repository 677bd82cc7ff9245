# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.nself.prod.plugins.plugin_utils.guarded import GuardedAction


class ActionModule(GuardedAction):
    module = "lockout_trial"

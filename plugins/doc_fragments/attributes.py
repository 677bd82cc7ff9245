# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes that all modules of this collection document. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    """What holds for everything that only reads."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - This action changes nothing on the target, so it does the same in check mode.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details:
      - This action changes nothing on the target.
  platform:
    description: Target operating systems that can be operated against.
    support: full
    platforms: linux
  action_group:
    description: Use C(group/nself.prod.prod) in C(module_defaults) to set defaults for this module.
"""

    CONTROLLER = r"""
options: {}
attributes:
  action:
    description: Runs on the controller and needs no connection to a host.
    support: full
  bypass_host_loop:
    description:
      - Runs once for all hosts of the play, with the variables of the first one.
      - It does not work with the strategies V(free) and V(host_pinned).
    support: full
"""

    CHANGING = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details: []
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details: []
"""

    GUARDED = r"""
options:
  guard_seconds:
    description:
      - How long the host waits for the fresh login that confirms the change, V(5) to V(900). Then it takes the change back by itself.
    type: int
    default: 60
  guard_run:
    description:
      - The name of this run. The action plugin fills it in.
    type: str
attributes:
  action:
    description: Makes the fresh login from the controller.
    support: full
"""

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module that changes a host does around its work."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.host import Host, HostError

Work = Callable[[Host, Changes, Dict[str, Any]], Mapping[str, Any]]


def main(spec: Mapping[str, Any], work: Work, **options: Any) -> None:
    """Be a module: work(host, changes, params) makes the changes and returns what else the module returns; its "warnings" are shown."""
    # Here, since modules are tested without Ansible too, by the oldest Python that a host may have.
    from ansible.module_utils.basic import AnsibleModule
    from ansible.module_utils.common.warnings import warn

    module = AnsibleModule(argument_spec=dict(spec), supports_check_mode=True, **options)
    host = Host()
    changes = Changes(host, module.check_mode)
    try:
        extra = dict(work(host, changes, module.params))
    except (ChangeError, HostError, Missing) as error:
        # What was done until then is told: it is done.
        module.fail_json(msg=str(error), **changes.result())
    for text in extra.pop("warnings", ()):
        warn(text)
    module.exit_json(**dict(extra, **changes.result()))

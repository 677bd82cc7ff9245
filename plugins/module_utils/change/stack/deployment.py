# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module nself_deployment: choose the parts, read their options, and have one transaction carry them out."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Type

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import stack as stacks
from ansible_collections.nself.prod.plugins.module_utils.change.stack import transaction
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts import PARTS
from ansible_collections.nself.prod.plugins.module_utils.host import Host

SPEC = {
    "parts": {"type": "dict", "required": True},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "settings": {"type": "dict", "default": {}},
    "settings_from_env": {"type": "bool", "default": True},
    "project_dir": {"type": "str"},
    "wait_seconds": {"type": "int", "default": 180},
}


def work(host: Host, changes: Changes, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Do all of it. Returns what Transaction.run() does, or {"applicable": False, "left"} where there is no deployment."""
    chosen = parts_of(params["parts"])
    if host.euid() != 0:
        raise ChangeError("only root can change a deployment; run with become")
    if params["wait_seconds"] < 1:
        raise Refused("wait_seconds takes a number of seconds, at least 1")
    with transaction.Lock():
        transaction.finish_earlier(host, changes.check)
        stack, reason = stacks.find(host, params["project_dir"])
        if stack is None:
            return {"applicable": False, "left": [reason], "recreated": [], "order": [], "downtime": {}, "parts": {}}
        secrets = {str(name): str(value) for name, value in params["secrets"].items() if value not in (None, "")}
        unknown = sorted(set(secrets) - {name for part in chosen for name in part.SECRETS})
        if unknown:
            raise Refused("no role of this run takes the secrets %s" % ", ".join(unknown))
        parts = [part(stack, options_of(part, params["parts"][part.name] or {}), secrets) for part in chosen]
        every = [part.name for part in PARTS]
        return transaction.Transaction(stack, parts, every, changes, float(params["wait_seconds"])).run()


def parts_of(names: Mapping[str, Any]) -> List[Type[Part]]:
    """Return the parts of these names, in the order in which they act. Raises Refused for a name that is none."""
    known = [part.name for part in PARTS]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise Refused("there is no part %s of a deployment; there are %s" % (", ".join(unknown), ", ".join(known)))
    return [part for part in PARTS if part.name in names]


def options_of(part: Type[Part], *given: Mapping[str, Any]) -> Dict[str, Any]:
    """Return a part's options by its SPEC; given: sources of values, the first that has one wins. Raises Refused for what does not fit."""
    # Here, since all else is tested without Ansible too.
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    values: Dict[str, Any] = {}
    for source in given:
        for name, value in source.items():
            if value is not None and value != "":
                values.setdefault(name, value)
            elif name not in part.SPEC:
                values.setdefault(name, value)
    found = ArgumentSpecValidator(dict(part.SPEC)).validate(values)
    unknown = sorted(name for name in values if name not in part.SPEC)
    if unknown:
        raise Refused("%s has no option %s; it has %s" % (part.name, ", ".join(unknown), ", ".join(sorted(part.SPEC))))
    if found.error_messages:
        raise Refused("%s: %s" % (part.name, "; ".join(found.error_messages)))
    return dict(found.validated_parameters)

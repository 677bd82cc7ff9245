# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module nself_audit does, for it and for a user's own module that adds checks.

AnsiballZ ships only what a module imports, so a user's checks cannot be found by name on the host: their module imports this and them.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Options
from ansible_collections.nself.prod.plugins.module_utils.audit.model import CATEGORIES
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import PolicyError
from ansible_collections.nself.prod.plugins.module_utils.audit.run import audit
from ansible_collections.nself.prod.plugins.module_utils.host import Host

WAIVER_OPTIONS = {
    "id": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "reason": {"type": "str", "required": True},
    "expires": {"type": "str", "required": True},
    "hosts": {"type": "list", "elements": "str"},
    "resources": {"type": "list", "elements": "str"},
}
OUTSIDE_OPTIONS = {
    "address": {"type": "str", "required": True},
    "ports": {"type": "dict", "required": True},
    "same_host": {"type": "bool", "required": True},
    "control": {"type": "str", "default": "error"},
}
ARGUMENT_SPEC = {
    "project_dir": {"type": "str"},
    "categories": {"type": "list", "elements": "str", "choices": list(CATEGORIES), "default": []},
    "policy": {"type": "dict", "default": {}},
    "waivers": {"type": "list", "elements": "dict", "default": [], "options": WAIVER_OPTIONS},
    "fingerprint_key": {"type": "str", "no_log": True},
    "outside": {"type": "dict", "options": OUTSIDE_OPTIONS},
    "module": {"type": "str", "default": "nself.prod.nself_audit"},
    "host_name": {"type": "str"},
}


def main(extra_checks: Sequence[Any] = (), extra_collectors: Sequence[Any] = ()) -> None:
    """Be the whole of a user's module."""
    answer(AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True), extra_checks, extra_collectors)


def answer(module: Any, extra_checks: Sequence[Any] = (), extra_collectors: Sequence[Any] = ()) -> None:
    """Audit this host and end the module."""
    report, failure = None, ""
    try:
        report = run(module.params, extra_checks, extra_collectors)
    except PolicyError as error:
        failure = str(error)
    except Exception as error:  # pylint: disable=broad-except
        # Its message may quote what was read on the host, so only its type and place are told.
        failure = "the audit crashed with %s at %s" % (type(error).__name__, place(error))
    if failure:
        # Outside of the handler, or fail_json would add the traceback that must not leave the host.
        module.fail_json(msg=failure)
    module.exit_json(changed=False, report=report)


def run(params: Mapping[str, Any], extra_checks: Sequence[Any], extra_collectors: Sequence[Any]) -> Dict[str, Any]:
    """Return the report of this host. Raises PolicyError."""
    report = audit(
        Host(),
        Options(params["project_dir"] or None, params["fingerprint_key"] or "", params["outside"]),
        params["categories"],
        params["policy"],
        # An option of a waiver that was not given is None here, and no option for the audit.
        [{key: value for key, value in waiver.items() if value is not None} for waiver in params["waivers"]],
        params["host_name"] or "localhost",
        extra_checks,
        extra_collectors,
    )
    return dict(report, notes=[])


def place(error: BaseException) -> str:
    """Return the file and line where an exception was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return "%s:%d" % (trace.tb_frame.f_code.co_filename.rsplit("/", 1)[-1], trace.tb_lineno)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that could cut the operator off: refused beforehand, taken back at once where it fails, and by a timer where nobody comes back.

The host's half. The controller's, which makes the fresh login and disarms, is plugin_utils/guarded.py.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Type

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.change import operator as operators
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Guard, Refused
from ansible_collections.nself.prod.plugins.module_utils.host import Host, HostError

GUARD_OPTIONS = {
    "guard_seconds": {"type": "int", "default": 60},
    "guard_run": {"type": "str"},
}
FEWEST_SECONDS, MOST_SECONDS = 5, 900


class Guarded:
    """One change. Subclasses say what it is; carry_out() below says in what order it is done.

    params: the module's options; operator: who changes the host, None where Ansible did not come over SSH.
    """

    def __init__(self, host: Host, params: Mapping[str, Any], operator: Optional[operators.Operator]) -> None:
        self.host = host
        self.params = params
        self.operator = operator

    def plan(self, changes: Changes) -> None:
        """Write every file through changes, and note each effect that is due although no file differs. Called twice, at first as a check."""
        raise NotImplementedError

    def preflight(self) -> None:
        """Raise Refused where the change would cut the operator off, or could not work. Nothing has been changed yet."""

    @property
    def keep(self) -> List[str]:
        """The paths, of files and of directories, that the rollback puts back or, where they are absent now, takes away."""
        raise NotImplementedError

    @property
    def undo(self) -> List[List[str]]:
        """The commands that put the old state in force once the files are back."""
        raise NotImplementedError

    def enforce(self) -> None:
        """Put the files in force."""

    def verify(self) -> None:
        """Read the effective state. Raise Mismatch where it is not what was asked for."""

    @property
    def login_port(self) -> Optional[int]:
        """The port that the fresh login has to go to, None where it stays what it was."""
        return None

    def extra(self) -> Dict[str, Any]:
        """Return what the module returns besides."""
        return {}


def run(spec: Mapping[str, Any], change_class: Type[Guarded], **options: Any) -> None:
    """Be the module of a guarded change."""
    # Here, since all else in this file is tested without Ansible, by the oldest Python that a host may have.
    from ansible.module_utils.basic import AnsibleModule

    module = AnsibleModule(argument_spec=dict(spec, **GUARD_OPTIONS), supports_check_mode=True, **options)
    host = Host()
    try:
        result = carry_out(host, module.params, module.check_mode, change_class)
    except Refused as error:
        module.fail_json(msg=str(error), refused=True, changed=False)
    except (ChangeError, HostError, Missing) as error:
        module.fail_json(msg=str(error), changed=False)
    module.exit_json(**result)


def carry_out(host: Host, params: Mapping[str, Any], check: bool, change_class: Type[Guarded]) -> Dict[str, Any]:
    """Make a guarded change and return the module's result. Raises ChangeError where it was refused or taken back."""
    seconds = params["guard_seconds"]
    if not FEWEST_SECONDS <= seconds <= MOST_SECONDS:
        raise Refused("guard_seconds takes %d to %d, not %d" % (FEWEST_SECONDS, MOST_SECONDS, seconds))
    guard = Guard(host, params["guard_run"] or "", seconds)
    # Before anything is compared: what an unproven change has left is not what will be.
    guard.make_way(check)
    operator = operators.find(host)
    change = change_class(host, params, operator)
    dry = Changes(host, check=True)
    change.plan(dry)
    if dry.changed:
        change.preflight()
    if check or not dry.changed:
        return dict(change.extra(), **dry.result())
    if not params["guard_run"]:
        raise Refused(
            "nobody would make the fresh login: this module works by its action plugin only, which was not found"
        )
    connection = "%s %d" % (operator.address, operator.port) if operator else ""
    guard.arm(change.keep, change.undo, connection)
    try:
        real = Changes(host, check=False)
        change.plan(real)
        change.enforce()
        change.verify()
        result = dict(change.extra(), **real.result())
    except Exception as error:  # pylint: disable=broad-except
        # Whatever it was, an unproven change does not stay.
        outcome = guard.roll_back()
        if isinstance(error, (ChangeError, HostError, Missing)):
            reason = str(error)
        else:
            reason = "%s: %s" % (type(error).__name__, error)
        after = (
            "the host was put back as it was" if outcome == "ok" else "and putting the host back met with: %s" % outcome
        )
        raise ChangeError("%s; %s" % (reason, after)) from error
    # Both: a change that only noted what it enforces has differed all the same.
    result["changed"] = True
    result["guard"] = {"armed": True, "seconds": seconds, "login_port": change.login_port}
    return result

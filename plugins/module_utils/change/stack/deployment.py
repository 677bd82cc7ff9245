# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module nself_deployment: choose the parts, read their options, and have one transaction carry them out."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple, Type

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import guide_options, transaction
from ansible_collections.nself.prod.plugins.module_utils.change.stack import stack as stacks
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts import PARTS
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import known_words
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
        try:
            secrets = guide_options.real_secrets(secrets)
        except ValueError as error:
            raise Refused(str(error)) from None
        refuse_unknown_secrets(secrets)
        parts, told = with_options(stack, chosen, params, secrets)
        every = [part.name for part in PARTS]
        result = transaction.Transaction(stack, parts, every, changes, float(params["wait_seconds"])).run()
        return dict(result, left=result["left"] + told)


def refuse_unknown_secrets(secrets: Mapping[str, str]) -> None:
    """Raise Refused for a secret that no part takes. One for a part that is not in this run waits for the run that has it."""
    known = {name for part in PARTS for name in part.SECRETS}
    refused = guide_options.unknown_secrets(secrets, known)
    told = [name for name in sorted(set(secrets) - known) if not any(name in line for line in refused)]
    refused += ["no role takes the secrets %s" % ", ".join(told)] if told else []
    if refused:
        raise Refused("; ".join(refused))


def with_options(
    stack: Any, chosen: Sequence[Type[Part]], params: Mapping[str, Any], secrets: Mapping[str, str]
) -> Tuple[List[Part], List[str]]:
    """Return (the parts with their options, what of the env files is not followed). Raises Refused for settings that nothing follows."""
    names = [part.name for part in chosen]
    # What only roles follow that are not in this run waits for the run that has them.
    wanted = {name: value for name, value in params["settings"].items() if not guide_options.is_for_others(name, names)}
    settings, refused = guide_options.options_of(wanted, guide_options.SETTINGS)
    if refused:
        raise Refused("; ".join(refused))
    lacking: List[str] = []
    if settings.get("containers", {}).get("limits"):
        settings["containers"]["limits"], lacking = limits_of_services(stack, settings["containers"]["limits"])
    declared = {name: value for name, value in stack.chain.items() if guide_options.concerns(name, names)}
    taken, told = guide_options.options_of(declared if params["settings_from_env"] else {}, guide_options.ENV_FILES)
    told = lacking + told
    parts = []
    for part in chosen:
        given = {name: value for name, value in (params["parts"][part.name] or {}).items() if value != ""}
        env, refused = fitting(part, taken.get(part.name, {}))
        told += refused
        merged, weaker = guide_options.merge(part.name, part.SPEC, given, settings.get(part.name, {}), env, declared)
        told += weaker
        # What is no option of the part is refused by its name.
        options = options_of(part, merged, {name: value for name, value in given.items() if name not in part.SPEC})
        parts.append(part(stack, options, secrets))
        parts[-1].declared = guide_options.declared_for(part.name, stack.chain)
    return parts, told


def fitting(part: Type[Part], options: Mapping[str, Any]) -> Tuple[Dict[str, Any], List[str]]:
    """Return (options of the env files that the part takes, what is told of the others): a file that says nonsense stops nobody."""
    out, told = {}, []
    for option, value in options.items():
        try:
            out[option] = options_of(part, {option: value})[option]
        except Refused as error:
            told.append("%s: %s" % (guide_options.ENV_FILES, error))
    return out, told


def limits_of_services(
    stack: Any, limits: Mapping[str, Mapping[str, Any]]
) -> Tuple[Dict[str, Dict[str, Any]], List[str]]:
    """Return (limits by service, what is told of services that are not here).

    limits: by the first words of settings such as POSTGRES_MEMORY_LIMIT: a service, a role, or all containers. The settings may be those of
    a whole fleet, so one of nself's services need not be on this host; a word that is none is refused.
    """
    out: Dict[str, Dict[str, Any]] = {}
    services = stack.started()
    known = known_words()
    left = []
    # What is said of one service counts more than what is said of all.
    for word, kinds in sorted(limits.items(), key=lambda pair: pair[0] != guide_options.EVERY_CONTAINER):
        names = [name for name, role in services.items() if word in (name.replace("-", "_"), role.replace("-", "_"))]
        if word == guide_options.EVERY_CONTAINER:
            names = list(services)
        if not names and word not in known:
            raise Refused(
                "%s: %s_… names no service; there are %s. One that only other hosts have belongs into their variables"
                % (guide_options.SETTINGS, word.upper(), ", ".join(sorted(services)))
            )
        if not names:
            left.append(
                "%s: the limits of %s wait for that service, which has no container on this host"
                % (guide_options.SETTINGS, word.upper())
            )
        for name in names:
            out.setdefault(name, {}).update(kinds)
    return out, left


def parts_of(names: Mapping[str, Any]) -> List[Type[Part]]:
    """Return the parts of these names, in the order in which they act. Raises Refused for a name that is none."""
    known = [part.name for part in PARTS]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise Refused("there is no part %s of a deployment; there are %s" % (", ".join(unknown), ", ".join(known)))
    wrong = sorted(name for name, given in names.items() if given is not None and not isinstance(given, Mapping))
    if wrong:
        raise Refused("parts: %s takes a mapping of its options" % ", ".join(wrong))
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

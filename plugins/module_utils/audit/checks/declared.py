# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the env files declare against what runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.guide_settings import (
    DEAD,
    READ,
    UNSUPPORTED,
    GuideSetting,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import (
    NO_DEPLOYMENT,
    all_units,
    level_of,
    name_of,
    of_role,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, each, summed, unread
from ansible_collections.nself.prod.plugins.module_utils.deployment import guide
from ansible_collections.nself.prod.plugins.module_utils.deployment.env_chain import meant_to_win


@check(
    "INFRA-40",
    "declared-is-effective",
    "What the env files declare is what runs",
    Severity.WARNING,
    "Of the settings that the security guide names most are read by nothing: a file that declares them reads like a hardened server and is none.",
    "every setting of the guide in the env files, which file wins it, who reads it, and the value that its reader runs with",
    "no declared setting is a dead name, unsupported, overridden, mistyped, a placeholder, or other than what runs",
    Fix(
        "auth",
        "Give each setting by the name that its reader knows, once, and recreate the services whose values changed.",
        ("nself_settings",),
    ),
    refs=("s:hasura", "s:jwt", "s:password", "s:mfa", "s:rate", "s:tls"),
)
def declared_is_effective(facts: Any, policy: Any) -> Verdict:
    if facts.read("deployment.state") == "none":
        raise NotApplicable(NO_DEPLOYMENT)
    expected = "every declared setting is in force"
    settings = facts.read("deployment.settings")
    named = [name for name in sorted(settings) if guide.find(name) and not guide.is_empty(settings[name]["value"])]
    unclear = [unread(missing.path, missing, Level.RENDERED) for missing in _unreadable(facts)]
    if not named and not unclear:
        # Nothing is declared in vain only where it is known that there is a project which reads these files.
        all_units(facts)
        return decide(True, expected, "no setting of the guide is declared", Level.RENDERED)

    def judge(name: str) -> Tuple[bool, str]:
        entry = guide.find(name)
        if entry is None or "*" in entry.name and name in _own_names(facts):
            raise NotApplicable("a service of the project's own reads it")
        declared = _declared(facts, name, settings[name])
        outcome = guide.by_itself(entry, declared)
        if outcome and outcome.state in (DEAD, UNSUPPORTED):
            outcome = _nevertheless(facts, entry, declared, outcome)
        outcome = outcome or guide.in_force(entry, declared, _holders(facts))
        if outcome is None:
            raise NotApplicable("no service that would read it")
        return outcome.good, outcome.text if outcome.good else "%s: %s" % (outcome.state, outcome.text)

    resources = each(named, str, judge, lambda name: _level(facts, name)) + unclear
    if not resources:
        return decide(True, expected, "no setting of the guide concerns a service here", Level.RENDERED)
    return summed(expected, resources)


def _unreadable(facts: Any) -> List[Missing]:
    """Return what is missing of the env files: each line that is no assignment may declare anything."""
    return [
        Missing(
            file.read("name"),
            Reason.PARSE_ERROR,
            "line %s of %s %s" % (error.read("line"), file.read("name"), error.read("problem")),
        )
        for file in facts.records("deployment.env_files")
        for error in file.records("errors")
    ]


def _nevertheless(facts: Any, entry: GuideSetting, declared: guide.Declared, outcome: guide.Outcome) -> guide.Outcome:
    """Return a dead name's outcome with what runs, or that what it says is in force by another name, or by a role that followed it."""
    item = _followed(facts).get(declared.name)
    if item and not isinstance(item.get("role"), str):
        raise Missing(declared.name, Reason.ERROR, "which role followed it is not known")
    if item and item["value"] == declared.value:
        _holders(facts)  # what a role once did is something only where it is known what there is
        text = "%s was followed by the role %s" % (guide.shown(declared.name, declared.value), item["role"])
        return guide.Outcome(guide.EFFECTIVE, text)
    if item:
        text = "the role %s followed another value: run harden.yml again" % item["role"]
        return replace(outcome, text="%s; %s" % (outcome.text, text))
    if entry.verdict == UNSUPPORTED:
        return outcome
    try:
        found = guide.by_another_name(entry, declared, _holders(facts))
    except Missing:
        found = None
    return found or replace(outcome, text="; ".join(filter(None, (outcome.text, _runs_with(facts, entry)))))


def _followed(facts: Any) -> Dict[str, Any]:
    try:
        return dict(facts.read("deployment.followed"))
    except Missing:
        return {}


def _runs_with(facts: Any, entry: GuideSetting) -> str:
    try:
        return guide.runs_with(entry, _holders(facts))
    except Missing:
        return ""


def _declared(facts: Any, name: str, item: Dict[str, Any]) -> guide.Declared:
    differing = item.get("differing") or []
    lost = set(differing) & set(meant_to_win(facts.read("deployment.environment"))) if differing else set()
    return guide.Declared(name, item["value"], item["file"], tuple(sorted(lost)))


def _level(facts: Any, name: str) -> str:
    """Return what a setting's verdict rests on: what runs, where every service that would read it does."""
    entry = guide.find(name)
    try:
        readers = [unit for unit in all_units(facts) if entry and unit.read("role") in entry.readers]
        return max([level_of(unit) for unit in readers] or [Level.RUNNING], key=Level.ALL.index)
    except Missing:
        return Level.RUNNING


def _own_names(facts: Any) -> Set[str]:
    """Return the names in the environments of the services that are the project's own; none where that is not known."""
    try:
        return {name for unit in all_units(facts) if not unit.read("role") for name in unit.read("env")}
    except Missing:
        return set()


def _holders(facts: Any) -> List[guide.Holder]:
    coming: Dict[str, Any] = {}
    try:
        coming = {item.read("service"): item.read("env") for item in facts.records("rendered.services")}
    except Missing:
        pass  # it only tells why a running value is another
    return [_holder(unit, coming) for unit in all_units(facts)]


def _holder(unit: Record, coming: Dict[str, Any]) -> guide.Holder:
    running, env, service = level_of(unit) == Level.RUNNING, unit.read("env"), str(unit.read("service"))
    return guide.Holder(service, str(unit.read("role")), running, env, coming.get(service) if running else env)


@check(
    "AUTH-21",
    "password-rules-enforced",
    "Declared password rules are ones that somebody enforces",
    Severity.RECOMMENDATION,
    "A rule that nothing reads is worse than none: whoever reads the file believes in it.",
    "the password settings in the env files and in the environment of the auth process, against those that hasura-auth knows",
    "none is declared that nothing reads",
    Fix(
        "auth",
        "Remove the rules that hasura-auth does not know; AUTH_PASSWORD_MIN_LENGTH and AUTH_PASSWORD_HIBP_ENABLED are the ones it does.",
        ("auth_password_min_length: 12", "auth_password_hibp: true"),
    ),
    refs=("s:password",),
)
def password_rules_enforced(facts: Any, policy: Any) -> Verdict:
    units = of_role(facts, "auth")
    settings = facts.read("deployment.settings")
    found = {name: "%s in %s" % (name, settings[name]["file"]) for name in settings}
    for unit in units:
        service = name_of(unit)
        for name in unit.read("env"):
            found.setdefault(name, "%s of %s" % (name, service))
    level = max((level_of(unit) for unit in units), key=Level.ALL.index)
    unclear = _unreadable(facts)
    dead = [found[name] for name in sorted(found) if name.startswith("AUTH_PASSWORD_") and _is_dead(name)]
    if unclear and not dead:
        raise unclear[0]
    text = "; ".join(dead) + ": nothing reads it" if dead else "no password rule that nothing reads"
    return decide(not dead, "only rules that hasura-auth knows", text, level)


def _is_dead(name: str) -> bool:
    entry = guide.find(name)
    return entry is None or entry.verdict != READ


CHECKS = (declared_is_effective, password_rules_enforced)

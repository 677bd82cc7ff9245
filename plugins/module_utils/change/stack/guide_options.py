# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From nself's own settings to the options of the parts that make them true. Pure functions over tables/guide_options.py.

Who reads a setting, and what it takes, is known by the audit's table of the guide's settings: the two never say different things.
"""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.redirects import redirect_problem
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import guide_settings
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import is_secret_name
from ansible_collections.nself.prod.plugins.module_utils.change.stack.guide_values import (
    AS_IT_IS,
    convert,
    kms_key,
    leaf,
    shown,
    weaker,
    written,
)
from ansible_collections.nself.prod.plugins.module_utils.change.tables import guide_options as table
from ansible_collections.nself.prod.plugins.module_utils.change.tables.guide_options import Rule
from ansible_collections.nself.prod.plugins.module_utils.deployment import guide

SETTINGS, ENV_FILES = "nself_settings", "the env files"
EVERY_CONTAINER = "container"  # as the first word of a limit
CLOSE = 0.85  # likeness of a name that was probably meant
Options = Dict[str, Dict[str, Any]]


def rules_of(name: str) -> List[Rule]:
    """Return the rules of a setting: its own, else those of the first family that it belongs to."""
    own = [rule for rule in table.RULES if rule.name == name]
    family = next((rule.name for rule in table.RULES if "*" in rule.name and fnmatchcase(name, rule.name)), "")
    return own or [rule for rule in table.RULES if rule.name == family]


def options_of(settings: Mapping[str, Any], source: str) -> Tuple[Options, List[str]]:
    """Return ({part: {option: value}}, [what is refused, and what to use instead]) of settings as the guide writes them.

    source: SETTINGS, where somebody wants exactly these, so every name that nothing follows is refused; or ENV_FILES, where most names
    are none of the guide's and a secret stays where it is.
    """
    found: Options = {}
    by: Dict[Tuple[str, str], str] = {}
    refusals: List[str] = []
    for name, given in sorted(settings.items(), key=lambda pair: (_is_dead(pair[0]), pair[0])):
        text = written(given)
        if source == ENV_FILES and (not text or guide.is_variable(text) or is_secret_name(name)):
            continue
        rules = rules_of(name)
        if not any(rule.option for rule in rules):
            refusal = _unfollowed(name, source, rules)
            refusals += [refusal] if refusal else []
        for rule in rules:
            if not rule.option or source == ENV_FILES and rule.asked:
                continue
            try:
                weak = source == ENV_FILES and rule.key and weaker(rule.stricter, leaf(rule, text), None)
                problem = "" if weak else _put(found, by, rule, name, text)
                if weak:
                    problem = "%s=%s is weak, so it is not taken; give it in nself_settings to have it" % (name, text)
            except ValueError as error:
                problem = "%s=%s is not taken: %s" % (name, shown(name, text), error)
            if problem:
                refusals.append("%s: %s" % (source, problem))
                break
    return found, refusals


def _put(found: Options, by: Dict[Tuple[str, str], str], rule: Rule, name: str, text: str) -> str:
    """Put a setting's value where its rule says. Return why not. Raises ValueError for what the option does not take."""
    value = convert(rule, name, text)
    options, place = found.setdefault(rule.part, {}), (rule.part, rule.option)
    if value is AS_IT_IS:
        return ""
    before = options.get(rule.option)
    if isinstance(value, dict) and isinstance(before, (dict, type(None))):
        value = _merged(before or {}, value)
    elif place in by and options[rule.option] != value:
        return "%s says something else than %s, which counts" % (name, by[place])
    by.setdefault(place, name)
    options[rule.option] = value
    return ""


def merge(
    part: str,
    spec: Mapping[str, Any],
    given: Mapping[str, Any],
    from_settings: Mapping[str, Any],
    from_env: Mapping[str, Any],
    declared: Iterable[str] = (),
) -> Tuple[Dict[str, Any], List[str]]:
    """Return (a part's options, what of the env files is not followed).

    The first that says something counts: given, by a variable of the role; from_settings; from_env, where it is not weaker than the
    default; the default of spec. declared: the names that from_env comes from.
    """
    out: Dict[str, Any] = {}
    told: List[str] = []
    for option, entry in spec.items():
        default = entry.get("default")
        if isinstance(from_settings.get(option), dict) or isinstance(from_env.get(option), dict):
            # A mapping: what is said of one thing says nothing of another.
            layers = (default, from_env.get(option), from_settings.get(option), given.get(option))
            merged: Dict[str, Any] = {}
            for layer in layers:
                merged = _merged(merged, layer or {})
            out[option] = merged
        elif given.get(option) is not None:
            out[option] = given[option]
        elif option in from_settings:
            out[option] = from_settings[option]
        elif option in from_env:
            out[option], why = taken(part, option, from_env[option], default, declared)
            told += [why] if why else []
        else:
            out[option] = default
    return out, told


def declared_for(part: str, variables: Mapping[str, str]) -> Dict[str, str]:
    """Return what variables declare of a part's settings, without secrets and what nobody filled in."""
    return {
        name: value
        for name, value in variables.items()
        if value.strip()
        and not is_secret_name(name)
        and not guide.is_variable(value)
        and any(rule.part == part for rule in rules_of(name))
    }


def in_force(
    part: str, options: Mapping[str, Any], declared: Mapping[str, str], used: Sequence[str] = ()
) -> Dict[str, str]:
    """Return those of a part's declared settings that its options make true as they are declared. used: those it reads by itself."""
    out = {}
    for name, text in declared.items():
        for rule in rules_of(name):
            if rule.part != part or not rule.option:
                continue
            try:
                value = convert(rule, name, text)
            except ValueError:
                continue
            found = options.get(rule.option)
            if rule.asked:
                # One that its service reads is compared with what runs; of the others the part's word counts, unless it was told otherwise.
                good = name in used and _is_dead(name) and not _contradicts(value, found)
            else:
                good = _holds(value, found)
            if good:
                out[name] = text
    return out


def is_for_others(name: str, parts: Sequence[str]) -> bool:
    """Tell whether a setting has followers, and none of them is among these parts."""
    followers = {rule.part for rule in rules_of(name) if rule.option}
    return bool(followers) and not followers & set(parts)


def concerns(name: str, parts: Sequence[str]) -> bool:
    """Tell whether a setting is one for these parts. What is for none of them alone is for a run of several."""
    followers, entry = {rule.part for rule in rules_of(name) if rule.part}, guide.find(name)
    if followers:
        return bool(followers & set(parts))
    if entry is None:
        return False
    readers = {part for reader in entry.readers for part in table.PARTS_OF_READERS.get(reader, (reader,))}
    readers |= {name.split("_", 1)[0].lower()} if not readers else set()
    return bool(readers & set(parts)) or len(parts) > 1 and not readers & set(table.ALL_PARTS)


# -- what the env files say against the default ---------------------------------------------------------------------------


def taken(part: str, option: str, value: Any, default: Any, declared: Iterable[str] = ()) -> Tuple[Any, str]:
    """Return (what counts, why that is not what the env files say, or "")."""
    rules = [rule for rule in table.RULES if (rule.part, rule.option) == (part, option)]
    said = [name for name in sorted(declared) if set(rules) & set(rules_of(name))]
    names = " and ".join(said) or "what stands there"
    judges = [rule.stricter for rule in rules if rule.stricter != table.EITHER]
    stricter = judges[0] if judges else table.EITHER
    if stricter == table.OWN_SITES:
        good = [url for url in value if not redirect_problem(url)]
        dropped = [url for url in value if redirect_problem(url)]
        told = "%s in the env files: %s is no https site of yours" % (names, ", ".join(dropped)) if dropped else ""
        return (good or default), told
    if not weaker(stricter, value, default):
        return value, ""
    text = "%s in the env files is weaker than the default %s, which counts; give it in nself_settings, or as %s_%s, to have it"
    return default, text % (names, _plain(default), part, option)


def _plain(value: Any) -> str:
    return written(value) or "(none)"


def _holds(value: Any, found: Any) -> bool:
    if value is AS_IT_IS:
        return True
    if isinstance(value, dict):
        return isinstance(found, dict) and all(_holds(item, found.get(key)) for key, item in value.items())
    if isinstance(value, list) and isinstance(found, list):
        return sorted(map(str, value)) == sorted(map(str, found))
    return bool(value == found)


def _contradicts(value: Any, found: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(found, dict) and any(_contradicts(item, found.get(key)) for key, item in value.items())
    return found is not None and str(found) != str(value)


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> Dict[str, Any]:
    out = dict(first)
    for key, value in second.items():
        out[key] = _merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


# -- what nothing follows -------------------------------------------------------------------------------------------------


def _is_dead(name: str) -> bool:
    entry = guide.find(name)
    return entry is None or entry.verdict != guide_settings.READ


def _unfollowed(name: str, source: str, rules: Sequence[Rule]) -> str:
    """Return why a setting is refused, and the nearest that is followed; "" where the env files may hold it without a word."""
    entry = guide.find(name)
    if source == ENV_FILES and (entry is None or entry.verdict in (guide_settings.READ, guide_settings.TRANSLATE)):
        return ""  # none of the guide's, or one that compose hands on by itself
    close = nearest_name(name)
    hint = "; did you mean %s?" % close if close else ""
    if rules:
        return "%s: %s is followed by no role: %s%s" % (source, name, rules[0].instead, hint)
    if entry is None:
        return "%s: %s is no setting that anything reads%s" % (source, name, hint)
    if entry.verdict == guide_settings.UNSUPPORTED:
        return "%s: %s: nothing reads it; %s%s" % (source, name, entry.instead, hint)
    if entry.verdict == guide_settings.DEAD:
        return "%s: %s: no role makes it true; %s%s" % (source, name, guide.nearest(entry, ""), hint)
    return "%s: %s is followed by no role; set it in the env files%s" % (source, name, hint)


def nearest_name(name: str) -> str:
    """Return the name of a setting that somebody probably meant, "" where none is close."""
    known = [rule.name for rule in table.RULES if rule.option and "*" not in rule.name and rule.name != name]
    return (difflib.get_close_matches(name.upper(), known, 1, CLOSE) + [""])[0]


def real_secrets(secrets: Mapping[str, str]) -> Dict[str, str]:
    """Return secrets by the names that the parts take. Raises ValueError for one that cannot be turned into that, without its value."""
    out = dict(secrets)
    for name, (real, turn) in _REAL_SECRETS.items():
        if name in out:
            try:
                out.setdefault(real, turn(out.pop(name)))
            except ValueError as error:
                raise ValueError("%s: %s is not taken: %s" % (SETTINGS, name, error)) from None
    return out


_REAL_SECRETS = {"MINIO_SSE_MASTER_KEY": ("MINIO_KMS_SECRET_KEY", kms_key)}


def unknown_secrets(names: Iterable[str], known: Iterable[str]) -> List[str]:
    """Return what is refused of the secrets among nself_settings. known: the names that the parts take."""
    known = set(known)
    out = []
    for name in sorted(set(names) - known):
        if guide.find(name) is not None or is_secret_name(name) and name.isupper():
            refusal = _unfollowed(name, SETTINGS, rules_of(name))
            out.append(refusal or "%s: %s is followed by no role" % (SETTINGS, name))
    return out

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From nself's own settings to the options of the parts that make them true. Pure functions over tables/guide_options.py.

Who reads a setting, and what it takes, is known by the audit's table of the guide's settings: the two never say different things.
"""

from __future__ import annotations

import difflib
import re
from fnmatch import fnmatchcase
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.auth_service import PRIVILEGED_ROLES
from ansible_collections.nself.prod.plugins.module_utils.audit.redirects import redirect_problem
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import guide_settings
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import is_secret_name
from ansible_collections.nself.prod.plugins.module_utils.audit.units import go_duration, whole_number
from ansible_collections.nself.prod.plugins.module_utils.change.tables import guide_options as table
from ansible_collections.nself.prod.plugins.module_utils.change.tables.guide_options import Rule
from ansible_collections.nself.prod.plugins.module_utils.deployment import guide

SETTINGS, ENV_FILES = "nself_settings", "the env files"
EVERYBODY = ("*", "all", "0.0.0.0/0", "::/0", "0.0.0.0", "::")
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
        text = _written(given)
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
                problem = _put(found, by, rule, name, text)
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
    if isinstance(value, dict):
        value = _merged(options.get(rule.option) or {}, value)
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
            if name in used if rule.asked else _holds(value, options.get(rule.option)):
                out[name] = text
    return out


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


AS_IT_IS = object()  # a value that says what the part does anyway


# -- one setting ---------------------------------------------------------------------------------------------------------


def convert(rule: Rule, name: str, text: str) -> Any:
    """Return a setting's value as the option takes it. Raises ValueError with what it takes instead."""
    entry = guide.find(name)
    if entry is not None and rule.kind == table.FROM_GUIDE:
        # What goes into an environment: the reader's own kind decides.
        pairs = guide.translate(entry, text)
        text = next(iter(pairs.values()), text)
    value = _CONVERTERS[rule.kind](rule, text.strip())
    if rule.key:
        for step in reversed(rule.key.split(".")):
            value = {star(rule.name, name) if step == "*" else step: value}
    return value


def star(family: str, name: str) -> str:
    """Return what a name has in the place of its family's star, as nself names services."""
    before, _star, after = family.partition("*")
    return name[len(before) : len(name) - len(after)].lower()


def shown(name: str, text: str) -> str:
    return "…" if is_secret_name(name) else text


def _written(value: Any) -> str:
    """Return a value as an env file holds it: YAML may have made a boolean, a number or a list of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return "" if value is None else str(value).strip()


def _bool(_rule: Rule, text: str) -> bool:
    word = guide.truth("hasura", text)
    word = guide.truth("auth", text) if word is None else word
    if word is None and text.lower() in ("on", "off"):
        word = text.lower() == "on"
    if word is None:
        raise ValueError("it takes a boolean")
    return word


def _count(_rule: Rule, text: str) -> int:
    number = whole_number(text)
    if number is None:
        raise ValueError("it takes a whole number")
    return number


def _choice(rule: Rule, text: str) -> str:
    for word in rule.choices:
        if word.lower() == text.lower():
            return word
    raise ValueError("it takes one of %s" % ", ".join(rule.choices))


def _only(rule: Rule, text: str) -> Any:
    if text.lower() not in rule.choices:
        raise ValueError("give %s_%s instead" % (rule.part, rule.option))
    return AS_IT_IS


def _duration(_rule: Rule, text: str) -> str:
    text = text + "s" if whole_number(text) is not None else text
    if not go_duration(text):
        raise ValueError("it takes a duration such as 15m or 1h30m")
    return text


def _header(rule: Rule, text: str) -> Any:
    """Return a header's value: the guide also writes whether it is sent at all."""
    word = text.lower()
    if word in ("true", "on", "yes"):
        return rule.choices[0] if rule.choices else None
    return "" if word in ("false", "off", "no") else text


_CONVERTERS = {
    table.TEXT: lambda rule, text: text,
    table.BOOL: _bool,
    table.OPPOSITE: lambda rule, text: not _bool(rule, text),
    table.COUNT: _count,
    table.SECONDS: lambda rule, text: guide.seconds(text),
    table.DAYS: lambda rule, text: guide.seconds(text) // 86400 if text[-1:].isalpha() else _count(rule, text),
    table.DURATION: _duration,
    table.LIST: lambda rule, text: [part.strip() for part in text.split(",") if part.strip()],
    table.WORDS: lambda rule, text: [part for part in re.split(r"[\s,]+", text) if part],
    table.CHOICE: _choice,
    table.ONLY: _only,
    table.HEADER: _header,
}


# -- what the env files say against the default ---------------------------------------------------------------------------


def taken(part: str, option: str, value: Any, default: Any, declared: Iterable[str] = ()) -> Tuple[Any, str]:
    """Return (what counts, why that is not what the env files say, or "")."""
    rules = [rule for rule in table.RULES if (rule.part, rule.option) == (part, option)]
    stricter = rules[0].stricter if rules else table.EITHER
    said = [name for name in sorted(declared) if set(rules) & set(rules_of(name))]
    names = " and ".join(said) or "what stands there"
    if stricter == table.OWN_SITES:
        good = [url for url in value if not redirect_problem(url)]
        dropped = [url for url in value if redirect_problem(url)]
        told = "%s in the env files: %s is no https site of yours" % (names, ", ".join(dropped)) if dropped else ""
        return (good or default), told
    if not _weaker(stricter, value, default):
        return value, ""
    text = "%s in the env files is weaker than the default %s, which counts; give it in nself_settings, or as %s_%s, to have it"
    return default, text % (names, _plain(default), part, option)


def _weaker(stricter: str, value: Any, default: Any) -> bool:
    if stricter == table.NO_PRIVILEGE:
        return bool({str(item).lower() for item in _listed(value)} & set(PRIVILEGED_ROLES))
    if stricter == table.NOT_ALL:
        return bool({str(item).lower() for item in _listed(value)} & set(EVERYBODY))
    if default is None or stricter == table.EITHER:
        return False
    if stricter == table.NEVER:
        return bool(value != default)
    if stricter == table.SUBSET:
        return not set(map(str, _listed(value))) <= set(map(str, _listed(default)))
    if isinstance(stricter, tuple):
        order = [str(word).lower() for word in stricter]
        return str(value).lower() not in order or order.index(str(value).lower()) < order.index(str(default).lower())
    first, second = _amount(value), _amount(default)
    if first is None or second is None:
        return True
    return first > second if stricter == table.LESS else first < second


def _amount(value: Any) -> Optional[float]:
    if isinstance(value, (bool, int, float)):
        return float(value)
    found = go_duration(str(value))
    return found if found is not None else whole_number(str(value))


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _plain(value: Any) -> str:
    return _written(value) or "(none)"


def _holds(value: Any, found: Any) -> bool:
    if value is AS_IT_IS:
        return True
    if isinstance(value, dict):
        return isinstance(found, dict) and all(_holds(item, found.get(key)) for key, item in value.items())
    if isinstance(value, list) and isinstance(found, list):
        return sorted(map(str, value)) == sorted(map(str, found))
    return bool(value == found)


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


def unknown_secrets(names: Iterable[str], known: Iterable[str]) -> List[str]:
    """Return what is refused of the secrets among nself_settings. known: the names that the parts take."""
    known = set(known)
    out = []
    for name in sorted(set(names) - known):
        if guide.find(name) is not None or is_secret_name(name) and name.isupper():
            refusal = _unfollowed(name, SETTINGS, rules_of(name))
            out.append(refusal or "%s: %s is followed by no role" % (SETTINGS, name))
    return out

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a declared setting effective? Pure functions over the table of the guide's settings, reduced values and environments.

A reduced value is what audit/reduce.py makes of it: text where it may be shown, else properties with a fingerprint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import guide_settings as guide
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.guide_settings import GuideSetting
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import VARIABLE
from ansible_collections.nself.prod.plugins.module_utils.audit.units import go_duration, whole_number

EFFECTIVE, OVERRIDDEN, MISTYPED, PLACEHOLDER = "effective", "overridden", "mistyped", "placeholder"
STALE, FIXED, NOT_PASSED = "stale container", "not taken from the file", "not passed on"

# Go's ParseBool is hasura-auth's; Hasura compares without case.
_BOOLS = {
    "auth": (("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")),
    "hasura": (("true", "t", "yes", "y"), ("false", "f", "no", "n")),
}
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PARTS_OF_JWT = {guide.JWT_KEY: "key", guide.JWT_TYPE: "type", guide.JWT_ISSUER: "issuer"}
_ENVIRONMENT = re.compile(r"[A-Z][A-Z0-9_]+\Z")


@dataclass(frozen=True)
class Declared:
    """A setting of the env files. lost: the files whose other value was meant to win."""

    name: str
    value: Any
    file: str
    lost: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Holder:
    """A unit that is to read settings. now: its environment; next: what it would be started with, None where unknown."""

    service: str
    role: str
    running: bool
    now: Mapping[str, Any]
    next: Optional[Mapping[str, Any]] = None


@dataclass(frozen=True)
class Outcome:
    """What became of a declared setting, in words that hold no secret."""

    state: str
    text: str

    @property
    def good(self) -> bool:
        return self.state == EFFECTIVE


def find(name: str) -> Optional[GuideSetting]:
    """Return the table's entry for a name: its own, else the first family that it belongs to."""
    for entry in guide.SETTINGS:
        if entry.name == name:
            return entry
    return next((entry for entry in guide.SETTINGS if "*" in entry.name and fnmatchcase(name, entry.name)), None)


def is_empty(value: Any) -> bool:
    """Tell whether a reduced value claims nothing."""
    return value == "" or bool(isinstance(value, dict) and (value.get("secret") or {}).get("empty"))


def shown(name: str, value: Any) -> str:
    return "%s=%s" % (name, value) if isinstance(value, str) else name


# -- what the files alone tell -------------------------------------------------------------------------------------------


def by_itself(entry: GuideSetting, declared: Declared) -> Optional[Outcome]:
    """Return what is wrong with a declared setting whatever runs, or None."""
    where = "%s in %s" % (shown(declared.name, declared.value), declared.file)
    if entry.verdict == guide.UNSUPPORTED:
        return Outcome(entry.verdict, "%s: nothing reads it; %s" % (where, entry.instead))
    if entry.verdict == guide.DEAD:
        return Outcome(entry.verdict, "%s: nothing reads it; %s" % (where, nearest(entry, declared.value)))
    problem = type_problem(entry, declared.value)
    if problem:
        return Outcome(MISTYPED, "%s: %s" % (where, problem))
    if declared.lost:
        return Outcome(OVERRIDDEN, "%s: it wins over another value in %s" % (where, ", ".join(declared.lost)))
    return None


def nearest(entry: GuideSetting, value: Any) -> str:
    """Return what is read instead of a dead name, with the value turned into what its reader takes."""
    try:
        pairs = translate(entry, value) if isinstance(value, str) else {}
    except ValueError:
        pairs = {}
    real = ", ".join("%s=%s" % pair for pair in pairs.items()) or ", ".join(entry.real)
    text = "%s goes by %s" % (", ".join(entry.readers), real)
    return text + (": " + entry.instead if entry.instead else "")


def is_variable(value: Any) -> bool:
    """Tell whether a reduced value is a variable that nobody has expanded yet."""
    if isinstance(value, dict):
        return bool((value.get("secret") or value).get("variable"))
    return isinstance(value, str) and bool(VARIABLE.match(value.strip()))


def type_problem(entry: GuideSetting, value: Any) -> Optional[str]:
    """Return why the reader does not understand a plain value, or None."""
    if not isinstance(value, str) or is_empty(value) or is_variable(value):
        return None
    text, reader = value.strip(), entry.readers[0] if entry.readers else "its reader"
    good = True
    if entry.kind in (guide.SECONDS, guide.COUNT):
        good = whole_number(text) is not None
    elif entry.kind == guide.DURATION:
        good = go_duration(text) is not None
    elif entry.kind == guide.BOOL:
        good = truth(reader, text) is not None
    elif entry.choices:
        good = text in entry.choices
    elif entry.kind == guide.URL:
        good = bool(re.match(r"https?://[^\s/]", text))
    wanted = "one of " + ", ".join(entry.choices) if entry.choices else entry.kind
    return None if good else "%s takes %s" % (reader, wanted)


def truth(reader: str, text: str) -> Optional[bool]:
    """Return how a reader takes a boolean; None where it refuses the word."""
    yes, no = _BOOLS.get(reader, _BOOLS["auth"])
    word = text.lower() if reader == "hasura" else text
    return True if word in yes else False if word in no else None


# -- what runs -----------------------------------------------------------------------------------------------------------


def in_force(entry: GuideSetting, declared: Declared, holders: Sequence[Holder]) -> Optional[Outcome]:
    """Return whether every unit that is to read a setting has its value; None where the deployment has no such unit.

    Raises Missing where that cannot be told yet.
    """
    concerned = [holder for holder in holders if holder.role in entry.readers]
    if not concerned:
        return None
    outcomes = [_at(entry, declared, holder) for holder in concerned]
    if entry.kind == guide.SECRET:
        # Whoever else was given it must have the new one too; a secret of its own under that name is its own affair.
        others = [holder for holder in holders if holder.role not in entry.readers and entry.real[0] in holder.now]
        outcomes += [found for found in (_at(entry, declared, holder) for holder in others) if found.state == STALE]
    bad = [outcome for outcome in outcomes if not outcome.good]
    if bad:
        where = "%s in %s" % (shown(declared.name, declared.value), declared.file)
        return Outcome(bad[0].state, "%s: %s" % (where, "; ".join(outcome.text for outcome in bad)))
    names = ", ".join(sorted({holder.service for holder in concerned}))
    return Outcome(EFFECTIVE, "%s is in force on %s" % (shown(declared.name, declared.value), names))


def by_another_name(entry: GuideSetting, declared: Declared, holders: Sequence[Holder]) -> Optional[Outcome]:
    """Return that a dead name's value is in force nevertheless, under the name that its reader knows; None where it is not.

    Raises Missing where that cannot be told.
    """
    if not isinstance(declared.value, str) or is_variable(declared.value):
        return None
    try:
        pairs = translate(entry, declared.value)
    except ValueError:
        return None
    for name, value in pairs.items():
        real = find(name)
        outcome = in_force(real, Declared(name, value, declared.file), holders) if real else None
        if outcome is None or not outcome.good:
            return None
        return Outcome(EFFECTIVE, "%s is in force as %s=%s" % (shown(declared.name, declared.value), name, value))
    return None


def runs_with(entry: GuideSetting, holders: Sequence[Holder]) -> str:
    """Return what the readers of a dead name run with under the name that they know; "" where no environment governs it."""
    name, out = entry.real[0], []
    for holder in holders:
        if holder.role in entry.readers and _ENVIRONMENT.match(name):
            now = holder.now.get(name)
            default = find(name)
            text = _unset(default, name) if default else "no %s" % name
            out.append("%s has %s" % (holder.service, text if now is None or is_empty(now) else shown(name, now)))
    return "; ".join(out)


def _at(entry: GuideSetting, declared: Declared, holder: Holder) -> Outcome:
    name = entry.real[0]
    now = holder.now.get(name)
    present = not (now is None or is_empty(now))
    if is_variable(declared.value):
        # Who started the container may have expanded it; then there is nothing to compare with.
        filled = present and not is_variable(_part(entry, now))
        return Outcome(
            EFFECTIVE if filled else PLACEHOLDER, "it is a variable that was not filled in for %s" % holder.service
        )
    part = _part(entry, now)
    if entry.kind in _PARTS_OF_JWT and part is None and not holder.running:
        # The file alone says little: `nself start` makes the configuration when it starts the services.
        raise Missing(
            entry.name, Reason.ERROR, "%s does not run, and %s is made when it is started" % (holder.service, name)
        )
    if same(entry, declared.value, now if present else entry.default):
        return Outcome(EFFECTIVE, "")
    has = _has(entry, name, part) if present else _unset(entry, name)
    hint = "; " + entry.instead if entry.instead else ""
    if holder.next is None:
        return Outcome(FIXED, "%s has %s%s" % (holder.service, has, hint))
    if name not in holder.next and not present:
        return Outcome(
            NOT_PASSED, "the compose files do not pass it to %s, which has %s%s" % (holder.service, has, hint)
        )
    if holder.running and same(entry, declared.value, holder.next.get(name)):
        return Outcome(
            STALE, "%s runs with %s: it was started before the change, or from other env files" % (holder.service, has)
        )
    return Outcome(FIXED, "%s has %s, which the compose files take from elsewhere%s" % (holder.service, has, hint))


def _has(entry: GuideSetting, name: str, part: Any) -> str:
    if isinstance(part, str):
        return shown(name, part)
    if entry.kind in _PARTS_OF_JWT:
        return "%s %s in %s" % ("no" if part is None else "another", _PARTS_OF_JWT[entry.kind], name)
    return "another %s" % name


def _unset(entry: GuideSetting, name: str) -> str:
    return "no %s" % name if entry.default is None else "%s by default" % shown(name, entry.default)


def _part(entry: GuideSetting, value: Any) -> Any:
    """Return the part of a reduced value that a setting governs: for a JWT configuration its key, type or issuer."""
    if entry.kind in _PARTS_OF_JWT and isinstance(value, dict):
        return (value.get("jwt") or {}).get(_PARTS_OF_JWT[entry.kind])
    return value


def same(entry: GuideSetting, declared: Any, found: Any) -> bool:
    """Tell whether two reduced values mean the same to a setting's reader."""
    found = _part(entry, found)
    if isinstance(declared, str) and isinstance(found, str):
        return _meaning(entry, declared) == _meaning(entry, found)
    first, second = _print(declared), _print(found)
    return first is not None and first == second


def _meaning(entry: GuideSetting, text: str) -> Any:
    text = text.strip()
    if entry.kind in (guide.SECONDS, guide.COUNT):
        return whole_number(text)
    if entry.kind == guide.DURATION:
        return go_duration(text)
    if entry.kind == guide.BOOL:
        return truth(entry.readers[0], text)
    if entry.kind == guide.LIST:
        return sorted(part.strip() for part in text.split(",") if part.strip())
    return text


def _print(value: Any) -> Optional[Any]:
    """Return what identifies a reduced value that may not be shown."""
    if not isinstance(value, dict):
        return None
    if "print" in value:
        return value["print"]
    return _print(value.get("secret")) or value.get("url")


# -- from the guide's words to the reader's -------------------------------------------------------------------------------


def translate(entry: GuideSetting, value: str) -> Dict[str, str]:
    """Return {real name: value} of a declared setting. Raises ValueError where its reader cannot be given that value.

    Only for what goes into an environment: what nginx, compose or PostgreSQL go by is more than a name and a value.
    """
    names: List[str] = [name for name in entry.real if _ENVIRONMENT.match(name)]
    if entry.verdict in (guide.TRANSLATE, guide.UNSUPPORTED) or not names:
        return {}
    converted = value.strip()
    if entry.kind == guide.SECONDS:
        converted = str(seconds(converted))
    elif entry.kind == guide.DURATION and whole_number(converted) is not None:
        converted += "s"
    elif entry.kind == guide.BOOL:
        word = truth("hasura", converted)
        word = truth("auth", converted) if word is None else word
        if word is None:
            raise ValueError("%s takes a boolean" % entry.name)
        converted = "true" if word else "false"
    problem = type_problem(entry, converted)
    if problem:
        raise ValueError(problem)
    return {names[0]: converted}


def seconds(text: str) -> int:
    """Return a span as the guide writes it (900, 900s, 15m, 12h, 7d) in seconds. Raises ValueError."""
    found = re.match(r"([0-9]+)([dhms]?)\Z", text.strip())
    if not found:
        raise ValueError("it is no span of time such as 15m or 7d")
    return int(found.group(1)) * _UNITS.get(found.group(2), 1)

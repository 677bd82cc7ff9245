# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of nself's settings: what an option takes of them, and which of two is the stricter one. Pure functions."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, List, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.auth_service import PRIVILEGED_ROLES
from ansible_collections.nself.prod.plugins.module_utils.audit.checks.postgres_settings import lacks
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import is_secret_name
from ansible_collections.nself.prod.plugins.module_utils.audit.units import go_duration, whole_number
from ansible_collections.nself.prod.plugins.module_utils.change.tables import guide_options as table
from ansible_collections.nself.prod.plugins.module_utils.change.tables.guide_options import Rule
from ansible_collections.nself.prod.plugins.module_utils.deployment import guide
from ansible_collections.nself.prod.plugins.module_utils.parse import http_headers

EVERYBODY = ("*", "all", "0.0.0.0/0", "::/0", "0.0.0.0", "::")
KMS_KEY_BYTES = 32
AS_IT_IS = object()  # a value that says what the part does anyway


# -- into an option ---------------------------------------------------------------------------------------------------------


def convert(rule: Rule, name: str, text: str) -> Any:
    """Return a setting's value as the option takes it. Raises ValueError with what it takes instead."""
    value = leaf(rule, text)
    if rule.key:
        for step in reversed(rule.key.split(".")):
            value = {star(rule.name, name) if step == "*" else step: value}
    return value


def leaf(rule: Rule, text: str) -> Any:
    """Return a value without the place in a mapping that it goes to. Raises ValueError."""
    return _CONVERTERS[rule.kind](rule, text.strip())


def star(family: str, name: str) -> str:
    """Return what a name has in the place of its family's star, as nself names services."""
    before, _star, after = family.partition("*")
    return name[len(before) : len(name) - len(after)].lower()


def shown(name: str, text: str) -> str:
    return "…" if is_secret_name(name) else text


def written(value: Any) -> str:
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


def _switch(rule: Rule, text: str) -> Any:
    return AS_IT_IS if _bool(rule, text) else rule.off


_RATE = re.compile(r"(\d+)\s*(?:r|requests?)?\s*(?:/|per)\s*(s|m)(?:ec(?:ond)?|in(?:ute)?)?\Z", re.I)


def _rate(_rule: Rule, text: str) -> str:
    found = _RATE.match(text)
    if not found or not int(found.group(1)):
        raise ValueError("it takes a rate such as 10r/s or 30r/m")
    return "%sr/%s" % (found.group(1), found.group(2).lower())


def _sources(_rule: Rule, text: str) -> str:
    """Return sources of a policy's directive: what the files of a shell quote once too often is quoted once."""
    return " ".join(text.strip('"').replace(",", " ").split())


_CONVERTERS = {
    table.TEXT: lambda rule, text: text,
    table.BOOL: _bool,
    table.COUNT: _count,
    table.SECONDS: lambda rule, text: guide.seconds(text),
    table.DAYS: lambda rule, text: guide.seconds(text) // 86400 if text[-1:].isalpha() else _count(rule, text),
    table.DURATION: _duration,
    table.LIST: lambda rule, text: [part.strip() for part in text.split(",") if part.strip()],
    table.WORDS: lambda rule, text: [part for part in re.split(r"[\s,]+", text) if part],
    table.CHOICE: _choice,
    table.ONLY: _only,
    table.SWITCH: _switch,
    table.RATE: _rate,
    table.SOURCES: _sources,
    # The blank at its end is lost on the way, and without one it runs into what is logged.
    table.PREFIX: lambda rule, text: text + " " if text else text,
}


def kms_key(text: str) -> str:
    """Return MinIO's key by its real form, <name>:<32 bytes in base64>, of what the guide calls a master key. Raises ValueError."""
    name, colon, key = text.strip().rpartition(":")
    try:
        data = binascii.unhexlify(key) if re.match(r"[0-9a-fA-F]{64}\Z", key) else base64.b64decode(key, validate=True)
    except ValueError:
        data = b""
    if len(data) != KMS_KEY_BYTES or (colon and not re.match(r"[A-Za-z0-9_-]+\Z", name)):
        raise ValueError("it takes 32 bytes in hex or base64, with a name and a colon before them if you like")
    return "%s:%s" % (name or "nself", base64.b64encode(data).decode("ascii"))


# -- and the stricter one -------------------------------------------------------------------------------------------------


def weaker(stricter: Any, value: Any, default: Any) -> bool:
    """Tell whether a value is weaker than the default, by a rule's word for what is stricter."""
    if stricter in _GOOD:
        return not _GOOD[stricter](value)
    if isinstance(stricter, int):
        return (_amount(value) or 0) > stricter
    if default is None or stricter == table.EITHER:
        return False
    if stricter == table.SUBSET:
        return not set(_listed(value)) <= set(_listed(default))
    if isinstance(stricter, tuple):
        order = [str(word).lower() for word in stricter]
        return str(value).lower() not in order or order.index(str(value).lower()) < order.index(str(default).lower())
    first, second = _amount(value), _amount(default)
    if first is None or second is None:
        return True
    return first > second if stricter == table.LESS else first < second


def _is_good_policy(value: Any) -> bool:
    policies = http_headers.content_policies(str(value))
    return policies is not None and http_headers.has_default(policies) and not http_headers.script_problem(policies)


def _grants_to_few(value: Any) -> bool:
    features = http_headers.permissions_policy(str(value))
    return bool(features) and not any("*" in allowed for allowed in (features or {}).values())


_GOOD = {
    table.NO_PRIVILEGE: lambda value: not set(_listed(value)) & set(PRIVILEGED_ROLES),
    table.NOT_ALL: lambda value: not set(_listed(value)) & set(EVERYBODY),
    table.GOOD_CSP: _is_good_policy,
    table.NO_STAR: lambda value: not re.search(r"(?:^|\s)(?:\*|http:)(?:\s|$)", str(value)),
    table.GOOD_SOURCES: lambda value: not re.search(r"(?:^|\s)(?:'unsafe-\S*|\*|https?:|data:)(?:\s|$)", str(value)),
    table.GOOD_PERMISSIONS: _grants_to_few,
    table.GOOD_PREFIX: lambda value: not lacks(str(value)),
}


def _amount(value: Any) -> Optional[float]:
    if isinstance(value, (bool, int, float)):
        return float(value)
    rate = _RATE.match(str(value))
    if rate:
        return int(rate.group(1)) * (60.0 if rate.group(2).lower() == "s" else 1.0)
    found = go_duration(str(value))
    return found if found is not None else whole_number(str(value))


def _listed(value: Any) -> List[str]:
    return [str(item).lower() for item in (value if isinstance(value, (list, tuple)) else str(value).split(":"))]

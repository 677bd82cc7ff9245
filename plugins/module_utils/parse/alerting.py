# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the configurations of alertmanager and prometheus, as YAML gave them: does an alert arise, and does it reach somebody?

Destinations hold secrets (a webhook's URL is one), so what is told of them is their kind and what is wrong.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from ansible_collections.nself.prod.plugins.module_utils.audit.tables.alert_receivers import (
    KINDS,
    MAIL_CATCHERS,
    NOWHERE,
)

MOST_ROUTES = 10000
_PLACEHOLDER = re.compile(
    r"\$\{|\$[A-Z_]{3}|\A<[a-zA-Z]|change[-_ ]?me|\byour[-_ ]|x{6}|placeholder|replace[-_ ]", re.I
)
_ADDRESS = re.compile(r"<?([^\s<>@]+)@([^\s<>@]+)>?\Z")


class AlertingError(ValueError):
    """This is no configuration. The message quotes nothing of it."""


def receivers(config: Any) -> List[Dict[str, Any]]:
    """Return the receivers that the routes lead to, the root's first: {name, root, working[], problems[], unknown[]}.

    Raises AlertingError.
    """
    if not isinstance(config, dict) or not isinstance(config.get("route"), dict):
        raise AlertingError("it has no route")
    known = {str(item.get("name")): item for item in _list(config.get("receivers")) if isinstance(item, dict)}
    shared = config.get("global")
    shared = shared if isinstance(shared, dict) else {}
    names = _routed(config["route"])
    out = []
    for number, name in enumerate(names):
        if name not in known:
            raise AlertingError("a route leads to a receiver that is not there")
        out.append(dict(_receiver(known[name], shared), name=name, root=number == 0))
    return out


def _routed(root: Mapping[str, Any]) -> List[str]:
    """Return the names of the receivers of all routes; a route without one has its parent's."""
    if not isinstance(root.get("receiver"), str):
        raise AlertingError("its root route has no receiver")
    names, left, seen = [root["receiver"]], [root], 0
    while left:
        route = left.pop()
        seen += 1
        if seen > MOST_ROUTES:
            raise AlertingError("it has too many routes")
        if isinstance(route.get("receiver"), str):
            names.append(route["receiver"])
        left += [item for item in _list(route.get("routes")) if isinstance(item, dict)]
    return list(dict.fromkeys(names))


def _receiver(item: Mapping[str, Any], shared: Mapping[str, Any]) -> Dict[str, List[str]]:
    found: Dict[str, List[str]] = {"working": [], "problems": [], "unknown": []}
    for kind, entries in item.items():
        if not str(kind).endswith("_configs"):
            continue
        word = str(kind)[: -len("_configs")]
        for entry in _list(entries):
            if kind not in KINDS:
                found["unknown"].append(word)
                continue
            problem = _problem(KINDS[kind], entry, shared)
            if problem:
                found["problems"].append("%s: %s" % (word, problem))
            else:
                found["working"].append(word)
    return found


def _problem(parts: Tuple[Tuple[str, ...], ...], entry: Any, shared: Mapping[str, Any]) -> str:
    """Return why a destination reaches nobody, "" where it may."""
    if not isinstance(entry, dict):
        return "it is empty"
    for keys in parts:
        key, value = _first(keys, entry, shared)
        if not key:
            return "it has no %s" % keys[0]
        if isinstance(value, (dict, int)):
            continue
        text = str(value).strip()
        if _PLACEHOLDER.search(text):
            return "its %s is a placeholder" % key
        if key.endswith("url"):
            problem = _place_problem(_host_of(text))
        elif key == "to":
            problem = _mail_problem(text)
        elif key.endswith("smarthost"):
            problem = _place_problem(text.rpartition(":")[0] or text)
        else:
            problem = ""
        if problem:
            return "its %s %s" % (key, problem)
    return ""


def _first(keys: Tuple[str, ...], entry: Mapping[str, Any], shared: Mapping[str, Any]) -> Tuple[str, Any]:
    for key in keys:
        value = shared.get(key[1:]) if key.startswith("@") else entry.get(key)
        if value not in (None, "", False, 0) and value != {} and value != []:
            return key.lstrip("@"), value
    return "", None


def _host_of(url: str) -> Optional[str]:
    try:
        parts = urlsplit(url)
        return parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        return None


def _place_problem(host: Optional[str]) -> str:
    name = (host or "").strip("[]").lower().rstrip(".")
    if not name:
        return "names no host"
    if name.startswith("127.") or name in ("::1", "0.0.0.0", "::"):
        return "leads to alertmanager's own container"
    if any(name == item or name.endswith("." + item) for item in NOWHERE):
        return "leads to %s, where nobody reads" % next(
            item for item in NOWHERE if name == item or name.endswith("." + item)
        )
    return "leads to a mail catcher" if name in MAIL_CATCHERS else ""


def _mail_problem(text: str) -> str:
    """Return what is wrong with a list of addresses; one good one is enough."""
    problem = "names nobody"
    for part in text.split(","):
        found = _ADDRESS.search(part.strip())
        problem = _place_problem(found.group(2)) if found else problem
        if found and not problem:
            return ""
    return problem


# -- prometheus ----------------------------------------------------------------------------------------------------------


def rule_files(config: Any) -> List[str]:
    """Return the patterns of prometheus' rule files. Raises AlertingError."""
    if not isinstance(config, dict):
        raise AlertingError("it is no mapping")
    return [item for item in _list(config.get("rule_files")) if isinstance(item, str) and item]


def names_alertmanager(config: Any) -> bool:
    """Tell whether prometheus is told where alertmanager is."""
    alerting = config.get("alerting") if isinstance(config, dict) else None
    entries = _list(alerting.get("alertmanagers")) if isinstance(alerting, dict) else []
    return any(_finds_somebody(entry) for entry in entries if isinstance(entry, dict))


def _finds_somebody(entry: Mapping[str, Any]) -> bool:
    fixed = [
        item for item in _list(entry.get("static_configs")) if isinstance(item, dict) and _list(item.get("targets"))
    ]
    return bool(fixed) or any(str(key).endswith("_sd_configs") and _list(value) for key, value in entry.items())


def alerts(rules: Any) -> int:
    """Return how many alerts a file of rules defines."""
    groups = _list(rules.get("groups")) if isinstance(rules, dict) else []
    found = [rule for group in groups if isinstance(group, dict) for rule in _list(group.get("rules"))]
    return sum(
        1 for rule in found if isinstance(rule, dict) and rule.get("alert") and rule.get("expr") not in (None, "")
    )


def _list(value: Any) -> List[Any]:
    return value if isinstance(value, list) else []

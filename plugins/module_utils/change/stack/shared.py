# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several roles have a word in, made of what each role's document remembers: PostgreSQL's command line, and the database URLs. Pure."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.stack import raw as raw_service
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import DatabaseUrl, Replace, literal

ROLE = "shared"
_URL = re.compile(
    r"(?P<scheme>postgres(?:ql)?(?:\+\w+)?://)(?:(?P<user>[^@/?]*)@)?(?P<host>[^/?]*)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?\Z"
)


def fragment(
    known: Sequence[Mapping[str, Any]], raw: Mapping[str, Mapping[str, Any]]
) -> Tuple[Dict[str, Any], List[str]]:
    """Return (the shared fragment, what could not be changed). known: what the documents remember, in their order; raw: the services."""
    services: Dict[str, Dict[str, Any]] = {}
    left: List[str] = []
    settings: Dict[str, Dict[str, str]] = {}
    edits: Dict[Tuple[str, str], Dict[str, Any]] = {}
    for item in known:
        for service, wanted in (item.get("postgres_settings") or {}).items():
            settings.setdefault(service, {}).update(wanted)
        for entry in item.get("database_urls") or []:
            edit = edits.setdefault((entry["service"], entry["name"]), {"query": {}, "user": "", "password": ""})
            edit["query"].update(entry.get("query") or {})
            for name in ("user", "password"):
                edit[name] = entry.get(name) or edit[name]
    for service, wanted in sorted(settings.items()):
        if service in raw:
            services[service] = {"command": Replace(command(raw[service].get("command"), wanted))}
    for (service, name), edit in sorted(edits.items()):
        found = raw_service.environment(raw.get(service) or {}).get(name)
        if found is None:
            continue
        changed = url(found, DatabaseUrl(service, name, edit["query"], edit["user"], edit["password"]))
        if changed is None:
            why = (
                "takes %s as a whole from an env file, so it is not changed there"
                if raw_service.refers(found)
                else "has a %s of another form than postgres://…, so it stays as it is"
            )
            more = ", ".join("%s=%s" % pair for pair in sorted(edit["query"].items())) or "the new user"
            left.append("%s %s: add %s to it yourself" % (service, why % name, more))
        elif changed != found:
            services.setdefault(service, {}).setdefault("environment", {})[name] = changed
    return ({"services": services} if services else {}), left


def command(base: Any, settings: Mapping[str, str]) -> List[str]:
    """Return PostgreSQL's command with these settings after its own. base: a list or a line in compose's syntax, None for the image's own."""
    words = raw_service.words(base) or ["postgres"]
    for name, value in sorted(settings.items()):
        words += ["-c", "%s=%s" % (name, literal(value))]
    return words


def url(text: str, edit: DatabaseUrl) -> Any:
    """Return a PostgreSQL URL with a change made, its ${…} as they were; None where the text is no URL before it is filled in."""
    masked, variables = _masked(text)
    found = _URL.match(masked)
    if not found:
        return None
    user = found.group("user")
    if edit.user:
        user = edit.user + (":" + edit.password if edit.password else "")
    pairs = [pair.partition("=")[::2] for pair in (found.group("query") or "").split("&") if pair]
    query = dict(pairs)
    query.update(edit.query)
    out = (
        found.group("scheme")
        + (user + "@" if user is not None else "")
        + found.group("host")
        + (found.group("path") or "")
    )
    out += "?" + "&".join("%s=%s" % pair for pair in query.items()) if query else ""
    return re.sub("\x00([0-9]+)\x00", lambda place: variables[int(place.group(1))], out)


def _masked(text: str) -> Tuple[str, List[str]]:
    """Return text with each ${…}, which may hold others, replaced by a mark, and what they were."""
    out, variables, index = "", [], 0  # type: str, List[str], int
    while index < len(text):
        if not text.startswith("${", index):
            out += text[index]
            index += 1
            continue
        depth, end = 0, index
        while end < len(text):
            depth += 1 if text.startswith("${", end) else -1 if text[end] == "}" else 0
            end += 1
            if depth == 0:
                break
        out += "\x00%d\x00" % len(variables)
        variables.append(text[index:end])
        index = end
    return out, variables

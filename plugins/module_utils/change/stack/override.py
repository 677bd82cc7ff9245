# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docker-compose.override.yml as documents: one of ours for each role around the user's own text, which stays byte for byte.

compose merges the documents in order. Ours win over what the user has above them; what he writes below the last line wins over ours.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Container, Dict, List, Mapping, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Replace, ReplaceMap, Reset

FIRST = (
    "# Written by nself.prod, role by role. Your own content stands between the lines that say so, and stays as it is."
)
YOURS = "# nself.prod: yours, as it was; what the roles below set wins over it"
ROLE = "--- # nself.prod: role "
BELOW = "--- # nself.prod: what you add below this line wins over all of the above"
BELOW_KEY = "x-nself-prod-below: {}"
OURS = "x-nself-prod-"
_ROLE = re.compile(r"^--- # nself\.prod: role ([a-z_]+)$", re.M)
_PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_/.-]*\Z")
_SERVICE = re.compile(r'^  ("(?:[^"\\]|\\.)*"|[^\s:"]+):', re.M)
_WORDS = frozenset("true false yes no on off null y n".split())


@dataclass
class Override:
    """The file in its pieces. first: our document that makes the generated files valid; roles: {role: document}; yours, below: text."""

    first: str = ""
    yours: str = ""
    roles: Dict[str, str] = field(default_factory=dict)
    below: str = ""

    def known(self, role: str) -> Dict[str, Any]:
        """Return what a role's document remembers of itself; {} where there is none."""
        found = re.search(r"^%s%s: (\{.*\})$" % (re.escape(OURS), re.escape(role)), self.roles.get(role, ""), re.M)
        try:
            return dict(json.loads(found.group(1))) if found else {}
        except ValueError:
            raise ChangeError(
                "docker-compose.override.yml: the line %s%s is not as it was written; remove that role's document"
                % (OURS, role)
            ) from None


def refuse(text: str, path: str) -> None:
    """Raise ChangeError for a text that is valid by itself, and would not be below a document of ours. path: whose it is."""
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    what, mend = "", ""
    if text.startswith("\ufeff"):
        what, mend = "a byte order mark", "save it as UTF-8 without one (`sed -i '1s/^\\xEF\\xBB\\xBF//' %s`)" % path
    elif first.startswith("%"):
        what, mend = "the directive `%s`" % first[:40].strip(), "take that line out, compose needs none"
    if what:
        raise ChangeError(
            "%s begins with %s, which YAML allows only at the very beginning, where the roles' own lines come: %s. Nothing was changed"
            % (path, what, mend)
        )


def split(text: Optional[str]) -> Override:
    """Take the file apart. A file that is not ours is the user's as a whole."""
    if not text:
        return Override()
    if not text.startswith(FIRST + "\n"):
        return Override(yours=text)
    rest = text[len(FIRST) + 1 :]
    head, mark, rest = rest.partition(YOURS + "\n")
    if not mark:
        raise ChangeError(
            "docker-compose.override.yml: the line `%s` is gone; put it back above your own content" % YOURS
        )
    body, mark, below = rest.partition(BELOW + "\n" + BELOW_KEY + "\n")
    if not mark:
        raise ChangeError(
            "docker-compose.override.yml: the lines `%s` and `%s` are gone; put them back" % (BELOW, BELOW_KEY)
        )
    places = list(_ROLE.finditer(body))
    yours = body[: places[0].start()] if places else body
    roles = {}
    for number, place in enumerate(places):
        end = places[number + 1].start() if number + 1 < len(places) else len(body)
        roles[place.group(1)] = body[place.end() + 1 : end]
    return Override(head, _given_back(yours), roles, below)


def join(override: Override, order: Any) -> str:
    """Return the file's text; order: the roles as their documents are merged. "" where nothing is ours and nothing the user's."""
    if not override.roles and not override.below.strip():
        return override.yours
    out = [FIRST, "\n", override.first or "x-nself-prod: {}\n", YOURS, "\n", _put(override.yours)]
    for role in order:
        if role in override.roles:
            out += [ROLE, role, "\n", override.roles[role]]
    return "".join(out + [BELOW, "\n", BELOW_KEY, "\n", override.below])


def shown(text: str) -> str:
    """Return the file's text for a diff: in what the user wrote may be secrets, so of that only its length is told.

    A URL of his, with a password that is no variable, may have come into a document of ours.
    """
    found = split(text)
    roles = {role: _PASSWORD.sub(r"\1…\2", document) for role, document in found.roles.items()}
    told = Override(found.first, _only_length(found.yours), roles, _only_length(found.below))
    return join(told, list(found.roles)) if text.startswith(FIRST + "\n") else told.yours


def _only_length(text: str) -> str:
    return "# (%d lines of your own, as they are)\n" % len(text.splitlines()) if text.strip() else text


_PASSWORD = re.compile(r"(://[^:/@\s\"]*:)(?!\$\{)[^@\s\"]+(@)")
_OPEN = "--- # yours\n"
_NO_END = "\n# nself.prod: yours ends without a line's end\n"


def _put(yours: str) -> str:
    """Return the user's text so that it is a document: begun where it has content and does not begin itself, and ended by a line's end."""
    begins = has_content(yours) and not re.match(r"(\s*(#[^\n]*)?\n)*---(\s|$)", yours)
    return (_OPEN if begins else "") + yours + ("" if yours.endswith("\n") or not yours else _NO_END)


def _given_back(text: str) -> str:
    text = text[: -len(_NO_END)] if text.endswith(_NO_END) else text
    return text[len(_OPEN) :] if text.startswith(_OPEN) else text


def has_content(text: str) -> bool:
    """Tell whether YAML text holds more than comments and the marks of documents."""
    return any(line.split("#", 1)[0].strip() not in ("", "---", "...") for line in text.splitlines())


def document(fragment: Mapping[str, Any], role: str, known: Mapping[str, Any]) -> str:
    """Return a role's document: what it remembers of itself in one line, then its fragment."""
    return _known_line(role, known) + yaml(fragment)


def _known_line(role: str, known: Mapping[str, Any]) -> str:
    return "%s%s: %s\n" % (OURS, role, json.dumps(known, sort_keys=True))


def services_of(document: str) -> List[str]:
    """Return the services that a role's document names."""
    return [json.loads(name) if name.startswith('"') else name for name, _start, _end in _places(document)]


def without(document: str, role: str, services: Container[str]) -> str:
    """Return a role's document without these services; "" where it says nothing then."""
    places = _places(document)
    names = services_of(document)
    for (_name, start, end), name in reversed(list(zip(places, names))):
        if name in services:
            document = document[:start] + document[end:]
    if places and not _places(document):
        document = document.replace("\nservices:\n", "\n", 1)
    known = Override(roles={role: document}).known(role)
    urls = [entry for entry in known.get("database_urls") or [] if entry["service"] not in services]
    settings = {name: item for name, item in (known.get("postgres_settings") or {}).items() if name not in services}
    shared = {"database_urls": urls, "postgres_settings": settings}
    kept = {key: shared.get(key, item) for key, item in known.items()}
    if kept != known:
        kept = {key: item for key, item in kept.items() if item or key not in shared}
        document = _known_line(role, kept) + document.partition("\n")[2]
    return "" if document == _known_line(role, {"version": 1}) else document


def _places(document: str) -> List[Tuple[str, int, int]]:
    """Return (name as it is written, start, end) of each service in a document that yaml() wrote."""
    begun = re.search(r"^services:\n", document, re.M)
    if not begun:
        return []
    ended = re.compile(r"^\S", re.M).search(document, begun.end())
    end = ended.start() if ended else len(document)
    found = list(_SERVICE.finditer(document, begun.end(), end))
    ends = [place.start() for place in found[1:]] + [end]
    return [(place.group(1), place.start(), stop) for place, stop in zip(found, ends)]


def yaml(value: Mapping[str, Any], indent: int = 0) -> str:
    """Return a mapping as YAML's block style, keys in the order given."""
    pad = "  " * indent
    out = []  # type: list[str]
    for key, item in value.items():
        name = _scalar(str(key))
        if isinstance(item, Mapping) and item:
            tag = " !override" if isinstance(item, ReplaceMap) else ""
            out.append("%s%s:%s\n%s" % (pad, name, tag, yaml(item, indent + 1)))
        elif isinstance(item, (list, tuple)) and item:
            tag = " !override" if isinstance(item, Replace) else ""
            lines = "".join("%s  - %s\n" % (pad, _scalar(entry)) for entry in item)
            out.append("%s%s:%s\n%s" % (pad, name, tag, lines))
        elif isinstance(item, Replace):
            out.append("%s%s: !override []\n" % (pad, name))
        else:
            out.append("%s%s: %s\n" % (pad, name, _scalar(item)))
    return "".join(out)


def _scalar(value: Any) -> str:
    if isinstance(value, Reset):
        return "!reset null"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (Mapping, list, tuple)):
        # YAML's flow style is JSON's.
        return json.dumps(value)
    text = str(value)
    return text if _PLAIN.match(text) and text.lower() not in _WORDS else json.dumps(text, ensure_ascii=False)

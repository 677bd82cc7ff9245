# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hasura's admin secret: which one is to be in force, and who else has to be given it.

It is judged as the audit judges it (AUTH-04). It travels in the project's env files only; the override refers to it by name.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.hasura import strong_enough
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import family_of
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.tables.hasura import ADMIN_SECRET, SECRET_NAMES

FAMILY = family_of(ADMIN_SECRET)
FROM_FILES = "${%s}" % ADMIN_SECRET
# What every reader of an env file, a shell too, takes as it stands.
_SAFE = re.compile(r"[A-Za-z0-9._~+/=:@-]+\Z")
_REFERENCE = re.compile(r"\$\{?%s(?![A-Za-z0-9_])" % ADMIN_SECRET)


@dataclass(frozen=True)
class Choice:
    """The admin secret to be in force. new: whether the env files have to be given it; left: what to tell."""

    value: str
    new: bool = False
    left: Tuple[str, ...] = ()


def judged(value: str) -> Tuple[bool, str]:
    """Return (strong, what it is like) of an admin secret, in words that do not tell it."""
    policy = Policy()
    found = Reducer("").secret(value, FAMILY)
    good, text = strong_enough(found, policy["admin_secret_min_length"], policy["admin_secret_min_bits"])
    return good, text


def choose(given: str, weak: str, now: str, place: str) -> Choice:
    """Return the admin secret to be in force. given: the user's own; weak: replace or keep; now: what the engine has; place: the env file."""
    where = "%s in %s" % (ADMIN_SECRET, place)
    if given:
        strong, text = judged(given)
        if not _SAFE.match(given):
            raise Refused(
                "hasura_admin_secret: letters, digits and . _ ~ + / = : @ - only; `openssl rand -hex 32` makes a good one"
            )
        if not strong:
            raise Refused(
                "hasura_admin_secret is too weak: %s. It takes 32 characters and 128 bits; `openssl rand -hex 32` makes a good one"
                % text
            )
        told = "Hasura's admin secret is the given one now; whoever else uses it (scripts, CI, the hasura CLI) needs it too"
        return Choice(given, given != now, (told,) if given != now else ())
    strong, text = judged(now)
    if strong:
        return Choice(now)
    if weak == "keep":
        return Choice(now, False, ("Hasura's admin secret stays as it is although %s: set hasura_admin_secret" % text,))
    told = "Hasura's admin secret was replaced, as %s: read %s. Whoever else uses it (scripts, CI, the hasura CLI) needs the new one"
    return Choice(secrets.token_hex(32), True, (told % (text, where),))


def refers(raw: Any) -> bool:
    """Tell whether a value of a compose file is filled with the admin secret of the env files: ${NAME}, ${NAME:-…}, $NAME."""
    return bool(_REFERENCE.search(str(raw or "").replace("$$", "")))


def now_of(
    raw: Mapping[str, Any], model: Mapping[str, Any], settings: Mapping[str, str], running: Mapping[str, str]
) -> str:
    """Return the admin secret that an engine has, as far as the project's own files and our last change say.

    raw, model: its environment in the compose files, as written and as filled in; settings: the env files; running: its container's.
    """
    ours = settings.get(ADMIN_SECRET, "")
    if not refers(raw.get(ADMIN_SECRET)) and ours and running.get(ADMIN_SECRET) == ours:
        return ours
    return str(model.get(ADMIN_SECRET) or "")


def references(
    engine: bool,
    raw: Mapping[str, Any],
    model: Mapping[str, Any],
    running: Mapping[str, str],
    now: str,
    choice: Choice,
) -> Dict[str, str]:
    """Return the entries by which a service is given the admin secret of the env files, where its own would be another one.

    engine: whether it is Hasura itself. A service with a strong secret of its own under that name talks to somebody else.
    """
    out: Dict[str, str] = {}
    names = [name for name in model if family_of(name) == FAMILY]
    if engine and ADMIN_SECRET not in names:
        names.append(ADMIN_SECRET)
    for name in names:
        value = str(model.get(name) or "")
        if refers(raw.get(name)) or value == choice.value:
            continue
        had = choice.new and value == now
        ours = bool(choice.value) and running.get(name) == choice.value
        poor = name in SECRET_NAMES and bool(choice.value) and not judged(value)[0] and judged(choice.value)[0]
        if had or ours or poor:
            out[name] = FROM_FILES
    return out


def told_elsewhere(old: str, texts: Mapping[str, Optional[str]]) -> Tuple[str, ...]:
    """Return the files that hold an admin secret which is no longer in force. texts: {file: its text}."""
    return tuple(sorted(name for name, text in texts.items() if len(old) > 3 and old in (text or "")))

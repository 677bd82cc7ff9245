# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Into which env files of a project a secret goes, so that no line of nself takes an older one from another file at its next start."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.files import TEMPLATES, git_of
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.change.changes import text_of
from ansible_collections.nself.prod.plugins.module_utils.change.stack import env_text
from ansible_collections.nself.prod.plugins.module_utils.deployment.env_chain import environment_name, files_of_1x
from ansible_collections.nself.prod.plugins.module_utils.deployment.guide import is_variable
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, exists, names_in
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv

# What nself makes of the others, and the file that its first 1.x read last of all.
MADE = (".env.runtime", ".env.computed", ".env.ai")
_ENV = re.compile(r"\.env\.[A-Za-z0-9_.-]+\Z")
_COPY = re.compile(r"[._-](bak|backup|old|orig|save|saved|swp|tmp|copy)([._-]|\Z)|\d{6}", re.I)


def environment_of(stack: Any) -> str:
    """Return the name of the environment that a project runs as."""
    return environment_name(dotenv.parse(stack.read(".env") or "").values, {})


def is_env_file(name: str) -> bool:
    """Tell whether a name is an env file's beside `.env`: neither a template nor somebody's copy."""
    return bool(_ENV.match(name)) and not TEMPLATES.search(name) and not _COPY.search(name)


def places(stack: Any, settings: Mapping[str, str], started: Sequence[str]) -> Tuple[Dict[str, List[str]], List[str]]:
    """Return ({env file: the names that are set in it}, what to tell). started: the env files that the stack was started with.

    `.env` and those that started the stack take all. Another file that a start of this environment may read takes the replaced ones that
    it has already. What is for other environments keeps what it has.
    """
    out = {path: list(settings) for path in env_text.targets(list(started), stack.directory)}
    known = {stack.host.realpath(path) for path in out}
    replaced = {name for name, value in settings.items() if stack.variables.get(name) != value}
    read = files_of_1x(environment_of(stack)) + MADE
    left: List[str] = []
    others: Dict[str, List[str]] = {}
    for file in names_in(stack.host, stack.directory) if settings else []:
        path = stack.path(file)
        if not is_env_file(file) or not exists(stack.host, path) or stack.host.stat(path).kind != "file":
            continue
        if stack.host.realpath(path) in known:
            continue
        values = dotenv.parse(text_of(stack.host, path) or "").values
        differing = sorted(name for name, value in settings.items() if values.get(name, value) != value)
        filled = [name for name in differing if not is_variable(values[name])]
        stay = [name for name in filled if name not in replaced]
        if file in read:
            # Also one that waits to be filled in: it would be, with something else.
            found = [name for name in differing if name in replaced]
            out.update({path: found} if found else {})
            if stay:
                left.append(
                    "%s has another %s than .env. Older lines of nself read .env last, and 1.x that file: take it out there"
                    % (file, ", ".join(stay))
                )
        else:
            for name in [name for name in filled if name in replaced]:
                others.setdefault(name, []).append(file)
    for name, files in others.items():
        left.append(
            "%s is a new one; another stays in %s, which no start of this environment takes it from"
            % (name, ", ".join(files))
        )
    return out, left


def in_git(stack: Any, paths: Sequence[str]) -> List[str]:
    """Return what to tell of env files that get a secret and that git has, or would take."""
    try:
        found = git_of(stack.host, stack.directory, list(paths))
    except (Missing, HostError) as error:
        return ["git could not be asked whether it has the env files, which hold new secrets: %s" % error]
    if not found:
        return []
    told = [("is tracked by git: `git rm --cached %s` and ignore it", found["tracked"])]
    told.append(("is not ignored by git: ignore it", found["not_ignored"]))
    return [
        "%s holds a new secret and %s" % (name, text % name if "%s" in text else text)
        for text, names in told
        for name in names
    ]

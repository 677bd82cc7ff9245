# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which compose files and env files a project was started with, and whether its next start reads the override that the roles write."""

from __future__ import annotations

import calendar
import posixpath
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, text_of
from ansible_collections.nself.prod.plugins.module_utils.change.stack import env_text
from ansible_collections.nself.prod.plugins.module_utils.change.stack import override as overrides
from ansible_collections.nself.prod.plugins.module_utils.deployment import compose as models
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import LABEL
from ansible_collections.nself.prod.plugins.module_utils.deployment.interpolate import InterpolationError, interpolate
from ansible_collections.nself.prod.plugins.module_utils.host import exists
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv

_NAME, _SEPARATOR = "COMPOSE_FILE", "COMPOSE_PATH_SEPARATOR"


def labels(item: Mapping[str, Any]) -> Dict[str, str]:
    """Return the labels of a container, as docker inspect tells of it."""
    return (item.get("Config") or {}).get("Labels") or {}


def files(host: Any, directory: str, inspected: Sequence[Mapping[str, Any]]) -> Tuple[List[str], str]:
    """Return the compose files that the project was started with, and where its override is to be."""
    overridden = [posixpath.join(directory, name) for name in models.OVERRIDE_NAMES]
    there = [path for path in overridden if exists(host, path)]
    told = [labels(item).get(LABEL + "project.config_files", "") for item in inspected]
    started = [path for path in max(told, key=len, default="").split(",") if path]
    base = [path for path in started if path not in overridden and exists(host, path)]
    base = base or _own(host, directory)
    if not base:
        raise ChangeError("%s has no docker-compose.yml; run `nself build` there" % directory)
    # As compose itself looks: the first name that is there.
    return base, there[0] if there else posixpath.join(directory, "docker-compose.override.yml")


def env_files(host: Any, directory: str, inspected: Sequence[Mapping[str, Any]]) -> List[str]:
    """Return the env files that the project was started with, as its containers' labels say; `.env` where they say none."""
    for item in _newest_first(inspected):
        told = [path for path in labels(item).get(LABEL + "project.environment_file", "").split(",") if path]
        if told and all(exists(host, path) for path in told):
            return told
    return [path for path in (posixpath.join(directory, ".env"),) if exists(host, path)]


def unread(stack: Any, inspected: Sequence[Mapping[str, Any]]) -> str:
    """Return why the next start does not read the override as it is meant, and what to do; "" where it does.

    An override of the user's own that was written after the last start is one that waits for the next, and no reason.
    """
    told = _told(stack)
    problems = [_of_setting(stack, *setting) for setting in told]
    if not told:
        problems = [_of_start(stack, _newest_first(inspected))]
    return next((problem for problem in problems if problem), "")


def _own(host: Any, directory: str) -> List[str]:
    """Return the file that compose takes by itself, as a list."""
    paths = [posixpath.join(directory, name) for name in models.FILE_NAMES]
    return [path for path in paths if exists(host, path)][:1]


def _told(stack: Any) -> List[Tuple[List[str], str, str]]:
    """Return (files, where it says so, what is between them) of every COMPOSE_FILE among the ways of starting the project."""
    sets = [dict(stack.chain)]
    texts = {path: dotenv.parse(text_of(stack.host, path) or "").values for path in _every(stack)}
    for paths in stack.env_sets().values():
        merged: Dict[str, str] = {}
        for path in paths:
            merged.update(texts[path])
        sets.append(merged)
    out: List[Tuple[List[str], str, str]] = []
    for variables in sets:
        value = variables.get(_NAME, "")
        where = [posixpath.basename(path) for path, values in texts.items() if value and values.get(_NAME) == value]
        try:
            value = str(interpolate(value, variables))
        except InterpolationError:
            pass  # compose is asked with every set of env files later on, and says so itself
        between = variables.get(_SEPARATOR) or ":"
        names = [name for name in value.split(between) if name]
        found = ([stack.path(name) for name in names], where[0] if where else "the env files", between)
        if names and found not in out:
            out.append(found)
    return out


def _every(stack: Any) -> List[str]:
    return list(dict.fromkeys(path for paths in stack.env_sets().values() for path in paths))


def _of_setting(stack: Any, listed: Sequence[str], where: str, between: str) -> str:
    """Return what is wrong with a COMPOSE_FILE."""
    told = "%s in %s" % (_NAME, where)
    base = [path for path in listed if posixpath.basename(path) not in models.OVERRIDE_NAMES]
    if _real(stack.host, base) != _real(stack.host, stack.base):
        return "%s names %s, and the stack was started with %s: start it again as the files now say first%s" % (
            told,
            _short(stack, listed),
            _short(stack, stack.base),
            _NOTHING,
        )
    what = "%s names %s" % (told, _short(stack, listed))
    return _of_list(stack, listed, what, "put %%s into %s" % where, between)


def _of_start(stack: Any, newest: Sequence[Mapping[str, Any]]) -> str:
    """Return what is wrong with the files that the stack was started with last, where no COMPOSE_FILE says which they are."""
    for item in newest:
        listed = [path for path in labels(item).get(LABEL + "project.config_files", "").split(",") if path]
        if listed and all(exists(stack.host, path) for path in listed):
            break
    else:
        return ""
    by_itself = _real(stack.host, listed) == _real(stack.host, _own(stack.host, stack.directory))
    if by_itself and not _left_out(stack, _seconds(str(item.get("Created")))):
        return ""
    what = "the stack was started with %s alone" % _short(stack, listed)
    return _of_list(stack, listed, what, "put %s into .env and start it without -f")


def _left_out(stack: Any, made: float) -> bool:
    """Tell whether an override lay there already when the newest container was made without it."""
    return exists(stack.host, stack.override_path) and stack.host.stat(stack.override_path).mtime < made


def _of_list(stack: Any, listed: Sequence[str], what: str, put: str, between: str = ":") -> str:
    """Return what is wrong with a list of compose files. what: where it comes from; put: where the right one goes, with a %s for it."""
    places = _real(stack.host, listed)
    mine = _real(stack.host, [stack.override_path])[0]
    if places[-1:] == [mine]:
        return ""
    right = [path for path in listed if posixpath.basename(path) not in models.OVERRIDE_NAMES] + [stack.override_path]
    name = posixpath.basename(stack.override_path)
    reason = (
        "so %s, which the roles write, does not have the last word"
        if mine in places
        else "so its next start would not read %s, which the roles write"
    ) % name
    own = stack.override.yours + "\n" + stack.override.below
    lies = ""
    if mine not in places and overrides.has_content(own):
        lies = " (what you have written into %s yourself then counts too: move it away where it is not meant)" % name
    line = "%s=%s" % (_NAME, env_text.quoted(_NAME, between.join(_relative(stack, path) for path in right)))
    return "%s, %s: %s%s, then run again%s" % (what, reason, put % line, lies, _NOTHING)


_NOTHING = "; nothing was changed"


def _short(stack: Any, paths: Sequence[str]) -> str:
    return ", ".join(_relative(stack, path) for path in paths)


def _relative(stack: Any, path: str) -> str:
    folder = stack.directory.rstrip("/") + "/"
    return path[len(folder) :] if path.startswith(folder) else path


def _real(host: Any, paths: Sequence[str]) -> List[str]:
    """Return paths as they are without links, as far as they are there."""
    return [host.realpath(posixpath.normpath(path)) for path in paths]


def _newest_first(inspected: Sequence[Mapping[str, Any]]) -> List[Mapping[str, Any]]:
    return sorted(inspected, key=lambda item: str(item.get("Created")), reverse=True)


def _seconds(created: Optional[str]) -> float:
    """Return Docker's time, which is UTC, in seconds since the epoch; 0.0 where it tells none."""
    try:
        return float(calendar.timegm(time.strptime(str(created)[:19], "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        return 0.0

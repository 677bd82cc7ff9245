# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which location of a server serves a path, found as nginx finds it.

An exact location wins; else the longest prefix is remembered, and expressions are tried in their order unless it says ^~; nested
locations are searched in the same way before the expressions beside their parent.
https://nginx.org/en/docs/http/ngx_http_core_module.html#location
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_context import nearest
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import Directive, named

MOST_REWRITES = 10  # as nginx: then it answers 500
LONGEST_PATTERN, LONGEST_PATH = 500, 2000
# While an expression is tried nothing else runs here, no deadline either, so its steps are bounded before: about 20 ms.
MOST_STEPS = 1000000
_ATOM = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:P?<\w+>|[:=!]|<[=!]))?|(?:[*+?]|\{\d*,?\d*\})[?+]?|.", re.S
)
# Sets within sets, [[:digit:]] among them, mean something else here than in PCRE.
_OTHERWISE = re.compile(r"\[\[|\[:|--|&&|\|\||~~")
_MODIFIERS = ("=", "^~", "~*", "~")
# What Lua does before a request is passed on; what it does to the answer is another matter.
_LUA = re.compile(r"^(?:server_rewrite|rewrite|access|precontent|content|set)_by_lua")
_PASSING = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass", "grpc_pass")
_REDIRECTS = ("redirect", "permanent")


class Unclear(ValueError):
    """Where a path goes cannot be told from the configuration. The message says why and quotes nothing."""


@dataclass(frozen=True)
class Served:
    """The location that serves a path. blocks: the server's directives and those of each location, outermost first.

    location: the innermost one, None for the server itself; path: as it stands after rewrites; settled: a `rewrite … break`
    chose it, so that it is passed on as it is; answered: a `return` ends it there, so that nothing behind it is asked.
    """

    blocks: Tuple[Sequence[Directive], ...]
    location: Optional[Directive]
    path: str
    settled: bool = False
    answered: bool = False


def pattern_of(location: Directive) -> Tuple[str, str]:
    """Return a location's (modifier, pattern). nginx lets them stand together, as in `location =/x`."""
    if len(location.args) >= 2:
        return location.args[0], location.args[1]
    for modifier in _MODIFIERS:
        if location.first.startswith(modifier):
            return modifier, location.first[len(modifier) :]
    return "", location.first


def serve(server: Directive, path: str) -> Optional[Served]:
    """Return what serves a path; None where a redirect or an error answers. Raises Unclear."""
    return _from_the_start(server.block or (), path, False)


def resume(server: Directive, target: str, path: str) -> Optional[Served]:
    """Return what serves a request for a path that nginx itself sends on to another one or, as try_files can, to a @name.

    Raises Unclear.
    """
    body = server.block or ()
    if not target.startswith("@"):
        return _from_the_start(body, target, True)
    found = [item for item in named(body, "location") if item.first == target]
    return _followed(body, path, True, False, found[0]) if found else None


def _from_the_start(body: Sequence[Directive], path: str, inside: bool) -> Optional[Served]:
    path, flag, changed = _rewritten(body, path)
    if flag == "return":
        return Served((body,), None, path, answered=True)
    return None if flag in _REDIRECTS else _followed(body, path, inside or changed, flag == "break" and changed)


def _followed(
    body: Sequence[Directive], path: str, inside: bool, settled: bool, first: Optional[Directive] = None
) -> Optional[Served]:
    """Go from location to location. inside: nginx itself asks, so that what is internal is open; first: where to begin."""
    for turn in range(MOST_REWRITES + 1):
        try:
            found = [first] if first is not None and turn == 0 else _find(body, path)
        except _Redirected:
            return None
        blocks = (body,) + tuple(location.block or () for location in found)
        if not found:
            return Served(blocks, None, path, settled)
        if not inside and nearest(blocks, "internal"):
            return None  # a client cannot ask for it, only a rewrite leads here
        path, flag, changed = _rewritten(found[-1].block or (), path)
        if flag in _REDIRECTS:
            return None
        settled = settled or (flag == "break" and changed)
        if flag in ("break", "return") or not changed:
            return Served(blocks, found[-1], path, settled, flag == "return")
        inside = True
    return None


class _Redirected(Exception):
    """nginx sends the client elsewhere."""


def _find(body: Sequence[Directive], path: str) -> List[Directive]:
    return _search(body, path)[0]


def _lacks_a_slash(locations: Sequence[Tuple[Tuple[str, str], Directive]], path: str) -> bool:
    """Tell whether nginx redirects /x to /x/: it does for a location /x/ that passes on, unless there is one for /x."""
    literal = [(pattern, item) for (modifier, pattern), item in locations if modifier in ("", "=", "^~")]
    return all(pattern != path for pattern, _item in literal) and any(
        pattern == path + "/" and any(entry.name in _PASSING for entry in item.block or ()) for pattern, item in literal
    )


def _search(body: Sequence[Directive], path: str) -> Tuple[List[Directive], bool]:
    """Return the locations that serve a path, outermost first, and whether that ends the search."""
    locations = [(pattern_of(item), item) for item in named(body, "location") if not item.first.startswith("@")]
    for (modifier, pattern), item in locations:
        if modifier == "=" and pattern == path:
            return [item], True
    if _lacks_a_slash(locations, path):
        raise _Redirected
    prefixes = [
        (pattern, modifier, item)
        for (modifier, pattern), item in locations
        if modifier in ("", "^~") and path.startswith(pattern)
    ]
    found: List[Directive] = []
    final = False
    if prefixes:
        _pattern, modifier, item = max(prefixes, key=lambda entry: len(entry[0]))
        inner, final = _search(item.block or (), path)
        found = [item] + inner
        if final:
            return found, True
        if modifier == "^~":
            return found, False
    for (modifier, pattern), item in locations:
        if modifier in ("~", "~*") and matches(pattern, path, modifier == "~*"):
            return [item] + _search(item.block or (), path)[0], True
    return found, False


def matches(pattern: str, text: str, loose: bool = False) -> "Optional[re.Match[str]]":
    """Return how an expression matches. Raises Unclear for one that this language does not have or must not try."""
    if len(pattern) > LONGEST_PATTERN or len(text) > LONGEST_PATH or _OTHERWISE.search(pattern):
        raise Unclear("an expression is too intricate to be followed")
    if _steps(pattern, len(text)) > MOST_STEPS:
        raise Unclear("an expression may take too long to be followed")
    try:
        # PCRE writes named groups both ways, Python the one with P only.
        return re.search(re.sub(r"\(\?<(?![=!])", "(?P<", pattern), text, re.I if loose else 0)
    except (re.error, OverflowError, RecursionError):
        raise Unclear("an expression is not understood") from None


def _steps(pattern: str, length: int) -> float:
    """Return how many ways there may be to match a text of this length. Raises Unclear for a repeat of what has a choice itself."""
    steps = 1.0 if pattern.startswith("^") else length + 1.0
    choices = [False]  # of each open group: whether what it matches may be of several lengths or kinds
    kinds = [1]  # of each open group
    closed = False  # whether the group that ends here is so
    for atom in _ATOM.findall(pattern):
        ended, closed = closed, False
        if atom[0] == "(":
            choices.append(False)
            kinds.append(1)
        elif atom == ")" and len(choices) > 1:
            closed = choices.pop()
            steps *= kinds.pop()
            choices[-1] = choices[-1] or closed
        elif atom[0] in "*+" or (atom[0] == "{" and "," in atom):
            if ended:
                raise Unclear("an expression is too intricate to be followed")
            steps *= length + 1.0
            choices[-1] = True
        elif atom[0] == "{" and len(atom) > 1 and ended:
            raise Unclear("an expression is too intricate to be followed")
        elif atom[0] == "?":
            steps *= 2.0
            choices[-1] = True
        elif atom == "|":
            kinds[-1] += 1
            choices[-1] = True
        if steps > MOST_STEPS:
            break
    return steps * kinds[0]


def _rewritten(body: Sequence[Directive], path: str) -> Tuple[str, str, bool]:
    """Return a path after the rewrite directives of one block, the flag that ended them, and whether any of them matched.

    What matches counts as a change even where it leaves the path as it was: nginx then searches for a location once more.
    """
    changed = False
    for item in body:
        if item.name == "if" and any(inner.name == "rewrite" for inner in item.block or ()):
            raise Unclear("a rewrite depends on a condition")
        if _LUA.match(item.name):
            raise Unclear("a program in Lua decides")
        if item.name in ("break", "return"):
            return path, item.name, changed
        if item.name != "rewrite" or len(item.args) < 2:
            continue
        found = matches(item.args[0], path)
        if not found:
            continue
        flag = item.args[2] if len(item.args) > 2 else ""
        if flag in _REDIRECTS or re.match(r"^(?:https?://|\$scheme)", item.args[1]):
            return path, "redirect", changed
        path, changed = _filled(item.args[1].partition("?")[0], found), True
        if flag:
            return path, flag, changed
    return path, "", changed


def _filled(template: str, found: "re.Match[str]") -> str:
    """Return a replacement with its captures. Raises Unclear where it holds another variable."""

    def capture(variable: "re.Match[str]") -> str:
        number = int(variable.group(1))
        return (found.group(number) or "") if number <= (found.re.groups or 0) else ""

    out = re.sub(r"\$\{?([1-9])\}?", capture, template)
    if "$" in out:
        raise Unclear("a rewrite depends on the request")
    return out

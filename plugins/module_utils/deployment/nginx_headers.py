# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The headers that nginx really adds at each place of its configuration.

One add_header in a block drops all those of the blocks around it, which is why headers that stand in http are so often lost.
`add_header_inherit merge` of nginx 1.29.3 keeps them. https://nginx.org/en/docs/http/ngx_http_headers_module.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_context import Block
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_locations import pattern_of
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import Directive, named

INHERIT = "add_header_inherit"
# Blocks within a location that answer for themselves: an `if` that holds inherits like a location.
_INNER = ("location", "if", "limit_except")


@dataclass(frozen=True)
class Place:
    """A server, or a location in it, that answers. location: "" for the server itself.

    headers: what it adds, by the name in lower case; always: whether that holds for errors too; answer: the status of its own
    `return`, "" where it has none.
    """

    location: str
    headers: Dict[str, str] = field(default_factory=dict)
    always: Dict[str, bool] = field(default_factory=dict)
    answer: str = ""


def places_of(http: Block, server: Directive) -> List[Place]:
    """Return every place of a server that answers, with the headers in force there."""
    held, mode = _inherited(http, [], "on")
    return list(_places(server, "", held, mode))


def _places(block: Directive, name: str, held: Sequence[Directive], mode: str) -> Iterator[Place]:
    body = block.block or ()
    found, inherited = _inherited(body, held, mode)
    if not (block.name == "server" and _catches_all(body)):
        yield _place(name, found, body)
    for item in body:
        if item.block is None or item.name not in _INNER or item.first.startswith("@"):
            continue
        if item.name == "location":
            inner = " ".join(part for part in pattern_of(item) if part)
        elif any(entry.name in ("add_header", "return", INHERIT) for entry in item.block):
            inner = (name + " " + item.name).strip()
        else:
            continue
        yield from _places(item, inner, found, inherited)


def _catches_all(body: Block) -> bool:
    """Tell whether some location serves every path, so that the server itself never answers."""
    return not named(body, "return") and any(
        pattern_of(item) in (("", "/"), ("^~", "/")) for item in named(body, "location") if item.args
    )


def _inherited(body: Block, held: Sequence[Directive], mode: str) -> Tuple[List[Directive], str]:
    """Return the add_header directives in force in a block and the mode that holds within it."""
    said = named(body, INHERIT)
    mode = said[-1].first if said else mode
    own = [item for item in named(body, "add_header") if len(item.args) >= 2]
    if mode == "merge":
        return list(held) + own, mode
    if mode == "off":
        return own, mode
    return own or list(held), mode


def _place(name: str, found: Sequence[Directive], body: Block) -> Place:
    headers: Dict[str, str] = {}
    always: Dict[str, bool] = {}
    for item in found:
        key, text = item.first.lower(), item.args[1]
        if not text:
            continue  # nginx sends no empty header
        headers[key] = "%s, %s" % (headers[key], text) if key in headers else text
        always[key] = always.get(key, True) and "always" in item.args[2:]
    answers = [item.first if item.first.isdigit() else "302" for item in named(body, "return")]
    return Place(name, headers, always, answers[0] if answers else "")

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of facts that collectors write and judges read.

A tree is plain data (dict, list, str, int, float, bool, None) with one extra leaf, `Unread`, that stands where a fact could not be
read. None is a reading ("looked, nothing there"); an absent key or an Unread leaf is not, and reading it raises Missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason


@dataclass(frozen=True)
class Unread:
    """A leaf that could not be read. reason: one of Reason.ALL; detail: one line, free of secrets."""

    reason: str = Reason.ERROR
    detail: str = ""


class Record:
    """A dict of facts with its path, read by dotted path.

    A dict may be a free-form map (an environment, say): read it whole, its keys then mean what they mean.
    """

    __slots__ = ("_tree", "_path")

    def __init__(self, tree: Dict[str, Any], path: str = "") -> None:
        self._tree = tree
        self._path = path

    def read(self, path: str) -> Any:
        """Return the value at a dotted path. Raises Missing where there is none or it could not be read."""
        node: Any = self._tree
        walked = self._path
        for part in path.split("."):
            walked = walked + "." + part if walked else part
            if isinstance(node, Unread):
                break
            if not isinstance(node, dict) or part not in node:
                raise Missing(walked, Reason.ERROR, "not collected")
            node = node[part]
        if isinstance(node, Unread):
            raise Missing(walked, node.reason, node.detail)
        return node

    def record(self, path: str) -> "Record":
        """Return the dict at a dotted path as a Record. Raises Missing like read()."""
        return Record(self.read(path), self._join(path))

    def records(self, path: str) -> List["Record"]:
        """Return the list of dicts at a dotted path as Records. Raises Missing, also for an unread item."""
        items = self.read(path)
        base = self._join(path)
        out = []
        for number, item in enumerate(items):
            where = "%s[%d]" % (base, number)
            if isinstance(item, Unread):
                raise Missing(where, item.reason, item.detail)
            out.append(Record(item, where))
        return out

    def _join(self, path: str) -> str:
        return self._path + "." + path if self._path else path


class Facts(Record):
    """The root of the tree: one key a collector."""

    __slots__ = ()


def unread_leaves(tree: Any, path: str = "") -> Iterator[Missing]:
    """Yield a Missing for each Unread leaf below tree, in order."""
    if isinstance(tree, Unread):
        yield Missing(path, tree.reason, tree.detail)
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from unread_leaves(value, path + "." + str(key) if path else str(key))
    elif isinstance(tree, (list, tuple)):
        for number, value in enumerate(tree):
            yield from unread_leaves(value, "%s[%d]" % (path, number))

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration as a service's container will read it: from the project's files, by the mounts of the compose model."""

from __future__ import annotations

import fnmatch
import posixpath
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, text_of
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.tables.nginx import (
    HEADERS,
    HEADERS_FILE,
    HEADERS_PATTERN,
    HOME,
    line_of,
    pattern_of,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import http_of
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import nginx as parse

MAIN = HOME + "/nginx.conf"
# Generated in every project, so a copy may stand in its place though a pattern includes it.
ALWAYS = (HOME + "/conf.d/default.conf",)


class Configuration:
    """What nginx reads. texts: {path in the container: text}; fixed: paths of which a copy may take the place, as they have to be there anyway."""

    def __init__(self, stack: Any, service: str) -> None:
        self._stack = stack
        self._mounts = _mounts(stack.services[service])
        self.texts: Dict[str, str] = {}
        self.fixed = {MAIN}
        main = self._text(MAIN)
        if main is None:
            raise Refused(
                "%s of the service %s comes from no file of this host, so it cannot be hardened; run `nself build`, or mount one there"
                % (MAIN, service)
            )
        self.texts[MAIN] = main
        try:
            self.tree = parse.load(main, MAIN, self._include)
        except parse.ParseError as error:
            raise Refused("nginx's configuration is not understood: %s" % self.shown(str(error))) from None
        self.http = http_of(self.tree)

    def source(self, path: str) -> str:
        """Return the host's path of what stands at a path of the container, "" where that is not on the host."""
        for target, source in self._mounts:
            if path == target or path.startswith(target + "/"):
                return posixpath.normpath(source + path[len(target) :])
        return ""

    def editable(self, path: str) -> bool:
        """Tell whether a file may be changed in its place: a real one of the project."""
        source = self.source(path)
        if path not in self.texts or not source.startswith(self._stack.directory.rstrip("/") + "/"):
            return False
        return bool(self._stack.host.stat(source, follow=False).kind == "file")

    def shown(self, text: str) -> str:
        """Return a text that names files of the container with the names that they have in the project."""
        inside = self._stack.directory.rstrip("/") + "/"
        for path in sorted(self.texts, key=len, reverse=True):
            source = self.source(path)
            text = text.replace(path, source[len(inside) :] if source.startswith(inside) else source or path)
        return text

    def place(self, item: parse.Directive) -> str:
        """Return where a directive stands, for people."""
        return self.shown("%s line %d" % (item.file, item.line))

    def _include(self, pattern: str) -> List[Tuple[str, str]]:
        path = posixpath.join(HOME, pattern)
        if path in (HEADERS_FILE, HEADERS_PATTERN):
            # Of an earlier run, or of somebody who followed our advice. What is in it is ours, and here only the names count.
            return [(HEADERS_FILE, "".join(line_of(header) + "\n" for header in HEADERS))]
        for header in HEADERS:
            if path == pattern_of(header):
                return [(path.replace("*", ""), line_of(header) + "\n")]
        patterned = any(char in path for char in "*?[")
        out = []
        for found in self._matching(path) if patterned else [path]:
            text = self._text(found)
            if text is None:
                continue  # a file of the image, such as mime.types
            self.texts[found] = text
            if not patterned or found in ALWAYS:
                self.fixed.add(found)
            out.append((found, text))
        return out

    def _matching(self, pattern: str) -> List[str]:
        folder, name = posixpath.split(pattern)
        source = self.source(folder)
        if not source or any(char in folder for char in "*?["):
            return []
        try:
            names = self._stack.host.listdir(source)
        except NotFound:
            return []
        return [
            posixpath.join(folder, item)
            for item in sorted(names)
            if fnmatch.fnmatchcase(item, name) and not item.startswith(".")
        ]

    def _text(self, path: str) -> Optional[str]:
        source = self.source(path)
        if not source:
            return None
        try:
            return text_of(self._stack.host, source)
        except ChangeError as error:
            raise Refused("nginx's configuration cannot be read: %s" % error) from error


def _mounts(service: Mapping[str, Any]) -> Sequence[Tuple[str, str]]:
    """Return the (target, source) of a service's folders and files of the host, the deepest target first."""
    found = []
    for item in service.get("volumes") or []:
        if isinstance(item, Mapping) and item.get("type") == "bind" and item.get("source"):
            found.append((str(item["target"]).rstrip("/"), str(item["source"]).rstrip("/")))
        elif isinstance(item, str) and item.startswith("/"):
            source, _colon, rest = item.partition(":")
            found.append((rest.partition(":")[0].rstrip("/"), source.rstrip("/")))
    return sorted(found, key=lambda pair: -len(pair[0]))

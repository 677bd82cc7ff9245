# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of sshd's configuration as they would be: one tree, read as sshd reads it, with ours first and nothing against it."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import shlex
import tempfile
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import ssh_config
from ansible_collections.nself.prod.plugins.module_utils.change import sshd_wish
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.tables import sshd as table
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo
from ansible_collections.nself.prod.plugins.module_utils.parse import sshd

INCLUDE_LINES = "# nself.prod: first, since sshd takes the first value that it meets.\nInclude %s\n" % table.INCLUDE


class Entry(NamedTuple):
    """One directive where it stands, in the order of reading. keyword: lower-case; in_match: it holds for some logins only."""

    path: str
    line: int
    keyword: str
    value: str
    in_match: bool

    @property
    def place(self) -> str:
        return "%s:%d" % (self.path, self.line)


class Overlay:
    """A host's files with other texts in place of some, which need not exist yet. To read from only."""

    def __init__(self, host: Any, texts: Mapping[str, str]) -> None:
        self._host = host
        self.texts = dict(texts)

    def read(self, path: str) -> str:
        return self.texts[path] if path in self.texts else str(self._host.read(path))

    def stat(self, path: str, follow: bool = True) -> Any:
        if path in self.texts:
            return FileInfo(0o600, 0, 0, len(self.texts[path]), 0.0, "file")
        return self._host.stat(path, follow)

    def listdir(self, path: str) -> List[str]:
        ours = {os.path.basename(name) for name in self.texts if os.path.dirname(name) == path}
        try:
            return sorted(ours.union(self._host.listdir(path)))
        except Exception:
            if ours:
                return sorted(ours)
            raise


def walk(
    files: Any, places: List[Dict[str, Any]], path: str = table.CONFIG, in_match: bool = False, depth: int = 0
) -> Iterator[Entry]:
    """Yield every directive in the order in which sshd reads it; add to places what ssh_config.note() says of the files and
    directories. Raises HostError, ChangeError."""
    if depth > ssh_config.DEPTH:
        raise ChangeError("%s: too many nested Include lines for sshd" % path)
    ssh_config.note(files, path, places)
    for number, line in enumerate(files.read(path).split("\n"), 1):
        keyword, rest = sshd.directive(line)
        if not keyword:
            continue
        try:
            arguments = shlex.split(rest, comments=True)
        except ValueError as error:
            raise ChangeError("%s:%d: %s. Correct that line: sshd refuses it too" % (path, number, error)) from error
        yield Entry(path, number, keyword, " ".join(arguments), in_match)
        if keyword == "match":
            in_match = True
        elif keyword == "include":
            for pattern in arguments:
                for included in ssh_config.expand(files, os.path.join("/etc/ssh", pattern), places):
                    # A Match block of an included file ends with it.
                    yield from walk(files, places, included, in_match, depth + 1)


def with_include(text: str) -> str:
    """Return sshd_config with the drop-ins included before everything else, and only there."""
    lines = text.split("\n")
    directives = [(index,) + sshd.directive(line) for index, line in enumerate(lines)]
    directives = [each for each in directives if each[1]]
    if directives and directives[0][1] == "include" and _reaches(directives[0][2], any):
        directives, head = directives[1:], ""
    else:
        head = INCLUDE_LINES
    for index, keyword, rest in directives:
        if keyword == "match":
            break
        if keyword == "include" and _reaches(rest, all):
            # Read a second time it would bind the ports twice.
            lines[index] = table.MARKER + lines[index]
    return head + "\n".join(lines)


def _reaches(rest: str, how: Any) -> bool:
    """Return whether any or all patterns of an Include line name our drop-in."""
    patterns = [os.path.join("/etc/ssh", pattern) for pattern in shlex.split(rest, comments=True)]
    return bool(patterns) and how(fnmatch.fnmatchcase(table.DROP_IN, pattern) for pattern in patterns)


def against(entries: Sequence[Entry], wish: Mapping[str, Sequence[str]]) -> List[Entry]:
    """Return the directives of other files that would win over ours or add to them. wish: values() of our directives."""
    found: Dict[Any, Entry] = {}
    ours_read = False
    for entry in entries:
        keyword = sshd_wish.plain_name(entry.keyword)
        if entry.path == table.DROP_IN:
            ours_read = True
        elif keyword in wish and _wins(entry, keyword, wish[keyword], ours_read):
            found.setdefault((entry.path, entry.line), entry)
    return list(found.values())


def _wins(entry: Entry, keyword: str, wished: Sequence[str], ours_read: bool) -> bool:
    if keyword in table.HARMLESS:
        return False
    if entry.in_match:
        return not sshd_wish.strict_enough(keyword, entry.value, wished)
    if keyword == "subsystem":
        return entry.value.split(" ")[0] in [value.split()[0] for value in wished]
    if keyword in table.ONCE:
        return True
    if keyword in table.ADDED:
        known = {word for value in wished for word in value.split()}
        return not set(entry.value.split()) <= known
    return not ours_read and entry.value.lower() != " ".join(" ".join(wished).split()).lower()


def without(text: str, numbers: Sequence[int]) -> str:
    """Return a text with these lines taken out of force, by a mark that says who did it."""
    lines = text.split("\n")
    for number in numbers:
        lines[number - 1] = table.MARKER + lines[number - 1]
    return "\n".join(lines)


def new_tree(host: Any, ours: str, wish: Mapping[str, Sequence[str]], disable: bool) -> "Tree":
    """Return the configuration as it would be. ours: the text of our drop-in; disable: take out of force what is against it."""
    files = Overlay(host, {table.DROP_IN: ours})
    files.texts[table.CONFIG] = with_include(files.read(table.CONFIG))
    entries = list(walk(files, []))
    foreign = against(entries, wish)
    if disable:
        for path in {entry.path for entry in foreign}:
            lines = [entry.line for entry in foreign if entry.path == path]
            files.texts[path] = without(files.read(path), lines)
    places: List[Dict[str, Any]] = []
    return Tree(files, list(walk(files, places)), foreign, places)


class Tree(NamedTuple):
    """files: to read the new texts from; entries: what they hold in the end; foreign: what is or was against our drop-in;
    places: files and directories as ssh_config.note() tells of them."""

    files: Overlay
    entries: List[Entry]
    foreign: List[Entry]
    places: List[Dict[str, Any]]

    def sources(self, keyword: str) -> List[str]:
        """Return the places where others set a keyword."""
        return [
            entry.place
            for entry in self.entries
            if sshd_wish.plain_name(entry.keyword) == keyword and entry.path != table.DROP_IN
        ]


@contextlib.contextmanager
def laid_out(tree: Tree, replaced: Mapping[str, str]) -> Iterator[str]:
    """Write a tree to a directory of its own, for sshd to be asked about it; yield that directory. Raises ChangeError.

    replaced: {path of a key that does not exist yet: another one}.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nself-prod-sshd-"))
            lay_out(tree, replaced, folder)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ChangeError("the new configuration of sshd cannot be tried out: %s" % reason) from error
        yield folder


def lay_out(tree: Tree, replaced: Mapping[str, str], folder: str) -> None:
    """Write a tree below a directory, see laid_out()."""
    for path in [place["path"] for place in tree.places if place["kind"] != "dir"]:
        os.makedirs(os.path.dirname(folder + path), mode=0o700, exist_ok=True)
        lines = [_moved(line, folder, replaced) for line in tree.files.read(path).split("\n")]
        with open(folder + path, "w", encoding="utf-8", errors="replace") as stream:
            stream.write("\n".join(lines))


def _moved(line: str, folder: str, replaced: Mapping[str, str]) -> str:
    """Return a line with its Include patterns below another directory, and keys that are yet to be made in their stead."""
    keyword, rest = sshd.directive(line)
    if keyword == "include":
        patterns = [folder + os.path.join("/etc/ssh", pattern) for pattern in shlex.split(rest, comments=True)]
        return "Include " + " ".join('"%s"' % each if " " in each else each for each in patterns)
    if keyword == "hostkey" and rest.strip() in replaced:
        return "HostKey " + replaced[rest.strip()]
    return line

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files from which a host takes kernel settings: which wins at boot, and which is applied again later.

systemd-sysctl and `sysctl --system` read the files of all directories in the order of their names, and the last assignment counts;
but a setting that is named in full beats a pattern, wherever it stands. /etc/sysctl.conf is read last by procps, and again by
whoever calls `sysctl -p`; ufw applies its own file whenever it starts or reloads.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.sysctl_wish import Setting
from ansible_collections.nself.prod.plugins.module_utils.change.tables.sysctl import DIRECTORIES, DROP_IN
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse.sysctl import (
    Assignment,
    dotted,
    is_pattern,
    parse,
    touches,
)

CLASSIC = "/etc/sysctl.conf"
LONGEST = 64  # characters before the hyphen in our file's name
_OURS = re.compile(r"^z+-nself-prod\.conf\Z")
_UFW = re.compile(r"^\s*IPT_SYSCTL\s*=\s*[\"']?([^\"'\s#]+)", re.MULTILINE)


@dataclass(frozen=True)
class File:
    """A file of settings. path: as it is found; real: where its text stands; again: it is applied after the boot as well."""

    path: str
    real: str
    text: str
    assignments: Tuple[Assignment, ...]
    again: bool


@dataclass(frozen=True)
class Conflicts:
    """What other files say against a wish.

    weaker: lines to take back, by the file in /etc they stand in; named: settings that a package names in full, so that a pattern
    would not reach them; later: names of a package's files that have to be read before ours.
    """

    weaker: Dict[str, Set[int]]
    named: Dict[str, Setting]
    later: Set[str]


def read_files(host: Any, changes: Changes) -> Tuple[List[File], List[str]]:
    """Return the others' files in the order in which they count, and the paths of our own."""
    chosen: Dict[str, str] = {}
    for folder in DIRECTORIES:
        try:
            names = host.listdir(folder)
        except NotFound:
            continue
        for name in names:
            if name.endswith(".conf"):
                chosen.setdefault(name, folder + "/" + name)
    ours = [path for name, path in sorted(chosen.items()) if _OURS.match(name)]
    others = [path for name, path in sorted(chosen.items()) if not _OURS.match(name)]
    again = [CLASSIC, _ufw(host)]
    found = [_file(host, changes, path, again) for path in others]
    seen = {file.real for file in found}
    found += [file for file in (_file(host, changes, path, again) for path in again) if file.real not in seen]
    return found, ours


def _file(host: Any, changes: Changes, path: str, again: List[str]) -> File:
    real = host.realpath(path)
    # A link to /dev/null is how an administrator turns a package's file off.
    text = "" if real == "/dev/null" else changes.read(real) or ""
    return File(path, real, text, tuple(parse(text)), real in again)


def _ufw(host: Any) -> str:
    try:
        found = _UFW.search(host.read("/etc/default/ufw"))
    except HostError:
        found = None
    return found.group(1) if found else "/etc/ufw/sysctl.conf"


def conflicts(files: List[File], wish: Mapping[str, Setting], name: str) -> Conflicts:
    """Return what the others' files say against a wish that stands in a file of this name."""
    out = Conflicts({}, {}, set())
    for file in files:
        base = posixpath.basename(file.path)
        late = file.again or base > name
        for line in file.assignments:
            against = [key for key in _touched(line, wish) if _beats(line, key, late)]
            if line.value is None or all(wish[key].accepts(line.value) for key in against):
                continue
            if file.real.startswith("/etc/"):
                out.weaker.setdefault(file.real, set()).add(line.number)
            elif late:
                out.later.add(base)
            else:
                out.named[line.key] = wish[against[0]]
    return out


def _touched(line: Assignment, wish: Mapping[str, Setting]) -> List[str]:
    return [line.key] if line.key in wish else [key for key in wish if touches(line.key, key)]


def _beats(line: Assignment, key: str, late: bool) -> bool:
    """Tell whether a line wins against ours: a name in full against a pattern always, a pattern against a name never."""
    if is_pattern(line.key) != is_pattern(key):
        return is_pattern(key)
    return late


def name_for(later: Set[str]) -> str:
    """Return a name for our file that is read after all of these."""
    for count in range(DROP_IN.index("-"), LONGEST):
        name = "z" * count + DROP_IN[DROP_IN.index("-") :]
        if not later or name > max(later):
            return name
    raise ChangeError("%s is read after any file of ours and sets weaker values; remove or rename it" % max(later))


def stricter(files: List[File], wish: Mapping[str, Setting]) -> Dict[str, Setting]:
    """Return the wish with each value that another file asks for instead and that is at least as strict."""
    asked: Dict[str, str] = {}
    for file in files:
        asked.update({line.key: line.value for line in file.assignments if line.value is not None})
    return {
        key: Setting(asked[key], item.least, item.most) if key in asked and item.accepts(asked[key]) else item
        for key, item in wish.items()
    }


HEAD = """\
# Managed by the role sysctl of nself.prod: what is changed here is overwritten. Use the role's sysctl_settings.
# Read by systemd-sysctl at boot and by its udev rule for each new interface. A leading - means: this kernel lacks it.
"""


def render(wish: Mapping[str, Setting], absent: Set[str]) -> str:
    """Return the drop-in. absent: settings that this kernel lacks."""
    lines = ["%s%s = %s\n" % ("-" if key in absent else "", dotted(key), wish[key].value) for key in wish]
    return HEAD + "".join(lines)

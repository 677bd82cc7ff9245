# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service's own files can be made read-only, and which folders in memory stand in for what it writes."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_facts import Seen
from ansible_collections.nself.prod.plugins.module_utils.change.tables import container_needs as table
from ansible_collections.nself.prod.plugins.module_utils.change.tables.container_needs import Needs

LABEL = (
    "nself.prod.writes"  # of a container that was made anew although it wrote into its layer: the new one has yet to
)


@dataclass(frozen=True)
class Files:
    """tmpfs: {path: options}; kept: what it has written that a new container would not have; places: the folders of that."""

    read_only: bool
    tmpfs: Mapping[str, str]
    kept: Tuple[str, ...] = ()
    places: Tuple[str, ...] = ()


def scratch(path: str) -> Optional[str]:
    """Return the folder that a tmpfs may stand in for so that a path can be written; "" where nothing is needed; None where none may."""
    parts = path.strip("/").split("/")
    if any(part in table.LEFTOVERS for part in parts) or path.endswith(".pyc"):
        return ""
    for folder in table.SCRATCH:
        if (path + "/").startswith(folder + "/"):
            return folder
    if path.startswith(table.CACHES + "/"):
        return "/".join(path.split("/")[:4])
    home = re.match(r"(/root|/home/[^/]+|)/(\.[^/]+)", path)
    return home.group(0) if home and home.group(2) in table.HOME_SCRATCH else None


def decide(
    needs: Needs,
    model: Mapping[str, Any],
    seen: Seen,
    given: Sequence[str],
    wanted: bool,
    owner: Optional[Tuple[int, int]],
    size: int,
) -> Files:
    """Return what a service's files are to be. given: the operator's own tmpfs; wanted: whether they may be read-only; size: MiB of each."""
    own = dict(entry.partition(":")[::2] for entry in given)
    covered = list(own) + [_target(item) for item in model.get("volumes") or []]
    covered += [str(item).partition(":")[0] for item in _listed(model.get("tmpfs"))]
    found = [(path, scratch(path)) for path in _written(needs, seen) if not _under(path, covered)]
    kept = tuple(path for path, folder in found if folder is None)
    before = _labelled(needs, seen)
    places = folders([path for path in kept if path not in before], [path for path in kept if path in before])
    writable = [
        *needs.tmpfs,
        *[folder for _path, folder in found if folder],
        *(seen.tmpfs if seen.read_only and not needs.known else ()),
    ]
    out: Dict[str, str] = {}
    for folder in writable:
        if folder not in covered and folder not in own:
            out[folder] = _options(folder, needs, owner, size)
    for folder, mode in needs.run:
        if folder not in covered and folder not in own:
            uid, gid = owner or (0, 0)
            out[folder] = "uid=%d,gid=%d,mode=%s,size=%dm" % (uid, gid, mode, size)
    read_only = (wanted and not kept) or model.get("read_only") is True
    # What can be written anyway needs nothing in its place.
    return Files(read_only, dict(sorted({**(out if read_only else {}), **own}.items())), kept, places)


def folders(written: Sequence[str], known: Sequence[str]) -> Tuple[str, ...]:
    """Return few folders that hold what was written, the same ones when more is written there. known: folders of an earlier run, which stay."""
    out = list(known)
    for path in sorted(written):
        if not _under(path, out):
            parts = path.strip("/").split("/")
            out.append("/" + "/".join(parts[:-1][: table.DEPTHS.get(parts[0], table.DEPTH)] or parts))
    deepest = max([path.count("/") for path in out] or [1])
    while len(set(out)) > table.MOST_PLACES and deepest > 1:
        deepest -= 1
        out = ["/".join(path.split("/")[: deepest + 1]) for path in out]
    outermost = [path for path in set(out) if not _under(path.rpartition("/")[0], out)]
    return tuple(sorted(outermost)[: table.MOST_PLACES])


def _written(needs: Needs, seen: Seen) -> List[str]:
    """Return what an unknown service writes: what it has written, and what the container before it had."""
    if needs.known:
        return []
    return sorted(set(seen.written) | set(_labelled(needs, seen)))


def _labelled(needs: Needs, seen: Seen) -> List[str]:
    return [] if needs.known else [path for path in seen.labels.get(LABEL, "").split(" ") if path.startswith("/")]


def _options(folder: str, needs: Needs, owner: Optional[Tuple[int, int]], size: int) -> str:
    words = ["exec"] if needs.programs else []
    if folder in ("/tmp", "/var/tmp") or owner is None:
        words.append("mode=1777")
    else:
        words += ["uid=%d" % owner[0], "gid=%d" % owner[1]] if owner[0] else []
        words.append("mode=0755")
    return ",".join(words + ["size=%dm" % size])


def _under(path: str, folders: Sequence[str]) -> bool:
    return any((path + "/").startswith(posixpath.normpath(folder) + "/") for folder in folders if folder)


def _target(volume: Any) -> str:
    if isinstance(volume, dict):
        return str(volume.get("target") or "")
    parts = str(volume).split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _listed(value: Any) -> List[Any]:
    return [value] if isinstance(value, str) else list(value or [])

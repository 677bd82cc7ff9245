# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what each running nginx of the deployment serves: its configuration, from the files that it read itself.

They are read through /proc/<pid>/root, the container's own file system, and not by `docker exec … nginx -T`: that starts a program in
the container, costs half a second each, and reads the same files. Whether the files are still what the workers were started with is
told by time: a worker lives from one reload to the next, so a file that changed after the oldest one started is not in force.

Hidden `nginx`: a list of deployment/sites.py:Nginx; empty where it is known that no nginx runs though there is a deployment.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
import shlex
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.links import inside, root_of
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.deployment.doors import doors_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import sites_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.sites import Nginx
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import nginx as parse

PREFIX, CONFIG = "/etc/nginx", "/etc/nginx/nginx.conf"
TICKS = 100.0  # of the kernel's clock a second, as it tells programs (USER_HZ)
SLACK = 1.0  # seconds: /proc/stat gives the time of boot in whole ones
MASTER, WORKER, LEAVING = "nginx: master process", "nginx: worker process", "is shutting down"


def collect(host: Any, need: Any) -> List[Nginx]:
    return [_nginx(host, unit) for unit in need("project").running("nginx")]


def _nginx(host: Any, unit: Mapping[str, Any]) -> Nginx:
    titles = _titles(host, unit)
    files = Files(host, root_of(unit["pid"]))
    config = _config(titles, unit)
    tree = _tree(files, config)
    sites = sites_of(tree)
    ports = sorted({listen.port for site in sites for listen in site.listens})
    doors = {port: doors_of(unit, port) for port in ports}
    return Nginx(
        service=unit["service"],
        root=files.root,
        sites=sites,
        doors={port: found[0] for port, found in doors.items() if found},
        config=tree,
        changed=attempt(lambda: _changed(host, titles, files)),
    )


def not_loaded(host: Any, unit: Mapping[str, Any]) -> str:
    """Return the file that changed after a container's nginx read its files, "" where none did. Raises HostError, Missing."""
    titles, files = _titles(host, unit), Files(host, root_of(unit["pid"]))
    _tree(files, _config(titles, unit))
    return _changed(host, titles, files)


# -- its processes -------------------------------------------------------------------------------------------------------


def _titles(host: Any, unit: Mapping[str, Any]) -> Dict[str, str]:
    """Return {pid: command line} of the container's processes: nginx writes there what each of them is."""
    out = {}
    for pid in dict.fromkeys([unit["pid"]] + list(unit["pids"])):
        try:
            out[pid] = host.read("/proc/%s/cmdline" % pid).replace("\0", " ").strip()
        except HostError:
            continue  # it has ended: a worker that was just replaced, say
    return out


def _config(titles: Mapping[str, str], unit: Mapping[str, Any]) -> str:
    """Return the configuration file that the master was told to read."""
    master = [title for title in titles.values() if title.startswith(MASTER)]
    line = master[0][len(MASTER) :] if master else shlex.join(unit["argv"])
    prefix, config = _option(line, "p") or PREFIX, _option(line, "c") or CONFIG
    return posixpath.normpath(posixpath.join(prefix, config))


def _option(line: str, letter: str) -> str:
    found = re.search(r"\snginx\s(?:.*\s)?-%s\s*([^\s'\"]+)" % letter, " " + re.sub(r"\S*/nginx\s", "nginx ", line))
    return found.group(1) if found else ""


def _changed(host: Any, titles: Mapping[str, str], files: "Files") -> str:
    """Return the file that changed after the running workers started, "" where none did. Raises Missing."""
    pids = [pid for pid, title in titles.items() if title.startswith(WORKER) and LEAVING not in title]
    if not pids:
        raise Missing("nginx.stale", Reason.ERROR, "no worker process of nginx is seen")
    boot = re.search(r"^btime (\d+)$", host.read("/proc/stat"), re.M)
    if not boot:
        raise Missing("nginx.stale", Reason.PARSE_ERROR, "/proc/stat does not say when the host started")
    # The oldest: one that crashed was started again with what the master still had in memory.
    started = int(boot.group(1)) + min(_ticks(host, pid) for pid in pids) / TICKS
    if started > host.now() + 2 * SLACK:
        raise Missing("nginx.stale", Reason.ERROR, "the host's clock was set back since nginx started")
    late = {path: when for path, when in files.times.items() if when > started + SLACK}
    # Rather the file than the folder that it was written into.
    return max(late, key=lambda path: (not path.endswith("/"), late[path])) if late else ""


def _ticks(host: Any, pid: str) -> int:
    """Return when a process started. Its name, in brackets, may hold anything, so it is counted from the last one."""
    fields = host.read("/proc/%s/stat" % pid).rpartition(")")[2].split()
    if len(fields) < 20 or not fields[19].isdigit():
        raise Missing("nginx.stale", Reason.PARSE_ERROR, "/proc/%s/stat is not understood" % pid)
    return int(fields[19])


# -- its files -----------------------------------------------------------------------------------------------------------


class Files:
    """The files of a container, from outside. times: {path: when it last changed} of everything that was read."""

    def __init__(self, host: Any, root: str) -> None:
        self._host = host
        self.root = root
        self.times: Dict[str, float] = {}
        self._known: Dict[str, str] = {}

    def real(self, path: str) -> str:
        """Return a path without symbolic links: one to /x means the container's /x, and not the host's."""
        if path not in self._known:
            self._known[path] = inside(self._host, self.root, path)
        return self._known[path]

    def read(self, path: str) -> str:
        real = self.real(path)
        info = self._host.stat(real)
        # The time of a file's content can be set back, as cp -p does, the time of its entry cannot.
        self.times[path] = max(info.mtime, info.ctime)
        return self._host.read(real)

    def glob(self, pattern: str) -> List[str]:
        """Return the files that match a pattern, sorted as nginx's glob() does; a name without a pattern need not exist."""
        if not _is_pattern(pattern):
            return [pattern]
        folders = ["/"]
        for part in pattern.strip("/").split("/"):
            folders = [posixpath.join(folder, name) for folder in folders for name in self._matching(folder, part)]
        return folders

    def _matching(self, folder: str, part: str) -> Sequence[str]:
        if not _is_pattern(part):
            return [part]
        try:
            real = self.real(folder)
            names = self._host.listdir(real)
            # A file that was taken away leaves its trace here only.
            self.times[folder + "/"] = self._host.stat(real).mtime
        except NotFound:
            return []
        hidden = part.startswith(".")
        return [name for name in names if fnmatch.fnmatchcase(name, part) and (hidden or not name.startswith("."))]


def _is_pattern(text: str) -> bool:
    return any(char in text for char in "*?[")


def _tree(files: Files, config: str) -> Tuple[parse.Directive, ...]:
    """Return the whole configuration. Raises HostError, Missing."""
    base = posixpath.dirname(config)

    def include(pattern: str) -> List[Tuple[str, str]]:
        path = posixpath.join(base, pattern)
        out = []
        for found in files.glob(path):
            text = _text(files, found, _is_pattern(path))
            if text is not None:
                out.append((found, text))
        return out

    try:
        return parse.load(files.read(config), config, include)
    except parse.ParseError as error:
        raise Missing("nginx", Reason.PARSE_ERROR, "nginx's configuration: %s" % error) from None


def _text(files: Files, path: str, globbed: bool) -> Optional[str]:
    """Return a file's text; None for what a pattern found and is gone or never was, a link to nowhere or a further part."""
    try:
        return files.read(path)
    except NotFound:
        if globbed:
            return None
        raise


COLLECTORS = (Collector("nginx", collect, deadline=20.0, hidden=True),)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which logs of nginx's container are on the host, where a jail can read them."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import containers, docker, project
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, Options, collect_all
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Level
from ansible_collections.nself.prod.plugins.module_utils.change.tables.fail2ban import NGINX
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import FOUND, NONE
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound

FOLDER = "/var/log/nginx"  # in the container
UTC = ("UTC", "Etc/UTC", "UTC0", "Universal", "Zulu", "GMT")
STOPPED = "nginx does not run, so where it writes its logs is not known"


@dataclass(frozen=True)
class Source:
    """Where nginx's logs are on the host. logs: {error or access: paths}; problem: why there is none; gone: it cannot be told now.

    host_network: a container of nginx's shares the network of the host, so its traffic passes where that of the host does.
    mendable: whether there is an nginx whose logs could be there. zone: UTC where that is nginx's time, "" where it is the host's, or cannot be told.
    """

    logs: Mapping[str, Sequence[str]]
    problem: str = ""
    gone: bool = False
    host_network: bool = False
    zone: str = ""
    mendable: bool = True


def find(host: Any, project_dir: Optional[str]) -> Source:
    """Return where the logs of the deployment's running nginx are."""
    if host.which("docker") is None:
        return Source({}, "Docker is not installed, so no nginx of a deployment runs here", mendable=False)
    needed = docker.COLLECTORS + containers.COLLECTORS + project.COLLECTORS
    facts = collect_all(host, needed + (Collector("found", _units, deadline=18.0),), Options(project_dir))["found"]
    if isinstance(facts, Unread):
        return Source({}, "whether nginx runs is not known: %s" % facts.detail, gone=True)
    if facts["state"] != FOUND:
        known = facts["state"] != NONE
        return Source({}, facts["message"] or "no deployment was found", gone=known, mendable=known)
    if not facts["units"]:
        return Source({}, STOPPED, gone=True)
    return logs_of(host, facts["units"])


def _units(_host: Any, need: Any) -> Dict[str, Any]:
    """Return the running nginx units. It does not wait for what compose would start: only what runs writes a log."""
    found = need("project")
    if isinstance(found.started, Unread):
        return {"state": FOUND, "message": "", "units": found.started}
    units = [unit for unit in found.started if unit["role"] == "nginx" and unit["level"] == Level.RUNNING]
    return {"state": found.found.state, "message": found.found.message, "units": units}


def logs_of(host: Any, units: Any) -> Source:
    """Return the logs that these units' mounts bring to the host."""
    if isinstance(units, Unread):
        return Source({}, "whether nginx runs is not known: %s" % units.detail, gone=True)
    folders = [folder for unit in units for folder in _folders(unit)]
    if not folders:
        return Source({}, "no folder of the host is mounted on %s of nginx's container" % FOLDER)
    try:
        names = [posixpath.join(folder, name) for folder in folders for name in host.listdir(folder)]
    except NotFound as error:
        return Source({}, "%s does not exist" % error.subject)
    except HostError as error:
        return Source({}, str(error))
    names = sorted(path for path in set(names) if _is_file(host, path))
    logs = {kind: [path for path in names if path.endswith("%s.log" % kind)] for kind in ("error", "access")}
    zones = {_zone(host, unit) for unit in units}
    return Source(
        logs,
        host_network=any("network" in unit["host_namespaces"] for unit in units),
        zone=zones.pop() if len(zones) == 1 else "",
    )


def _zone(host: Any, unit: Mapping[str, Any]) -> str:
    """Return the container's time zone. nginx's error log does not say which it is written in, and a host need not live in UTC."""
    told = unit["environment"].get("TZ", "").lstrip(":")
    if told:
        return "UTC" if told in UTC else ""
    try:
        text = host.read_bytes("/proc/%s/root/etc/localtime" % unit["pid"])
    except NotFound:
        return "UTC"
    except HostError:
        return ""
    # A zone file ends with its rule.
    return "UTC" if text.rstrip().endswith(b"\nUTC0") else ""


def _folders(unit: Mapping[str, Any]) -> List[str]:
    """Return the host's folders in which the container's logs are. Docker's own volumes are not the host's to read."""
    out = []
    for mount in unit["mounts"]:
        source, target = str(mount["source"]), mount["target"].rstrip("/")
        if mount["rw"] and source.startswith("/") and (FOLDER + "/").startswith(target + "/"):
            out.append(posixpath.normpath(source + FOLDER[len(target) :]))
    return out


def kept(host: Any, earlier: Mapping[str, Mapping[str, str]], problem: str) -> Source:
    """Return the source that an earlier run found, where its logs still exist: an nginx that is stopped costs it no jail.

    earlier: what our file says, by jail.
    """
    logs: Dict[str, List[str]] = {}
    known = [(NGINX[name], keys) for name, keys in earlier.items() if name in NGINX]
    for kind, keys in known:
        paths = keys.get("logpath", "").split()
        if paths and all(_is_file(host, path) for path in paths):
            logs[kind] = paths
    return Source(
        logs,
        problem,
        host_network=any("-host" in keys.get("action", "") for _kind, keys in known),
        zone=known[0][1].get("logtimezone", "") if known else "",
    )


def _is_file(host: Any, path: str) -> bool:
    try:
        return bool(host.stat(path).kind == "file")
    except HostError:
        return False

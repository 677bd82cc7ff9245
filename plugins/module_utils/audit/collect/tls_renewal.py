# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would renew certificates without anybody's doing: systemd timers, crontabs, containers."""

from __future__ import annotations

import posixpath
from typing import Any, Dict, Iterable, List, Mapping, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.services import units
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Level, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.certificate_renewers import (
    COMMAND,
    CRON_DAEMONS,
    CRON_FILES,
    CRON_FOLDERS,
    IMAGES,
    ONLY_WITHOUT_SYSTEMD,
    TIMERS,
)
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound

CERTBOT_STORE = "/etc/letsencrypt/live"


def jobs(host: Any, running: Iterable[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """Return {name, active, store} of everything that renews. store: where its certificates must lie, None where that may be anywhere.

    running: the deployment's units. Raises HostError where a crontab cannot be read: it might hold the one that renews.
    """
    try:
        known = {unit["name"]: unit for unit in units(host, TIMERS + CRON_DAEMONS)}
        systemd = True
    except HostError as error:
        if error.reason != Reason.TOOL_ABSENT:
            raise
        known, systemd = {}, False
    out = [_job(name, known[name]["active"], name) for name in TIMERS if name in known]
    cron = any(known[name]["active"] for name in CRON_DAEMONS if name in known) if systemd else _cron_runs(host)
    for path in _crontabs(host):
        for line in host.read(path).splitlines():
            if line.lstrip().startswith("#") or not COMMAND.search(line):
                continue
            if not (systemd and ONLY_WITHOUT_SYSTEMD.search(line)):
                out.append(_job(path, cron, line))
                break
    for unit in running:
        if unit["level"] == Level.RUNNING and IMAGES.search(unit["image"]):
            out.append({"name": "container " + unit["service"], "active": True, "store": None})
    return out


def _job(name: str, active: bool, command: str) -> Dict[str, Any]:
    store: Optional[str] = CERTBOT_STORE if "certbot" in command else None
    return {"name": name, "active": active, "store": store}


def _crontabs(host: Any) -> List[str]:
    out = list(CRON_FILES)
    for folder in CRON_FOLDERS:
        try:
            out += [posixpath.join(folder, name) for name in host.listdir(folder)]
        except NotFound:
            continue
    return [path for path in out if _is_file(host, path)]


def _is_file(host: Any, path: str) -> bool:
    try:
        return bool(host.stat(path).kind == "file")
    except NotFound:
        return False


def _cron_runs(host: Any) -> bool:
    """Tell whether a cron daemon runs, where no systemd can be asked."""
    for pid in host.listdir("/proc"):
        if pid.isdigit():
            try:
                if host.read("/proc/%s/comm" % pid).strip() in ("cron", "crond", "busybox-cron"):
                    return True
            except HostError:
                continue
    return False

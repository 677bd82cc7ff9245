# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates: what installs them by itself, when it last did, and what is pending.

Pending updates are found without apt's solver, by comparing dpkg's status with the security archives' indexes: ten times
faster, without a lock or root, and truer, since the solver leaves out packages on hold and those whose newest version is in
another archive. The age of an index is judged by the index, since `apt-get update` reports success, and stamps it, also where
every download failed.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List, Mapping, Optional, Set

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.platform import exists, os_release
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.services import units
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse import apt_config, deb

LISTS = "/var/lib/apt/lists"
PERIODIC = "/var/lib/apt/periodic"
# Written by apt.systemd.daily after unattended-upgrade ended well; unattended-upgrades-stamp is written after failures too.
LAST_RUN = PERIODIC + "/upgrade-stamp"
# Written after every index was fetched, where update-notifier-common is installed (Ubuntu).
FETCHED = PERIODIC + "/update-success-stamp"
TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")
INDEX_LIMIT = 128 * 1024 * 1024
DAY = 86400.0


def collect(host: Any, need: Any) -> Dict[str, Any]:
    config = _config(host)
    archives = attempt(lambda: _archives(host, config))
    return {
        "installed": host.which("unattended-upgrade") is not None,
        "lists_days": attempt(lambda: _interval(config, "update-package-lists")),
        "upgrade_days": attempt(lambda: _interval(config, "unattended-upgrade")),
        "timers": attempt(lambda: units(host, TIMERS)),
        "last_run_days": attempt(lambda: _age(host, LAST_RUN)),
        "archives": archives,
        "pending": attempt(lambda: _pending(host, archives)) if isinstance(archives, list) else archives,
        "reboot_required": attempt(lambda: exists(host, "/run/reboot-required")),
        "kernels": attempt(lambda: _kernels(host)),
    }


def _config(host: Any) -> Dict[str, List[str]]:
    done = host.run(["apt-config", "dump"])
    config = apt_config.parse_dump(done.out)
    if done.rc != 0 or not config:
        raise HostError(Reason.ERROR, "apt-config", first_line(done.err) or "gave no answer")
    return config


def _interval(config: Mapping[str, List[str]], job: str) -> Optional[float]:
    """Return every how many days a job of apt.systemd.daily runs, None where it is off."""
    try:
        if apt_config.interval_days(config.get("apt::periodic::enable", ["1"])[-1]) is None:
            return None
        return apt_config.interval_days(config.get("apt::periodic::" + job, ["0"])[-1])
    except ValueError as error:
        raise Missing("updates", Reason.PARSE_ERROR, "%s: %s" % (job, error)) from None


def _age(host: Any, path: str) -> Optional[float]:
    """Return how many days ago a file was written, None where there is none."""
    try:
        return max(0.0, round((host.now() - host.stat(path).mtime) / DAY, 2))
    except NotFound:
        return None


def _archives(host: Any, config: Mapping[str, List[str]]) -> List[Dict[str, Any]]:
    """Return the security archives among the package lists: name, whether unattended-upgrades takes it, age, its indexes."""
    try:
        names = host.listdir(LISTS)
    except NotFound:
        names = []
    release = os_release(host)
    fetched = _age(host, FETCHED)
    patterns = attempt(lambda: _patterns(config, release))
    out = []
    for name in names:
        if "security" not in name or not name.endswith(("_InRelease", "_Release")):
            continue
        prefix = name.rpartition("_")[0] + "_"
        if name.endswith("_Release") and prefix + "InRelease" in names:
            continue
        fields = deb.parse_release(host.read(LISTS + "/" + name))
        if fields["label"] != "Debian-Security" and not fields["suite"].endswith("-security"):
            continue
        ages = [age for age in (fetched, _age(host, LISTS + "/" + name)) if age is not None]
        match = dict(fields, component="main", site=name.partition("_")[0])
        out.append(
            {
                "name": "%s %s" % (fields["label"] or fields["origin"], fields["suite"]),
                "allowed": attempt(partial(_allowed, patterns, match)),
                "age_days": min(ages),
                "indexes": [
                    item for item in names if item.startswith(prefix) and "_Packages" in item and "binary-" in item
                ],
            }
        )
    return out


def _patterns(config: Mapping[str, List[str]], release: Mapping[str, str]) -> List[str]:
    # lsb_release, which unattended-upgrades asks, says Debian and Ubuntu where os-release says debian and ubuntu.
    try:
        return apt_config.origin_patterns(
            config, release.get("ID", "").capitalize(), release.get("VERSION_CODENAME", "")
        )
    except ValueError as error:
        raise Missing("updates.archives", Reason.PARSE_ERROR, str(error)) from None


def _allowed(patterns: Any, archive: Mapping[str, str]) -> bool:
    if not isinstance(patterns, list):
        raise Missing("updates.archives", patterns.reason, patterns.detail)
    try:
        return apt_config.allows(patterns, archive)
    except ValueError as error:
        raise Missing("updates.archives", Reason.PARSE_ERROR, str(error)) from None


def _pending(host: Any, archives: List[Dict[str, Any]]) -> List[str]:
    if not archives or not all(archive["indexes"] for archive in archives):
        raise Missing("updates.pending", Reason.ERROR, "no index of a security archive is on this host")
    installed = deb.parse_status(host.read("/var/lib/dpkg/status", limit=INDEX_LIMIT))
    if not installed:
        raise Missing("updates.pending", Reason.PARSE_ERROR, "dpkg's status names no package")
    out: Set[str] = set()
    for archive in archives:
        for name in archive["indexes"]:
            out.update(deb.outdated(installed, _index(host, LISTS + "/" + name)))
    return sorted(out)


def _index(host: Any, path: str) -> str:
    if path.endswith("_Packages"):
        return str(host.read(path, limit=INDEX_LIMIT))
    # apt keeps lists compressed where it is told to, in a format of its choice.
    done = host.run(["/usr/lib/apt/apt-helper", "cat-file", path])
    if done.rc != 0:
        raise HostError(Reason.ERROR, "apt-helper", first_line(done.err))
    return str(done.out)


def _kernels(host: Any) -> List[str]:
    """Return the releases of the kernels in /boot."""
    try:
        names = host.listdir("/boot")
    except NotFound:
        return []
    return [name[len("vmlinuz-") :] for name in names if name.startswith("vmlinuz-")]


COLLECTORS = (Collector("updates", collect, deadline=10.0),)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates: what installs them by itself, when it last did, and what is pending.

Pending updates are found without apt's solver, by comparing dpkg's status with the security archives' indexes: ten times
faster, without a lock or root, and truer, since the solver leaves out packages on hold and those whose newest version is in
another archive. The age of an index is judged by the index, since `apt-get update` reports success, and stamps it, also where
every download failed.
"""

from __future__ import annotations

import datetime
import re
from functools import partial
from typing import Any, Dict, List, Mapping, Optional, Set

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.platform import os_release
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.services import ACTIVE, ENABLED
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, exists, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse import apt_config, deb
from ansible_collections.nself.prod.plugins.module_utils.parse.systemd import parse_show

LISTS = "/var/lib/apt/lists"
PERIODIC = "/var/lib/apt/periodic"
# Written by apt.systemd.daily after unattended-upgrade ended well; unattended-upgrades-stamp is written after failures too.
LAST_RUN = PERIODIC + "/upgrade-stamp"
# Written after every index was fetched, where update-notifier-common is installed (Ubuntu).
FETCHED = PERIODIC + "/update-success-stamp"
TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")
INDEX_LIMIT = 128 * 1024 * 1024
DAY = 86400.0
SKEW = 0.05  # days that a file may be ahead of the clock: servers' clocks and time zones differ a little
PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,NextElapseUSecRealtime,ExecStart"
# Packages of any host whose holes matter; a list that leaves these out leaves all out, or the kernel and the libraries.
VITAL = ("libc6", "libssl3", "linux-image-amd64", "linux-image-generic", "openssh-server", "openssl", "sudo", "systemd")


def collect(host: Any, need: Any) -> Dict[str, Any]:
    config = _config(host)
    archives = attempt(lambda: _archives(host, config))
    return {
        "installed": host.which("unattended-upgrade") is not None,
        "lists_days": attempt(lambda: _interval(config, "update-package-lists")),
        "upgrade_days": attempt(lambda: _interval(config, "unattended-upgrade")),
        "left_out": attempt(lambda: _left_out(config)),
        "timers": attempt(lambda: _timers(host)),
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
    """Return how many days ago a file was written, None where there is none.

    One of the future tells nothing: it would look fresh until that day.
    """
    try:
        days = (host.now() - host.stat(path).mtime) / DAY
    except NotFound:
        return None
    if days < -SKEW:
        raise Missing("updates", Reason.ERROR, "%s is dated in the future" % path)
    return max(0.0, round(days, 2))


def _left_out(config: Mapping[str, List[str]]) -> List[str]:
    try:
        return apt_config.left_out(config, VITAL)
    except ValueError as error:
        raise Missing("updates.left_out", Reason.PARSE_ERROR, str(error)) from None


def _timers(host: Any) -> List[Dict[str, Any]]:
    """Return those of the timers that exist, with when they fire next and what they start, in one call."""
    names = [name for timer in TIMERS for name in (timer, timer.replace(".timer", ".service"))]
    done = host.run(["systemctl", "show", "--no-pager", "--property=" + PROPERTIES] + names, env={"TZ": "UTC"})
    shown = {unit.get("Id", ""): unit for unit in parse_show(done.out)}
    if not shown:
        # Without systemd as PID 1 the command exists, but has nobody to ask.
        raise HostError(Reason.TOOL_ABSENT, "systemctl", first_line(done.err) or "gave no answer")
    out = []
    for name in TIMERS:
        timer, service = shown.get(name, {}), shown.get(name.replace(".timer", ".service"), {})
        if timer.get("LoadState", "not-found") == "not-found":
            continue
        out.append(
            {
                "name": name,
                "active": timer.get("ActiveState") in ACTIVE,
                "enabled": timer.get("UnitFileState") in ENABLED,
                # While its service runs a timer has no next time yet.
                "next_days": 0.0
                if service.get("ActiveState") in ACTIVE
                else attempt(partial(_next_days, host, timer.get("NextElapseUSecRealtime", ""))),
                "service": service.get("LoadState", "not-found"),
                "runs": _program(service.get("ExecStart", "")),
            }
        )
    return out


def _next_days(host: Any, text: str) -> float:
    """Return in how many days a time like `Tue 2026-11-24 06:14:17 UTC` is."""
    match = re.search(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC$", text)
    try:
        then = datetime.datetime.fromisoformat("%s %s+00:00" % match.groups() if match else "")
    except ValueError:
        raise Missing("updates.timers", Reason.PARSE_ERROR, "when a timer fires next is not known") from None
    return round((then.timestamp() - host.now()) / DAY, 2)


def _program(text: str) -> str:
    """Return the command line of an ExecStart as `systemctl show` prints it."""
    match = re.search(r"argv\[\]=(.*?) ; ", text)
    return match.group(1) if match else ""


def _archives(host: Any, config: Mapping[str, List[str]]) -> List[Dict[str, Any]]:
    """Return the security archives among the package lists: name, whether unattended-upgrades takes it, age, its indexes."""
    try:
        names = host.listdir(LISTS)
    except NotFound:
        names = []
    release = os_release(host)
    fetched = attempt(lambda: _age(host, FETCHED))
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
        ages = [age for age in (fetched, attempt(partial(_age, host, LISTS + "/" + name))) if age is not None]
        match = dict(fields, component="main", site=name.partition("_")[0])
        out.append(
            {
                "name": "%s %s" % (fields["label"] or fields["origin"], fields["suite"]),
                "allowed": attempt(partial(_allowed, patterns, match)),
                "age_days": min([age for age in ages if isinstance(age, float)], default=ages[0]),
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

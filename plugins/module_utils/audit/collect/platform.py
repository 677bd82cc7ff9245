# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform: distribution, kernel, container or not; and the kernel's mandatory access control.

Part of the report's head, so everything in `platform` is public and stays the same from run to run, save the date.
"""

from __future__ import annotations

import datetime
import sys
from typing import Any, Dict, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, exists
from ansible_collections.nself.prod.plugins.module_utils.parse.os_release import parse_os_release


def os_release(host: Any) -> Dict[str, str]:
    """Return os-release. Raises HostError."""
    try:
        return parse_os_release(host.read("/etc/os-release"))
    except NotFound:
        return parse_os_release(host.read("/usr/lib/os-release"))


def collect(host: Any, need: Any) -> Dict[str, Any]:
    release = attempt(lambda: os_release(host))
    systemd = exists(host, "/run/systemd/system")
    return {
        "id": release.get("ID", "linux") if isinstance(release, dict) else release,
        "version_id": release.get("VERSION_ID", "") if isinstance(release, dict) else release,
        "name": release.get("PRETTY_NAME", "") if isinstance(release, dict) else release,
        "kernel": attempt(lambda: host.read("/proc/sys/kernel/osrelease").strip()),
        "python": "%d.%d.%d" % sys.version_info[:3],
        "container": attempt(lambda: _container(host, systemd)),
        "systemd": systemd,
        "docker_package": attempt(lambda: _docker_package(host)),
        "euid": host.euid(),
        "today": datetime.datetime.fromtimestamp(host.now(), datetime.timezone.utc).date().isoformat(),
    }


def _container(host: Any, systemd: bool) -> Optional[str]:
    """Return what kind of container this host is, None where it is none. Raises Missing where that cannot be seen."""
    try:
        return str(host.read("/run/systemd/container").strip() or "container")
    except NotFound:
        pass
    for path, kind in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        if exists(host, path):
            return kind
    try:
        # Written by LXC and systemd-nspawn; only root may read it.
        for entry in host.read("/proc/1/environ").split("\0"):
            if entry.startswith("container=") and len(entry) > len("container="):
                return str(entry[len("container=") :])
    except HostError as error:
        if not systemd:  # systemd would have written /run/systemd/container
            raise Missing("platform.container", error.reason, "whether this is a container: %s" % error) from error
    return None


def _docker_package(host: Any) -> Optional[str]:
    """Return the Debian package that Docker came in, None for none. A package that was removed but not purged counts."""
    for name in ("docker-ce", "docker.io"):
        if exists(host, "/var/lib/dpkg/info/%s.list" % name):
            return name
    return None


def collect_lsm(host: Any, need: Any) -> Dict[str, Any]:
    return {
        "apparmor": attempt(lambda: _optional(host, "/sys/module/apparmor/parameters/enabled") == "Y"),
        "profiles": attempt(lambda: _profiles(host)),
        "selinux": attempt(lambda: _selinux(host)),
    }


def _optional(host: Any, path: str) -> Optional[str]:
    try:
        return str(host.read(path).strip())
    except NotFound:
        return None


def _profiles(host: Any) -> Dict[str, int]:
    """Return how many AppArmor profiles are loaded in each mode."""
    counts = {"enforce": 0, "complain": 0}
    for line in (_optional(host, "/sys/kernel/security/apparmor/profiles") or "").splitlines():
        mode = line.rsplit("(", 1)[-1].rstrip(")")
        counts[mode] = counts.get(mode, 0) + 1
    return counts


def _selinux(host: Any) -> Optional[str]:
    """Return enforcing, permissive, or None where SELinux is not on."""
    value = _optional(host, "/sys/fs/selinux/enforce")
    if value is None:
        return None
    if value not in ("0", "1"):
        raise Missing("lsm.selinux", Reason.PARSE_ERROR, "/sys/fs/selinux/enforce is neither 0 nor 1")
    return "enforcing" if value == "1" else "permissive"


COLLECTORS = (Collector("platform", collect), Collector("lsm", collect_lsm))

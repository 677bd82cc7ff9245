# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what the database and the object store write, and what the kernel swaps out, is encrypted on its way to the disk.

Facts `disks`: volumes[] (service, path, on, encrypted) and swap[] (path, on, encrypted). `on` is the device or data set; encrypted is unread where
the host cannot see its own disks, as in a container.
"""

from __future__ import annotations

import posixpath
from functools import partial
from typing import Any, Dict, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound, first_line
from ansible_collections.nself.prod.plugins.module_utils.parse import mountinfo

ROLES = ("postgres", "minio")
DEEPEST = 8  # devices below one another: dm-crypt on LVM on RAID on partitions is four
# File systems that encrypt by themselves.
ENCRYPTING = ("ecryptfs", "fuse.gocryptfs", "fuse.cryfs", "fuse.encfs")
IN_MEMORY = ("tmpfs", "ramfs")


def collect(host: Any, need: Any) -> Dict[str, Any]:
    project = need("project")
    mounts = attempt(lambda: _mounts(host))
    units = [unit for role in ROLES for unit in project.running(role)] if project.found.directory else []
    inspected = {str(item.get("Id")): item for item in (need("docker_containers") if units else [])}
    return {
        "volumes": [
            dict({"service": unit["service"], "path": path}, **_facts(host, path, mounts))
            for unit in units
            for path in _written(inspected.get(unit["id"]) or {})
        ],
        "swap": attempt(lambda: _swap(host, mounts)),
    }


def _mounts(host: Any) -> List[mountinfo.Mount]:
    try:
        return mountinfo.mounts(host.read("/proc/self/mountinfo"))
    except ValueError as error:
        raise Missing("disks", Reason.PARSE_ERROR, "/proc/self/mountinfo: %s" % error) from None


def _written(item: Dict[str, Any]) -> List[str]:
    """Return the host's paths that a container may write: where its data is, whatever the image calls the folder."""
    mounts = item.get("Mounts") or []
    return sorted({str(mount["Source"]) for mount in mounts if mount.get("RW") and mount.get("Source")})


def _facts(host: Any, path: str, mounts: Any) -> Dict[str, Any]:
    """Return {on, encrypted} of a path."""
    found = attempt(partial(_of_path, host, path, mounts, 0))
    if isinstance(found, Unread):
        return {"on": found.detail, "encrypted": found}
    return {"on": found[0], "encrypted": found[1]}


def _of_path(host: Any, path: str, mounts: Any, depth: int) -> Tuple[str, bool]:
    """Return (device or data set, whether it is encrypted) of what a path lies on. Raises Missing, HostError."""
    if isinstance(mounts, Unread):
        raise Missing("disks", mounts.reason, mounts.detail)
    mount = mountinfo.mount_of(host.realpath(path), mounts)
    if mount is None:
        raise Missing("disks", Reason.ERROR, "no mount holds %s" % path)
    if mount.kind in ENCRYPTING:
        return mount.kind, True
    if mount.kind in IN_MEMORY:
        raise Missing("disks", Reason.ERROR, "%s is in memory (%s)" % (path, mount.kind))
    if mount.kind == "zfs":
        return mount.source, _zfs(host, mount.source)
    if not mount.device.startswith("0:"):
        return mount.source, _device(host, "/sys/dev/block/" + mount.device, mounts, depth)
    if not mount.source.startswith("/dev/"):
        detail = "%s is on %s (%s), whose disk this host does not see" % (path, mount.source, mount.kind)
        raise Missing("disks", Reason.ERROR, detail)
    # btrfs has a number of its own, and may have several devices.
    name = posixpath.basename(host.realpath(mount.source))
    names = _btrfs_devices(host, name) if mount.kind == "btrfs" else [name]
    # Each is looked at, also behind one that is in clear: what is not known of one must not depend on their order.
    encrypted = [_device(host, "/sys/class/block/" + item, mounts, depth) for item in names]
    return mount.source, all(encrypted)


def _zfs(host: Any, dataset: str) -> bool:
    done = host.run(["zfs", "get", "-H", "-o", "value", "encryption", dataset], timeout=4)
    value = first_line(done.out)
    if done.rc or value in ("", "-"):
        raise Missing("disks", Reason.ERROR, "zfs get encryption: " + (first_line(done.err) or "gave no answer"))
    return value != "off"


def _btrfs_devices(host: Any, name: str) -> List[str]:
    try:
        file_systems = host.listdir("/sys/fs/btrfs")
    except NotFound:
        file_systems = []
    for item in file_systems:
        folder = posixpath.join("/sys/fs/btrfs", item, "devices")
        try:
            names = host.listdir(folder)
        except NotFound:
            continue
        if name in names:
            return list(names)
    raise Missing("disks", Reason.ERROR, "/sys does not show on which devices the btrfs of %s is" % name)


def _device(host: Any, path: str, mounts: Any, depth: int) -> bool:
    """Return whether all that a block device writes passes dm-crypt. Raises Missing for a device that /sys does not show."""
    path = host.realpath(path)
    if depth > DEEPEST:
        raise Missing("disks", Reason.ERROR, "%s: devices stand on one another without end" % path)
    try:
        names = host.listdir(path)
    except NotFound:
        raise Missing("disks", Reason.ERROR, "/sys does not show the device %s" % posixpath.basename(path)) from None
    if "dm" in names and host.read(posixpath.join(path, "dm/uuid")).startswith("CRYPT-"):
        return True
    if "partition" in names:
        return _device(host, posixpath.dirname(path), mounts, depth + 1)
    if "loop" in names:
        backing = host.read(posixpath.join(path, "loop/backing_file")).strip()
        return _of_path(host, backing, mounts, depth + 1)[1]
    below = host.listdir(posixpath.join(path, "slaves")) if "slaves" in names else []
    # A volume over two disks is encrypted where both are.
    encrypted = [_device(host, posixpath.join(path, "slaves", name), mounts, depth + 1) for name in below]
    return bool(below) and all(encrypted)


def _swap(host: Any, mounts: Any) -> List[Dict[str, Any]]:
    """Return the swap areas that end on a disk: zram stays in memory."""
    try:
        found = mountinfo.swaps(host.read("/proc/swaps"))
    except NotFound:
        return []  # a kernel without swap
    except ValueError as error:
        raise Missing("disks.swap", Reason.PARSE_ERROR, "/proc/swaps: %s" % error) from None
    out = []
    for area in found:
        name = posixpath.basename(host.realpath(area.path))
        if area.kind == "file":
            out.append(dict({"path": area.path}, **_facts(host, area.path, mounts)))
        elif not name.startswith("zram"):
            encrypted = attempt(partial(_device, host, "/sys/class/block/" + name, mounts, 0))
            out.append({"path": area.path, "on": area.path, "encrypted": encrypted})
    return out


COLLECTORS = (Collector("disks", collect, deadline=19.0),)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""dockerd's flags and keys: which flag is which key of daemon.json, and which keys a reload puts in force."""

from __future__ import annotations

CONFIG = "/etc/docker/daemon.json"

SHORT = {
    "-b": "bridge",
    "-D": "debug",
    "-G": "group",
    "-H": "host",
    "-g": "data-root",
    "-l": "log-level",
    "-p": "pidfile",
    "-s": "storage-driver",
}
# Where the key is not called as the flag is. dockerd does not start where one thing is said in both places.
KEYS = {
    "add-runtime": "runtimes",
    "authorization-plugin": "authorization-plugins",
    "default-address-pool": "default-address-pools",
    "default-ulimit": "default-ulimits",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "log-opt": "log-opts",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
# What dockerd takes up on SIGHUP. Everything else waits for its next start.
RELOADED = frozenset(
    """
    debug labels live-restore max-concurrent-downloads max-concurrent-uploads max-download-attempts default-runtime runtimes
    authorization-plugins insecure-registries registry-mirrors shutdown-timeout features allow-nondistributable-artifacts
    """.split()
)
# Drivers whose files can be limited by max-size and max-file. Others refuse options that they do not know.
LIMITED_DRIVERS = ("json-file", "local")

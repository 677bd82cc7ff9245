# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host paths that give a container more than its own files."""

from __future__ import annotations

# Whoever may talk to one of these sockets is root on the host; a read-only mount does not keep anybody from connecting.
SOCKETS = (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
)
# Folders that hold one of them: mounting the folder mounts the socket.
SOCKET_FOLDERS = ("/", "/run", "/var", "/var/run")
# Writable, these give the host away, and so does everything in them: root runs or believes what stands there.
SENSITIVE_TREES = (
    "/etc",
    "/proc",
    "/sys",
    "/root",
    "/dev",
    "/boot",
    "/lib",
    "/usr",
    "/bin",
    "/sbin",
    "/var/lib/docker",
    "/var/spool/cron",
)
# Writable as a whole these are as bad; a project's own folder in one of them is not.
SENSITIVE_FOLDERS = ("/", "/home", "/var", "/opt", "/srv")

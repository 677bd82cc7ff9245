# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each service of an nself project works with once everything else is taken from it.

Found by the service's role, by its name, or by the last part of its image's name. What stands in no entry is UNKNOWN: for that the
running container is asked what it has written, as whom it runs and who owns what it mounts.
Capabilities of what keeps its root stand in audit/tables/container_capabilities.py: what the audit allows is what is granted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


@dataclass(frozen=True)
class Needs:
    """names: roles, service names or image names; user: what to run as where nothing else says so, "" for what is found on the host.

    data: the folder whose owner the service has to be; root: why it has to keep root, "" where it need not; workers: what
    speaks to the world then is not root; tmpfs: folders it writes
    to beside its volumes; run: folders like those that have to be the user's own, with a mode; programs: it runs programs out of /tmp;
    home: its programs want a home folder they can write to; known: what it writes is known, so the container's layer is not asked;
    unprivileged: it does its work without `privileged`, devices and the host's processes, and `loses` says what is lost with them.
    memory: least MiB, and percent of the host's; cpu: share of the host's; pids: most processes and threads.
    """

    names: Tuple[str, ...]
    user: str = ""
    data: str = ""
    root: str = ""
    workers: bool = False
    tmpfs: Tuple[str, ...] = ("/tmp",)
    run: Tuple[Tuple[str, str], ...] = ()
    programs: bool = False
    home: bool = False
    known: bool = True
    unprivileged: bool = False
    loses: str = ""
    memory: Tuple[int, int] = (128, 2)
    cpu: float = 0.25
    pids: int = 256


NOBODY = "65534:65534"
_EXPORTER = (64, 1)

NEEDS = (
    # The official image drops root by itself: what runs and what owns the data says as whom (70 in the alpine image, 999 in Debian's).
    Needs(
        ("postgres",),
        data="/var/lib/postgresql/data",
        tmpfs=("/tmp",),
        run=(("/run/postgresql", "2775"),),
        memory=(512, 25),
        cpu=0.75,
        pids=512,
    ),
    Needs(("hasura",), user="1001:1001", memory=(512, 12), cpu=0.75, pids=512),
    Needs(("auth",), user="1001:1001", home=True, memory=(256, 5), cpu=0.5),
    # Its master binds ports and reads keys as root; its workers, which speak to the world, do not.
    Needs(
        ("nginx",),
        root="its master reads the keys",
        workers=True,
        tmpfs=("/tmp", "/run", "/var/cache/nginx", "/var/lib/nginx"),
        memory=(256, 5),
        cpu=0.75,
        pids=256,
    ),
    Needs(("minio",), user="1000:1000", data="/data", memory=(512, 10), cpu=0.5, pids=512),
    Needs(("redis",), user="999:999", data="/data", memory=(256, 6), cpu=0.5, pids=128),
    Needs(("mailpit",), user="1000:1000", memory=(128, 1)),
    Needs(("meilisearch",), user="1000:1000", data="/meili_data", memory=(512, 10), cpu=0.5, pids=512),
    Needs(("mlflow",), user="1000:1000", home=True, programs=True, memory=(512, 6), cpu=0.5, pids=512),
    # It installs the packages of the functions when it starts: into their folder, by way of its home and of /tmp.
    Needs(("functions",), data="/opt/project", home=True, programs=True, memory=(512, 6), cpu=0.5, pids=512),
    Needs(("prometheus",), user=NOBODY, data="/prometheus", memory=(512, 6), cpu=0.5),
    Needs(("grafana", "grafana-oss"), user="472:472", data="/var/lib/grafana", memory=(256, 4)),
    Needs(("loki",), user="10001:10001", data="/loki", memory=(256, 5), cpu=0.5),
    Needs(("tempo",), user="10001:10001", data="/var/tempo", memory=(256, 5), cpu=0.5),
    Needs(("alertmanager",), user=NOBODY, data="/alertmanager", memory=(64, 1), pids=128),
    Needs(
        ("promtail",),
        root="the containers' logs are root's alone",
        memory=(128, 2),
        pids=128,
    ),
    Needs(
        ("cadvisor",),
        root="/var/lib/docker is root's alone",
        unprivileged=True,
        loses="events of the kernel's out-of-memory killer",
        memory=(256, 2),
        pids=128,
    ),
    # It reads the host's /proc from a mount of its own, so it need not be among the host's processes.
    Needs(("node-exporter",), user=NOBODY, unprivileged=True, memory=_EXPORTER, pids=64),
    Needs(("postgres-exporter",), user=NOBODY, memory=_EXPORTER, pids=64),
    Needs(("redis-exporter", "redis_exporter"), user="59000:59000", memory=_EXPORTER, pids=64),
    # It runs once beside MinIO, and keeps its settings in its home.
    Needs(("minio-client", "mc"), user="1000:1000", home=True, memory=(128, 1), pids=64),
)

# Containers that run once to hand a volume to another user.
INIT = Needs(("-init",), root="it hands a volume to another user", memory=(64, 1), pids=64)
UNKNOWN = Needs((), known=False, programs=True, memory=(256, 6), cpu=0.5, pids=256)

# Folders that programs may lose at any time: a tmpfs may take their place.
SCRATCH = ("/tmp", "/var/tmp", "/run", "/var/run", "/var/lock")
CACHES = "/var/cache"
# How many names of a path tell a place where a service keeps files, by the first of them, and how many such places are remembered.
DEPTH = 2
DEPTHS = {"usr": 4, "var": 4, "home": 4, "opt": 3, "srv": 3}
MOST_PLACES = 12
# In a home folder.
HOME_SCRATCH = (".npm", ".cache", ".config", ".local", ".yarn", ".pnpm-store", ".mc", ".bun", ".deno")
# What somebody's shell or an interpreter leaves behind; neither minds that it cannot.
LEFTOVERS = (
    ".ash_history",
    ".bash_history",
    ".node_repl_history",
    ".python_history",
    ".psql_history",
    ".wget-hsts",
    "__pycache__",
)
# Options of a service that are not mended where they are found: whoever wrote them wanted them.
HOST_NAMESPACES = (("network", "network_mode"), ("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"), ("user", "userns_mode"))
# {role: {argument: the variable that its program reads for it}}: what stands on a command line is read by every account.
ARGUMENTS = {"mlflow": {"--backend-store-uri": "MLFLOW_BACKEND_STORE_URI"}}

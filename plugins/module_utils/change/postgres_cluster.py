# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clusters of PostgreSQL that Debian's postgresql-common manages on a host, and how one of them is asked."""

from __future__ import annotations

import posixpath
import time
from typing import Any, Dict, List, Mapping, NamedTuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import psql
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_server import Server
from ansible_collections.nself.prod.plugins.module_utils.host import Host, HostError, first_line

CONFIG = "/etc/postgresql"
CLIENTS_AUTHORITY = "/nself-prod-ca.crt"  # in a cluster's folder, for everybody to read
SOCKETS = "/var/run/postgresql"
UP_SECONDS = 60.0
# Options that a server on the host has in common with one in a container.
HOST_TYPES: Dict[str, Any] = {
    "required": {"type": "bool", "default": True},
    "min_protocol": {"type": "str", "default": "TLSv1.2", "choices": ["TLSv1.2", "TLSv1.3"]},
    "allowed_hosts": {"type": "list", "elements": "str", "default": []},
    "hba_rules": {"type": "list", "elements": "str", "default": []},
    "keep_rules": {"type": "bool", "default": True},
    "certificate": {"type": "str", "default": ""},
    "key": {"type": "str", "default": "", "no_log": True},
    "ca": {"type": "str", "default": ""},
    "names": {"type": "list", "elements": "str", "default": []},
    "max_connections": {"type": "int"},
    "log_connections": {"type": "bool", "default": True},
    "log_disconnections": {"type": "bool", "default": True},
    "log_statement": {"type": "str", "default": "ddl", "choices": ["none", "ddl", "mod", "all"]},
    "log_line_prefix": {"type": "str", "default": "%m [%p] user=%u,db=%d,client=%h "},
}


class Cluster(NamedTuple):
    """One line of pg_lsclusters. name: 15/main; config: its folder; unit: systemd's."""

    name: str
    port: int
    running: bool
    owner: str
    data: str
    config: str
    unit: str


def clusters(host: Host) -> List[Cluster]:
    """Return the clusters of this host; none where postgresql-common is not there. Raises ChangeError."""
    if host.which("pg_lsclusters") is None:
        return []
    done = host.run(["pg_lsclusters", "--no-header"], timeout=20.0)
    if done.rc:
        raise ChangeError("pg_lsclusters: %s" % (first_line(done.err) or "no word why"))
    out = []
    for line in done.out.splitlines():
        words = line.split()
        if len(words) < 6:
            continue
        version, name, port, status, owner, data = words[:6]
        config = posixpath.join(CONFIG, version, name)
        unit = "postgresql@%s-%s.service" % (version, name)
        running = status.split(",")[0] == "online"
        out.append(Cluster("%s/%s" % (version, name), int(port), running, owner, data, config, unit))
    return out


class _Machine:
    """What a Server looks for in a deployment, for one that is in none."""

    def __init__(self, host: Host) -> None:
        self.host = host


class HostServer(Server):
    """A cluster on the host, asked by its socket as its owner."""

    def __init__(self, host: Host, cluster: Cluster) -> None:
        super().__init__(_Machine(host), "PostgreSQL %s" % cluster.name)
        self.cluster = cluster

    def sql(self, text: str) -> str:
        done = self._psql("\\set ON_ERROR_STOP on\n\\set VERBOSITY terse\n" + text)
        if done.rc:
            raise Mismatch("%s: %s" % (self.service, first_line(done.err) or "psql ended with %d" % done.rc))
        return str(done.out)

    def place(self, path: str) -> str:
        return path

    def until_up(self) -> None:
        """Wait until it answers, and ask it everything. Raises Mismatch."""
        expires = time.monotonic() + UP_SECONDS
        while True:
            try:
                self.ask()
                return
            except Refused as error:
                if time.monotonic() > expires:
                    raise Mismatch("it does not answer: %s" % error) from error
            time.sleep(0.5)

    def _answers(self, sections: Mapping[str, str]) -> Dict[str, Any]:
        done = self._psql(psql.script(sections))
        if done.rc and not done.out:
            raise Refused(
                "%s lets %s not in by its socket: %s" % (self.service, self.cluster.owner, first_line(done.err))
            )
        return psql.answers(done.out, sections)

    def _psql(self, script: str) -> Any:
        info = self.stack.host.stat(self.cluster.data)
        argv = ["psql", "-X", "-q", "-A", "-t", "-w", "-h", SOCKETS, "-p", str(self.cluster.port)]
        argv += ["-U", self.cluster.owner, "-d", "postgres", "-f", "-"]
        environment = {"PGAPPNAME": psql.APPLICATION, "PGCONNECT_TIMEOUT": "3", "PGCLIENTENCODING": "UTF8"}
        try:
            return self.stack.host.run(argv, timeout=20.0, stdin=script, env=environment, owner=(info.uid, info.gid))
        except HostError as error:
            raise Refused("psql: %s" % (error.detail or error.reason)) from error

    def _pid(self) -> str:
        lines = str(self.stack.host.read(posixpath.join(self.cluster.data, "postmaster.pid"))).splitlines()
        return lines[0].strip() if lines else ""

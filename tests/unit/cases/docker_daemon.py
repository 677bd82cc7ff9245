# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of the Docker engine."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

ABSENT = {"docker": {"state": "absent"}}
HIDDEN = {"docker": Unread("needs_root", "docker: permission denied on its socket")}


def engine(**facts):
    base = {
        "state": "present",
        "arguments": ["-H", "fd://"],
        "config": {},
        "socket": {"mode": 0o660, "uid": 0, "gid": 105},
        "group": {"gid": 105, "members": []},
    }
    return {"docker": dict(base, **facts)}


def setup(**facts):
    base = {
        "state": "present",
        "live_restore": True,
        "insecure_registries": [],
        "log_driver": "json-file",
        "config": {"log-opts": {"max-size": "10m"}},
        "arguments": [],
    }
    return {"docker": dict(base, **facts)}


CASES = {
    "INFRA-29": {
        "pass": [engine(), engine(arguments=["-H", "tcp://0.0.0.0:2376", "--tlsverify"])],
        "fail": [
            engine(arguments=["-H", "tcp://0.0.0.0:2375"]),
            engine(arguments=["--host=tcp://10.0.0.5:2375"]),
            engine(config={"hosts": ["tcp://0.0.0.0:2375"]}),
            engine(socket={"mode": 0o666, "uid": 0, "gid": 105}),
            engine(socket={"mode": 0o660, "uid": 1000, "gid": 105}),
            engine(socket={"mode": 0o660, "uid": 0, "gid": 1000}),
            engine(group={"gid": 105, "members": ["deploy"]}),
        ],
        "unknown": [HIDDEN, engine(arguments=None), engine(arguments=Unread("needs_root", "denied"))],
        "not_applicable": [ABSENT, {"docker": {"state": "stopped"}}],
    },
    "INFRA-30": {
        "pass": [setup(), setup(log_driver="journald")],
        "fail": [
            setup(live_restore=False),
            setup(insecure_registries=["10.0.0.0/8"]),
            setup(config={}),
        ],
        "unknown": [HIDDEN, setup(config=Unread("parse_error", "/etc/docker/daemon.json printed no JSON"))],
        "not_applicable": [ABSENT],
    },
}
FREE_MAPS = {"config"}
# A driver other than json-file has no files to limit; only json-file's options are read.
OPTIONAL = {("INFRA-30", "docker.config"), ("INFRA-30", "docker.arguments")}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a project's next start reads docker-compose.override.yml: COMPOSE_FILE of the env files, and what the stack was started with."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import compose_files, override
from ansible_collections.nself.prod.plugins.module_utils.change.stack.transaction import Transaction
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo
from fake_host import FakeHost

P = "/srv/app/"
YML, PROD, OVERRIDE = "docker-compose.yml", "docker-compose.prod.yml", "docker-compose.override.yml"
OURS = override.join(override.Override(roles={"nginx": "services: {}\n"}), ["nginx"])
MINE = "services: {web: {command: dev}}\n"
START = "2026-01-01T12:00:00.123456789Z"
STARTED = 1767268800  # the same, as seconds


class Stack:
    """A project that was started with the files `started`. files: {name: text}; written: when its override was."""

    directory = "/srv/app"

    def __init__(self, files, started, written=STARTED - 60, earlier=()):
        files = {P + name: text for name, text in dict({YML: "", PROD: ""}, **files).items()}
        stats = {P + OVERRIDE: FileInfo(0o644, 0, 0, 1, written, "file")} if P + OVERRIDE in files else {}
        self.host = FakeHost(files, stats)
        self.chain = {}
        self.inspected = [container(started, START)] + [container(names, "2025-01-01T12:00:00Z") for names in earlier]
        self.base, self.override_path = compose_files.files(self.host, self.directory, self.inspected)
        self.override = override.split(files.get(self.override_path))

    def path(self, name):
        return name if name.startswith("/") else P + name

    def env_sets(self):
        sets = {"bare": [P + ".env"], "start": [P + ".env.runtime"]}
        return {name: [path for path in paths if path in self.host.files] for name, paths in sets.items()}

    def started(self):
        return {}  # how they run is not asked before it is known what starts them

    def unread(self):
        return compose_files.unread(self, self.inspected)


def container(names, created):
    paths = [name if name.startswith("/") else P + name for name in names]
    return {
        "Created": created,
        "Config": {"Labels": {"com.docker.compose.project.config_files": ",".join(paths)}},
    }


def env(*names):
    return {".env": "A=1\nCOMPOSE_FILE=%s\n" % ":".join(names)}


READ = {
    "no override yet": ({}, [YML]),
    "yml and an override": ({OVERRIDE: MINE}, [YML, OVERRIDE]),
    "ours after a run": ({OVERRIDE: OURS}, [YML, OVERRIDE]),
    "three files with -f": ({OVERRIDE: MINE}, [YML, PROD, OVERRIDE]),
    "COMPOSE_FILE with the override": (dict(env(YML, PROD, OVERRIDE), **{OVERRIDE: MINE}), [YML, PROD, OVERRIDE]),
    "COMPOSE_FILE as it was told to be put": (env(YML, PROD, OVERRIDE), [YML, PROD]),
    "COMPOSE_FILE with whole paths": (env(P + YML, P + "./" + PROD, P + OVERRIDE), [YML, PROD]),
    "an override that somebody removed": ({}, [YML, OVERRIDE]),
    "containers of a rollback": ({OVERRIDE: MINE}, [YML, OVERRIDE, "/var/lib/gone/was.yml"]),
    "a container without a label": ({OVERRIDE: MINE}, []),
}


@pytest.mark.parametrize(("files", "started"), READ.values(), ids=list(READ))
def test_a_start_that_reads_the_override_is_no_reason_to_stop(files, started):
    assert Stack(files, started).unread() == ""


def test_an_override_that_was_written_since_waits_for_the_next_start():
    assert Stack({OVERRIDE: MINE}, [YML], STARTED + 60).unread() == ""
    assert Stack({OVERRIDE: OURS}, [YML], STARTED + 60, earlier=[[YML, OVERRIDE]]).unread() == ""


LINE = "COMPOSE_FILE=docker-compose.yml:docker-compose.prod.yml:docker-compose.override.yml"
UNREAD = {
    "COMPOSE_FILE without it": (env(YML, PROD), [YML, PROD], "COMPOSE_FILE in .env names .* would not read", LINE),
    "COMPOSE_FILE of the runtime file": (
        {".env.runtime": "COMPOSE_FILE=%s:%s\n" % (YML, PROD)},
        [YML, PROD],
        "COMPOSE_FILE in .env.runtime",
        "put %s into .env.runtime" % LINE,
    ),
    "COMPOSE_FILE with it in the middle": (
        dict(env(YML, OVERRIDE, PROD), **{OVERRIDE: MINE}),
        [YML, OVERRIDE, PROD],
        "does not have the last word",
        LINE,
    ),
    "started with -f, in the middle": ({OVERRIDE: MINE}, [YML, OVERRIDE, PROD], "does not have the last word", LINE),
    "started with -f and without it": ({}, [YML, PROD], "started with .*prod.yml alone", LINE),
    "COMPOSE_FILE that waits for a start": (env(YML, PROD, OVERRIDE), [YML], "start it again", "was started with"),
    "COMPOSE_FILE of one, which has no override": (
        env(YML),
        [YML],
        "would not read",
        "COMPOSE_FILE=docker-compose.yml:docker-compose.override.yml",
    ),
    "an override that was left out": (
        {OVERRIDE: MINE},
        [YML],
        "docker-compose.yml alone",
        "what you have written into docker-compose.override.yml yourself",
    ),
    "ours that was left out": ({OVERRIDE: OURS}, [YML], "docker-compose.yml alone", "start it without -f"),
}


@pytest.mark.parametrize(("files", "started", "why", "what"), UNREAD.values(), ids=list(UNREAD))
def test_a_start_that_does_not_is_told_with_the_line_that_helps(files, started, why, what):
    with pytest.raises(Refused, match=why) as error:
        Transaction(Stack(files, started), [], [], None, 1.0).run()
    assert what in str(error.value) and str(error.value).endswith("nothing was changed")


def test_another_separator_and_a_variable_in_it_are_understood():
    settings = {".env": "COMPOSE_PATH_SEPARATOR=;\nX=prod\nCOMPOSE_FILE='docker-compose.yml;docker-compose.${X}.yml'\n"}
    assert "COMPOSE_FILE='%s'" % LINE.partition("=")[2].replace(":", ";") in Stack(settings, [YML, PROD]).unread()

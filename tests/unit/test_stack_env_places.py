# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Into which env files a secret goes that was replaced."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes
from ansible_collections.nself.prod.plugins.module_utils.change.stack import env_places
from ansible_collections.nself.prod.plugins.module_utils.change.stack.candidate import Candidate
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Plan
from ansible_collections.nself.prod.plugins.module_utils.change.stack.stack import LATER, Stack
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv
from fake_host import FakeHost
from fake_stack import FakeStack

WEAK, STRONG = "nself", "s" * 32
HAS = "REDIS_PASSWORD=%s\nOTHER=1\n" % WEAK


def found(files, in_force=WEAK, settings=None):
    stack = FakeStack(variables={"REDIS_PASSWORD": in_force}, files=dict({".env": "ENV=prod\n" + HAS}, **files))
    where, left = env_places.places(stack, settings or {"REDIS_PASSWORD": STRONG}, [])
    return {path[len("/srv/app/") :]: names for path, names in where.items()}, left


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (".env.local", True),
        (".env.secrets", True),
        (".env.prod", True),
        (".env.computed", True),
        (".env.ai", True),
        (".env.dev", False),
        (".env.staging", False),
        (".env.example", False),
        (".env.prod.example", False),
        (".env.local.bak", False),
        (".env.backup-20260101", False),
        (".env.old", False),
        ("env.local", False),
    ],
)
def test_a_replaced_secret_goes_into_every_file_that_a_start_may_read_it_from(name, written):
    where, _left = found({name: HAS})
    assert set(where) == {".env"} | ({name} if written else set())


def test_one_that_waits_to_be_filled_in_is_replaced_too_and_what_has_no_such_name_stays():
    where, left = found({".env.local": "REDIS_PASSWORD=${X}\n", ".env.secrets": "OTHER=1\n"})
    assert where == {".env": ["REDIS_PASSWORD"], ".env.local": ["REDIS_PASSWORD"]} and left == []


def test_files_of_other_environments_are_named_and_stay():
    where, left = found({".env.dev": HAS, ".env.staging": HAS, ".env.example": HAS})
    assert list(where) == [".env"]
    assert len(left) == 1 and "REDIS_PASSWORD is a new one; another stays in .env.dev, .env.staging" in left[0]
    assert WEAK not in left[0] and STRONG not in left[0]


def test_in_development_its_own_file_is_one_of_them():
    stack = FakeStack(files={".env": "ENV=dev\n", ".env.dev": HAS, ".env.prod": "REDIS_PASSWORD=${PROD}\n"})
    where, left = env_places.places(stack, {"REDIS_PASSWORD": STRONG}, [])
    assert list(where) == ["/srv/app/.env", "/srv/app/.env.dev"] and left == []


def test_a_secret_that_stays_is_written_over_nowhere_and_told():
    where, left = found({".env.local": HAS, ".env.dev": HAS}, in_force=STRONG)
    assert where == {".env": ["REDIS_PASSWORD"]}
    assert len(left) == 1 and left[0].startswith(".env.local has another REDIS_PASSWORD than .env")


def test_what_started_the_stack_and_links_to_it_are_written_once():
    host = FakeHost({"/srv/app/.env": HAS, "/srv/app/.env.local": HAS}, links={"/srv/app/.env.local": "/srv/app/.env"})
    stack = FakeStack(host=host)
    assert list(env_places.places(stack, {"REDIS_PASSWORD": STRONG}, ["/srv/app/.env"])[0]) == ["/srv/app/.env"]


def test_git_is_asked_about_the_files_that_get_one():
    def git(argv, _stdin, _env):
        return Completed(0, ".env.local\0" if "ls-files" in argv else "", "")

    files = {"/srv/app/.env": "", "/srv/app/.env.local": "", "/srv/app/.git/HEAD": ""}
    stack = FakeStack(host=FakeHost(files, commands={"git": git}))
    tracked, loose = env_places.in_git(stack, ["/srv/app/.env.local", "/srv/app/.env"])
    assert (
        "git rm --cached .env.local" in tracked
        and loose == ".env holds a new secret and is not ignored by git: ignore it"
    )
    del files["/srv/app/.git/HEAD"]
    assert env_places.in_git(FakeStack(host=FakeHost(files)), ["/srv/app/.env"]) == []


def test_the_files_are_written_closed_and_keep_everything_else():
    stats = {"/srv/app/.env.local": FileInfo(0o644, 1000, 1000, 1, 0.0, "file")}
    files = {"docker-compose.yml": "", ".env": "ENV=prod\n", ".env.local": "# mine\n" + HAS}
    stack = FakeStack(host=FakeHost({"/srv/app/" + name: text for name, text in files.items()}, stats))
    stack.base, stack.env_files = ["/srv/app/docker-compose.yml"], ["/srv/app/.env"]
    stack.override_path, stack.override_text = "/srv/app/docker-compose.override.yml", None
    new = Candidate.__new__(Candidate)
    new.stack, new.host, new.order, new.left = stack, stack.host, [], []
    new.plans = {"redis": Plan(settings={"REDIS_PASSWORD": STRONG})}
    new.texts, new._before = {}, {}
    new._compose_texts()
    text = new.texts["/srv/app/.env.local"]
    assert text == "# mine\nREDIS_PASSWORD=%s\nOTHER=1\n" % STRONG
    assert dotenv.parse(new.texts["/srv/app/.env"]).values["REDIS_PASSWORD"] == STRONG
    changes = Changes(stack.host, check=True)
    new.write(changes)
    told = str(changes.result()["diff"])
    assert STRONG not in told and "0600" in told and ".env.local" in told


def test_the_chain_of_1x_is_one_of_the_ways_to_start():
    stack = Stack.__new__(Stack)
    stack.directory, stack.env_files = "/srv/app", []
    stack.host = FakeHost({"/srv/app/" + name: "ENV=production\n" for name in (".env", ".env.prod", ".env.local")})
    assert stack.env_sets()[LATER] == ["/srv/app/.env", "/srv/app/.env.prod", "/srv/app/.env.local"]
    stack.host = FakeHost({"/srv/app/.env": ""})
    assert LATER not in stack.env_sets()

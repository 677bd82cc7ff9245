# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new files of a run: whose hands their folder is in, what they say of services that a build took away, and who judges them."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import override
from ansible_collections.nself.prod.plugins.module_utils.change.stack.candidate import (
    FILES_LABEL,
    Candidate,
    _others_write,
    _with_labels,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import File, Plan
from ansible_collections.nself.prod.plugins.module_utils.change.stack.stack import LATER
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv
from fake_host import FakeHost
from fake_stack import FakeStack


def folder(mode, uid=0):
    return FileInfo(mode, uid, 0, 0, 0.0, "dir")


@pytest.mark.parametrize(
    ("own", "above", "others"),
    [
        (folder(0o755), folder(0o755), False),
        (folder(0o755), folder(0o1777), False),
        (folder(0o755, 1000), folder(0o755), True),
        (folder(0o2775), folder(0o755), True),
        (folder(0o755), folder(0o755, 1000), True),
    ],
)
def test_a_folder_is_roots_alone_only_with_all_above_it(own, above, others):
    root = folder(0o755)
    host = FakeHost(stats={"/": root, "/srv": root, "/srv/apps": above, "/srv/apps/nself": own})
    assert _others_write(host, "/srv/apps/nself") is others


def documents(**services):
    return {
        role: override.document({"services": {name: {"read_only": True} for name in names}}, role, {"version": 1})
        for role, names in services.items()
    }


def taken_out(roles, services, unused=()):
    """Return (documents, the override without what is gone) of a candidate."""
    found = Candidate.__new__(Candidate)
    found.stack = FakeStack({name: {"image": name} for name in services})
    found.stack.unused = set(unused)
    found.order, found.stand_in = ["containers", "nginx", "shared"], ""
    new = override.Override("", "services: {}\n", documents(**roles), "")
    found._take_out_what_is_gone(new)
    return new.roles, found.stand_in


def test_a_service_that_a_build_took_away_goes_out_of_every_roles_document():
    roles, stand_in = taken_out({"containers": ["nginx", "mail"], "nginx": ["nginx"], "shared": ["mail"]}, ["nginx"])
    assert roles == documents(containers=["nginx"], nginx=["nginx"])
    assert override.split(stand_in).roles == roles and override.split(stand_in).yours == "services: {}\n"


def test_one_of_a_profile_that_is_not_used_stays():
    roles = {"containers": ["nginx", "once"]}
    assert taken_out(roles, ["nginx"], ["once"]) == (documents(**roles), "")
    assert taken_out({"containers": ["nginx"]}, ["nginx"]) == (documents(containers=["nginx"]), "")


def test_where_nothing_is_left_compose_still_has_a_file_to_read():
    found = taken_out({"containers": ["mail"]}, [])
    assert found == ({}, "services: {}\n")


# -- what compose says of the new files ------------------------------------------------------------------------------------


class Compose:
    """compose that refuses what `rule(text of all files, variables)` returns a reason for."""

    def __init__(self, project, rule, files, env_files):
        self.project, self.rule, self.files, self.env_files = project, rule, list(files), list(env_files)

    def but(self, files=None, env_files=None):
        return Compose(
            self.project,
            self.rule,
            self.files if files is None else files,
            self.env_files if env_files is None else env_files,
        )

    def ask(self, *_words):
        variables = {}
        for path in self.env_files:
            variables.update(dotenv.parse(self.project.text(path)).values)
        why = self.rule("".join(self.project.text(path) for path in self.files), variables)
        if why:
            raise ChangeError("docker compose config: %s in %s" % (why, self.files[-1]))
        return ""

    def model(self):
        self.ask()
        roles = override.split(self.project.text(self.files[-1])).roles
        return dict({"services": self.project.services}, **{override.OURS + role: {} for role in roles})

    def hashes(self):
        return {}


class Project(FakeStack):
    """A project whose files and compose's word on them decide. files: {relative path: text}."""

    override_path = "/srv/app/docker-compose.override.yml"

    def __init__(self, tmp_path, rule, files, started=(".env.runtime",), yours=""):
        files = dict({"docker-compose.yml": "# base\n"}, **files)
        super().__init__({"web": {"image": "nginx"}}, files=files, variables={"NET": "app_net"})
        self.folder = tmp_path
        self.base = [self.path("docker-compose.yml")]
        self.override_text = yours or None
        self.override = override.split(yours)
        self.env_files = [self.path(name) for name in started]
        self.cli = Compose(self, rule, self.base, self.env_files)

    def text(self, path):
        if path in self.host.files:
            return self.host.files[path]
        with open(path, encoding="utf-8") as stream:
            return stream.read()

    @contextlib.contextmanager
    def scratch(self):
        yield str(self.folder)

    def env_sets(self):
        sets = {
            "a bare `docker compose`": [self.path(".env")],
            "`nself start`": [self.path(".env.runtime")],
        }
        return {name: [path for path in paths if path in self.host.files] for name, paths in sets.items()}


def candidate(project, settings=None, order=("nginx",)):
    plan = Plan(fragment={"services": {"web": {"read_only": True}}}, settings=settings or {})
    return Candidate(project, {"nginx": plan}, order)


def ours_break(text, variables):
    """Our document, and not the project itself, asks for a network that NET names; without NET compose refuses the project too."""
    if "NET" not in variables:
        return 'service "web" refers to undefined network'
    return "web.read_only is not allowed" if "read_only" in text and variables["NET"] == "app_net" else ""


ENV_FILES = {".env": "NET=other\n", ".env.runtime": "NET=app_net\n"}


@pytest.mark.parametrize("settings", [{}, {"REDIS_PASSWORD": "n" * 32}], ids=["no secret", "a secret"])
def test_what_breaks_a_start_is_refused_also_where_the_run_writes_a_secret(tmp_path, settings):
    project = Project(tmp_path, ours_break, ENV_FILES)
    with pytest.raises(
        Refused, match="would not be valid with `nself start`.*not allowed.*nothing was changed"
    ) as error:
        candidate(project, settings)
    assert str(tmp_path) not in str(error.value) and project.override_path in str(error.value)


@pytest.mark.parametrize("settings", [{}, {"REDIS_PASSWORD": "n" * 32}], ids=["no secret", "a secret"])
def test_what_was_refused_before_is_told_and_stops_nobody(tmp_path, settings):
    files = {".env": "A=1\n", ".env.runtime": "NET=other\n"}
    project = Project(tmp_path, lambda text, env: "" if env.get("NET") else "undefined network", files)
    told = candidate(project, settings).left
    assert len(told) == 1 and told[0].startswith("with a bare `docker compose` docker compose refuses")
    assert str(tmp_path) not in told[0]


def test_what_the_users_own_override_breaks_is_not_ours(tmp_path):
    def rule(text, env):
        return "strict" if "mine" in text and env.get("NET") == "other" else ""

    told = candidate(Project(tmp_path, rule, ENV_FILES, yours="# mine\nx-a: 1\n"), {"REDIS_PASSWORD": "n" * 32}).left
    assert len(told) == 1 and "a bare `docker compose`" in told[0]


def test_a_project_that_nself_1x_could_not_start_before_is_not_told_of(tmp_path):
    def rule(text, env):
        return "undefined network" if env.get("NET") != "app_net" else ""

    project = Project(tmp_path, rule, {".env": "NET=app_net\n", ".env.local": "NET=\n"}, started=(".env",))
    project.env_sets = lambda: {LATER: [project.path(".env"), project.path(".env.local")]}
    assert candidate(project).left == []


def test_what_would_break_a_start_by_nself_1x_is_refused(tmp_path):
    def rule(text, env):
        return "web.read_only is not allowed" if "read_only" in text and env.get("NET") == "local" else ""

    project = Project(tmp_path, rule, {".env": "NET=app_net\n", ".env.local": "NET=local\n"}, started=(".env",))
    project.env_sets = lambda: {LATER: [project.path(".env"), project.path(".env.local")]}
    with pytest.raises(Refused, match="nself 1.x"):
        candidate(project, {"REDIS_PASSWORD": "n" * 32})


def test_a_container_is_made_anew_for_the_same_text_where_somebody_changed_the_file_since():
    def label(there, now, wanted="x"):
        config = {"Config": {"Labels": {FILES_LABEL + "nginx": now}}}
        host = FakeHost({"/srv/app/a.conf": there} if there is not None else {})
        stack = FakeStack(services={"nginx": {}}, host=host, containers={"nginx": config})
        plan = Plan(files=[File("a.conf", wanted, services=("nginx",))])
        return _with_labels({}, "nginx", plan, stack)["services"]["nginx"]["labels"][FILES_LABEL + "nginx"]

    made = label(None, "")
    assert label("x", made) == made
    assert label("changed by hand", made) == made + "-1"
    assert label("x", made + "-1") == made + "-1"
    assert label("changed by hand", made + "-1") == made + "-2"
    # A new text needs no count, and neither does an old one.
    assert label("x", made + "-1", "y") == label("x", "", "y") != made
    assert label("x", "of another text") == made

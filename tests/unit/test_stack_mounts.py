# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a container still sees what is mounted into it: on real files, with a folder in the place of the container's root."""

from __future__ import annotations

import os

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.stack import mounts
from ansible_collections.nself.prod.plugins.module_utils.change.stack.candidate import Candidate
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import File, Plan
from ansible_collections.nself.prod.plugins.module_utils.change.stack.recreate import Recreation
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from fake_host import FakeHost
from fake_stack import FakeStack

OURS = ".nself-prod/nginx/files/default.conf"
THEIRS = "nginx/nginx.conf"
TARGET = "/etc/nginx/conf.d/default.conf"


class Stack(FakeStack):
    """A container whose mounts are hard links: the same inodes."""

    def __init__(self, folder, **bound):
        self.directory, self.inner = str(folder / "project"), folder / "root"
        super().__init__(services={"nginx": {"image": "nginx"}, "db": {"image": "postgres"}})
        for path in (OURS, THEIRS):
            self.write(path, "hardened\n")
        for service, places in bound.items():
            found = [self.mount(source, target) for target, source in places.items()]
            self.containers[service] = {"Mounts": found, "State": {"Running": True, "Pid": 7}, "Id": service}

    def write(self, path, text):
        """Put a new file in the place of the one that is there."""
        place = os.path.join(self.directory, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place + "~", "w") as stream:
            stream.write(text)
        os.replace(place + "~", place)

    def mount(self, source, target):
        inside = self.inner / target.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        os.link(os.path.join(self.directory, source), str(inside))
        return {"Type": "bind", "Source": os.path.join(self.directory, source), "Destination": target}

    def root(self, service):
        return str(self.inner)

    def path(self, relative):
        return os.path.join(self.directory, relative)


@pytest.fixture
def stack(tmp_path):
    return Stack(tmp_path, nginx={TARGET: OURS, "/etc/nginx/nginx.conf": THEIRS})


def replaced(stack, target, text):
    inside = stack.inner / target.lstrip("/")
    inside.unlink()
    inside.write_text(text)


def test_what_is_seen_as_it_is_mounted_is_left_alone(stack):
    assert mounts.stale(stack, "nginx", {}) == []
    assert mounts.stale(stack, "nginx", {OURS: "hardened\n"}) == []


def test_a_mount_that_the_kernel_took_away_is_seen(stack):
    replaced(stack, TARGET, "the generated one\n")
    assert mounts.stale(stack, "nginx", {}) == mounts.stale(stack, "nginx", {OURS: "hardened\n"}) == [TARGET]
    (stack.inner / TARGET.lstrip("/")).unlink()
    assert mounts.stale(stack, "nginx", {}) == [TARGET]


def test_another_file_with_the_same_text_has_the_same_effect(stack):
    replaced(stack, TARGET, "hardened\n")
    stack.write(THEIRS, "hardened\n")
    assert mounts.stale(stack, "nginx", {}) == []


def test_what_an_editor_put_in_the_place_of_a_mounted_file_is_not_seen_by_the_container(stack):
    stack.write(THEIRS, "edited\n")
    assert mounts.stale(stack, "nginx", {}) == ["/etc/nginx/nginx.conf"]


def test_ours_is_held_against_what_the_run_will_write(stack):
    stack.write(OURS, "edited, and put right by the run\n")
    assert mounts.stale(stack, "nginx", {OURS: "hardened\n"}) == []
    with open(stack.path(THEIRS), "a") as stream:
        stream.write("edited in its place\n")
    assert mounts.stale(stack, "nginx", {OURS: "hardened\n", THEIRS: "hardened\n"}) == ["/etc/nginx/nginx.conf"]


def test_a_folder_that_was_put_back_from_elsewhere_is_another(tmp_path):
    stack = Stack(tmp_path)
    inside = stack.inner / "ours"
    inside.mkdir(parents=True)
    mount = {"Type": "bind", "Source": stack.path(".nself-prod/nginx"), "Destination": "/ours"}
    stack.containers["nginx"] = {"Mounts": [mount], "State": {"Running": True, "Pid": 7}}
    assert mounts.stale(stack, "nginx", {}) == ["/ours"]
    inside.rmdir()
    os.rename(stack.path(".nself-prod/nginx"), str(inside))
    os.makedirs(stack.path(".nself-prod"), exist_ok=True)
    assert mounts.stale(stack, "nginx", {}) == ["/ours"]  # it is made by the run, and then is another one too


def test_of_other_services_only_what_is_ours_counts(tmp_path):
    stack = Stack(tmp_path, db={"/hba.conf": OURS, "/init.sql": THEIRS})
    stack.write(OURS, "new\n")
    stack.write(THEIRS, "new\n")
    assert mounts.stale(stack, "db", {}) == ["/hba.conf"]


def test_no_link_in_a_container_is_followed_and_nothing_but_files_is_read(stack, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hardened\n")
    inside = stack.inner / TARGET.lstrip("/")
    inside.unlink()
    inside.symlink_to(secret)
    assert mounts.look(TARGET, str(stack.inner)).content is None
    os.rename(str(inside.parent), str(inside.parent) + "2")
    inside.parent.symlink_to(str(inside.parent) + "2")
    assert mounts.stale(stack, "nginx", {}) == []
    os.mkfifo(str(stack.inner / "pipe"))
    assert mounts.look("/pipe", str(stack.inner)).content is None


def test_a_container_that_does_not_run_sees_its_files_when_it_is_started(stack):
    replaced(stack, TARGET, "another\n")
    stack.containers["nginx"]["State"] = {"Running": False, "Pid": 0}
    assert mounts.stale(stack, "nginx", {}) == []
    stack.containers["nginx"]["State"] = {"Running": True, "Restarting": True, "Pid": 0}
    stack.inner = stack.inner / "of a process that is none"
    assert mounts.stale(stack, "nginx", {}) == []


# -- what is done about it -----------------------------------------------------------------------------------------------------


def candidate(stack, changed=()):
    """Return a candidate that knows which services a run changes."""
    found = Candidate.__new__(Candidate)
    found.stack, found.model, found.left, found.stale = stack, {}, [], {}
    fragment = {"services": {"nginx": {"volumes": ["./%s:%s:ro" % (OURS, TARGET)]}}}
    found.plans = {"nginx": Plan(fragment=fragment, files=[File(OURS, "hardened\n")])}
    found._find_recreations({"nginx": "old"}, {"nginx": "new" if "nginx" in changed else "old"})
    return found


@pytest.fixture
def made(stack):
    stack.containers["nginx"]["Config"] = {"Labels": {"com.docker.compose.config-hash": "old"}}
    return stack


def test_a_container_that_does_not_see_its_files_is_started_again_and_not_made_anew(made):
    assert candidate(made).recreate == []
    replaced(made, TARGET, "another\n")
    found = candidate(made)
    assert (found.recreate, found.stale, found.recreated, found.touched) == ([["nginx"]], {"nginx": [TARGET]}, [], [])


def test_one_that_is_made_anew_sees_its_files_anyway(made):
    replaced(made, TARGET, "another\n")
    found = candidate(made, ["nginx"])
    assert (found.recreate, found.stale, found.recreated) == ([["nginx"]], {}, ["nginx"])


def test_services_that_the_roles_of_the_run_mount_nothing_into_are_not_looked_at(made):
    replaced(made, TARGET, "another\n")
    found = candidate(made)
    found.plans = {"redis": Plan(fragment={"services": {"nginx": {"read_only": True}}})}
    found._find_recreations({"nginx": "old"}, {"nginx": "old"})
    assert (found.recreate, found.stale) == ([], {})


def test_only_the_container_itself_is_started_again(made):
    made.host = FakeHost(commands={"docker restart nginx": Completed(0, "nginx\n", "")})
    made.containers["nginx"]["State"]["Health"] = {"Status": "healthy"}
    Recreation(made, 1.0).run([["nginx"]], {}, ["nginx"])
    assert [argv for argv, _stdin, _env in made.host.ran] == [("docker", "restart", "nginx")] and not made.ran

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that bring the old containers back, and the process that is noted so that it does not go on against them."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change import guard
from ansible_collections.nself.prod.plugins.module_utils.change.stack import compose_cli, undo
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, Host
from fake_stack import FakeStack


class Cli(compose_cli.Compose):
    def __init__(self):
        super().__init__(None, "/srv/app", "app", ["/srv/app/docker-compose.yml"], [], [])

    def but(self, **_unused):
        return self

    def model(self, interpolate=True):
        return {}

    def hashes(self):
        return {name: "1" for name in ("auth", "db", "web", "old")}


class Stack(FakeStack):
    def on_disk(self):
        return Cli()


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setattr(undo, "FOLDER", str(tmp_path))
    monkeypatch.setattr(undo, "WAS", str(tmp_path / "was.yml"))
    labels = {"com.docker.compose.config-hash": "1"}

    def container(running=True, stop=None):
        return {"Id": "7", "Config": {"Labels": labels, "StopTimeout": stop}, "State": {"Running": running}}

    services = {
        "auth": {"restart": "always"},
        "db": {"restart": "always"},
        "web": {"restart": "always", "depends_on": {"auth": {"condition": "service_healthy"}, "db": {}}},
        "old": {"restart": "always"},
    }
    containers = {"auth": container(), "db": container(), "web": container(stop=20), "old": container(False)}
    found = Stack(services, containers=containers)
    monkeypatch.setattr(undo.drift, "frozen", lambda *_unused: {})
    return found


def ups(stack, *args):
    found = [argv for argv in undo.commands(stack, *args) if "up" in argv]
    return [argv[argv.index("up") :] for argv in found]


def test_what_somebody_had_stopped_comes_back_stopped(stack):
    first, last, still = ups(stack, ["web", "old"], [], [])
    assert "web" in first and "old" not in first + still and "--no-start" not in first + still
    assert "old" in last and "--no-start" in last and "web" not in last


def test_compose_does_not_wait_for_what_was_unhealthy_before(stack):
    first = ups(stack, ["web"], [], [])[0]
    assert first[-3:] == ["web", "auth", "db"]
    first = ups(stack, ["web"], [], [], {"auth": "unhealthy"})[0]
    assert first[-1] == "web"


def test_what_docker_goes_on_to_stop_is_started_again(stack, tmp_path):
    argv = [words for words in undo.commands(stack, ["web"], [], []) if undo.STILL_UP in words][0]
    at = argv.index(undo.STILL_UP)
    assert argv[at + 1 : at + 5] == [guard.STATE + "/cut", "app", "web", "25"]
    docker, started = tmp_path / "docker", tmp_path / "started"
    docker.write_text("#!/bin/sh\n[ -e %s ] && echo web\necho db\n" % started)
    docker.chmod(0o755)
    environment = dict(os.environ, PATH="%s:%s" % (tmp_path, os.environ["PATH"]))

    def run():
        words = ["sh", "-c", undo.STILL_UP, str(tmp_path / "cut"), "app", "db web", "2", "sh", "-c"]
        subprocess.run(words + ["echo x >>%s" % started], env=environment, check=True)

    run()
    assert not started.exists()
    (tmp_path / "cut").touch()
    run()
    assert started.read_text() == "x\n"  # once is enough where it then runs


def test_what_compose_never_came_to_start_is_not_in_the_way(stack, tmp_path):
    argv = [words for words in undo.commands(stack, ["web", "old"], [], []) if undo.LEAVINGS in words][0]
    assert argv[-4:] == [undo.TOUCHED, "app", "web", "old"]
    docker, calls = tmp_path / "docker", tmp_path / "calls"
    docker.write_text('#!/bin/sh\necho "$*" >>%s\ncase "$*" in *service=web) echo 123;; esac\n' % calls)
    docker.chmod(0o755)
    environment = dict(os.environ, PATH="%s:%s" % (tmp_path, os.environ["PATH"]))
    for there in (False, True):
        if there:
            (tmp_path / "touched").touch()
        subprocess.run(argv[:3] + [str(tmp_path / "touched")] + argv[4:], env=environment, check=True)
        assert calls.exists() == there
    lines = calls.read_text().splitlines()
    assert len(lines) == 3 and lines[-1] == "rm --force -- 123"
    assert all("status=created" in line and "project=app" in line for line in lines[:2])


def test_the_process_of_compose_is_noted_while_it_changes_things(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "STATE", str(tmp_path))
    seen = []

    class Called(Host):
        def run(self, argv, **options):
            seen.append(argv)
            at = argv.index("docker")
            words = ["sh", "-c", "echo $$ $(sed 's/.*) //' /proc/$$/stat | cut -d ' ' -f 20)"]
            return super().run(list(argv[:at]) + words, timeout=5)

    call = compose_cli.Compose(Called(), str(tmp_path), "app", [], [], [])
    assert call.run("config").rc == 0 and not (tmp_path / "child").exists()
    done = call.run("up", noted=True)
    noted = (tmp_path / "child").read_text().split()
    assert noted[:2] == done.out.split() and len(noted) == 3
    assert seen[-1][-1] == "up" and not (tmp_path / "cut").exists()


def test_a_call_that_failed_is_one_that_docker_may_still_work_for(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "STATE", str(tmp_path))

    class Fails:
        def run(self, *_unused, **_options):
            return Completed(1, "", "error")

    call = compose_cli.Compose(Fails(), str(tmp_path), "app", [], [], [])
    call.run("config")
    assert not (tmp_path / "cut").exists()
    call.run("up", noted=True)
    assert stat.S_IMODE((tmp_path / "cut").stat().st_mode) == 0o600


def test_what_a_rollback_met_with_is_told_in_short(stack):
    calls = [" ".join(words) for words in undo.commands(stack, ["web", "old"], ["db"], [])]
    outcome = "; ".join("`%s` ended with 1" % call for call in calls if " up " in call or "restart" in call)
    outcome = outcome.replace("docker restart 7", "docker restart " + "7" * 64)
    assert undo.in_short(outcome) == [
        "`docker compose up web auth db` ended with 1",
        "`docker compose up old` ended with 1",
        "`docker restart 777777777777` ended with 1",
    ]
    assert undo.in_short("it did not run") == ["it did not run"]


def test_a_folder_that_changed_hands_is_given_back(tmp_path):
    stack = FakeStack()
    stack.path = lambda relative: str(tmp_path / relative)
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o750)
    (command,) = undo.folders_back(stack, ["data", "data", "not-there"])
    (tmp_path / "data").chmod(0o777)
    subprocess.run(command, check=True)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o750
    (tmp_path / "data").rmdir()
    subprocess.run(command, check=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other").chmod(0o777)
    (tmp_path / "data").symlink_to("other")
    subprocess.run(command, check=True)
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o777


@pytest.mark.parametrize(
    ("said", "others", "restarted", "code"),
    [
        # As Docker 26 says after a power cut.
        ("Bind for 127.0.0.1:6379 failed: port is already allocated", "", True, 0),
        ("Bind for 127.0.0.1:6379 failed: port is already allocated", "127.0.0.1:6379->6379/tcp", False, 1),
        ("Bind for 127.0.0.1:6379 failed: port is already allocated", "0.0.0.0:16379->6379/tcp", True, 0),
        ("no such image: redis", "", False, 1),
    ],
)
def test_a_port_that_docker_holds_for_nobody_is_let_go(stack, tmp_path, said, others, restarted, code):
    argv = [words for words in undo.commands(stack, ["web"], [], []) if undo.LEAKED in words][0]
    script = argv[argv.index(undo.LEAKED) - 2 : argv.index(undo.LEAKED) + 2]
    again = tmp_path / "restarted"
    for name, text in (("docker", "echo '%s'" % others), ("systemctl", 'echo "$*" >%s' % again)):
        (tmp_path / name).write_text("#!/bin/sh\n%s\n" % text)
        (tmp_path / name).chmod(0o755)
    start = ["sh", "-c", '[ -e "$0" ] || { echo "Error response from daemon: $1" >&2; exit 1; }', str(again), said]
    environment = dict(os.environ, PATH="%s:%s" % (tmp_path, os.environ["PATH"]))
    done = subprocess.run(script + start, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, again.exists()) == (code, restarted)
    assert said in done.stdout
    assert not restarted or again.read_text() == "restart docker.service\n"

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's engine: daemon.json merged, never against its flags, and no restart that stops containers."""

from __future__ import annotations

import json

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change import docker_daemon
from ansible_collections.nself.prod.plugins.module_utils.change import docker_daemon_config as configs
from ansible_collections.nself.prod.plugins.module_utils.change import docker_daemon_unit as units
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo
from fake_host import FakeHost

LOGS = {"max-size": "10m", "max-file": "3"}
GOOD = {"live-restore": True, "log-opts": LOGS}


def plan(found, flags="", engine=None, **wish):
    options = dict({"live_restore": True, "log_opts": LOGS, "registries": [], "settings": {}}, **wish)
    given = configs.flags_of(flags.split())
    return configs.plan(found, configs.Wish(**options), given, engine or configs.Engine(), "docker.service (/u)")


# -- daemon.json ---------------------------------------------------------------------------------------------------------


def test_keys_that_are_there_stay_and_what_is_wanted_comes_in():
    found = {"data-root": "/srv", "log-opts": {"max-size": "1g", "compress": "true"}, "dns": ["9.9.9.9"]}
    config = plan(found, settings={"log-opts": {"max-file": "5"}, "dns": None, "icc": False}).config
    assert config == {
        "data-root": "/srv",
        "log-opts": {"max-size": "10m", "max-file": "5", "compress": "true"},
        "live-restore": True,
        "icc": False,
    }
    assert plan(config, settings={"log-opts": {"max-file": "5"}, "icc": False}).config == config


def test_numbers_among_the_log_options_are_written_as_dockerd_takes_them():
    assert plan({}, log_opts={"max-size": "5m", "max-file": 2}).config["log-opts"] == {
        "max-size": "5m",
        "max-file": "2",
    }


@pytest.mark.parametrize("driver", [{"log-driver": "journald"}, {"log-driver": "syslog"}])
def test_other_log_drivers_get_no_options_that_they_refuse(driver):
    found = plan(driver)
    assert "log-opts" not in found.config and "max-size" in found.left[0]
    assert "log-opts" in plan(driver, settings={"log-driver": "local"}).config


def test_registries_in_clear_go_but_those_that_are_named():
    assert plan({"insecure-registries": ["a:5000", "b:5000"]}).config["insecure-registries"] == []
    assert plan({"insecure-registries": ["a", "b"]}, registries=["b"]).config["insecure-registries"] == ["b"]
    # The engine still has what the file has not any more: only an empty list makes a reload forget it.
    assert plan({}, engine=configs.Engine(insecure=("a",))).config["insecure-registries"] == []
    assert "insecure-registries" not in plan({}).config


def test_an_open_api_goes_from_the_file_and_is_told_where_the_unit_has_it():
    found = {"hosts": ["fd://", "tcp://0.0.0.0:2375"]}
    assert plan(found).config["hosts"] == ["fd://"]
    assert "hosts" not in plan({"hosts": ["tcp://0.0.0.0:2375"]}).config
    guarded = dict(found, tlsverify=True)
    assert plan(guarded).config["hosts"] == found["hosts"]
    assert plan(found, "--tlsverify").config["hosts"] == found["hosts"]
    assert "tcp://0.0.0.0:2375" in plan({}, "-H fd:// -H tcp://0.0.0.0:2375").left[0]


def test_a_swarm_goes_without_live_restore():
    found = plan({}, engine=configs.Engine(swarm=True))
    assert "live-restore" not in found.config and "swarm" in found.left[0]


@pytest.mark.parametrize(
    ("found", "flags", "wish"),
    [
        ({}, "--live-restore=false", {}),
        ({}, "--log-opt max-file=2", {}),
        ({"hosts": ["fd://"]}, "-H fd://", {}),
        ({"storage-opts": ["x"]}, "--storage-opt=x", {}),
        ({}, "-H fd://", {"settings": {"hosts": ["fd://"]}}),
        ({}, "--data-root /a", {"settings": {"data-root": "/b"}}),
        ({}, "-g/a", {"settings": {"data-root": "/b"}}),
    ],
)
def test_what_a_flag_says_is_not_said_twice(found, flags, wish):
    with pytest.raises(ChangeError, match="docker.service .* take it out"):
        plan(found, flags, **wish)


def test_a_flag_that_says_what_is_wanted_is_enough():
    assert plan({}, "--live-restore --log-opt max-size=50m -H fd://").config == {}


def test_live_restore_that_is_not_wanted_goes():
    assert plan({"live-restore": True}, live_restore=False, log_opts=None).config == {"live-restore": False}
    assert plan({}, live_restore=False, log_opts=None).config == {}


@pytest.mark.parametrize("text", ["{", '{"a": 1,}', "[]", "null", '"x"', "{} x", "[" * 100000])
def test_a_malformed_file_is_refused(text):
    with pytest.raises(ChangeError, match="stays as it is"):
        configs.parse(text, "/etc/docker/daemon.json")


@pytest.mark.parametrize("text", [None, "", " \n", "{}"])
def test_an_empty_file_is_an_empty_object(text):
    assert configs.parse(text, "/x") == {}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('{"live-restore": true, "data-root": "/a"}', False),
        ('{"log-opts": {"splunk-token": "abc"}}', True),
        ('{"proxies": {"http-proxy": "http://u:hunter2@proxy:1"}}', True),
    ],
)
def test_a_file_with_a_secret_is_in_no_diff(text, secret):
    assert configs.has_secret(text) is secret


# -- a running engine ----------------------------------------------------------------------------------------------------


class Engine(FakeHost):
    """A host with a fake engine that reads its file on reload and on restart."""

    def __init__(self, config=None, running=("a",), flags="-H fd://", swarm="inactive", drops=(), refuses=(), **files):
        self.live, self.insecure, self.ids, self.swarm = False, [], list(running), swarm
        self.drops, self.refuses, self.starts = drops, refuses, 1
        base = {
            "/etc/group": "docker:x:103:visitor,shop\n",
            "/etc/passwd": "root:x:0:0::/:/bin/sh\nshop:x:1005:1005::/:/bin/sh\n",
            "/proc/7/cmdline": "\0".join(["dockerd"] + flags.split() + [""]),
            "/etc/docker/key": "",
        }
        if config is not None:
            base[docker_daemon.CONFIG] = config if isinstance(config, str) else json.dumps(config)
        super().__init__(
            dict(base, **files),
            stats={"/var/run/docker.sock": FileInfo(0o660, 0, 103, 0, 0.0, "socket")},
            commands={"dockerd": "", "docker": self.docker, "systemctl": self.systemctl, "gpasswd": ""},
        )
        self.load(everything=True)

    def load(self, everything=False):
        config = json.loads(self.files.get(docker_daemon.CONFIG, "{}") or "{}")
        self.live = bool(config.get("live-restore", self.live and not everything))
        if everything or "insecure-registries" in config:
            self.insecure = config.get("insecure-registries", [])
        return config

    def docker(self, argv, _stdin, _env):
        if argv[1] == "info":
            names = {name: {"Secure": False} for name in self.insecure}
            info = {
                "ServerVersion": "26",
                "LiveRestoreEnabled": self.live,
                "LoggingDriver": "json-file",
                "RegistryConfig": {"IndexConfigs": names},
                "Swarm": {"LocalNodeState": self.swarm},
            }
            return json.dumps(info)
        if argv[1] == "ps":
            return "\n".join(self.ids)
        if "--format" in argv:
            return "\n".join("%s t%d" % (name, self.starts if name in self.drops else 0) for name in self.ids)
        logs = {"Type": "json-file", "Config": {}}
        return json.dumps([{"Id": name, "Name": "/" + name, "HostConfig": {"LogConfig": logs}} for name in self.ids])

    def systemctl(self, argv, _stdin, _env):
        if argv[1] == "show":
            if argv[2] == "docker.socket":
                return "LoadState=loaded\nSocketMode=0660\n"
            return "LoadState=loaded\nActiveState=active\nMainPID=7\nExecMainStartTimestampMonotonic=%d\n" % self.starts
        if argv[1] == "reload":
            self.load()
        if argv[1] == "restart":
            if set(self.refuses) & set(self.load(everything=True)):
                return Completed(1, "", "Job for docker.service failed")
            self.starts += 1
            if not self.live:
                self.drops = self.ids
        return ""


class Writing(Changes):
    """Writes into the fake."""

    def file(self, path, text, *others, **named):
        if self.host.files.get(path) == text:
            return False
        self.changed = True
        if not self.check:
            self.host.files[path] = text
        self._told.update({path: text} if self.check else {})
        return True

    def absent(self, path):
        self.changed = True
        if not self.check:
            del self.host.files[path]
        return True


@pytest.fixture(autouse=True)
def writing(monkeypatch):
    monkeypatch.setattr(docker_daemon, "Changes", Writing)


def run(host, check=False, **params):
    options = {name: item.get("default") for name, item in docker_daemon.SPEC.items()}
    changes = Writing(host, check)
    out = docker_daemon.work(host, changes, dict(options, **params))
    return changes, out


def effects(host):
    return [
        " ".join(argv[:3])
        for argv, _stdin, _env in host.ran
        if argv[:2] != ("systemctl", "show") and argv[0] in ("systemctl", "gpasswd")
    ]


def test_live_restore_is_in_force_before_the_restart():
    host = Engine({"insecure-registries": ["a:5000"]})
    changes, out = run(host)
    assert changes.changed and out["restarted"] and not out["restart_needed"]
    told = [item for item in effects(host) if "reset-failed" not in item]
    assert told[:2] == ["systemctl reload docker.service", "systemctl restart docker.service"]
    assert (host.live, host.insecure) == (True, [])
    assert "a" in [line for line in out["left"] if "logs without a limit" in line][0]
    again, out = run(host, group_users=["visitor", "shop"])
    assert not again.changed and not out["restart_needed"]


def test_a_check_predicts_and_touches_nothing():
    host = Engine({})
    changes, out = run(host, check=True)
    assert changes.changed and not out["restarted"] and effects(host) == []
    assert host.files[docker_daemon.CONFIG] == "{}"


def test_a_setting_that_a_reload_takes_up_restarts_nothing():
    host = Engine(GOOD)
    _changes, out = run(host, settings={"labels": ["a=b"]}, group_users=["visitor", "shop"])
    assert effects(host) == ["systemctl reload docker.service"] and not out["restarted"]


def test_a_file_that_nobody_loaded_is_loaded():
    host = Engine(GOOD)
    host.live = False
    changes, _out = run(host)
    assert changes.changed and host.live


@pytest.mark.parametrize("case", [{"live_restore": False}, {"swarm": "active"}, {"restart": False}])
def test_no_restart_stops_containers_and_it_waits_until_one_is_safe(case):
    host = Engine({}, swarm=case.pop("swarm", "inactive"))
    _changes, out = run(host, **case)
    assert out["restart_needed"] and not out["restarted"] and "systemctl restart docker.service" not in effects(host)
    again, out = run(host, group_users=["visitor", "shop"], **case)
    assert out["restart_needed"] and not again.changed
    host.ids = []
    if "restart" not in case:
        _changes, out = run(host, **case)
        assert out["restarted"] and docker_daemon.WAITING not in host.files


def test_without_containers_a_restart_is_safe():
    assert run(Engine({}, running=()), live_restore=False)[1]["restarted"]


def test_an_engine_that_does_not_start_gets_its_file_back():
    host = Engine(GOOD, refuses=("bridge",))
    before = host.files[docker_daemon.CONFIG]
    with pytest.raises(ChangeError, match="was put back"):
        run(host, settings={"bridge": "nonsense"})
    assert host.files[docker_daemon.CONFIG] == before and host.starts == 2


def test_a_container_that_a_restart_stopped_is_an_error():
    with pytest.raises(ChangeError, match="stopped a"):
        run(Engine({}, drops=("a",)))


def test_what_dockerd_would_not_take_is_not_written():
    host = Engine(GOOD)
    host.commands["dockerd"] = Completed(1, "", "unable to configure the Docker daemon with file /dev/stdin: foo\n")
    with pytest.raises(ChangeError, match="daemon.json stays as it is, dockerd would not take"):
        run(host, settings={"foo": 1})
    assert json.loads(host.files[docker_daemon.CONFIG]) == GOOD


def test_an_old_dockerd_that_cannot_judge_is_no_hindrance():
    host = Engine({})
    host.commands["dockerd"] = Completed(125, "", "unknown flag: --validate\nSee 'dockerd --help'.")
    assert run(host)[1]["restarted"]


def test_dockerd_judges_beside_the_flags_that_it_is_started_with():
    host = Engine({}, flags="--config-file /etc/docker/daemon.json -H fd://")
    run(host)
    judged = [argv for argv, _stdin, _env in host.ran if argv[0] == "dockerd"]
    assert judged == [("dockerd", "--validate", "--config-file=/dev/stdin", "-H", "fd://")]


# -- who commands it -----------------------------------------------------------------------------------------------------


def test_members_leave_the_group_but_the_projects_owner(monkeypatch):
    host = Engine(GOOD)
    monkeypatch.setattr(docker_daemon, "_owner", lambda *_others: "shop")
    _changes, out = run(host)
    assert effects(host) == ["gpasswd -d visitor"]
    assert any(line.startswith("shop owns the project") for line in out["left"])


def test_the_group_can_be_left_alone():
    host = Engine(GOOD)
    changes, out = run(host, group_manage=False)
    assert not changes.changed
    assert sum("is root through the group docker" in line for line in out["left"]) == 2


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (FileInfo(0o666, 0, 103, 0, 0.0, "socket"), "mode 0660, uid 0, gid 103"),
        (FileInfo(0o660, 1000, 1000, 0, 0.0, "socket"), "mode 0660, uid 0, gid 103"),
        (FileInfo(0o600, 0, 0, 0, 0.0, "socket"), None),
    ],
)
def test_the_socket_is_closed_and_never_opened(found, expected):
    host = Engine(GOOD)
    host.stats["/var/run/docker.sock"] = found
    changes = Writing(host, True)
    docker_daemon._socket(host, changes)
    assert [entry["after"].strip() for entry in changes.result()["diff"]] == ([expected] if expected else [])


def test_a_host_without_docker_is_told_so():
    host = FakeHost({"/etc/group": ""})
    _changes, out = run(host)
    assert out["applicable"] is False and "no Docker engine" in out["left"][0]


def test_a_stopped_engine_is_written_for_and_not_started():
    host = Engine(None)
    shown = "LoadState=loaded\nActiveState=inactive\nMainPID=0\nExecStart={ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS ; x }\n"
    host.commands["systemctl"] = shown + "EnvironmentFiles=/etc/default/docker (ignore_errors=yes)\n"
    host.files["/etc/default/docker"] = 'DOCKER_OPTS="--log-opt max-size=2m"\n'
    changes, _out = run(host)
    assert changes.changed and json.loads(host.files[docker_daemon.CONFIG]) == {"live-restore": True}
    assert units.of(host).arguments == ("-H", "fd://", "--log-opt", "max-size=2m")
    assert not [item for item in effects(host) if "start" in item or "reload" in item]
    # A word to its socket would start it.
    assert not [argv for argv, _stdin, _env in host.ran if argv[0] == "docker"]

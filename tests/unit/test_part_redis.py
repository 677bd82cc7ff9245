# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role redis: where the password goes, who is told of it, and what is left alone."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import raw, redis_command
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.redis import RedisPart
from ansible_collections.nself.prod.plugins.module_utils.deployment.interpolate import interpolate
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from ansible_collections.nself.prod.plugins.module_utils.parse import resp
from fake_host import FakeHost
from fake_stack import FakeStack

GENERATED = {
    "image": "redis:7-alpine",
    "container_name": "${PROJECT_NAME}_redis",
    "command": "redis-server --appendonly yes --protected-mode yes --requirepass ${REDIS_PASSWORD}",
    "healthcheck": {"test": ["CMD", "redis-cli", "-a", "${REDIS_PASSWORD}", "ping"]},
}
IMAGE = {"Config": {"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["redis-server"]}}
GOOD = "2f1c9a7be4d05386aa17"


def part(service=None, clients=None, password=GOOD, weak="replace", given="", **more):
    services = dict({"redis": dict(GENERATED, **(service or {}))}, **(clients or {}))
    variables = {"PROJECT_NAME": "app", "REDIS_PASSWORD": password}
    filled = interpolate(services, variables)
    stack = FakeStack(filled, services, variables=variables, images={"redis": IMAGE}, **more)
    return RedisPart(stack, {"password_weak": weak}, {"REDIS_PASSWORD": given} if given else {})


def planned(*arguments, **more):
    return part(*arguments, **more).plan()


def redis_of(plan):
    return plan.fragment["services"]["redis"]


def test_the_generated_command_keeps_all_but_the_password():
    plan = planned()
    service = redis_of(plan)
    assert service["command"] == [
        "docker-entrypoint.sh", "redis-server", "-", "--appendonly", "yes", "--protected-mode", "yes",
    ]  # fmt: skip
    assert service["environment"] == {"REDIS_PASSWORD": "${REDIS_PASSWORD}"}
    assert GOOD not in str(plan.fragment)
    assert (plan.settings, plan.left) == ({}, [])


def test_the_health_check_asks_by_the_environment_and_looks_at_the_answer():
    test = redis_of(planned())["healthcheck"]["test"]
    assert test == ["CMD-SHELL", 'test "$$(REDISCLI_AUTH="$$REDIS_PASSWORD" redis-cli ping)" = PONG']


@pytest.mark.parametrize(
    "test, client",
    [
        ("redis-cli -p 7000 --pass $$REDIS_PASSWORD ping | grep PONG || exit 1", "redis-cli -p 7000"),
        (["CMD", "/usr/bin/valkey-cli", "--tls", "--no-auth-warning", "-a", "x", "PING"], "/usr/bin/valkey-cli --tls"),
        (["CMD-SHELL", "redis-cli incr ping"], "redis-cli"),
    ],
)
def test_a_health_check_keeps_how_it_gets_there(test, client):
    assert " %s ping" % client in redis_command.health(test).test[1]


@pytest.mark.parametrize("test", [None, ["CMD", "/check.sh"], ["NONE"], "nc -z localhost 6379"])
def test_a_health_check_of_another_kind_is_none(test):
    assert redis_command.health(test) is None


def test_a_health_check_of_another_kind_stays():
    assert "healthcheck" not in redis_of(planned({"healthcheck": {"test": ["CMD", "/check.sh"]}}))


@pytest.mark.parametrize("password", [GOOD, 'a "b" \\c$d`e`\'f#g;h', "ends with \\", "ü%&()<>| *~", '"', "$(id)$HOME"])
def test_any_password_arrives_as_it_is(password):
    found = redis_command.server(["redis-server", "--requirepass", "${REDIS_PASSWORD}"])
    entrypoint = interpolate(redis_command.started(found, ["requirepass"])["entrypoint"], {})
    out = subprocess.run(
        entrypoint + [shutil.which("cat")], env={"PATH": "/bin:/usr/bin", "REDIS_PASSWORD": password}, capture_output=True, check=True
    ).stdout.decode()  # fmt: skip
    name, value = re.match(r'(\w+) "(.*)"\n\Z', out, re.S).groups()
    assert (name, re.sub(r"\\(.)", r"\1", value)) == ("requirepass", password)


def test_without_a_password_the_server_is_not_started():
    found = redis_command.server(["redis-server", "--requirepass", "${REDIS_PASSWORD}"])
    entrypoint = interpolate(redis_command.started(found, ["requirepass"])["entrypoint"], {})
    done = subprocess.run(entrypoint + ["cat"], env={"PATH": "/bin:/usr/bin", "REDIS_PASSWORD": ""}, capture_output=True, check=False)  # fmt: skip
    assert done.returncode and b"is empty" in done.stderr and not done.stdout


@pytest.mark.parametrize("password", ["", "demo-redis-password", "redis", "short", "${PROD_REDIS_PASSWORD}"])
def test_a_password_that_is_none_is_replaced(password):
    plan = planned(password=password)
    assert re.match(r"[0-9a-f]{64}\Z", plan.settings["REDIS_PASSWORD"])


def test_a_weak_password_may_stay_and_a_missing_one_may_not():
    plan = planned(password="demo-redis-password", weak="keep")
    assert plan.settings == {} and "stays" in plan.left[0]
    assert planned(password="", weak="keep").settings


def test_a_given_password_is_written_and_a_bad_one_refused():
    assert planned(given="Oth:er/#-%0123").settings == {"REDIS_PASSWORD": "Oth:er/#-%0123"}
    for bad in ("redis", "changeme", "shorter", "a\nb-0123456789", "a b-0123456789", 'a"0123456789', "$(id)0123456789"):
        with pytest.raises(Refused, match="choose another one"):
            planned(given=bad)


def test_a_password_of_the_compose_file_moves_to_the_env_files():
    command = "redis-server --requirepass Stands-here-012345"
    health = {"test": "redis-cli -a Stands-here-012345 ping"}
    plan = planned({"command": command, "healthcheck": health}, password="")
    assert plan.settings == {"REDIS_PASSWORD": "Stands-here-012345"}
    assert "Stands-here" not in str(plan.fragment)


def test_another_variable_stays_the_source():
    plan = planned({"command": "redis-server --requirepass ${CACHE_PASSWORD:-cache}"})
    assert redis_of(plan)["environment"] == {"REDIS_PASSWORD": "${CACHE_PASSWORD}"}
    assert list(plan.settings) == ["CACHE_PASSWORD"]


def test_clients_get_the_password_in_their_urls():
    clients = {
        "api": {"image": "a", "environment": ["REDIS_URL=redis://redis:6379/0", "REDIS_PASSWORD=${REDIS_PASSWORD:-}"]},
        "worker": {"image": "a", "environment": {"BROKER": "redis://${PROJECT_NAME}_redis:6379", "OTHER": "redis://elsewhere:6379"}},
        "exporter": {"image": "a", "environment": {"REDIS_ADDR": "redis://:${REDIS_PASSWORD}@redis:6379"}},
    }  # fmt: skip
    services = planned(clients=clients).fragment["services"]
    assert services["api"]["environment"] == {"REDIS_URL": "redis://:${REDIS_PASSWORD}@redis:6379/0"}
    assert services["worker"]["environment"] == {"BROKER": "redis://:${REDIS_PASSWORD}@${PROJECT_NAME}_redis:6379"}
    assert "exporter" not in services


def test_a_password_that_no_url_takes_is_told():
    clients = {"api": {"image": "a", "environment": {"REDIS_URL": "redis://redis:6379"}}}
    plan = planned(clients=clients, given="a/b@c:0123456789")
    assert "api" not in plan.fragment["services"]
    assert plan.left[0].startswith("api: REDIS_PASSWORD has characters that a URL")


BLIND = {"api": {"image": "a", "environment": {"REDIS_HOST": "redis"}}}
RUNS = {"Id": "7", "State": {"Running": True}, "Config": {"Env": []}}


def test_a_client_without_a_password_is_told_when_there_was_none():
    plan = planned({"command": "redis-server"}, BLIND, password="")
    assert "api: it does not run, but asks redis" in plan.left[0] and "redis" in plan.fragment["services"]
    assert planned(clients=BLIND).left == []


def test_no_first_password_shuts_out_who_runs_and_holds_none():
    plan = planned({"command": "redis-server"}, BLIND, password="", containers={"api": RUNS})
    assert plan.fragment == {} and plan.settings == {}
    assert plan.left == [
        "redis has no password and stays so, since api would be shut out: it asks redis and holds no password; give api "
        "`REDIS_PASSWORD: ${REDIS_PASSWORD}` as environment in docker-compose.override.yml, and have it log in with that, then run again"
    ]
    assert planned(clients=BLIND, containers={"api": RUNS}).left == []  # it was shut out before


def test_a_first_password_that_was_asked_for_and_shuts_somebody_out_is_refused():
    with pytest.raises(Refused, match="^redis_password: api would be shut out.*nothing was changed$"):
        planned({"command": "redis-server"}, BLIND, password="", given=GOOD, containers={"api": RUNS})


def test_who_comes_later_does_not_take_the_password_away():
    redis = dict(RUNS, Config={"Env": ["REDIS_PASSWORD=" + GOOD]})
    made = part({"command": "redis-server"}, BLIND, password=GOOD, containers={"api": RUNS, "redis": redis})
    made.stack.override.roles["redis"] = "services: {}"
    made.stack.answers[("redis", "sh")] = Completed(0, "", "")
    assert "redis" in made.plan().fragment["services"]


FILE = {"command": ["redis-server", "/etc/redis.conf"], "healthcheck": {"test": "redis-cli ping"}}
MOUNT = {"volumes": [{"type": "bind", "source": "/srv/app/redis.conf", "target": "/etc/redis.conf"}]}


def test_a_server_that_has_its_password_in_a_file_is_left_alone():
    files = {"redis.conf": "protected-mode yes\nrequirepass long-enough-0123\n"}
    assert planned(dict(FILE, **MOUNT), files=files).fragment == {}


def test_its_protected_mode_is_put_on():
    files = {"redis.conf": "protected-mode no\nrequirepass long-enough-0123\n"}
    plan = planned(dict(FILE, **MOUNT), files=files)
    assert redis_of(plan) == {"command": ["redis-server", "/etc/redis.conf", "--protected-mode", "yes"]}


def test_a_file_without_a_password_is_included():
    plan = planned(dict(FILE, **MOUNT), files={"redis.conf": 'maxmemory 1gb\nrequirepass ""\n'})
    assert 'include "/etc/redis.conf"\nrequirepass "$$requirepass"' in redis_of(plan)["entrypoint"][2]
    assert redis_of(plan)["command"] == ["docker-entrypoint.sh", "redis-server", "-", "--protected-mode", "yes"]


@pytest.mark.parametrize(
    "command, reason",
    [
        ("redis-server -", "standard input already"),
        (["/start.sh"], "not start redis-server by name"),
        ("redis-server 'open", "quotes do not close"),
    ],
)
def test_a_command_that_is_not_understood_is_left_alone_and_told(command, reason):
    plan = planned({"command": command})
    assert plan.fragment == {} and reason in plan.left[0]


def test_a_shell_is_left_alone():
    plan = planned({"entrypoint": ["sh", "-c", "redis-server --requirepass $$X"], "command": None})
    assert plan.fragment == {} and "a shell starts it" in plan.left[0]


def test_an_image_without_a_shell_is_left_alone():
    running = {"redis": {"State": {"Running": True}}}
    plan = planned(containers=running, answers={("redis", "sh"): Completed(127, "", "")})
    assert plan.fragment == {} and "no shell" in plan.left[0]


def test_options_are_read_in_every_form():
    argv = ["redis-server", "/c.conf", "--save", "900", "1", "--requirepass a b", "--masterauth", "c", "--protected-mode", "no"]  # fmt: skip
    found = redis_command.server(argv)
    assert (found.words, found.file, found.protected) == (["redis-server", "--save", "900", "1"], "/c.conf", "no")
    assert found.secrets == {"requirepass": "a b", "masterauth": "c"}


def test_a_configuration_with_an_unusual_name_is_not_guessed():
    with pytest.raises(raw.Unclear):
        redis_command.script(["requirepass"], "/a b.conf")


def container(**config):
    return {"redis": {"State": {"Running": False}, "Config": config}}


def test_a_container_that_was_made_before_the_files_said_so_is_made_anew():
    wanted = interpolate(redis_of(planned()), {"REDIS_PASSWORD": GOOD})
    made = {
        "Entrypoint": wanted["entrypoint"],
        "Cmd": wanted["command"],
        "Healthcheck": {"Test": wanted["healthcheck"]["test"]},
        "Env": ["PATH=/bin", "REDIS_PASSWORD=" + GOOD],
    }
    assert planned(containers=container(**made)).recreate == []
    for key, other in (("Cmd", ["redis-server"]), ("Env", ["REDIS_PASSWORD=old"]), ("Healthcheck", None)):
        assert planned(containers=container(**dict(made, **{key: other}))).recreate == ["redis"]


def test_the_users_last_word_is_no_reason_to_make_it_anew_each_time():
    made = part(containers=container(Cmd=["redis-server"]))
    made.stack.override.below = "services: {redis: {command: redis-server}}\n"
    assert made.plan().recreate == []


# -- the effect --------------------------------------------------------------------------------------------------------


def server(password=GOOD, protected="yes", open_to_all=False):
    """Return what a Redis answers to what it is sent."""

    def answer(sent):
        out, let_in = b"", open_to_all
        for words in _commands(sent):
            if words[0] == "AUTH":
                let_in = words[1] == password
                out += b"+OK\r\n" if let_in else b"-WRONGPASS no\r\n"
            elif words[0] == "QUIT":
                out += b"+OK\r\n"
            elif not let_in:
                out += b"-NOAUTH Authentication required.\r\n"
            elif words[0] == "CONFIG":
                out += resp.command("protected-mode", protected)
            else:
                out += b"+PONG\r\n"
        return out

    return answer


def _commands(sent):
    return [[text for text in item if isinstance(text, str)] for item in resp.replies(sent)]


def proven(peer, argv=("redis-server", "-"), cmdline="redis-server *:6379"):
    container = {
        "State": {"Running": True, "Pid": 77},
        "Path": "sh",
        "Args": list(argv),
        "Config": {"Env": ["REDIS_PASSWORD=" + GOOD], "Healthcheck": {"Test": ["CMD", "true"]}},
        "NetworkSettings": {"Networks": {"n": {"IPAddress": "172.18.0.9"}}},
        "HostConfig": {},
    }
    host = FakeHost({"/proc/77/cmdline": cmdline}, peers={("172.18.0.9", 6379): peer})
    made = part(containers={"redis": container}, host=host)
    made.plan()
    made.verify()


def test_what_is_as_it_should_be_is_proven():
    proven(server())


@pytest.mark.parametrize(
    "arguments, reason",
    [
        ({"peer": server(open_to_all=True)}, "without a password"),
        ({"peer": server(protected="no")}, "protected mode is off"),
        ({"peer": server(password="another")}, "does not take its password"),
        ({"peer": server(), "argv": ("redis-server", "--requirepass", GOOD)}, "command line"),
        ({"peer": server(), "cmdline": "redis-server\0--requirepass\0" + GOOD}, "command line"),
    ],
)
def test_what_is_not_is_a_mismatch_without_the_password(arguments, reason):
    with pytest.raises(Mismatch, match=reason) as problem:
        proven(**arguments)
    assert GOOD not in str(problem.value)

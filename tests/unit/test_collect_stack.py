# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are containers what their files describe: how compose is asked, and what a difference proves."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import stack
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, HostError
from fake_host import FakeHost

SECRET = "vErY-pRiVaTe-91"
FOLDER = "/opt/nself"
ONE, TWO = "1" * 64, "2" * 64
SERVICES = (("hasura", "hasura/graphql-engine:v2.36.0"), ("postgres", "postgres:16.4"))


def container(service, image, digest=ONE, **labels):
    told = {
        "config-hash": digest,
        "oneoff": "False",
        "project": "shop",
        "project.config_files": FOLDER + "/docker-compose.yml",
        "project.environment_file": FOLDER + "/.env.runtime",
        "project.working_dir": FOLDER,
        "service": service,
        "version": "2.26.1",
    }
    told.update({key.replace("__", "."): value for key, value in labels.items()})
    return {
        "Name": "/shop-%s-1" % service,
        "State": {"Status": "running", "Running": True, "Health": {"Status": "healthy"}},
        "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
        "Config": {
            "Image": image,
            "Labels": {"com.docker.compose." + key: value for key, value in told.items() if value is not None},
        },
    }


def project(**labels):
    return [container(service, image, **labels) for service, image in SERVICES]


def host(hashes, files=None, version="2.26.1-4\n", said=None):
    def docker(argv, stdin, env):
        if said is not None:
            said.append((argv, stdin, env))
        return version if argv[2] == "version" else hashes

    own = {FOLDER + "/docker-compose.yml": "services: {}", FOLDER + "/.env.runtime": "PASSWORD=%s\n" % SECRET}
    return FakeHost(own if files is None else files, commands={"docker": docker})


def need(containers, told=None, rendered=()):
    def answer(name):
        return {"docker_containers": containers, "project": SimpleNamespace(rendered=rendered)}[name]

    answer.options = SimpleNamespace(project_dir=told)
    return answer


def configs(machine, containers):
    return {item["service"]: item["config"] for item in stack.collect(machine, need(containers))["containers"]}


BOTH = "hasura %s\npostgres %s\n" % (ONE, ONE)


def test_compose_is_asked_once_with_the_files_and_settings_of_the_start():
    said = []
    facts = stack.collect(host(BOTH, said=said), need(project()))
    assert facts["containers"][0] == {
        "service": "hasura",
        "name": "shop-hasura-1",
        "state": "running",
        "health": "healthy",
        "restart": "unless-stopped",
        "config": "same",
    }
    ((argv, stdin, env),) = said
    line = " ".join(argv)
    assert "--project-name shop --project-directory /opt/nself --profile" in line
    assert line.endswith("--env-file /dev/stdin config --hash *")
    assert stdin.strip() == "PASSWORD=%s" % SECRET
    assert SECRET not in line and SECRET not in str(env), "a secret goes to compose on standard input only"
    assert SECRET not in repr(facts) and ONE not in repr(facts), "a hash is made of secrets too"


def test_what_nself_wrote_at_the_last_start_does_not_hide_what_was_set_since():
    said = []
    files = dict(host("").files, **{FOLDER + "/.env": "PASSWORD=new\n"})
    stack.collect(host(BOTH, files, said=said), need(project()))
    ((_argv, stdin, _env),) = said
    assert stdin.splitlines() == ["PASSWORD=%s" % SECRET, "", "PASSWORD='new'"], "of two lines the later wins"


def test_an_env_file_of_somebodys_own_is_all_there_is():
    said = []
    files = {FOLDER + "/own.env": "PASSWORD=old\n", FOLDER + "/.env": "PASSWORD=new\n"}
    stack.collect(host(BOTH, files, said=said), need(project(project__environment_file=FOLDER + "/own.env")))
    assert said[0][1] == "PASSWORD=old\n"


@pytest.mark.parametrize(
    "files, options",
    [
        ("docker-compose.yml", ""),
        ("docker-compose.yml,docker-compose.override.yml", ""),
        ("docker-compose.yml,prod.yml", "--file /opt/nself/docker-compose.yml --file /opt/nself/prod.yml"),
    ],
)
def test_an_override_that_was_added_since_counts_unless_the_files_were_named(files, options):
    said = []
    told = ",".join(FOLDER + "/" + name for name in files.split(","))
    stack.collect(host(BOTH, said=said), need(project(project__config_files=told)))
    line = " ".join(said[0][0])
    assert options in line and line.count("--file") == options.count("--file")


def test_services_without_a_container():
    rendered = [{"service": name, "profiles": []} for name in ("auth", "hasura")]
    rendered.append({"service": "minio-client", "profiles": ["init-containers"]})
    assert stack.collect(host(BOTH), need(project(), rendered=rendered))["absent"] == ["auth"]
    lost = Unread("parse_error", "docker compose refuses its files")
    assert isinstance(stack.collect(host(BOTH), need(project(), rendered=lost))["absent"], Unread)


def test_a_chain_that_cannot_be_read_leaves_it_unknown():
    files = dict(host("").files, **{FOLDER + "/.env": "this is no setting\n"})
    assert all(isinstance(item, Unread) for item in configs(host(BOTH, files), project()).values())


def test_a_difference_and_a_service_that_is_gone():
    machine = host("hasura %s\n" % TWO)
    assert configs(machine, project()) == {"hasura": "differs", "postgres": "gone"}


def test_another_version_may_hash_differently_but_the_same_hash_is_the_same_service():
    machine = host("hasura %s\npostgres %s\n" % (TWO, ONE), version="v2.30.0")
    found = configs(machine, project())
    assert found["postgres"] == "same"
    assert found["hasura"] == Unread("error", "it was started by docker compose 2.26.1, and 2.30.0 is installed")


def test_without_an_env_file_its_env_and_the_chain_are_tried_and_a_difference_proves_nothing():
    said = []
    files = {
        FOLDER + "/docker-compose.yml": "services: {}",
        FOLDER + "/.env": "NAME=own\n",
        FOLDER + "/.env.dev": "NAME=other\n",
    }
    machine = host("hasura %s\npostgres %s\n" % (TWO, ONE), files, said=said)
    found = configs(machine, project(project__environment_file=None))
    assert [stdin for _argv, stdin, _env in said] == ["NAME=own\n", "NAME='own'\n"]
    assert found["postgres"] == "same"
    assert found["hasura"].detail == "it does not say with which env file it was started"


@pytest.mark.parametrize(
    "answer, detail",
    [
        (HostError("tool_absent", "docker", "is not installed"), "docker compose is not installed"),
        (Completed(1, "", "docker: 'compose' is not a docker command."), "docker compose is not installed"),
        (Completed(15, "", "line 3: bad %s" % SECRET), "docker compose refuses line 3 of a file in /opt/nself"),
        ("nothing of use", "docker compose config --hash printed no hashes"),
    ],
)
def test_where_compose_does_not_answer_it_is_not_known(answer, detail):
    found = stack.collect(FakeHost(host("").files, commands={"docker": answer}), need(project()))
    assert all(item["config"].detail.startswith(detail) for item in found["containers"])
    assert SECRET not in repr(found)


def test_an_env_file_that_is_gone_leaves_it_unknown():
    machine = host(BOTH, {FOLDER + "/docker-compose.yml": "services: {}"})
    assert all(isinstance(item, Unread) for item in configs(machine, project()).values())


def test_containers_of_others_and_of_a_single_command_do_not_count():
    more = [
        container("hasura", "x", oneoff="True"),
        container("web", "x", project="other", project__working_dir="/srv"),
    ]
    assert len(configs(host(BOTH), project() + more)) == 2


def test_many_sets_of_files_do_not_make_a_burst_of_compose():
    said = []
    containers = project() + [
        container("s%d" % number, "x", project__config_files="/opt/nself/%d.yml" % number) for number in range(9)
    ]
    configs(host(BOTH, said=said), containers)
    assert len([argv for argv, _stdin, _env in said if argv[2] != "version"]) == stack.MOST_SOURCES


def test_no_deployment_and_two_of_them():
    assert stack.collect(FakeHost(), need([])) == {"containers": [], "absent": []}
    other = [container(service, image, project="b", project__working_dir="/srv/b") for service, image in SERVICES]
    with pytest.raises(Missing):
        stack.collect(host(BOTH), need(project() + other))

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers a lockdown stops, in which order, and that exactly those are started again."""

from __future__ import annotations

import json

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change import lockdown_containers as containers
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.lockdown_rules import CONTAINERS
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from fake_host import FakeHost

IMAGES = {"postgres": "postgres:16-alpine", "hasura": "hasura/graphql-engine:v2.36.0", "nginx": "nginx:alpine"}


def container(service, runs=True, needs="", project="shop", **state):
    return {
        "Id": "id-" + service,
        "Name": "/shop-%s-1" % service,
        "State": dict({"Running": runs}, **state),
        "Config": {
            "Image": IMAGES.get(service, "busybox"),
            "Labels": {
                "com.docker.compose.project": project,
                "com.docker.compose.project.working_dir": "/srv/" + project,
                "com.docker.compose.service": service,
                "com.docker.compose.depends_on": needs,
            },
        },
    }


STACK = [
    container("nginx", needs="hasura:service_started:false"),
    container("hasura", needs="postgres:service_healthy:false"),
    container("postgres"),
    container("redis", runs=False),
    container("other", project="elsewhere"),
]


def machine(found=None, **files):
    found = STACK if found is None else found
    host = FakeHost(
        files={"/srv/shop/docker-compose.yml": "", "/var/lib/nself-prod/x": ""},
        commands={
            "docker": lambda argv, _stdin, _env: {
                "ps": "\n".join(item["Id"] for item in found),
                "inspect": json.dumps(found),
            }.get(argv[1], ""),
        },
    )
    host.files.update(files)
    return host


def remembered(*services):
    return json.dumps({"stopped": [{"id": "id-" + name, "name": "shop-%s-1" % name} for name in services]})


def ask(host, state, project_dir=None):
    """Return the result, and the commands that a run of it would carry out."""
    done = []
    changes = Changes(host, check=True)
    changes.run = lambda argv, what, **options: (changes.note(what), done.append(argv[1:]))
    return containers.work(host, changes, {"state": state, "project_dir": project_dir}), done, changes


def test_what_depends_on_others_is_stopped_first_and_all_is_remembered_before():
    result, done, changes = ask(machine(), "stopped")
    assert done == [["stop", "id-nginx"], ["stop", "id-hasura"], ["stop", "id-postgres"]]
    assert result["containers"] == ["shop-hasura-1", "shop-nginx-1", "shop-postgres-1"]
    names = [item["name"] for item in json.loads(changes.read(CONTAINERS))["stopped"]]
    assert names == ["shop-hasura-1", "shop-nginx-1", "shop-postgres-1"]


def test_exactly_those_are_started_again_in_the_opposite_order():
    stack = [dict(item, State={"Running": False}) for item in STACK]
    host = machine(stack, **{CONTAINERS: remembered("nginx", "postgres", "hasura")})
    result, done, changes = ask(host, "started")
    assert done == [["start", "id-postgres"], ["start", "id-hasura"], ["start", "id-nginx"]]
    assert changes.read(CONTAINERS) is None
    assert result["note"] == ""


def test_one_that_runs_or_is_gone_is_not_started_and_is_told():
    host = machine([container("nginx")], **{CONTAINERS: remembered("nginx", "hasura")})
    result, done, _changes = ask(host, "started")
    assert done == [] and "shop-hasura-1" in result["note"]


def test_a_second_stop_remembers_the_first():
    stack = [container("nginx"), container("hasura", runs=False), container("postgres", runs=False)]
    _result, done, changes = ask(machine(stack, **{CONTAINERS: remembered("postgres", "hasura")}), "stopped")
    assert done == [["stop", "id-nginx"]]
    assert {item["id"] for item in json.loads(changes.read(CONTAINERS))["stopped"]} == {
        "id-nginx",
        "id-postgres",
        "id-hasura",
    }


@pytest.mark.parametrize("state", ["stopped", "started"])
def test_where_nothing_is_to_be_done_nothing_changes(state):
    for host in (FakeHost(), machine([container("hasura", False), container("postgres", False)])):
        result, done, changes = ask(host, state)
        assert not done and not changes.changed and result["containers"] == []


def test_one_that_restarts_over_and_over_is_stopped_too():
    stack = [container("hasura", runs=False, Restarting=True), container("postgres", runs=False)]
    assert ask(machine(stack), "stopped")[1] == [["stop", "id-hasura"]]


def test_several_deployments_are_an_error_that_names_them():
    other = [dict(container(name, project="other"), Id="o-" + name) for name in ("hasura", "postgres")]
    with pytest.raises(ChangeError, match="2 nself projects"):
        ask(machine(STACK + other), "stopped")


def test_a_wrong_folder_is_an_error():
    with pytest.raises(ChangeError, match="/srv/nothing does not exist"):
        ask(machine(), "stopped", "/srv/nothing")


def test_an_engine_that_is_off_is_nothing_unless_it_left_containers_running():
    host = FakeHost(commands={"docker": Completed(1, "", "Cannot connect to the Docker daemon\n")})
    assert ask(host, "stopped")[0]["containers"] == []
    host.files[containers.TASKS + "/0123/state.json"] = ""
    with pytest.raises(ChangeError, match="docker does not answer: Cannot connect"):
        ask(host, "stopped")


def test_a_circle_of_dependencies_ends():
    circle = [container("a", needs="b:x:false"), container("b", needs="a:x:false,a"), container("c", needs="c:x:y")]
    assert [sorted(item["Id"] for item in wave) for wave in containers.waves(circle)] == [["id-c"], ["id-a", "id-b"]]


def test_a_damaged_memory_is_an_error_with_a_next_step():
    with pytest.raises(ChangeError, match="start the stack by hand"):
        ask(machine(**{CONTAINERS: "{}"}), "started")

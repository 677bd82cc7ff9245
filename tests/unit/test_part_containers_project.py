# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role containers: ports, images, and what concerns the services together."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch
from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_ports import bound
from ansible_collections.nself.prod.plugins.module_utils.change.stack.override import yaml
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Replace
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.containers import Containers
from containers_world import GIB, World, one, port
from part_options import options_of


@pytest.fixture
def world():
    return World()


# -- ports and images ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "model", "wanted"),
    [
        ("5432:5432", port("", "5432", 5432), "127.0.0.1:5432:5432"),
        ("${PG:-5432}:5432", port("", "5432", 5432), "127.0.0.1:${PG:-5432}:5432"),
        ("${IP:-0.0.0.0}:${PG:-5432}:5432/tcp", port("0.0.0.0", "5432", 5432), "127.0.0.1:${PG:-5432}:5432/tcp"),
        ("[::]:53:53/udp", port("::", "53", 53), "127.0.0.1:53:53/udp"),
        ("8025", port("", "", 8025), "127.0.0.1::8025"),
        (port("0.0.0.0", "443", 5432), port("0.0.0.0", "443", 5432), port("127.0.0.1", "443", 5432)),
    ],
)
def test_a_port_goes_to_loopback_and_its_variables_stay(raw, model, wanted):
    assert bound("x", [model], [raw], ["80", "443"])[0] == [wanted]


def test_the_webs_ports_and_loopback_stay_and_a_chosen_address_is_told():
    assert bound("nginx", [port("", "80", 80), port("127.0.0.1", "81", 81)], [], ["80"]) == (None, [])
    ports, left = bound("pg", [port("10.8.0.1", "5432", 5432)], [], ["80"])
    assert ports is None and "10.8.0.1" in left[0]


def test_a_range_of_ports_is_bound_port_by_port():
    ports = [port("", "8001", 8001), port("", "8002", 8002)]
    assert [entry["host_ip"] for entry in bound("x", ports, ["8001-8002:8001-8002"], [])[0]] == ["127.0.0.1"] * 2


def test_a_floating_tag_is_pinned_to_what_runs(world):
    world.add("redis", "redis:7-alpine", uids=(999,))
    digest = "sha256:" + "a" * 64
    world.images["redis"]["RepoDigests"] = ["other/redis@sha256:" + "b" * 64, "redis@" + digest]
    assert one(world.plan(), "redis")["image"] == "redis:7-alpine@" + digest
    world.containers["redis"]["Config"]["Image"] = "redis:7-alpine@" + digest
    assert one(world.plan(), "redis")["image"] == "redis:7-alpine@" + digest


def test_what_has_no_digest_or_runs_another_image_is_told_in_one_line_each(world):
    world.add("a", "a:latest")
    world.add("b", "b:latest")
    world.add("c", "c:1.0.0")
    world.add("d", "d:latest")
    world.services["d"]["image"] = "d:2.0"
    plan = world.plan()
    assert all("image" not in item for item in plan.fragment["services"].values())
    assert len([text for text in plan.left if text.startswith("a, b ")]) == 1
    assert any(text.startswith("d run another image") for text in plan.left)


# -- all together ----------------------------------------------------------------------------------------------------------


def test_the_panel_is_taken_out_and_kept_on_request(world):
    world.add("nself-admin", "nself/nself-admin:1.0.0", uids=(1000,))
    plan = world.plan()
    assert plan.remove == ["nself-admin"] and one(plan, "nself-admin") == {"profiles": ["nself-prod-off"]}
    assert world.plan(admin_panel="keep").remove == []


def test_nginx_starts_without_what_was_taken_out(world):
    world.add("nself-admin", "nself/nself-admin:1.0.0", uids=(1000,))
    world.add("nginx", "nginx:1.27.1", uids=(0, 101))
    assert one(world.plan(), "nginx")["extra_hosts"] == ["nself-admin:127.0.0.1"]
    assert "extra_hosts" not in one(world.plan(admin_panel="keep"), "nginx")


def test_what_was_taken_out_stays_out_and_nginx_starts_until_it_is_back(world):
    world.add("mailpit", "axllent/mailpit:v1.0.0", uids=(1000,))
    world.add("auth", "nhost/hasura-auth:1.0.0", environment={"AUTH_SMTP_HOST": "mailpit"})
    world.add("nginx", "nginx:1.27.1", uids=(0, 101))
    world.document = yaml(world.plan(dev_services="absent").fragment)
    world.containers["mailpit"] = None
    assert world.plan().remove == ["mailpit"]
    kept = world.plan(dev_services="keep")
    assert kept.remove == [] and one(kept, "nginx")["extra_hosts"] == ["mailpit:127.0.0.1"]
    assert any("mailpit may run again" in text for text in kept.left)


def test_a_mail_catcher_stays_while_mail_goes_to_it(world):
    world.add("mailpit", "axllent/mailpit:v1.0.0", uids=(1000,))
    world.add(
        "auth", "nhost/hasura-auth:1.0.0", environment={"AUTH_SMTP_HOST": "mailpit", "X": "https://mailpit.example"}
    )
    assert world.plan().remove == [] and world.plan(dev_services="absent").remove == ["mailpit"]
    world.services["auth"]["environment"]["AUTH_SMTP_HOST"] = "smtp.example.com"
    assert world.plan().remove == ["mailpit"]


def test_what_another_service_depends_on_is_not_taken_out(world):
    world.add("nself-admin", "nself/nself-admin:1.0.0", uids=(1000,))
    world.add("api", "api:1.0.0", depends_on={"nself-admin": {"condition": "service_started"}})
    plan = world.plan()
    assert plan.remove == [] and any("depends on it" in text for text in plan.left)


def test_production_is_set_where_it_is_not(world):
    world.add(
        "api",
        "api:1.0.0",
        environment={"NODE_ENV": "dev", "ENV": "prod", "DEBUG": "true", "LOG_LEVEL": "debug", "X": "y"},
    )
    world.add(
        "meilisearch",
        "getmeili/meilisearch:v1.5.0",
        uids=(1000,),
        environment={"MEILI_ENV": "development", "MEILI_MASTER_KEY": "short"},
    )
    plan = world.plan()
    found = one(plan, "api")["environment"]
    assert found == {"HOME": "/tmp", "NODE_ENV": "production", "DEBUG": "false", "LOG_LEVEL": "info"}
    assert "environment" not in one(plan, "meilisearch") and any("MEILI_ENV" in text for text in plan.left)
    assert one(world.plan(production=False), "api")["environment"] == {"HOME": "/tmp"}


def test_an_internal_network_is_a_second_one_for_all_but_the_data(world):
    world.add("postgres", "postgres:16.4", uids=(70,), networks={"app": None}, ports=[port("127.0.0.1", "5432", 5432)])
    world.add("nginx", "nginx:1.27.1", uids=(0, 101), networks={"app": None})
    plan = world.plan(network_internal=True)
    assert plan.fragment["networks"] == {"nself-prod-internal": {"internal": True}}
    assert isinstance(one(plan, "postgres")["networks"], Replace) and one(plan, "postgres")["networks"] == [
        "nself-prod-internal"
    ]
    assert not isinstance(one(plan, "nginx")["networks"], Replace)
    assert any("postgres" in text and "lead nowhere" in text for text in plan.left)
    assert "networks" not in world.plan().fragment


def test_on_the_internal_network_the_data_goes_by_its_other_names_too(world):
    networks = {"app": {"aliases": ["db", "cash$"]}, "other": {"aliases": ["db", "sql"]}}
    world.add("postgres", "postgres:16.4", uids=(70,), networks=networks)
    found = one(world.plan(network_internal=True), "postgres")["networks"]
    assert found == {"nself-prod-internal": {"aliases": ["cash$$", "db", "sql"]}}
    assert yaml({"networks": found}).startswith("networks: !override\n  nself-prod-internal:\n")


def test_data_with_a_fixed_address_stays_where_others_may_look_for_it(world):
    networks = {"app": {"ipv4_address": "172.18.0.5"}}
    world.add("postgres", "postgres:16.4", uids=(70,), networks=networks, ports=[port("127.0.0.1", "5432", 5432)])
    plan = world.plan(network_internal=True)
    assert one(plan, "postgres")["networks"] == ["nself-prod-internal"]
    assert not isinstance(one(plan, "postgres")["networks"], Replace)
    assert any("postgres stays on its network" in text and "172.18.0.5" in text for text in plan.left)
    assert not any("lead nowhere" in text for text in plan.left)


def test_an_exempt_service_is_left_as_it_is(world):
    world.add("redis", "redis:7.4.0", uids=(999,))
    assert world.plan(exempt=["redis"]).fragment == {}


def test_a_container_that_has_more_than_it_was_given_is_not_taken_for_hardened(world):
    world.add("redis", "redis:7.4.0", uids=(999,))
    part = Containers(world.stack(), options_of(Containers, {}), {})
    part.plan()
    with pytest.raises(Mismatch, match="redis still has the capabilities"):
        part.verify()


def test_a_password_goes_off_the_command_line_where_the_environment_has_it(world):
    words = ["mlflow", "server", "--backend-store-uri", "postgresql://u:${PW}@db/x", "--host", "0.0.0.0"]
    uri = {"MLFLOW_BACKEND_STORE_URI": "postgresql://u:secret@db/x"}
    world.add("mlflow", "app-mlflow", uids=(1000,), environment=uri, command=words)
    world.services["mlflow"]["user"] = "1000:1000"
    assert one(world.plan(), "mlflow")["command"] == ["mlflow", "server", "--host", "0.0.0.0"]
    world.services["mlflow"]["environment"] = {}
    assert "command" not in one(world.plan(), "mlflow")


def test_a_limit_that_grew_up_to_the_host_stays(world):
    world.add("api", "api:1.0.0", memory=7 * GIB, applied={})
    first = one(world.plan(), "api")["mem_limit"]
    again = World()
    again.add("api", "api:1.0.0", memory=1 << 20, applied={"Memory": int(first[:-1]) << 20})
    assert first == "7859m" and one(again.plan(), "api")["mem_limit"] == first

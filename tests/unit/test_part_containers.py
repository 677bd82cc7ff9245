# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role containers: what one service keeps, and what is never done to it."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.container_capabilities import INIT, NEEDED
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import container_files
from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_facts import written
from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_files import scratch
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import RESET, Replace
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo
from containers_world import GIB, OWNER, ROOTS, World, one, port


@pytest.fixture
def world():
    return World()


# -- users -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("uid", [70, 999])
def test_a_database_that_gives_root_up_is_started_as_whom_it_becomes(world, uid):
    world.add("postgres", "postgres:16", uids=(uid, uid))
    item = one(world.plan(), "postgres")
    assert item["user"] == "%d:%d" % (uid, uid)
    assert "/run/postgresql:uid=%d,gid=%d,mode=2775,size=1024m" % (uid, uid) in item["tmpfs"]
    assert item["cap_drop"] == ["ALL"] and "cap_add" not in item


def test_a_database_that_does_not_run_is_started_as_the_owner_of_its_data(world):
    data = FileInfo(0o700, 999, 999, 0, 0.0, "dir")
    world.add("postgres", "postgres:16", uids=(), mounts=[("/vol/pg", "/var/lib/postgresql/data", True, data)])
    assert one(world.plan(), "postgres")["user"] == "999:999"


def test_nginx_keeps_a_root_master_and_nothing_beyond_what_the_audit_allows(world):
    world.add("nginx", "nginx:alpine", uids=(0, 101))
    plan = world.plan()
    item = one(plan, "nginx")
    assert "user" not in item and set(item["cap_add"]) == NEEDED["nginx"]
    assert not any("root" in text for text in plan.left)
    stopped = World()
    stopped.add("nginx", "nginx:alpine", uids=())
    assert one(stopped.plan(), "nginx") == item


def test_what_hands_a_volume_over_stays_root_for_that(world):
    world.add("minio-init", "busybox", uids=())
    world.services["minio-init"]["user"] = "root"
    item = one(world.plan(), "minio-init")
    assert "user" not in item and set(item["cap_add"]) == INIT and item["read_only"] is True


def test_an_images_own_user_and_the_files_own_user_stay(world):
    world.add("api", "api:1.0.0", uids=(1001,), image_user="nodejs")
    world.add("worker", "worker:1.0.0", uids=(5,), user="5:5")
    world.services["worker"]["user"] = "5:5"
    plan = world.plan()
    assert "user" not in one(plan, "api") and "user" not in one(plan, "worker")


def test_an_unknown_service_without_files_of_its_own_becomes_nobody(world):
    world.add("go_grpc", "grpc:1.0.0")
    item = one(world.plan(), "go_grpc")
    assert (item["user"], item["environment"]["HOME"]) == ("65534:65534", "/tmp")


def test_an_unknown_service_becomes_the_one_owner_of_what_it_writes(world):
    world.add("api", "api:1.0.0", mounts=[("/srv/app/api", "/app", True, OWNER)])
    world.files["/srv/app/api/main.js"] = "x"
    plan = world.plan()
    assert one(plan, "api")["user"] == "1000:1000" and plan.folders == []


def test_data_of_root_is_handed_to_nobody(world):
    world.add("api", "api:1.0.0", mounts=[("/vol/uploads", "/uploads", True, ROOTS)])
    plan = world.plan()
    assert "user" not in one(plan, "api") and plan.folders == []
    assert any("api stays root" in text and "/uploads" in text for text in plan.left)


def test_an_empty_folder_that_docker_made_goes_to_the_projects_owner(world):
    world.add("functions", "nhost/functions:1.0.0", mounts=[("/srv/app/functions", "/opt/project", True, ROOTS)])
    plan = world.plan()
    assert plan.folders == [("functions", 0o755, 1000, 1000)]
    assert one(plan, "functions")["user"] == "1000:1000"


def test_a_folder_with_something_in_it_stays_whose_it_is(world):
    world.add("functions", "nhost/functions:1.0.0", mounts=[("/srv/app/functions", "/opt/project", True, ROOTS)])
    world.files["/srv/app/functions/hello.js"] = "x"
    plan = world.plan()
    assert plan.folders == [] and "user" not in one(plan, "functions")


def test_who_reads_what_only_root_may_read_stays_root(world):
    key = FileInfo(0o600, 0, 0, 10, 0.0, "file")
    world.add("proxy", "proxy:1.0.0", mounts=[("/vol/key.pem", "/key.pem", False, key)])
    plan = world.plan()
    assert "user" not in one(plan, "proxy") and any("/key.pem" in text for text in plan.left)


def test_users_are_told_as_the_container_counts_them(world):
    """With userns-remap the host's uid of a process is another than the container's."""
    world.add("postgres", "postgres:16", uids=(231142,))
    world.files["/proc/100/uid_map"] = world.files["/proc/100/gid_map"] = "         0     231072      65536\n"
    assert one(world.plan(), "postgres")["user"] == "70:70"


def test_the_operators_word_wins(world):
    world.add("auth", "nhost/hasura-auth:1.0.0")
    world.add("redis", "redis:7.4.0", uids=(999,))
    plan = world.plan(users={"auth": "root", "redis": "5:6"}, capabilities={"redis": ["cap_sys_nice"]})
    assert one(plan, "auth")["user"] == "root"
    assert (one(plan, "redis")["user"], one(plan, "redis")["cap_add"]) == ("5:6", ["SYS_NICE"])


def test_the_second_plan_is_the_first_one(world):
    """What runs hardened has to be read as what was hardened: else every run would make services anew."""
    world.add("api", "api:1.0.0", diff="C /run\nA /run/api.pid\nC /root\nA /root/.npm\nA /root/.npm/x\n", memory=GIB)
    first = one(world.plan(), "api")
    again = World()
    tmpfs = dict(entry.split(":", 1) for entry in first["tmpfs"])
    again.add(
        "api",
        "api:1.0.0",
        uids=(65534,),
        user=first["user"],
        diff="C /run\nC /root\nA /root/.npm\n",
        memory=1 << 20,
        applied={"ReadonlyRootfs": True, "Tmpfs": tmpfs, "Memory": int(first["mem_limit"][:-1]) << 20},
    )
    assert one(again.plan(), "api") == first
    assert sorted(tmpfs) == ["/root/.npm", "/run", "/tmp"] and first["mem_limit"] == "1536m"


# -- files -----------------------------------------------------------------------------------------------------------------


def test_a_service_that_keeps_files_in_its_container_is_left_alone(world):
    diff = "C /app\nA /app/uploads\nA /app/uploads/1.png\n"
    world.add("api", "api:1.0.0", diff=diff, privileged=True, ports=[port("", "9000", 9000)])
    plan = world.plan()
    assert any("api is privileged" in text for text in plan.left)
    assert any("api publishes ports on every address" in text for text in plan.left)
    assert plan.fragment == {}
    assert any("/app/uploads/1.png" in text and "containers_disposable" in text for text in plan.left)


def test_one_whose_files_may_go_is_made_anew_and_remembered(world):
    world.add("api", "api:1.0.0", diff="A /app/uploads/1.png\n")
    item = one(world.plan(disposable=["api"]), "api")
    assert "read_only" not in item and item["cap_drop"] == ["ALL"]
    again = World()
    again.add("api", "api:1.0.0", uids=(65534,), user="65534:65534", labels=item["labels"])
    assert one(again.plan(disposable=["api"]), "api") == item


def test_what_is_remembered_is_the_same_when_more_is_written_there(world):
    world.add("api", "api:1.0.0", diff="A /app/uploads/2026/11/1.png\nA /usr/src/app/$tmp/x\nA /data.db\n")
    item = one(world.plan(disposable=["api"]), "api")
    assert item["labels"] == {"nself.prod.writes": "/app/uploads /data.db /usr/src/app/$$tmp"}
    again = World()
    labels = {"nself.prod.writes": "/app/uploads /data.db /usr/src/app/$tmp"}
    more = "".join("A /app/uploads/%d/x.png\n" % number for number in range(2000))
    again.add("api", "api:1.0.0", uids=(65534,), user="65534:65534", labels=labels, diff=more)
    assert one(again.plan(disposable=["api"]), "api") == item


def test_few_places_are_remembered_of_many():
    many = ["/var/lib/app/%d/%d/x" % (first, second) for first in range(100) for second in range(10)]
    found = container_files.folders(many, [])
    assert found == ("/var/lib/app",)
    assert container_files.folders(["/var/lib/app/101/x"], found) == found
    assert container_files.folders(["/x%02d" % number for number in range(30)], []) == tuple(
        "/x%02d" % number for number in range(12)
    )
    # What an earlier release remembered, file by file.
    assert container_files.folders(["/app/up/2"], ["/app/up/1"]) == ("/app/up",)


def test_a_folder_in_memory_takes_the_place_of_what_it_writes(world):
    world.add("api", "api:1.0.0", diff="A /app/cache/1\n")
    item = one(world.plan(tmpfs={"api": ["/app/cache:size=8m"]}), "api")
    assert item["read_only"] is True and "/app/cache:size=8m" in item["tmpfs"]


def test_no_folder_in_memory_hides_a_volume(world):
    world.add(
        "nginx",
        "nginx:alpine",
        uids=(0, 101),
        volumes=[{"type": "volume", "source": "c", "target": "/var/cache/nginx"}],
    )
    assert not any(entry.startswith("/var/cache/nginx") for entry in one(world.plan(), "nginx")["tmpfs"])


def test_places_of_mounts_are_not_what_a_service_wrote():
    diff = "C /etc\nA /etc/app\nA /etc/app/c.yml\nC /run\nA /run/docker.sock\nC /var\nC /var/x\nD /var/x/y\n"
    assert written(diff, ["/etc/app/c.yml", "/var/run/docker.sock"]) == ("/var/x/y",)


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/tmp/a/b", "/tmp"),
        ("/var/cache/nginx/proxy/1", "/var/cache/nginx"),
        ("/home/node/.npm/_logs/x", "/home/node/.npm"),
        ("/.cache/x", "/.cache"),
        ("/usr/lib/python3/__pycache__/a.pyc", ""),
        ("/root/.ash_history", ""),
        ("/app/data/x", None),
        ("/tmpfile", None),
        ("/root/.ssh/known_hosts", None),
    ],
)
def test_what_may_be_lost_at_any_time(path, folder):
    assert scratch(path) == folder


# -- privileges ------------------------------------------------------------------------------------------------------------


def test_cadvisor_and_the_node_exporter_do_without_privileges(world):
    world.add("cadvisor", "gcr.io/cadvisor/cadvisor:v0.49.1", privileged=True, devices=["/dev/kmsg:/dev/kmsg"])
    world.add("node-exporter", "prom/node-exporter:v1.8.2", uids=(65534,), pid="host")
    world.services["node-exporter"]["user"] = "65534:65534"
    plan = world.plan()
    assert one(plan, "cadvisor")["privileged"] is False and one(plan, "cadvisor")["devices"] == []
    assert isinstance(one(plan, "cadvisor")["devices"], Replace)
    assert one(plan, "node-exporter")["pid"] is RESET


def test_what_is_exempt_keeps_its_privileges_and_is_not_told_of(world):
    world.add("cadvisor", "gcr.io/cadvisor/cadvisor:v0.49.1", privileged=True)
    plan = world.plan(privileged_exempt=["cadvisor"])
    assert "privileged" not in one(plan, "cadvisor") and "cap_drop" not in one(plan, "cadvisor")
    assert not any("privileg" in text for text in plan.left)


def test_privileges_that_somebody_gave_an_unknown_service_are_told(world):
    world.add("vpn", "vpn:1.0.0", privileged=True)
    plan = world.plan()
    assert "privileged" not in one(plan, "vpn")
    assert any("vpn is privileged" in text and "containers_privileged_exempt" in text for text in plan.left)


def test_a_mount_that_rules_the_host_is_told_unless_exempt(world):
    socket = {"type": "bind", "source": "/var/run/docker.sock", "target": "/var/run/docker.sock", "read_only": True}
    world.add("watcher", "watcher:1.0.0", volumes=[socket])
    assert any("watcher mounts /var/run/docker.sock" in text for text in world.plan().left)
    assert not any("docker.sock" in text for text in world.plan(mounts_exempt=["watcher"]).left)


def test_confinement_is_put_back(world):
    world.add(
        "redis", "redis:7.4.0", uids=(999,), security_opt=["apparmor=unconfined", "seccomp:unconfined", "label=type:x"]
    )
    assert one(world.plan(), "redis")["security_opt"] == ["label=type:x", "no-new-privileges:true"]


def test_capabilities_that_a_file_asks_for_stay_and_are_told(world):
    world.add("vpn", "vpn:1.0.0", cap_add=["NET_ADMIN"])
    plan = world.plan()
    assert one(plan, "vpn")["cap_add"] == ["NET_ADMIN"]
    assert any("NET_ADMIN" in text for text in plan.left)


# -- limits ----------------------------------------------------------------------------------------------------------------


def test_limits_go_with_the_host_and_never_above_it(world):
    world.add("postgres", "postgres:16.4", uids=(70,))
    item = one(world.plan(), "postgres")
    assert (item["mem_limit"], item["cpus"], item["pids_limit"]) == ("2048m", 3.0, 512)
    world.files["/proc/meminfo"] = "MemTotal:  409600 kB\n"
    assert one(world.plan(), "postgres")["mem_limit"] == "400m"


def test_what_a_file_says_stays_and_the_rest_goes_where_it_stands(world):
    world.add("a", "a:1.0.0", deploy={"resources": {"limits": {"memory": "1073741824"}}})
    world.add("b", "b:1.0.0", mem_limit="1073741824")
    plan = world.plan()
    assert set(one(plan, "a")["deploy"]["resources"]["limits"]) == {"cpus", "pids"} and "mem_limit" not in one(
        plan, "a"
    )
    assert "deploy" not in one(plan, "b") and "mem_limit" not in one(plan, "b") and one(plan, "b")["pids_limit"] == 256


def test_the_guides_limits_hold_and_the_roles_win(world):
    world.add("postgres", "postgres:16.4", uids=(70,))
    plan = world.plan(
        variables={"POSTGRES_MEMORY_LIMIT": "1g", "POSTGRES_CPU_LIMIT": "2"}, limits={"postgres": {"cpus": 1.5}}
    )
    assert (one(plan, "postgres")["mem_limit"], one(plan, "postgres")["cpus"]) == ("1024m", 1.5)
    assert plan.used == ["POSTGRES_MEMORY_LIMIT"]


def test_an_env_file_that_says_nonsense_stops_nobody(world):
    world.add("postgres", "postgres:16.4", uids=(70,))
    plan = world.plan(variables={"POSTGRES_MEMORY_LIMIT": "64g"})
    assert one(plan, "postgres")["mem_limit"] == "2048m" and plan.used == []
    assert any("POSTGRES_MEMORY_LIMIT" in text for text in plan.left)


@pytest.mark.parametrize(
    "limits", [{"memory": "64g"}, {"memory": "1m"}, {"cpus": 64}, {"pids": "many"}, {"swap": "1g"}]
)
def test_a_limit_that_cannot_be_is_refused(world, limits):
    world.add("redis", "redis:7.4.0", uids=(999,))
    with pytest.raises(Refused, match="redis"):
        world.plan(limits={"redis": limits})


def test_a_name_that_is_none_is_refused(world):
    world.add("redis", "redis:7.4.0", uids=(999,))
    with pytest.raises(Refused, match="rediss"):
        world.plan(users={"rediss": "1:1"})

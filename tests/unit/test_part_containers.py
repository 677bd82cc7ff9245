# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role containers: what each service keeps, and what is never done to one."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.container_capabilities import INIT, NEEDED
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_facts import written
from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_files import scratch
from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_ports import bound
from ansible_collections.nself.prod.plugins.module_utils.change.stack.deployment import options_of
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import RESET, Replace
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.containers import Containers
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo
from fake_host import FakeHost
from fake_stack import FakeStack

GIB = 1 << 30
OWNER = FileInfo(0o755, 1000, 1000, 0, 0.0, "dir")
ROOTS = FileInfo(0o755, 0, 0, 0, 0.0, "dir")


class World:
    """A host of 8 GiB and 4 processors with the services that are added to it."""

    def __init__(self):
        self.services, self.containers, self.images, self.diffs = {}, {}, {}, {}
        self.files = {
            "/proc/meminfo": "MemTotal:        8048576 kB\n",
            "/proc/stat": "cpu  1\n" + "".join("cpu%d 1\n" % number for number in range(4)),
        }
        self.stats = {"/srv/app": OWNER}

    def add(
        self,
        name,
        image,
        uids=(0,),
        user="",
        image_user="",
        mounts=(),
        diff="",
        memory=0,
        applied=None,
        labels=None,
        **model,
    ):
        """Add a service that runs with these uids. mounts: (source, target, rw, FileInfo)."""
        pid = str(100 + len(self.services))
        identity = ("%02x" % len(self.services)) * 32
        model.setdefault("image", image)
        self.services[name] = {key: value for key, value in model.items() if value is not None}
        self.containers[name] = {
            "Id": identity,
            "Config": {"User": user, "Image": image, "Labels": labels or {}},
            "State": {"Running": bool(uids), "Pid": int(pid) if uids else 0},
            "HostConfig": dict({"LogConfig": {"Type": "json-file"}}, **(applied or {})),
            "Mounts": [
                {
                    "Type": "bind" if source.startswith("/srv") else "volume",
                    "Source": source,
                    "Destination": target,
                    "RW": rw,
                }
                for source, target, rw, _info in mounts
            ],
        }
        self.images[name] = {"Config": {"User": image_user}, "RepoDigests": []}
        for source, _target, _rw, info in mounts:
            self.stats[source] = info
        self.diffs[identity] = diff
        group = "/docker/" + identity
        for number, uid in enumerate(uids):
            member = pid if number == 0 else pid + "%02d" % number
            self.files["/proc/%s/status" % member] = "Uid:\t%d\t%d\t0\t0\nGid:\t%d\t%d\t0\t0\nPPid:\t1\n" % (
                uid,
                uid,
                uid,
                uid,
            )
            self.files["/proc/%s/cgroup" % member] = "0::%s\n" % group
        self.files["/sys/fs/cgroup%s/memory.current" % group] = "%d\n" % memory
        self.files["/sys/fs/cgroup%s/memory.stat" % group] = "anon 1\ninactive_file 0\n"

    def stack(self, **more):
        commands = {("docker diff " + identity): text for identity, text in self.diffs.items()}
        commands["docker version --format '{{.Server.APIVersion}}'"] = "1.45\n"
        commands["docker"] = Completed(1, "", "no such image")
        host = FakeHost(self.files, self.stats, commands)
        return FakeStack(self.services, containers=self.containers, images=self.images, host=host, **more)

    def plan(self, variables=None, raw=None, **options):
        part = Containers(self.stack(variables=variables, raw=raw), options_of(Containers, options), {})
        return part.plan()


def one(plan, name):
    return plan.fragment["services"][name]


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
    assert plan.used == ["POSTGRES_CPU_LIMIT", "POSTGRES_MEMORY_LIMIT"]


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


# -- ports and images ------------------------------------------------------------------------------------------------------


def port(host_ip, published, target):
    return {"host_ip": host_ip, "published": published, "target": target, "protocol": "tcp"}


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

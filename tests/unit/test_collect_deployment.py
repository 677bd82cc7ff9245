# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host to the facts of its deployment: what runs before what compose would start before what files say."""

from __future__ import annotations

import json

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import (
    containers,
    deployment,
    docker,
    files,
    hasura,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import (
    project as project_source,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Options, collect_all
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo, HostError
from fake_host import FakeHost

MODULES = (docker, containers, project_source, deployment, files, hasura)
COLLECTORS = tuple(collector for module in MODULES for collector in module.COLLECTORS)
COMPOSE = """
services:
  postgres:
    image: postgres:16-alpine
    environment: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD}"}
    ports: ["127.0.0.1:${POSTGRES_PORT:-5432}:5432", "5433:5432/tcp", "[::1]:5434:5432", "9000-9001:9000-9001/udp"]
  hasura:
    image: hasura/graphql-engine:v2.36.0
    user: "1001:1001"
    read_only: true
    cap_drop: [ALL]
    cap_add: [CAP_CHOWN]
    security_opt: ["no-new-privileges:true"]
    command: ["serve", "--token", "${POSTGRES_PASSWORD}"]
    deploy: {resources: {limits: {cpus: "0.5", memory: 512M, pids: 100}}}
    environment:
      - HASURA_GRAPHQL_ENABLE_CONSOLE=${HASURA_GRAPHQL_ENABLE_CONSOLE:-false}
    volumes: ["./data:/data", "named:/var/lib", "/etc:/host:ro", {type: bind, source: /root, target: /r}]
"""
# Nine levels of nine aliases: 300 bytes that stand for 400 million values.
BOMB = "b0: &b0 [x]\n" + "".join(
    "b%d: &b%d [%s]\n" % (level, level, ", ".join(["*b%d" % (level - 1)] * 9)) for level in range(1, 10)
)
SECRET = "vErY-pRiVaTe-91"
ENV = "ENV=dev\nHASURA_GRAPHQL_ENABLE_CONSOLE=true\nPOSTGRES_PASSWORD=%s\n" % SECRET


def project(folder="/opt/nself", compose=COMPOSE, **env):
    found = {folder + "/docker-compose.yml": compose, folder + "/.env": ENV}
    found.update({folder + "/" + name.replace("_", "."): text for name, text in env.items()})
    return {name: text for name, text in found.items() if text is not None}


def collect(host, project_dir=None):
    host.files.setdefault("/proc/1/comm", "systemd\n")
    return collect_all(host, COLLECTORS, Options(project_dir, "a key"))


def by_service(facts):
    return {unit["service"]: unit for unit in facts["deployment"]["units"]}


def inspected(service, image, project_name="app", folder="/opt/nself", env=(), pid=0, identity="1", **host_config):
    return {
        "Id": identity * 64,
        "Name": "/app_" + service,
        "Image": "sha256:" + service,
        "State": {"Running": True, "Pid": pid},
        "Path": "run",
        "Args": [],
        "Config": {
            "Image": image,
            "Env": list(env),
            "Labels": {
                "com.docker.compose.project": project_name,
                "com.docker.compose.service": service,
                "com.docker.compose.project.working_dir": folder,
            },
        },
        "HostConfig": host_config,
        "NetworkSettings": {"Ports": {"8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "9/udp": None}},
        "Mounts": [],
    }


def engine(*items, compose=None):
    """Return the commands of a host whose engine runs these containers."""
    return {
        "docker info --format '{{json .}}'": json.dumps({"ServerVersion": "26.1.5", "LiveRestoreEnabled": True}),
        "docker ps --all --quiet --no-trunc": "\n".join(item["Id"] for item in items),
        "docker": lambda argv, stdin, env: answer(argv, items, compose),
    }


def answer(argv, items, compose):
    if argv[1] == "inspect":
        return Completed(0, json.dumps([item for item in items if item["Id"] in argv]), "")
    if argv[1] == "image":
        return Completed(0, json.dumps([{"Id": item["Image"], "Config": {"Env": ["PATH=/bin"]}} for item in items]), "")
    return compose or Completed(1, "", "docker: unknown command: docker compose")


def test_a_host_with_only_the_projects_files_is_read_from_the_rendered_compose():
    facts = collect(FakeHost(project()))
    assert facts["deployment"]["state"] == "found" and facts["docker"]["state"] == "absent"
    units = by_service(facts)
    hasura, postgres = units["hasura"], units["postgres"]
    assert {unit["level"] for unit in units.values()} == {"rendered"}
    assert hasura["env"]["HASURA_GRAPHQL_ENABLE_CONSOLE"] == "true"
    assert hasura["uids"] == [1001] and isinstance(postgres["uids"], Unread)
    assert hasura["readonly_rootfs"] is hasura["no_new_privileges"] is True
    assert hasura["capabilities"] == ["CHOWN"] and "NET_RAW" in postgres["capabilities"]
    assert hasura["limits"] == {"memory": 512 << 20, "cpu": 0.5, "pids": 100}
    assert postgres["limits"] == {"memory": None, "cpu": None, "pids": None}
    assert [(m["source"], m["rw"]) for m in hasura["mounts"]] == [
        ("/opt/nself/data", True),
        ("named", True),
        ("/etc", False),
        ("/root", True),
    ]
    assert [(p["ip"], p["port"], p["proto"]) for p in postgres["ports"]] == [
        ("127.0.0.1", 5432, "tcp"),
        ("0.0.0.0", 5433, "tcp"),
        ("::1", 5434, "tcp"),
        ("0.0.0.0", 9000, "udp"),
        ("0.0.0.0", 9001, "udp"),
    ]


def test_a_container_that_keeps_restarting_does_not_run():
    item = inspected("hasura", "hasura/graphql-engine:v2.44.0")
    item["State"].update(Status="restarting", Restarting=True)
    facts = collect(FakeHost(project(), commands=engine(item, inspected("postgres", "postgres:16", identity="2"))))
    units = by_service(facts)
    assert units["hasura"]["level"] == "rendered" and units["postgres"]["level"] == "running"


def test_a_secret_on_a_command_line_is_found_and_stands_in_no_fact():
    facts = collect(FakeHost(project()))
    assert by_service(facts)["hasura"]["argv_secrets"] == ["--token", "POSTGRES_PASSWORD"]
    assert SECRET not in repr(facts)


def test_an_override_file_is_merged_as_compose_does():
    over = "services:\n  postgres:\n    read_only: true\n    environment: [POSTGRES_DB=x]\n    ports: ['127.0.0.1:6000:5432']\n"
    host = FakeHost(dict(project(), **{"/opt/nself/docker-compose.override.yml": over}))
    postgres = by_service(collect(host))["postgres"]
    assert postgres["readonly_rootfs"] is True
    assert set(postgres["env"]) == {"POSTGRES_PASSWORD", "POSTGRES_DB"}
    assert 6000 in [port["port"] for port in postgres["ports"]]


def test_the_last_file_of_the_chain_wins_and_the_losers_are_named():
    host = FakeHost(dict(project(), **{"/opt/nself/.env.dev": "HASURA_GRAPHQL_ENABLE_CONSOLE=false\nLOG_LEVEL=debug"}))
    settings = collect(host)["deployment"]["settings"]
    assert settings["HASURA_GRAPHQL_ENABLE_CONSOLE"] == {
        "value": "true",
        "file": ".env",
        "others": [".env.dev"],
        "differing": [".env.dev"],
    }
    assert settings["LOG_LEVEL"]["file"] == ".env.dev"


@pytest.mark.parametrize(
    "own, wins", [("ENV=production", ".env"), ("ENV=prod\nA=", ".env"), ("ENV=prod", ".env.secrets"), ("", ".env.dev")]
)
def test_production_reads_the_production_chain(own, wins):
    files = {"/opt/nself/.env%s" % name: "A=%d\n" % number for number, name in enumerate((".dev", ".prod", ".secrets"))}
    files["/opt/nself/.env"] = own + ("\nA=last" if wins == ".env" else "")
    settings = collect(FakeHost(dict(project(), **files)))["deployment"]["settings"]
    assert settings["A"]["file"] == wins


def test_docker_compose_renders_where_it_is_there_with_the_chain_in_its_environment():
    seen = {}

    def compose(argv, stdin, env):
        if argv[1] == "compose":
            seen.update(env=env, argv=argv, stdin=stdin)
            return Completed(
                0, json.dumps({"services": {"postgres": {"image": "postgres:16"}, "hasura": {"image": "x"}}}), ""
            )
        return Completed(1, "", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")

    facts = collect(FakeHost(project(), commands={"docker": compose}))
    assert facts["docker"]["state"] == "stopped"
    assert sorted(by_service(facts)) == ["hasura", "postgres"]
    assert "POSTGRES_PASSWORD='%s'\n" % SECRET in seen["stdin"]
    assert SECRET not in " ".join(seen["argv"])


def test_a_projects_variables_never_rule_a_command_of_the_audit():
    ruling = "PATH=/home/deploy/bin\nLD_PRELOAD=/home/deploy/x.so\nDOCKER_CONFIG=/home/deploy\nHOME=/home/deploy\n"
    broken = {"docker": Completed(1, "", "not a docker command. Cannot connect to the Docker daemon")}
    host = FakeHost(dict(project(), **{"/opt/nself/.env": ENV + ruling}), commands=broken)
    collect(host)
    assert any("compose" in argv for argv, _stdin, _env in host.ran)
    for _argv, _stdin, env in host.ran:
        assert not {"PATH", "LD_PRELOAD", "DOCKER_CONFIG", "HOME"} & set(env)


def test_what_compose_says_of_a_broken_file_stays_on_the_host():
    says = 'failed to read /opt/nself/.env: line 12: unterminated quoted value "%s' % SECRET
    stopped = {
        "docker info --format '{{json .}}'": Completed(1, "", "Cannot connect to the Docker daemon"),
        "docker": Completed(15, "", says),
    }
    facts = collect(FakeHost(project(), commands=stopped))
    units = facts["deployment"]["units"]
    assert units.reason == "parse_error" and "line 12" in units.detail
    assert SECRET not in repr(facts)


def test_services_that_nself_starts_by_profile_are_judged_and_others_are_not():
    compose = COMPOSE + "  prepare: {image: busybox, profiles: [init-containers], networks: ['${DOCKER_NETWORK}']}\n"
    compose += "  debugger: {image: busybox, profiles: [debug]}\n"
    assert sorted(by_service(collect(FakeHost(project(compose=compose))))) == ["hasura", "postgres", "prepare"]


def test_what_runs_is_believed_before_what_compose_would_start():
    running = inspected(
        "hasura",
        "hasura/graphql-engine",
        env=["HASURA_GRAPHQL_ENABLE_CONSOLE=false"],
        ReadonlyRootfs=False,
        Memory=1 << 28,
    )
    facts = collect(FakeHost(project(), commands=engine(running)))
    units = by_service(facts)
    assert (units["hasura"]["level"], units["postgres"]["level"]) == ("running", "rendered")
    assert units["hasura"]["env"]["HASURA_GRAPHQL_ENABLE_CONSOLE"] == "false"
    assert facts["docker"]["published"][0]["port"] == 8080


def test_the_process_is_believed_before_the_engine():
    running = inspected(
        "hasura", "hasura/graphql-engine", env=["A=1", "HASURA_GRAPHQL_DEV_MODE=false"], pid=77, ReadonlyRootfs=False
    )
    proc = {
        "/proc/77/cgroup": "0::/docker/%s\n" % ("1" * 64),
        "/proc/77/status": "Uid:\t1001\t1001\t1001\t1001\nCapBnd:\t0000000000000401\nNoNewPrivs:\t1\nSeccomp:\t2\n",
        "/proc/77/environ": "A=1\0HASURA_GRAPHQL_DEV_MODE=true\0",
        "/proc/77/mountinfo": "1 0 0:1 / / ro,relatime - overlay overlay rw\n",
        "/proc/77/attr/current": "docker-default (enforce)\n",
        "/proc/77/cmdline": "graphql-engine\0serve\0",
        "/sys/fs/cgroup/docker/%s/memory.max" % ("1" * 64): "268435456\n",
        "/sys/fs/cgroup/docker/%s/cpu.max" % ("1" * 64): "50000 100000\n",
        "/sys/fs/cgroup/docker/%s/pids.max" % ("1" * 64): "max\n",
    }
    unit = by_service(collect(FakeHost(dict(project(), **proc), commands=engine(running))))["hasura"]
    assert unit["env"]["HASURA_GRAPHQL_DEV_MODE"] == "true"
    assert unit["uids"] == [1001] and unit["readonly_rootfs"] is True and unit["no_new_privileges"] is True
    assert unit["capabilities"] == ["CHOWN", "NET_BIND_SERVICE"]
    assert unit["limits"] == {"memory": 268435456, "cpu": 0.5, "pids": None}
    assert unit["mac"]["apparmor"] == "docker-default (enforce)"


@pytest.mark.parametrize("parent, uids", [("4000", [1001]), ("77", [0, 1001]), ("79", [0, 1001])])
def test_what_is_sent_into_a_container_is_no_part_of_its_service(parent, uids):
    """Process 80 is root's: a health check's parent is outside, a worker's is the main process or one of its children."""
    running = inspected("hasura", "hasura/graphql-engine", env=["A=1"], pid=77)
    proc = {"/proc/%d/cgroup" % pid: "0::/docker/%s\n" % ("1" * 64) for pid in (77, 79, 80)}
    for pid, of, uid in ((77, "4000", 1001), (79, "77", 1001), (80, parent, 0)):
        proc["/proc/%d/status" % pid] = "Name:\tx\nPPid:\t%s\nUid:\t%d\t%d\t%d\t%d\n" % (of, uid, uid, uid, uid)
    assert by_service(collect(FakeHost(dict(project(), **proc), commands=engine(running))))["hasura"]["uids"] == uids


def test_a_process_title_over_the_environment_is_not_believed():
    running = inspected("postgres", "postgres:16", env=["POSTGRES_DB=app"], pid=78)
    proc = {"/proc/78/environ": "postgres: checkpointer\0\0", "/proc/78/cgroup": "0::/%s\n" % ("1" * 64)}
    unit = by_service(collect(FakeHost(dict(project(), **proc), commands=engine(running))))["postgres"]
    assert "POSTGRES_DB" in unit["env"]


def test_two_projects_are_named_and_asked_about():
    both = [
        inspected("hasura", "x", "one", "/srv/one"),
        inspected("postgres", "x", "one", "/srv/one", identity="2"),
        inspected("hasura", "x", "two", "/srv/two", identity="3"),
        inspected("postgres", "x", "two", "/srv/two", identity="4"),
    ]
    facts = collect(FakeHost({}, commands=engine(*both)))["deployment"]
    assert facts["state"] == "ambiguous" and isinstance(facts["units"], Unread)
    assert "/srv/one" in facts["message"] and "/srv/two" in facts["message"] and "nself_project_dir" in facts["message"]
    told = collect(FakeHost({"/srv/one/.env": ENV}, commands=engine(*both)), "/srv/one")
    assert {unit["service"] for unit in told["deployment"]["units"]} == {"hasura", "postgres"}


def test_another_compose_project_on_the_host_is_not_ours():
    other = inspected("wordpress", "wordpress:6", "blog", "/srv/blog")
    assert collect(FakeHost({}, commands=engine(other)))["deployment"]["state"] == "none"


def test_a_stack_without_its_folder_is_still_judged():
    running = [inspected("hasura", "x"), inspected("postgres", "x", identity="2")]
    facts = collect(FakeHost({}, commands=engine(*running)))
    assert facts["deployment"]["state"] == "found" and len(facts["deployment"]["units"]) == 2


@pytest.mark.parametrize(
    "files, told, state, says",
    [
        ({}, None, "none", "no nself deployment"),
        ({"/opt/nself/.env": ENV}, None, "incomplete", "nself build"),
        (
            {"/opt/nself/a/docker-compose.yml": COMPOSE, "/var/www/nself/docker-compose.yml": COMPOSE},
            None,
            "ambiguous",
            "/opt/nself/a",
        ),
        ({}, "/srv/none", "incomplete", "/srv/none does not exist"),
        ({"/srv/file": ""}, "/srv/file", "incomplete", "not a directory"),
        ({"/opt/nself/app/compose.yaml": COMPOSE}, None, "found", ""),
    ],
)
def test_discovery(files, told, state, says):
    facts = collect(FakeHost(files), told)["deployment"]
    assert facts["state"] == state and says in facts["message"]
    if state in ("incomplete", "ambiguous"):
        assert isinstance(facts["units"], Unread)


@pytest.mark.parametrize(
    "compose, reason",
    [
        ("services: [", "parse_error"),
        ("just text", "parse_error"),
        ("services: {a: [1]}", "parse_error"),
        ("services:\n  a: {image: x, mem_limit: lots}", "parse_error"),
        ("services:\n  a: {image: x, ports: ['http:80']}", "parse_error"),
        ("services:\n  a: {extends: {service: b}}", "tool_absent"),
        ("include: [x.yml]\nservices: {}", "tool_absent"),
        ("services:\n  a: {image: '${A:?is required}'}", "parse_error"),
        (b"\xff\xfe\x00binary\x00", "parse_error"),
        ("a: !reset b\nservices: {}", "parse_error"),
        ("services:\n  a: {image: '%s\n" % SECRET, "parse_error"),
        ("services:\n  a: {image: x, ports: ['1-999999999:1']}", "parse_error"),
        ("services:\n  a: {image: x, deploy: x}", "parse_error"),
        ("services:\n  a: {image: x, profiles: 1}", "parse_error"),
        ("services:\n  a: {image: x, healthcheck: x}", "parse_error"),
        ("a: &a\n  b: *a\nservices: {c: {image: x}}", "parse_error"),
        (BOMB, "parse_error"),
    ],
)
def test_a_broken_compose_file_is_unread_and_quotes_nothing(compose, reason):
    facts = collect(FakeHost(project(compose=compose)))
    units = facts["deployment"]["units"]
    assert isinstance(units, Unread) and units.reason == reason and "/opt/nself" in units.detail
    assert SECRET not in repr(facts)


def test_an_env_file_that_nobody_reads_to_its_end_leaves_what_would_start_unknown():
    facts = collect(FakeHost(dict(project(), **{"/opt/nself/.env": ENV + 'SMTP_PASS="%s\n' % SECRET})))["deployment"]
    assert facts["units"].reason == "parse_error" and ".env line 4" in facts["units"].detail
    assert SECRET not in repr(facts)
    rubbish = collect(FakeHost(dict(project(), **{"/opt/nself/.env": b"\x00\xff\x01rubbish\n"})))["deployment"]
    assert rubbish["units"].reason == "parse_error"


def test_env_files_and_names_without_a_value_are_followed():
    compose = """
services:
  hasura:
    image: hasura/graphql-engine
    env_file: [extra.env, {path: none.env, required: false}]
    environment: {HASURA_GRAPHQL_ENABLE_CONSOLE: null}
  postgres:
    image: postgres
    env_file: extra.env
    environment: [POSTGRES_PASSWORD, HASURA_GRAPHQL_DEV_MODE=false]
"""
    host = FakeHost(dict(project(compose=compose), **{"/opt/nself/extra.env": "HASURA_GRAPHQL_DEV_MODE=true\n"}))
    units = by_service(collect(host))
    assert units["hasura"]["env"]["HASURA_GRAPHQL_DEV_MODE"] == "true"
    assert units["hasura"]["env"]["HASURA_GRAPHQL_ENABLE_CONSOLE"] == "true"
    assert units["postgres"]["env"]["HASURA_GRAPHQL_DEV_MODE"] == "false"
    assert units["postgres"]["env"]["POSTGRES_PASSWORD"]["secret"]["length"] == len(SECRET)
    lost = collect(FakeHost(project(compose=compose)))["deployment"]
    assert lost["units"].reason == "parse_error" and "extra.env" in lost["units"].detail


def test_the_files_that_compose_is_told_to_read_are_read():
    told = {"/opt/nself/.env": ENV + "COMPOSE_FILE=docker-compose.yml:more.yml\nCOMPOSE_PROFILES=*\n"}
    told["/opt/nself/more.yml"] = "services: {panel: {image: nself/nself-admin, privileged: 'true', profiles: [debug]}}"
    units = by_service(collect(FakeHost(dict(project(), **told))))
    assert units["panel"]["privileged"] is True and units["panel"]["role"] == "admin"


def test_flags_of_hasura_beat_its_environment():
    command = "[graphql-engine, serve, --enable-console, --admin-secret, admin, --dev-mode=true]"
    compose = "services: {hasura: {image: x, command: %s}, postgres: {image: y}}" % command
    env = by_service(collect(FakeHost(project(compose=compose))))["hasura"]["env"]
    assert env["HASURA_GRAPHQL_ENABLE_CONSOLE"] == env["HASURA_GRAPHQL_DEV_MODE"] == "true"
    assert env["HASURA_GRAPHQL_ADMIN_SECRET"]["secret"]["known"] is True


@pytest.mark.parametrize(
    "command, named",
    [
        ("redis-server --requirepass Sup3rS3cret", ["--requirepass"]),
        ("sh -c 'PGPASSWORD=abc psql'", ["PGPASSWORD"]),
        ("redis-server --appendonly yes", []),
        ("sh -c 'redis-server --requirepass $$REDIS_PASSWORD'", []),
        ("sh -c 'mc config host add here http://minio:9000 admin admin; mc ls'", ["mc's access and secret key"]),
        ("mc alias set here http://minio:9000 admin abc", ["mc's access and secret key"]),
        ("sh -c 'mc alias set here http://minio:9000 $$MINIO_USER $$MINIO_PASSWORD'", []),
        ("sh -c 'printf x | mc alias set here http://minio:9000 >/dev/null\nfor a in $$B; do mc ls; done'", []),
        ("mc alias list here", []),
    ],
)
def test_secrets_on_command_lines_are_known_by_their_flags(command, named):
    compose = "services:\n  postgres: {image: x}\n  hasura: {image: y}\n  c:\n    image: z\n    command: %s\n"
    units = by_service(collect(FakeHost(project(compose=compose % json.dumps(command)))))
    assert units["c"]["argv_secrets"] == named


def test_a_volume_that_binds_a_folder_of_the_host_goes_by_the_folder():
    compose = "services: {postgres: {image: x, volumes: ['root:/r', 'data:/d']}, hasura: {image: y}}\n"
    compose += "volumes: {data: {}, root: {driver_opts: {type: none, o: bind, device: /}}}"
    mounts = by_service(collect(FakeHost(project(compose=compose))))["postgres"]["mounts"]
    assert [mount["source"] for mount in mounts] == ["/", "data"]


def test_a_running_containers_volume_is_not_taken_for_dockers_own_folder():
    running = inspected("hasura", "x")
    folder = "/var/lib/docker/volumes/%s/_data"
    running["Mounts"] = [
        {"Type": "volume", "Name": name, "Source": folder % name, "Destination": "/d", "RW": True}
        for name in ("data", "root")
    ]
    bind = {"type": "none", "o": "bind", "device": "/"}
    volumes = [{"Name": "data", "Options": None}, {"Name": "root", "Options": bind}]
    commands = dict(engine(running), **{"docker volume inspect data root": json.dumps(volumes)})
    unit = by_service(collect(FakeHost(project(), commands=commands)))["hasura"]
    assert [mount["source"] for mount in unit["mounts"]] == ["data", "/"]


def test_two_projects_in_one_folder_are_asked_about():
    both = [
        inspected(service, "x", name, identity=str(number))
        for number, (name, service) in enumerate((n, s) for n in ("one", "two") for s in ("hasura", "postgres"))
    ]
    for told in (None, "/opt/nself"):
        assert collect(FakeHost(project(), commands=engine(*both)), told)["deployment"]["state"] == "ambiguous"


@pytest.mark.parametrize(
    "line, names",
    [
        ("      REDIS_PASSWORD: ${REDIS_PASSWORD}", []),
        ("      REDIS_PASSWORD: ${REDIS_PASSWORD:?set it}", []),
        ("      - REDIS_PASSWORD=${REDIS_PASSWORD:-}", []),
        ("      - REDIS_PASSWORD=${REDIS_PASSWORD:-postgres}", ["REDIS_PASSWORD"]),
        ("    environment: {A: b, JWT_SECRET: abc}", ["JWT_SECRET"]),
        ("      DATABASE_URL: postgres://app:abc@db/app", ["a URL's password"]),
        ("      DATABASE_URL: postgres://app:${PASSWORD}@db/app", []),
        ("      # API_TOKEN: abc", []),
        ("      AUTH_JWT_KEY: ${AUTH_JWT_KEY:-${AUTH_JWT_SECRET}}", []),
    ],
)
def test_secrets_that_stand_in_the_compose_file_itself(line, names):
    assert files.inline_secrets("services:\n" + line) == names


def test_a_closed_folder_needs_root():
    facts = collect(FakeHost({"/opt/nself": HostError("needs_root", "/opt/nself", "permission denied")}))
    assert facts["deployment"].reason == "needs_root"


def test_a_closed_env_file_leaves_the_rendering_unread():
    closed = HostError("needs_root", "/opt/nself/.env", "permission denied")
    facts = collect(FakeHost(dict(project(), **{"/opt/nself/.env": closed})))["deployment"]
    assert facts["units"].reason == "needs_root" and facts["settings"].reason == "needs_root"


@pytest.mark.parametrize(
    "docker_answer, reason",
    [
        (HostError("timeout", "docker", "no answer within 8 s"), "timeout"),
        (Completed(1, "", "permission denied while trying to connect to the Docker daemon socket"), "needs_root"),
        (Completed(0, "rubbish", ""), "parse_error"),
        (Completed(1, "{rubbish", ""), "parse_error"),
    ],
)
def test_an_engine_that_cannot_be_asked_leaves_everything_unknown(docker_answer, reason):
    facts = collect(FakeHost(project(), commands={"docker": docker_answer}))
    assert facts["docker"].reason == facts["deployment"]["units"].reason == reason


def test_no_answer_of_the_engine_is_not_taken_for_no_deployment():
    facts = collect(FakeHost({}, commands={"docker": HostError("timeout", "docker", "no answer")}))
    assert isinstance(facts["deployment"]["state"], Unread)


def test_modes_of_env_files_and_inline_secrets():
    compose = (
        COMPOSE + "    labels: {a: b}\n  x:\n    environment:\n      API_TOKEN: %s\n      OTHER_TOKEN: ${T}\n" % SECRET
    )
    host = FakeHost(
        dict(
            project(compose=compose),
            **{"/opt/nself/.env.example": "A=", "/opt/nself/.environments/prod/.env.secrets": "A="},
        ),
        stats={"/opt/nself/.env": FileInfo(0o600, 1000, 1000, 9, 0.0, "file")},
    )
    facts = collect(host)
    entries = {entry["path"]: entry["info"] for entry in facts["files"]["entries"]}
    assert entries["/opt/nself/.env"]["mode"] == 0o600
    assert entries["/opt/nself/.environments/prod/.env.secrets"]["mode"] == 0o644
    assert entries["/opt/nself/docker-compose.yml"]["inline"] == ["API_TOKEN"]
    assert "/opt/nself/.env.example" not in entries
    assert facts["files"]["git"] is None


def test_env_files_in_git_are_found():
    def git(argv, stdin, env):
        return Completed(0, ".env\0", "") if "ls-files" in argv else Completed(1, "", "")

    host = FakeHost(
        dict(project(), **{"/opt/nself/.git/HEAD": "ref: x", "/opt/nself/.env.dev": ""}), commands={"git": git}
    )
    assert collect(host)["files"]["git"] == {"tracked": [".env"], "not_ignored": [".env.dev"]}


def test_the_engines_guard_is_read_from_the_running_daemon():
    files = {
        "/proc/9/comm": "dockerd\n",
        "/proc/9/cmdline": "/usr/sbin/dockerd\0-H\0tcp://0.0.0.0:2375\0",
        "/etc/docker/daemon.json": '{"log-opts": {"max-size": "10m"}, "secret": "x"}',
        "/etc/group": "root:x:0:\ndocker:x:105:ann,bob\n",
        "/etc/passwd": "root:x:0:0::/root:/bin/sh\neve:x:1002:105::/home/eve:/bin/sh\n",
        "/var/run/docker.sock": "",
    }
    facts = collect(FakeHost(files, commands=engine()))["docker"]
    assert facts["arguments"] == ["-H", "tcp://0.0.0.0:2375"]
    assert facts["config"] == {"log-opts": {"max-size": "10m"}}
    assert facts["group"] == {"gid": 105, "members": ["ann", "bob", "eve"]}
    assert facts["version"] == "26.1.5" and facts["iptables"] is True

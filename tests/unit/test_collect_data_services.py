# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Redis, MinIO and the rotation ledger of a project are asked, and what becomes a fact of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import minio, redis, rotation
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.deployment.env_chain import Setting
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo, HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import resp
from fake_host import FakeHost

SECRET = "vErY-pRiVaTe-91"
DAY = 86400


def unit(service, port, argv=(), **environment):
    return {
        "service": service,
        "role": service,
        "level": "running",
        "argv": list(argv),
        "environment": environment,
        "addresses": ["172.20.0.5"],
        "ports": [{"ip": "127.0.0.1", "port": port, "target": str(port)}],
    }


def needing(*units, settings=None, directory="/opt/nself", chain=("dev", {}, [])):
    found = SimpleNamespace(
        settings=settings or {},
        chain=chain,
        found=SimpleNamespace(directory=directory),
        running=lambda role: [item for item in units if item["role"] == role],
    )
    return lambda name: {"project": found}[name]


# -- Redis -----------------------------------------------------------------------------------------------------------


def server(password=None, protected="yes", config=True, said=None):
    """Return a Redis that answers as it is asked; what it was sent stands in said."""

    def answer(sent):
        if said is not None:
            said.append(sent)
        allowed, out = password is None, b""
        for words in resp.replies(sent):
            if words[0] == "QUIT":
                return out + b"+OK\r\n"
            if words[0] == "AUTH":
                allowed = words[1] == password
                out += b"+OK\r\n" if allowed else b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
            elif not allowed:
                out += b"-NOAUTH Authentication required.\r\n"
            elif words[0] == "PING":
                out += b"+PONG\r\n"
            elif not config:
                out += b"-ERR unknown command 'CONFIG'\r\n"
            else:
                out += b"*2\r\n$14\r\nprotected-mode\r\n$%d\r\n%s\r\n" % (len(protected), protected.encode())
        return out

    return answer


def ask_redis(peer, *argv, **environment):
    host = FakeHost(peers={("172.20.0.5", 6379): peer})
    found = redis.collect(host, needing(unit("redis", 6379, ("redis-server",) + argv, **environment)))
    assert SECRET not in repr(found)
    return found["instances"][0]


@pytest.mark.parametrize(
    "peer, argv, answer, protected",
    [
        (server(), (), "open", None),
        (server(SECRET), ("--requirepass", SECRET), "refused", "yes"),
        (server(SECRET, "no"), ("--requirepass", SECRET), "refused", "no"),
        # no shell between: one word of the command line may hold several
        (server(SECRET, "no"), ("sh", "-c", "redis-server --requirepass %s" % SECRET), "refused", "no"),
        # a server that does not tell is judged by its command line, or not at all
        (server(SECRET, config=False), ("--requirepass", SECRET), "refused", None),
        (server(SECRET, config=False), ("--requirepass", SECRET, "--protected-mode", "no"), "refused", "no"),
        (server("another"), ("--requirepass", SECRET), "refused", None),
        (server(SECRET), (), "refused", None),
        (b"-DENIED Redis is running in protected mode because\r\n", (), "denied", None),
        (b"-ERR operation not permitted\r\n", (), "refused", None),
    ],
)
def test_redis_is_pinged_without_a_password(peer, argv, answer, protected):
    found = ask_redis(peer, *argv)
    assert (found["answer"], found["protected_mode"]) == (answer, protected)


def test_redis_takes_the_password_of_its_environment_and_no_other():
    said = []
    assert ask_redis(server(SECRET, said=said), REDIS_PASSWORD=SECRET)["protected_mode"] == "yes"
    assert said[0] == resp.command("PING") + resp.command("QUIT")
    # the healthcheck's words behind an option without a value are no password
    said = []
    ask_redis(server(SECRET, said=said), "--requirepass", "CMD", "redis-cli", "ping")
    assert not any(b"AUTH" in sent for sent in said)


@pytest.mark.parametrize(
    "peer",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-NOPERM this user\r\n", b"+WHAT\r\n", HostError("timeout", "x")],
)
def test_redis_that_does_not_answer_is_unread(peer):
    found = ask_redis(peer)
    assert isinstance(found["answer"], Unread) and found["protected_mode"] is None


def test_redis_that_says_why_and_hangs_up_is_heard():
    def resets(sent):
        if sent:
            raise HostError("error", "172.20.0.5:6379", "Connection reset by peer")
        return b"-DENIED Redis is running in protected mode because protected mode is enabled\r\n"

    assert ask_redis(resets)["answer"] == "denied"


def test_redis_is_asked_at_its_own_port():
    host = FakeHost(peers={("127.0.0.1", 7000): server()})
    found = dict(unit("redis", 7000, ("redis-server", "--port", "7000")))
    assert redis.collect(host, needing(found))["instances"][0]["answer"] == "open"


# -- MinIO -----------------------------------------------------------------------------------------------------------

PUBLIC = (
    '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject", "s3:ListBucket"]}]}'
)


def stand_in(buckets, public=(), encrypted=(), policies=(), said=None, signed=True):
    """Return a MinIO with these buckets of one object each; it takes any signature of its root user."""

    def answer(sent):
        if said is not None:
            said.append(sent)
        head = sent.decode()
        method, target = head.split(" ", 2)[:2]
        path, _mark, query = target.partition("?")
        name, _slash, key = path.strip("/").partition("/")
        root = signed and "Credential=root/" in head
        if not name:
            if not root:
                return error(403, "AccessDenied")
            inner = "".join("<Bucket><Name>%s</Name></Bucket>" % item for item in buckets)
            return reply(200, "<ListAllMyBucketsResult><Buckets>%s</Buckets></ListAllMyBucketsResult>" % inner)
        if name not in buckets:
            return error(404, "NoSuchBucket")
        if not root and name not in public:
            return error(403, "AccessDenied")
        if query.startswith("policy"):
            return reply(200, PUBLIC) if name in public or name in policies else error(404, "NoSuchBucketPolicy")
        if query.startswith("encryption"):
            if name not in encrypted:
                return error(404, "ServerSideEncryptionConfigurationNotFoundError")
            rule = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
            return reply(200, "<ServerSideEncryptionConfiguration>%s</ServerSideEncryptionConfiguration>" % rule)
        if key:
            assert method == "HEAD"
            return reply(200, "")
        return reply(200, "<ListBucketResult><Contents><Key>cat.png</Key></Contents></ListBucketResult>")

    return answer


def reply(status, body):
    return ("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)).encode()


def error(status, code):
    return reply(status, "<Error><Code>%s</Code></Error>" % code)


def ask_minio(peer, settings=None, **environment):
    environment = environment or {"MINIO_ROOT_USER": "root", "MINIO_ROOT_PASSWORD": SECRET}
    host = FakeHost(peers={("172.20.0.5", 9000): peer})
    found = minio.collect(host, needing(unit("minio", 9000, ("minio", "server"), **environment), settings=settings))
    assert SECRET not in repr(found)
    return found["instances"][0]


def test_minios_buckets_are_asked_as_anybody_and_as_root():
    said = []
    found = ask_minio(stand_in(["avatars", "docs", "uploads"], ["uploads"], ["avatars"], ["docs"], said=said))
    assert found["listed"] is True and found["service_open"] is False
    assert {item["name"]: (item["open"], item["policy"], item["encryption"]) for item in found["buckets"]} == {
        "avatars": ([], [], "AES256"),
        "docs": ([], ["s3:GetObject", "s3:ListBucket"], None),
        "uploads": (["list", "get"], ["s3:GetObject", "s3:ListBucket"], None),
    }
    assert {sent.split(b" ")[0] for sent in said} == {b"GET", b"HEAD"}
    assert not any(SECRET.encode() in sent for sent in said)


@pytest.mark.parametrize(
    "environment", [{"MINIO_ROOT_USER": "root"}, {"MINIO_ROOT_USER": "who", "MINIO_ROOT_PASSWORD": SECRET}]
)
def test_without_credentials_the_named_buckets_are_still_asked(environment):
    settings = {"MINIO_DEFAULT_BUCKETS": Setting("uploads, no/bucket,gone", ".env")}
    found = ask_minio(stand_in(["uploads"], ["uploads"]), settings, **environment)
    assert isinstance(found["listed"], Unread)
    assert [item["name"] for item in found["buckets"]] == ["uploads"]


def test_an_open_list_is_told_even_where_nothing_else_is_known():
    found = ask_minio(reply(200, "<ListAllMyBucketsResult/>"), MINIO_ROOT_USER="root")
    assert found["service_open"] is True


@pytest.mark.parametrize(
    "peer", [b"", b"+PONG\r\n", reply(500, "oops"), reply(200, "<html/>"), HostError("timeout", "x")]
)
def test_a_minio_that_does_not_answer_as_one_is_unread(peer):
    found = ask_minio(peer)
    assert isinstance(found["listed"], Unread)
    assert found["service_open"] is not False


def test_a_bucket_with_a_name_of_old_times_is_asked_too():
    found = ask_minio(stand_in(["Old_Uploads", "docs"], ["Old_Uploads"]))
    assert [(item["name"], item["open"]) for item in found["buckets"]] == [
        ("Old_Uploads", ["list", "get"]),
        ("docs", []),
    ]


def test_more_buckets_than_are_asked_are_told():
    found = ask_minio(stand_in(["bucket-%d" % number for number in range(minio.MOST_BUCKETS + 1)]))
    assert isinstance(found["listed"], Unread) and len(found["buckets"]) == minio.MOST_BUCKETS


# -- rotation --------------------------------------------------------------------------------------------------------


def test_ages_of_files_and_of_rotations_are_whole_days():
    host = FakeHost(
        {
            "/opt/nself/.env": "",
            "/opt/nself/.nself-prod/rotation.json": '{"A": "2026-12-01", "B": "2027-01-10T12:00:00Z"}',
        },
        {"/opt/nself/.env": FileInfo(0o600, 0, 0, 1, 1.8e9 - 3.5 * DAY, "file", 1.8e9)},
    )
    settings = {"A": Setting("x", ".env"), "B": Setting("y", ".env.prod")}
    found = rotation.collect(host, needing(settings=settings))
    assert found["written"][".env"] == 3 and isinstance(found["written"][".env.prod"], Unread)
    assert found["ledger"] == {"A": 45, "B": 4}


def test_a_ledger_that_is_none_is_unread_and_an_absent_one_is_told():
    broken = FakeHost({"/opt/nself/.nself-prod/rotation.json": "{"})
    assert isinstance(rotation.collect(broken, needing())["ledger"], Unread)
    assert rotation.collect(FakeHost(), needing())["ledger"] is None
    assert rotation.collect(FakeHost(), needing(directory=None)) == {"written": {}, "ledger": None}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role minio: which key it is, which buckets are closed, and that nself's own container does not open them again."""

from __future__ import annotations

import base64
import json
import re

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import minio_init, minio_key, raw
from ansible_collections.nself.prod.plugins.module_utils.change.stack.minio_policy import narrowed
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.minio import MinioPart
from ansible_collections.nself.prod.plugins.module_utils.deployment.interpolate import interpolate
from fake_host import FakeHost
from fake_stack import FakeStack

KEY = "mine:" + base64.b64encode(b"k" * 32).decode()
OTHER = "mine:" + base64.b64encode(b"o" * 32).decode()
KEPT = "/srv/app/.nself-prod/minio/kms-key"
EVERYBODY = {"AWS": ["*"]}
DOWNLOAD = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": EVERYBODY, "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::b"]},
        {"Effect": "Allow", "Principal": EVERYBODY, "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"]},
    ],
}
CLIENT = {
    "image": "minio/mc:latest",
    "entrypoint": """/bin/sh -c "
      set -e;
      echo 'Initializing MinIO buckets...';
      /usr/bin/mc config host add myminio http://minio:9000 ${MINIO_ROOT_USER} ${MINIO_ROOT_PASSWORD};
      for bucket in $(echo ${MINIO_DEFAULT_BUCKETS:-uploads} | tr ',' ' '); do
        /usr/bin/mc mb -p myminio/$$bucket 2>/dev/null || echo \\"Bucket $$bucket exists\\";
        /usr/bin/mc anonymous set download myminio/$$bucket 2>/dev/null || true;
      done;
      "
""",
}


class Server:
    """A MinIO of dictionaries: policies {bucket: policy or None}, encrypted buckets, and the answer to the question for its key."""

    def __init__(self, policies, encrypted=(), status=(200, {"key-id": "mine"})):
        self.policies, self.encrypted, self.status = dict(policies), encrypted, status
        self.changed = []
        self.asked = []

    def __call__(self, sent):
        head, _blank, body = sent.decode().partition("\r\n\r\n")
        method, target = head.split()[:2]
        signed = "Authorization: AWS4-HMAC-SHA256" in head
        path, _mark, query = target.partition("?")
        name = path.strip("/")
        if path.startswith("/minio/"):
            self.asked.append(path)
            return http(self.status[0], json.dumps(self.status[1]))
        if not name:
            buckets = "".join("<Bucket><Name>%s</Name></Bucket>" % bucket for bucket in self.policies)
            listed = "<ListAllMyBucketsResult><Buckets>%s</Buckets></ListAllMyBucketsResult>" % buckets
            return http(200, listed) if signed else http(403, "")
        policy = self.policies[name]
        if query == "policy=":
            if method != "GET":
                self.changed.append((method, name))
                self.policies[name] = json.loads(body) if method == "PUT" else None
                return http(204, "")
            return http(200, json.dumps(policy)) if policy else http(404, error("NoSuchBucketPolicy"))
        if query == "encryption=":
            rule = "<ServerSideEncryptionConfiguration><SSEAlgorithm>AES256</SSEAlgorithm></ServerSideEncryptionConfiguration>"
            none = error("ServerSideEncryptionConfigurationNotFoundError")
            return http(200, rule) if name in self.encrypted else http(404, none)
        opened = any("s3:ListBucket" in item["Action"] for item in (policy or {}).get("Statement") or [])
        return http(200, "<ListBucketResult/>") if signed or opened else http(403, "")


def error(code):
    return "<Error><Code>%s</Code></Error>" % code


def http(status, body):
    return ("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)).encode()


def part(server=None, running="", declared="", given="", kept="", public=(), generate=True, own=None, client=None):
    environment = dict(
        {"MINIO_ROOT_USER": "${MINIO_ROOT_USER}", "MINIO_ROOT_PASSWORD": "${MINIO_ROOT_PASSWORD}"}, **(own or {})
    )
    services = {"minio": {"image": "minio/minio", "environment": environment}}
    if client:
        services["minio-client"] = client
    variables = {"MINIO_ROOT_USER": "root", "MINIO_ROOT_PASSWORD": "a-password-of-no-dictionary"}
    variables.update({"MINIO_KMS_SECRET_KEY": declared} if declared else {})
    inside = dict(interpolate(environment, variables), **({"MINIO_KMS_SECRET_KEY": running} if running else {}))
    containers = {
        "minio": {
            "State": {"Running": True, "Pid": 5},
            "Config": {"Env": ["%s=%s" % pair for pair in inside.items()]},
            "NetworkSettings": {"Networks": {"n": {"IPAddress": "172.18.0.9"}}},
            "HostConfig": {},
        }
    }
    server = server or Server({})
    host = FakeHost({KEPT: kept + "\n"} if kept else {}, peers={("172.18.0.9", 9000): server})
    stack = FakeStack(interpolate(services, variables), services, containers, variables=variables, host=host)
    options = {"kms_generate": generate, "public_buckets": list(public)}
    return MinioPart(stack, options, {"MINIO_KMS_SECRET_KEY": given} if given else {})


# -- the key -----------------------------------------------------------------------------------------------------------


def test_a_key_is_made_where_there_is_none():
    plan = part().plan()
    assert minio_key.valid(plan.settings["MINIO_KMS_SECRET_KEY"])
    wanted = {"MINIO_KMS_SECRET_KEY": "${MINIO_KMS_SECRET_KEY}", "MINIO_KMS_AUTO_ENCRYPTION": "on"}
    assert plan.fragment["services"]["minio"]["environment"] == wanted
    assert "Keep a copy on another machine" in plan.left[0]


@pytest.mark.parametrize("source", ["running", "declared", "given", "kept"])
def test_a_key_that_is_known_is_taken(source):
    plan = part(**{source: KEY}).plan()
    assert plan.settings == {"MINIO_KMS_SECRET_KEY": KEY}
    assert not any("was made" in line for line in plan.left)


@pytest.mark.parametrize(
    "known", [{"running": KEY, "given": OTHER}, {"running": KEY, "declared": OTHER}, {"kept": KEY, "declared": OTHER}]
)
def test_another_key_is_refused(known):
    with pytest.raises(Refused, match="could not be read any more") as problem:
        part(**known).plan()
    assert KEY.split(":")[1] not in str(problem.value) and OTHER.split(":")[1] not in str(problem.value)


def test_the_given_key_repairs_the_env_files():
    assert part(running=KEY, declared=OTHER, given=KEY).plan().settings == {"MINIO_KMS_SECRET_KEY": KEY}


@pytest.mark.parametrize("bad", ["secret", "mine:abc", "mine:" + "A" * 44, ":" + KEY.split(":")[1], KEY + "\n"])
def test_a_given_text_that_is_no_key_is_refused(bad):
    with pytest.raises(Refused, match="32 bytes"):
        part(given=bad).plan()


def test_a_declared_text_that_is_no_key_is_told_and_replaced_by_none():
    plan = part(declared="${PROD_KEY}").plan()
    assert plan.settings == {} and "no NAME:KEY" in plan.left[0]


def test_the_guides_master_key_is_taken_by_the_name_that_minio_knows():
    made = part()
    made.stack.variables["MINIO_SSE_MASTER_KEY"] = "6b" * 32
    assert made.plan().settings == {"MINIO_KMS_SECRET_KEY": "nself:" + KEY.split(":")[1]}
    made = part()
    made.stack.variables["MINIO_SSE_MASTER_KEY"] = "a-phrase-of-32-characters-or-so."
    plan = made.plan()
    assert minio_key.valid(plan.settings["MINIO_KMS_SECRET_KEY"])
    assert "MINIO_SSE_MASTER_KEY of the env files was not taken" in plan.left[0] and "phrase" not in str(plan.left)


def test_no_key_is_made_where_that_is_not_wanted():
    plan = part(generate=False).plan()
    assert (plan.settings, plan.fragment) == ({}, {}) and "minio_kms_generate" in plan.left[0]


def test_no_key_is_made_where_there_must_have_been_one():
    plan = part(Server({"a": None, "b": None}, encrypted=("b",))).plan()
    assert plan.settings == {} and "the buckets b are set to encrypt" in plan.left[0]


def test_a_key_service_stays():
    plan = part(own={"MINIO_KMS_KES_ENDPOINT": "https://kes:7373"}).plan()
    assert plan.fragment["services"]["minio"]["environment"] == {"MINIO_KMS_AUTO_ENCRYPTION": "on"}
    assert plan.settings == {}


def test_what_the_project_says_itself_is_not_said_again():
    own = {"MINIO_KMS_SECRET_KEY": "${MINIO_KMS_SECRET_KEY}", "MINIO_KMS_AUTO_ENCRYPTION": "on"}
    assert part(running=KEY, declared=KEY, own=own).plan().fragment == {}


def test_a_new_key_is_kept_before_minio_gets_it(tmp_path):
    made = part()
    plan = made.plan()
    changes = Changes(made.stack.host, check=True)
    made.prepare(changes)
    assert KEPT in str(changes.result()["diff"])
    assert plan.settings["MINIO_KMS_SECRET_KEY"].split(":")[1] not in str(changes.result())


def test_a_key_that_is_in_use_is_not_written_again():
    made = part(running=KEY, declared=KEY)
    made.plan()
    changes = Changes(made.stack.host, check=True)
    made.prepare(changes)
    assert not changes.changed


def test_a_password_that_everybody_tries_is_told():
    made = part()
    made.stack.containers["minio"]["Config"]["Env"] = ["MINIO_ROOT_USER=minioadmin", "MINIO_ROOT_PASSWORD=minioadmin"]
    assert any("MINIO_ROOT_PASSWORD" in line for line in made.plan().left)


# -- buckets -----------------------------------------------------------------------------------------------------------


def statement(*actions, **more):
    return dict({"Effect": "Allow", "Principal": EVERYBODY, "Action": list(actions), "Resource": ["x"]}, **more)


DENY = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
SOMEBODY = {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::1:user/a"]}, "Action": ["s3:PutObject"]}


@pytest.mark.parametrize(
    "statements, public, left, taken",
    [
        ([statement("s3:GetObject")], False, None, ["s3:GetObject"]),
        ([statement("s3:GetObject", Principal="*")], False, None, ["s3:GetObject"]),
        ([statement("s3:GetObject"), DENY, SOMEBODY], False, [DENY, SOMEBODY], ["s3:GetObject"]),
        ([DENY, SOMEBODY], False, [DENY, SOMEBODY], []),
        ([statement("s3:GetObject", "s3:PutObject")], True, [statement("s3:GetObject")], ["s3:PutObject"]),
        ([statement("s3:GetObject")], True, [statement("s3:GetObject")], []),
        ([statement("s3:Get*")], True, [statement("s3:GetObject", "s3:GetBucketLocation")], ["s3:Get*"]),
        ([statement("s3:PutObject")], True, None, ["s3:PutObject"]),
        ([{"Effect": "Allow", "Principal": "*", "NotAction": "s3:PutObject"}], True, None, ["all but some"]),
    ],
)
def test_what_everybody_may_is_taken_back(statements, public, left, taken):
    found, told = narrowed({"Version": "1", "Statement": statements}, public)
    assert told == taken
    assert found == (None if left is None else {"Version": "1", "Statement": left})


def test_buckets_are_closed_but_for_those_that_are_meant_to_be_public():
    server = Server({"a": DOWNLOAD, "b": None, "web": DOWNLOAD})
    made = part(server, running=KEY, declared=KEY, public=["web"])
    made.plan()
    changes = Changes(made.stack.host, check=False)
    made.settle(changes)
    assert server.changed == [("DELETE", "a")]
    assert "bucket a: no more" in str(changes.result()["diff"])
    made.verify()
    again = Changes(made.stack.host, check=False)
    made.settle(again)
    assert not again.changed
    made.revert()
    assert server.policies["a"] == DOWNLOAD


def test_check_mode_tells_and_closes_nothing():
    server = Server({"a": DOWNLOAD})
    made = part(server)
    changes = Changes(made.stack.host, check=True)
    made.settle(changes)
    assert changes.changed and server.changed == []


@pytest.mark.parametrize(
    "server, reason",
    [
        (Server({"a": DOWNLOAD}), "anybody may list in the bucket a"),
        (Server({}, status=(501, {})), "does not encrypt"),
        (Server({}, status=(200, {"key-id": "mine", "decryption-error": "x"})), "decryption-error"),
        (Server({}, status=(200, {"key-id": "other"})), "it says nothing of the key `mine`"),
        (Server({}, status=(200, {})), "it says nothing of the key `mine`"),
    ],
)
def test_what_is_not_so_is_a_mismatch(server, reason):
    made = part(server, running=KEY, declared=KEY)
    made.plan()
    with pytest.raises(Mismatch, match=reason):
        made.verify()


@pytest.mark.parametrize("status", [403, 404, 426])
def test_an_answer_that_tells_nothing_of_the_key_proves_nothing(status):
    server = Server({}, status=(status, {}))
    made = part(server, running=KEY, declared=KEY)
    plan = made.plan()
    made.verify()
    assert "that was not proven" in plan.left[-1] and len(set(server.asked)) == 2


def test_a_key_that_minio_had_for_a_while_is_named_when_all_is_taken_back(monkeypatch):
    monkeypatch.setattr(Changes, "file", lambda *_words, **_options: True)
    monkeypatch.setattr(Changes, "directory", lambda *_words, **_options: True)
    for after, told in (("1", 0), ("2", 1)):
        made = part()
        made.stack.containers["minio"]["Id"] = "1"
        key = made.plan().settings["MINIO_KMS_SECRET_KEY"]
        made.prepare(Changes(made.stack.host, check=False))
        made.stack.containers["minio"]["Id"] = after
        made.revert()
        assert len(made.stays) == told and all(".nself-prod/minio/kms-key" in line for line in made.stays)
        assert key.split(":")[1] not in str(made.stays)


# -- nself's own container ---------------------------------------------------------------------------------------------


def test_nselfs_container_makes_the_same_buckets_and_opens_none():
    fragment = part(client=CLIENT).plan().fragment["services"]["minio-client"]
    assert fragment["environment"]["BUCKETS"] == "${MINIO_DEFAULT_BUCKETS:-uploads}"
    assert fragment["environment"]["PUBLIC_BUCKETS"] == ""
    assert fragment["environment"]["MINIO_ROOT_PASSWORD"] == "${MINIO_ROOT_PASSWORD}"
    assert not re.search(r"(?<!\$)\$(?!\$)", fragment["entrypoint"][2]), "compose would fill it in"


def test_it_still_opens_those_that_are_meant_to_be_public():
    fragment = part(client=CLIENT, public=["web", "b"]).plan().fragment["services"]["minio-client"]
    assert fragment["environment"]["PUBLIC_BUCKETS"] == "web,b"


@pytest.mark.parametrize(
    "old, new, reason",
    [
        ("done;", "done; /usr/bin/mc version enable myminio/a;", "more than nself's own"),
        ("${MINIO_ROOT_PASSWORD}", "minioadmin", "compose file itself"),
        ("for bucket in", "while read", "not nself's own"),
    ],
)
def test_a_container_of_somebody_elses_is_left_alone_and_told(old, new, reason):
    client = dict(CLIENT, entrypoint=CLIENT["entrypoint"].replace(old, new))
    with pytest.raises(raw.Unclear, match=reason):
        minio_init.mended(client, [])
    plan = part(client=client, running=KEY, declared=KEY).plan()
    assert "minio-client" not in (plan.fragment.get("services") or {})
    assert any("minio-client opens buckets" in line for line in plan.left)


def test_a_container_that_opens_nothing_is_none_of_our_business():
    assert not minio_init.opens({"image": "minio/mc", "command": ["mc", "ls", "here"]})

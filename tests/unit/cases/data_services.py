# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the checks of Redis and MinIO."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from cases.units import NO_DEPLOYMENT, UNREADABLE, deployment, unit

SILENT = Unread("timeout", "no answer")
KEY = {"MINIO_KMS_SECRET_KEY": "uploads:bm90IGEgc2VjcmV0LCBidXQgYSBrZXkgb2YgMzIgYnl0ZXM="}


def redis(answer="refused", protected="yes", **more):
    found = {"service": "redis", "answer": answer, "protected_mode": protected}
    return dict(deployment(unit("redis", "redis", **more)), redis={"instances": [found]})


def minio(*buckets, env=None, listed=True, service_open=False, **more):
    found = {"service": "minio", "service_open": service_open, "listed": listed, "buckets": list(buckets)}
    return dict(deployment(unit("minio", "minio", env=env, **more)), minio={"instances": [found]})


def replicas(*instances):
    """Two servers of one service: what one shows says nothing of the other."""
    merged = dict(instances[0])
    merged["minio"] = {"instances": [item["minio"]["instances"][0] for item in instances]}
    return merged


def encrypting(*buckets, env=None, **more):
    facts = minio(*buckets, env=KEY if env is None else env, **more)
    del facts["minio"]["instances"][0]["service_open"]
    return facts


def automatic(value="on"):
    facts = encrypting(env=dict(KEY, MINIO_KMS_AUTO_ENCRYPTION=value))
    facts["minio"]["instances"][0] = {"service": "minio"}
    return facts


def encrypted(name="uploads", encryption="AES256"):
    return {"name": name, "encryption": encryption}


def bucket(name="uploads", can=(), policy=()):
    return {"name": name, "open": list(can), "policy": list(policy)}


def silent(role):
    return dict(deployment(unit(role, role, env=KEY)), **{role: {"instances": SILENT}})


CASES = {
    "DATA-28": {
        "pass": [redis(), redis(protected=None)],
        "fail": [redis("open"), redis("open", None), redis("denied", None), redis(protected="no")],
        "unknown": [
            UNREADABLE,
            redis(answer=SILENT),
            redis(protected=SILENT),
            redis(answer="what"),
            redis(level="rendered"),
            silent("redis"),
            dict(deployment(unit("redis", "redis")), redis={"instances": []}),
        ],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit("hasura", "hasura"))],
    },
    "DATA-26": {
        "pass": [encrypting(encrypted()), encrypting(encrypted(), encrypted("avatars", "aws:kms")), automatic()],
        "fail": [
            deployment(unit("minio", "minio", env={})),
            deployment(unit("minio", "minio", env={"MINIO_KMS_SECRET_KEY": ""})),
            deployment(unit("minio", "minio", "rendered", env={"MINIO_KMS_AUTO_ENCRYPTION": "on"})),
            encrypting(encrypted(encryption=None)),
            encrypting(encrypted(), encrypted("avatars", None)),
            encrypting(encrypted(encryption=None), env=dict(KEY, MINIO_KMS_AUTO_ENCRYPTION="off")),
        ],
        "unknown": [
            UNREADABLE,
            silent("minio"),
            encrypting(encrypted(encryption=SILENT)),
            encrypting(encrypted(), listed=SILENT),
            encrypting(encrypted(), level="rendered"),
            deployment(unit("minio", "minio")),
        ],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit("hasura", "hasura"))],
    },
    "DATA-27": {
        "pass": [minio(bucket()), minio(bucket(), bucket("avatars")), minio()],
        "fail": [
            minio(bucket(can=["list"])),
            minio(bucket(can=["get"])),
            minio(bucket(), bucket("avatars", policy=["s3:GetObject"])),
            minio(bucket(policy=["s3:PutObject"]), listed=SILENT),
            minio(bucket(), service_open=True),
            replicas(minio(bucket()), minio(bucket(can=["list"]))),
            replicas(minio(bucket()), minio(bucket(), service_open=True)),
        ],
        "unknown": [
            UNREADABLE,
            silent("minio"),
            minio(bucket(), listed=SILENT),
            replicas(minio(bucket()), minio(bucket(), listed=SILENT)),
            minio(bucket(), service_open=SILENT),
            minio(dict(bucket(), open=SILENT)),
            minio(dict(bucket(), policy=SILENT)),
            minio(bucket(), level="rendered"),
        ],
        "not_applicable": [NO_DEPLOYMENT, deployment(unit("hasura", "hasura"))],
    },
}

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""MinIO: who may read its buckets without credentials, and whether it encrypts what it stores."""

from __future__ import annotations

from typing import Any, List

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    Reason,
    Resource,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import level_of, name_of, of_role, plain, truthy
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, resource, summed

# Any of these gives MinIO a key to encrypt with: https://min.io/docs/minio/linux/reference/minio-server/settings/kes.html
KEY_SOURCES = ("MINIO_KMS_SECRET_KEY", "MINIO_KMS_SECRET_KEY_FILE", "MINIO_KMS_KES_ENDPOINT", "MINIO_KMS_SERVER")
# What a bucket that is meant to be public gives everybody, and no more.
READING = ("s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation")
AUTOMATIC = "MINIO_KMS_AUTO_ENCRYPTION"


def _instances(facts: Any, unit: Record) -> List[Record]:
    """Return what the servers of a unit's service answered: each replica for itself. Raises Missing."""
    if level_of(unit) != Level.RUNNING:
        raise Missing("minio.instances", Reason.ERROR, "it does not run, so it cannot be asked")
    found = [item for item in facts.records("minio.instances") if item.read("service") == name_of(unit)]
    if not found:
        raise Missing("minio.instances", Reason.ERROR, "it was not asked")
    return found


def _all_listed(item: Record) -> "tuple[bool, str]":
    if item.read("listed") is not True:
        raise Missing("minio.instances", Reason.ERROR, "whether it has other buckets is not known")
    return True, "all buckets asked"


def _each_bucket(facts: Any, unit: Record, judge: Any) -> List[Resource]:
    """Judge every bucket of a unit's servers; what is not known of a whole server becomes an unknown resource of its name."""
    try:
        items = _instances(facts, unit)
        buckets = [bucket for item in items for bucket in item.records("buckets")]
    except Missing as missing:
        return [Resource(name_of(unit), "unknown", missing.detail, level_of(unit), missing.reason)]
    found = each(items, lambda _item: name_of(unit), _all_listed)
    return found + each(buckets, lambda bucket: str(bucket.read("name")), judge)


@check(
    "DATA-26",
    "minio-encrypted",
    "MinIO encrypts what it stores",
    Severity.WARNING,
    "Whoever gets a copy of the volume, or of a backup of it, reads every upload.",
    "the key or key service in the environment of the MinIO process, and the default encryption that each bucket reports",
    "a key is configured, and every bucket encrypts by default, or MinIO is told to encrypt everything",
    Fix(
        "minio",
        "Set MINIO_KMS_SECRET_KEY=name:base64 (or a KES) and MINIO_KMS_AUTO_ENCRYPTION=on in the service's environment; keep the key elsewhere too: "
        "without it the data is lost.",
        ("minio_kms_secret_key",),
        ("minio",),
    ),
    refs=("s:encryption",),
)
def minio_encrypted(facts: Any, policy: Any) -> Verdict:
    found: List[Resource] = []
    for unit in of_role(facts, "minio"):
        try:
            keyed = [name for name in KEY_SOURCES if _set(unit.read("env").get(name))]
            automatic = plain(unit, AUTOMATIC) or ""
        except Missing as missing:
            found.append(Resource(name_of(unit), "unknown", missing.detail, level_of(unit), missing.reason))
            continue
        if not keyed:
            found.append(resource(name_of(unit), False, "no key and no key service", level_of(unit)))
        elif truthy(automatic) or automatic.lower() == "enabled":
            found += each(
                [unit], name_of, lambda item: (bool(_instances(facts, item)), "%s, encrypts everything" % AUTOMATIC)
            )
        else:
            found += _each_bucket(facts, unit, _encrypts)
    return summed("a key, and every bucket encrypts", found)


def _set(value: Any) -> bool:
    if isinstance(value, dict):
        secret = value.get("secret")
        return not (isinstance(secret, dict) and secret.get("empty"))
    return bool(value)


def _encrypts(bucket: Record) -> "tuple[bool, str]":
    algorithm = bucket.read("encryption")
    return algorithm is not None, algorithm or "no default encryption"


@check(
    "DATA-27",
    "buckets-private",
    "No bucket is public by accident",
    Severity.CRITICAL,
    "A public bucket gives every file to whoever guesses or lists its name; nself's own minio-client makes every bucket public for download.",
    "requests to MinIO without credentials (list the buckets, list each bucket, read an object) and each bucket's policy",
    "everything is refused, except for reading from the buckets that the policy lists as public",
    Fix(
        "minio",
        "Run `mc anonymous set none` on the named buckets, and list those that are meant to be public in the policy's public_buckets.",
        ("minio_public_buckets",),
    ),
)
def buckets_private(facts: Any, policy: Any) -> Verdict:
    public = policy["public_buckets"]

    def judge(bucket: Record) -> "tuple[bool, str]":
        can, actions = bucket.read("open"), bucket.read("policy")
        if bucket.read("name") in public:
            writes = [action for action in actions if action not in READING]
            return not writes, "anybody may %s" % ", ".join(writes) if writes else "meant to be public"
        if can:
            return False, "anybody may %s" % " and ".join(can)
        return not actions, "its policy allows everybody %s" % ", ".join(actions) if actions else "private"

    found: List[Resource] = []
    for unit in of_role(facts, "minio"):
        found += _each_bucket(facts, unit, judge)
        found += each([unit], lambda item: "%s: list of buckets" % name_of(item), lambda item: _service(facts, item))
    return summed("nothing without credentials", found)


def _service(facts: Any, unit: Record) -> "tuple[bool, str]":
    is_open = [item.read("service_open") for item in _instances(facts, unit)]
    return all(item is False for item in is_open), "anybody may read it" if any(is_open) else "refused"


CHECKS = (minio_encrypted, buckets_private)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A STAND-IN for MinIO: buckets and their policies, who may see them, and signatures that are really checked (AWS Signature Version 4).

Buckets are made by PUT, as minio-client makes them, and policies are read, set and deleted. Both stand in /data where that can be written,
so they live through a restart. STAND_IN_BUCKETS names a JSON file {bucket: {"public": bool, "encrypted": bool}} of buckets that are there from
the start: what was set by PUT or DELETE holds until the file says something else. No object is kept. A key for encryption is judged as MinIO
judges it, and its status told; it encrypts nothing, for there is nothing.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import pathlib
import re
import sys
import threading
import urllib.parse

USER = os.environ.get("MINIO_ROOT_USER") or "minioadmin"
PASSWORD = os.environ.get("MINIO_ROOT_PASSWORD") or "minioadmin"
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
STATE = pathlib.Path("/data/.stand-in.json")
READING = [
    {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:GetObject"],
    }
]
LOCK = threading.Lock()


def key_name():
    """Return the name of the key for encryption, None without one. As MinIO does, end where it is none."""
    text = os.environ.get("MINIO_KMS_SECRET_KEY", "")
    automatic = os.environ.get("MINIO_KMS_AUTO_ENCRYPTION", "").lower() in ("on", "true", "1", "yes", "enabled")
    if not text:
        if automatic:
            sys.exit("ERROR MINIO_KMS_AUTO_ENCRYPTION is on, and no KMS is configured")
        return None
    name, _colon, key = text.partition(":")
    try:
        length = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if not name or length != 32:
        sys.exit("ERROR Unable to initialize a KMS: MINIO_KMS_SECRET_KEY is no name:base64 of 32 bytes")
    return name


KEY = key_name()


def load():
    try:
        return json.loads(STATE.read_text())
    except (OSError, ValueError):
        return {}


MEMORY = load()


def told():
    """Return {bucket: what the file says}."""
    path = os.environ.get("STAND_IN_BUCKETS")
    return json.loads(pathlib.Path(path).read_text()) if path and pathlib.Path(path).exists() else {}


def buckets():
    """Return {bucket: {"policy": its policy or None, "encrypted": bool}}."""
    out = {}
    given = told()
    for name in sorted(set(given) | set(MEMORY)):
        file, own = given.get(name), MEMORY.get(name)
        policy = {"Version": "2012-10-17", "Statement": READING} if (file or {}).get("public") else None
        if own is not None and own["file"] == file:
            policy = own["policy"]
        elif file is None:
            policy = own["policy"]
        out[name] = {"policy": policy, "encrypted": bool((file or {}).get("encrypted"))}
    return out


def keep(name, policy):
    with LOCK:
        MEMORY[name] = {"policy": policy, "file": told().get(name)}
        try:
            STATE.write_text(json.dumps(MEMORY))
        except OSError:
            pass  # then it holds until the next start


def may(policy, action):
    """Tell whether everybody may do this."""
    return any(
        item.get("Effect") == "Allow"
        and item.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        and any(re.fullmatch(re.escape(one).replace(r"\*", ".*"), action) for one in many(item.get("Action")))
        for item in many((policy or {}).get("Statement"))
    )


def many(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def xml(body, status=200):
    return status, "application/xml", '<?xml version="1.0" encoding="UTF-8"?>' + body


def error(status, code):
    return xml("<Error><Code>%s</Code><Message>%s</Message></Error>" % (code, code), status)


def quoted(text):
    return urllib.parse.quote(text, safe="-_.~")


def signed(request):
    """Tell whether a request carries the root user's signature: None where it carries none."""
    found = re.match(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$",
        request.headers.get("Authorization", ""),
    )
    if not found:
        return None if "Authorization" not in request.headers else False
    user, day, region, names, signature = found.groups()
    pairs = sorted(urllib.parse.parse_qsl(request.raw_query, keep_blank_values=True))
    query = "&".join("%s=%s" % (quoted(key), quoted(value)) for key, value in pairs)
    headers = "".join("%s:%s\n" % (name, " ".join(request.headers.get(name, "").split())) for name in names.split(";"))
    canonical = "\n".join(
        [
            request.method,
            urllib.parse.quote(urllib.parse.unquote(request.path), safe="/-_.~"),
            query,
            headers,
            names,
            request.headers.get("x-amz-content-sha256", ""),
        ]
    )
    scope = "%s/%s/s3/aws4_request" % (day, region)
    text = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            request.headers.get("x-amz-date", ""),
            scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    key = ("AWS4" + PASSWORD).encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    wanted = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return user == USER and hmac.compare_digest(wanted, signature)


def answer(request):
    if request.path.startswith("/minio/health/"):
        return 200, "text/plain", ""
    allowed = signed(request)
    if allowed is False:
        return error(403, "SignatureDoesNotMatch")
    if allowed and request.headers.get("x-amz-content-sha256") != hashlib.sha256(request.body).hexdigest():
        return error(400, "XAmzContentSHA256Mismatch")
    if request.path.startswith("/minio/admin/v3/"):
        return administered(request, allowed)
    name = request.path.strip("/").split("/")[0]
    known = buckets()
    if not name:
        if not allowed:
            return error(403, "AccessDenied")
        entries = "".join("<Bucket><Name>%s</Name></Bucket>" % bucket for bucket in sorted(known))
        return xml("<ListAllMyBucketsResult %s><Buckets>%s</Buckets></ListAllMyBucketsResult>" % (NAMESPACE, entries))
    whole = request.path.strip("/") == name
    if request.method == "PUT" and whole and not request.query:
        if not allowed:
            return error(403, "AccessDenied")
        if name in known:
            return error(409, "BucketAlreadyOwnedByYou")
        keep(name, None)
        return 200, "application/xml", ""
    if name not in known:
        return error(404, "NoSuchBucket") if allowed else error(403, "AccessDenied")
    if "policy" in request.query:
        return policy_of(request, allowed, name, known[name]["policy"])
    if "encryption" in request.query:
        if not allowed:
            return error(403, "AccessDenied")
        if not known[name]["encrypted"]:
            return error(404, "ServerSideEncryptionConfigurationNotFoundError")
        rule = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
        return xml("<ServerSideEncryptionConfiguration %s>%s</ServerSideEncryptionConfiguration>" % (NAMESPACE, rule))
    if request.method not in ("GET", "HEAD"):
        return error(501, "NotImplemented") if allowed else error(403, "AccessDenied")
    if not allowed and not may(known[name]["policy"], "s3:ListBucket" if whole else "s3:GetObject"):
        return error(403, "AccessDenied")
    if not whole:
        return error(404, "NoSuchKey")
    return xml("<ListBucketResult %s><Name>%s</Name><KeyCount>0</KeyCount></ListBucketResult>" % (NAMESPACE, name))


def policy_of(request, allowed, name, policy):
    if not allowed:
        return error(403, "AccessDenied")
    if request.method == "PUT":
        if not isinstance(request.json(), dict):
            return error(400, "MalformedPolicy")
        keep(name, request.json())
        return 204, "application/xml", ""
    if request.method == "DELETE":
        keep(name, None)
        return 204, "application/xml", ""
    return (200, "application/json", json.dumps(policy)) if policy else error(404, "NoSuchBucketPolicy")


def administered(request, allowed):
    if not allowed:
        return error(403, "AccessDenied")
    if request.path.rstrip("/") == "/minio/admin/v3/kms/key/status" and request.method == "GET":
        if KEY is None:
            return error(501, "KMSNotConfigured")
        return 200, "application/json", json.dumps({"key-id": KEY})
    return error(404, "XMinioInvalidAPIVersion")

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A STAND-IN for MinIO: buckets from a file, who may see them, and signatures that are really checked (AWS Signature Version 4).

STAND_IN_BUCKETS names a JSON file {bucket: {"public": bool, "encrypted": bool}}; without it the buckets are those of
MINIO_DEFAULT_BUCKETS, all public, as minio-client leaves them.
"""

import hashlib
import hmac
import json
import os
import pathlib
import re
import urllib.parse

USER = os.environ.get("MINIO_ROOT_USER") or "minioadmin"
PASSWORD = os.environ.get("MINIO_ROOT_PASSWORD") or "minioadmin"
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def buckets():
    path = os.environ.get("STAND_IN_BUCKETS")
    if path and pathlib.Path(path).exists():
        return json.loads(pathlib.Path(path).read_text())
    names = os.environ.get("MINIO_DEFAULT_BUCKETS", "").split(",")
    return {name.strip(): {"public": True, "encrypted": False} for name in names if name.strip()}


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
    name = request.path.strip("/").split("/")[0]
    known = buckets()
    if not name:
        if not allowed:
            return error(403, "AccessDenied")
        entries = "".join("<Bucket><Name>%s</Name></Bucket>" % bucket for bucket in sorted(known))
        return xml("<ListAllMyBucketsResult %s><Buckets>%s</Buckets></ListAllMyBucketsResult>" % (NAMESPACE, entries))
    if name not in known:
        return error(404, "NoSuchBucket") if allowed else error(403, "AccessDenied")
    if "policy" in request.query:
        if not allowed:
            return error(403, "AccessDenied")
        if not known[name].get("public"):
            return error(404, "NoSuchBucketPolicy")
        return (
            200,
            "application/json",
            json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"]}]}),
        )
    if "encryption" in request.query:
        if not allowed:
            return error(403, "AccessDenied")
        if not known[name].get("encrypted"):
            return error(404, "ServerSideEncryptionConfigurationNotFoundError")
        rule = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
        return xml("<ServerSideEncryptionConfiguration %s>%s</ServerSideEncryptionConfiguration>" % (NAMESPACE, rule))
    if not allowed and not known[name].get("public"):
        return error(403, "AccessDenied")
    if request.path.strip("/") != name:
        return error(404, "NoSuchKey")
    return xml("<ListBucketResult %s><Name>%s</Name><KeyCount>0</KeyCount></ListBucketResult>" % (NAMESPACE, name))

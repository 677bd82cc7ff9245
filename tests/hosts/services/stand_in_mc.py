# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A STAND-IN for MinIO's client, mc: the commands by which nself's init container makes buckets and says who may read them, and no others.

    mc alias set NAME URL [USER PASSWORD]     mc config host add NAME URL USER PASSWORD     mc alias list
    mc mb [-p | --ignore-existing] NAME/BUCKET
    mc anonymous set none|download|upload|public NAME/BUCKET     mc anonymous get NAME/BUCKET

As with the real one, what is not given of the credentials is read from standard input, MC_HOST_<name> holds http://user:password@host, and
aliases are kept below $HOME/.mc.
"""

import datetime
import hashlib
import hmac
import json
import os
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

ALIASES = (
    pathlib.Path(os.environ.get("MC_CONFIG_DIR") or os.path.join(os.environ.get("HOME") or "/root", ".mc"))
    / "config.json"
)
EMPTY = hashlib.sha256(b"").hexdigest()
BUCKET, OBJECTS = ["s3:GetBucketLocation", "s3:ListBucket"], ["s3:GetObject"]
UPLOAD, UPLOADS = ["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"], ["s3:AbortMultipartUpload", "s3:PutObject"]
# what `anonymous set` takes: (actions on the bucket, actions on its objects)
POLICIES = {
    "download": (BUCKET, OBJECTS),
    "upload": (UPLOAD, UPLOADS),
    "public": (BUCKET + UPLOAD[1:], OBJECTS + UPLOADS),
}


def die(text):
    sys.exit("mc: <ERROR> %s" % text)


def aliases():
    try:
        return json.loads(ALIASES.read_text())
    except (OSError, ValueError):
        return {}


def alias_of(name):
    """Return (address, user, password)."""
    told = re.fullmatch(r"(https?://)([^:/@]+):(.+)@([^@]+)", os.environ.get("MC_HOST_" + name, ""))
    if told:
        return told[1] + told[4], told[2], told[3]
    if name not in aliases():
        die("`%s` is no alias." % name)
    return aliases()[name]


def ask(alias, method, path, query="", body=b""):
    """Return (status, text) of a signed request."""
    address, user, password = alias
    host = urllib.parse.urlsplit(address).netloc
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
    names = ";".join(sorted(headers))
    lines = (
        [method, path, query + "=" if query else ""]
        + ["%s:%s" % pair for pair in sorted(headers.items())]
        + ["", names, digest]
    )
    scope = "%s/us-east-1/s3/aws4_request" % now[:8]
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256("\n".join(lines).encode()).hexdigest()])
    key = ("AWS4" + password).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        user,
        scope,
        names,
        signature,
    )
    request = urllib.request.Request(
        address + path + ("?" + query if query else ""), body or None, headers, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        die("Unable to reach `%s`: %s" % (address, error))


def set_alias(name, address, *credentials):
    given = list(credentials) + [sys.stdin.readline().rstrip("\n") for _missing in range(2 - len(credentials))]
    status, _text = ask((address, *given), "GET", "/")
    if status != 200:
        die("Unable to initialize new alias from the provided credentials: %d" % status)
    ALIASES.parent.mkdir(parents=True, exist_ok=True)
    ALIASES.write_text(json.dumps(dict(aliases(), **{name: (address, *given)})))
    print("Added `%s` successfully." % name)


def make_bucket(*words):
    target = words[-1]
    name, _slash, bucket = target.partition("/")
    status, text = ask(alias_of(name), "PUT", "/" + bucket)
    if status == 409 and {"-p", "--ignore-existing"} & set(words):
        return
    if status != 200:
        die("Unable to make bucket `%s`: %d %s" % (target, status, text))
    print("Bucket created successfully `%s`." % target)


def set_anonymous(kind, target):
    name, _slash, bucket = target.partition("/")
    if kind not in POLICIES and kind != "none":
        die("Unrecognized permission `%s`." % kind)
    body = b""
    if kind != "none":
        pairs = zip(POLICIES[kind], (bucket, bucket + "/*"))
        allow = {"Effect": "Allow", "Principal": {"AWS": ["*"]}}
        statements = [dict(allow, Action=actions, Resource=["arn:aws:s3:::" + what]) for actions, what in pairs]
        body = json.dumps({"Version": "2012-10-17", "Statement": statements}).encode()
    status, text = ask(alias_of(name), "PUT" if body else "DELETE", "/" + bucket, "policy", body)
    if status not in (200, 204):
        die("Unable to set anonymous `%s` for `%s`: %d %s" % (kind, target, status, text))
    print("Access permission for `%s` is set to `%s`" % (target, kind))


def get_anonymous(target):
    name, _slash, bucket = target.partition("/")
    status, text = ask(alias_of(name), "GET", "/" + bucket, "policy")
    print(text if status == 200 else "none")


COMMANDS = (
    (("alias", "set"), set_alias),
    (("config", "host", "add"), set_alias),
    (("alias", "list"), lambda: print("\n".join(aliases()))),
    (("mb",), make_bucket),
    (("anonymous", "set"), set_anonymous),
    (("anonymous", "get"), get_anonymous),
)


def main(words):
    for names, run in COMMANDS:
        if tuple(words[: len(names)]) == names:
            return run(*words[len(names) :])
    return die("this stand-in knows no `%s`" % " ".join(words[:2]))


if __name__ == "__main__":
    main(sys.argv[1:])

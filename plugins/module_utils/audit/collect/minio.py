# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the running MinIO for its buckets: what anybody may read of them, and whether they encrypt.

Facts `minio`: instances[] of {service, service_open, listed, buckets[] of {name, open[], policy[], encryption}}. Reads only: GET and HEAD. Signed
ones with the root credentials that the process holds; they are sent to it alone, as a signature.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.pool import Pool
from ansible_collections.nself.prod.plugins.module_utils.deployment.doors import doors_of, first_answer
from ansible_collections.nself.prod.plugins.module_utils.parse import s3_answers
from ansible_collections.nself.prod.plugins.module_utils.probe import s3
from ansible_collections.nself.prod.plugins.module_utils.probe.http import Response

FACT = "minio.instances"
PORT = 9000
MOST_BUCKETS = 100
AT_ONCE = 4
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
LIST = {"list-type": "2", "max-keys": "1"}
# What a server answers with 404 where the bucket is there and has no such thing.
NO_POLICY = "NoSuchBucketPolicy"
NO_ENCRYPTION = "ServerSideEncryptionConfigurationNotFoundError"

Ask = Callable[..., Response]


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts; instances is Unread where it is not known what runs."""

    def instances() -> List[Dict[str, Any]]:
        project = need("project")
        told = [item.value for name, item in project.settings.items() if name == "MINIO_DEFAULT_BUCKETS"]
        return [instance(host, unit, told) for unit in project.running("minio")]

    return {"instances": attempt(instances)}


def instance(host: Any, unit: Mapping[str, Any], told: List[str]) -> Dict[str, Any]:
    """Return one server's facts.

    service_open: whether anybody may list the buckets; listed: whether the server told all of them; open: what anybody could do just now
    (list, get); policy: actions that the bucket's policy allows everybody; encryption: algorithm of its default encryption, or None.
    """
    environment = unit["environment"]
    ask: Ask = partial(ask_server, host, unit)
    signed: Ask = partial(_signed, ask, credentials_of(environment))
    names = {
        name for text in told + [environment.get("MINIO_DEFAULT_BUCKETS", "")] for name in re.split(r"[\s,]+", text)
    }
    names = {name.split(":", 1)[0] for name in names}
    listed = attempt(lambda: bucket_names(signed))
    # A name of the env files whose bucket was never made is none; what the server itself tells is one, whatever it is called.
    wanted = sorted(name for name in names if BUCKET_NAME.match(name)) if isinstance(listed, Unread) else sorted(listed)
    with Pool(AT_ONCE) as pool:
        buckets = pool.map(partial(_bucket, ask, signed), wanted[:MOST_BUCKETS])
    if len(wanted) > MOST_BUCKETS:
        listed = Unread(Reason.ERROR, "it has %d buckets: only the first %d were asked" % (len(wanted), MOST_BUCKETS))
    return {
        "service": unit["service"],
        "service_open": attempt(lambda: _allowed(ask("/", {}))),
        "listed": listed if isinstance(listed, Unread) else True,
        "buckets": [item for item in buckets if item is not None],
    }


def credentials_of(environment: Mapping[str, str]) -> Optional[s3.Credentials]:
    """Return the root credentials that the process was started with, under today's names or those before 2021."""
    for user, secret in (("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"), ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY")):
        if environment.get(user) and environment.get(secret):
            region = environment.get("MINIO_REGION") or environment.get("MINIO_SITE_REGION") or "us-east-1"
            return s3.Credentials(environment[user], environment[secret], region)
    return None


def _signed(ask: Ask, credentials: Optional[s3.Credentials], path: str, query: Mapping[str, str]) -> Response:
    if credentials is None:
        raise Missing(
            FACT, Reason.ERROR, "MinIO's root credentials do not stand in its environment, so it cannot be asked"
        )
    return ask(path, query, credentials)


def ask_server(
    host: Any,
    unit: Mapping[str, Any],
    path: str,
    query: Mapping[str, str],
    credentials: Optional[s3.Credentials] = None,
    method: str = "GET",
    body: str = "",
) -> Response:
    """Ask a server, signed where credentials are given. Raises Missing."""
    port = _port(unit)

    def ask(address: str, door: int) -> Response:
        name = "%s:%d" % ("[%s]" % address if ":" in address else address, door)
        for tls in (False, True):
            with host.connect(address, door, timeout=3) as stream:
                if tls:
                    stream.start_tls(address)
                response = s3.ask(stream, name, path, query, credentials, host.now(), method, body)
            # A server of HTTPS says in clear that this is none.
            if response.status != 400 or b"HTTPS server" not in response.body:
                break
        return response

    return first_answer(doors_of(unit, port, own_first=True), ask, FACT, "MinIO")


def _port(unit: Mapping[str, Any]) -> int:
    found = re.search(r"--address[ =\"']*[^\s:\"']*:(\d{1,5})\b", " ".join(unit["argv"]))
    return int(found.group(1)) if found else PORT


def bucket_names(signed: Ask) -> List[str]:
    response = signed("/", {})
    if response.status != 200:
        raise _refused(response, "a signed list of its buckets")
    return _parsed(lambda: s3_answers.bucket_names(response.body))


def _bucket(ask: Ask, signed: Ask, name: str) -> Optional[Dict[str, Any]]:
    """Return a bucket's facts; None where there is no such bucket."""
    path = "/" + name
    found = attempt(lambda: ask(path, LIST))
    if not isinstance(found, Unread) and found.status == 404 and s3_answers.error_code(found.body) == "NoSuchBucket":
        return None
    return {
        "name": name,
        "open": found if isinstance(found, Unread) else attempt(lambda: _open(ask, signed, path, found)),
        "policy": attempt(lambda: _policy(signed(path, {"policy": ""}))),
        "encryption": attempt(lambda: _encryption(signed(path, {"encryption": ""}))),
    }


def _open(ask: Ask, signed: Ask, path: str, found: Response) -> List[str]:
    out = ["list"] if _allowed(found) else []
    listing = signed(path, LIST)
    if listing.status != 200:
        raise _refused(listing, "a signed list of a bucket")
    key = _parsed(lambda: s3_answers.first_key(listing.body))
    if key is not None and _allowed(ask(path + "/" + key, {}, None, "HEAD")):
        out.append("get")
    return out


def _policy(response: Response) -> List[str]:
    if response.status == 200:
        return _parsed(lambda: s3_answers.public_actions(response.body))
    if response.status == 404 and s3_answers.error_code(response.body) == NO_POLICY:
        return []
    raise _refused(response, "the policy of a bucket")


def _encryption(response: Response) -> Optional[str]:
    if response.status == 200:
        return _parsed(lambda: s3_answers.encryption_of(response.body))
    if response.status == 404 and s3_answers.error_code(response.body) == NO_ENCRYPTION:
        return None
    raise _refused(response, "the encryption of a bucket")


def _allowed(response: Response) -> bool:
    """Tell whether a server gave what was asked without credentials. Raises Missing where it neither gave nor refused it."""
    if response.status == 200:
        return True
    # A redirect to the console, which asks for a login, is what a browser gets: nothing is given.
    if response.status in (301, 302, 303, 307, 308, 401, 403):
        return False
    raise _refused(response, "a request without credentials")


def _refused(response: Response, what: str) -> Missing:
    code = s3_answers.error_code(response.body)
    return Missing(FACT, Reason.ERROR, "MinIO answers %d%s to %s" % (response.status, " " + code if code else "", what))


def _parsed(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except s3_answers.S3Error as error:
        raise Missing(FACT, Reason.PARSE_ERROR, "MinIO: %s" % error) from None


COLLECTORS = (Collector("minio", collect, deadline=18.0),)

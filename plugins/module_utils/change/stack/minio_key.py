# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which key MinIO is to encrypt with: never another one than what is stored was encrypted with. Pure functions."""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass

from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused

KEY = "MINIO_KMS_SECRET_KEY"
AUTOMATIC = "MINIO_KMS_AUTO_ENCRYPTION"
# Settings by which MinIO gets its keys from elsewhere; with one of them it takes no key of its own.
ELSEWHERE = ("MINIO_KMS_KES_ENDPOINT", "MINIO_KMS_SERVER", "MINIO_KMS_SECRET_KEY_FILE")
NAME = "nself-prod"  # of a generated key
BYTES = 32
# Where a key is kept from before MinIO gets it: a run that is taken back puts the env files back, but not what was encrypted meanwhile.
KEPT = ".nself-prod/minio/kms-key"


@dataclass(frozen=True)
class Known:
    """The keys that are known: given by variable, that of the running MinIO, declared in the env files, kept by an earlier run. "" for none."""

    given: str = ""
    running: str = ""
    declared: str = ""
    kept: str = ""


def valid(text: str) -> bool:
    """Tell whether a text is name:base64 of 32 bytes, as MinIO wants it."""
    name, _colon, key = text.partition(":")
    if not re.match(r"[A-Za-z0-9._-]{1,80}\Z", name):
        return False
    try:
        return len(base64.b64decode(key.encode("ascii"), validate=True)) == BYTES
    except (binascii.Error, ValueError):
        return False


def generated() -> str:
    return "%s:%s" % (NAME, base64.b64encode(os.urandom(BYTES)).decode("ascii"))


def chosen(known: Known) -> str:
    """Return the key to encrypt with, "" where there is none yet. Raises Refused where another one is in use, or one is none."""
    if known.given and not valid(known.given):
        raise Refused(
            "minio_kms_secret_key is no NAME:KEY with 32 bytes in base64; make one by `echo nself-prod:$(openssl rand -base64 32)`"
        )
    if known.kept and not known.running and not valid(known.kept):
        raise Refused("%s keeps no key that MinIO takes; look at it, and move it away if it is none" % KEPT)
    used = known.running or known.kept
    where = "MinIO encrypts with" if known.running else "%s keeps" % KEPT
    for text, name in ((known.given, "minio_kms_secret_key"), (known.declared, KEY + " of the env files")):
        if used and text and text != used:
            raise Refused(
                "%s the key `%s`, and %s is another one: what is stored could not be read any more. Put that key back, "
                "or decrypt everything first, by copying it to a MinIO without a key" % (where, label(used), name)
            )
        if known.given:
            break
    return used or known.given or (known.declared if valid(known.declared) else "")


def label(text: str) -> str:
    """Return a key's name, which is no secret."""
    name = text.partition(":")[0]
    return name if re.match(r"[A-Za-z0-9._-]{1,80}\Z", name) else "without a name"

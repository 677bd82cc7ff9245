# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nself's init container for MinIO, which makes the buckets and opens each of them to everybody at every start: the same without that.

Pure functions. nself writes one shell line with the root password in it; it becomes a script that reads everything from its environment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.stack import raw
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import literal

# What the line may consist of; any other command of mc in it means that somebody wrote his own.
_MC = re.compile(r"(?<![\w./-])(?:[\w./-]*/)?mc\s+((?:--?[\w-]+\s+)*)([a-z]+)(?:\s+([a-z]+))?")
_KNOWN = {("config", "host"), ("alias", "set"), ("anonymous", "set"), ("policy", "set")}
_LOGIN = re.compile(r"mc\s+(?:config\s+host\s+add|alias\s+set)\s+([\w-]+)\s+(https?://[\w.:-]+)\s+(\S+)\s+([^\s;]+)")
_LOOP = re.compile(r"\bfor\s+\w+\s+in\s+\$\(\s*echo\s+([^|)]*?)\s*(?:\|[^)]*)?\)\s*;")
_OPENS = re.compile(r"mc\s+(?:--?[\w-]+\s+)*(?:anonymous|policy)\s+set\s+(?!none|private)")

SCRIPT = """\
printf '%s\\n' "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" | mc alias set "$ALIAS" "$MINIO_URL" >/dev/null
IFS=', '
for bucket in $BUCKETS; do
  mc mb --ignore-existing "$ALIAS/$bucket" || echo "the bucket $bucket was not made" >&2
done
for bucket in $PUBLIC_BUCKETS; do
  mc anonymous set download "$ALIAS/$bucket"
done
"""


@dataclass(frozen=True)
class Line:
    """What nself's line says: alias, address, user, password and list of buckets, in compose's syntax."""

    alias: str
    url: str
    user: str
    password: str
    buckets: str


def opens(service: Mapping[str, Any]) -> bool:
    """Tell whether a service opens buckets to everybody, or hands mc a password on its command line. Raises raw.Unclear."""
    text = _text(service)
    return bool(_OPENS.search(text) or _LOGIN.search(text))


def line(service: Mapping[str, Any]) -> Line:
    """Take nself's line apart. Raises raw.Unclear where it is another one."""
    text = _text(service)
    for _flags, command, more in _MC.findall(text):
        if command != "mb" and (command, more) not in _KNOWN:
            raise raw.Unclear("it does more than nself's own (`mc %s`)" % command)
    login, loop = _LOGIN.findall(text), _LOOP.findall(text)
    if len(login) != 1 or len(loop) != 1:
        raise raw.Unclear("it is not nself's own")
    alias, url, user, password = login[0]
    found = Line(alias, url, user, password, loop[0])
    if not all(raw.refers(part) for part in (found.user, found.password)):
        raise raw.Unclear("its credentials stand in the compose file itself")
    return found


def mended(service: Mapping[str, Any], public: Sequence[str]) -> Dict[str, Any]:
    """Return the fragment of the service; public: buckets that everybody may read. Raises raw.Unclear."""
    found = line(service)
    command: Dict[str, Any] = {"command": []} if service.get("command") else {}
    return {
        **command,
        "entrypoint": ["/bin/sh", "-euc", literal(SCRIPT), "buckets"],
        "environment": {
            "ALIAS": found.alias,
            "MINIO_URL": found.url,
            "MINIO_ROOT_USER": found.user,
            "MINIO_ROOT_PASSWORD": found.password,
            "BUCKETS": found.buckets,
            "PUBLIC_BUCKETS": literal(",".join(public)),
            # Where a root that is read-only has room.
            "MC_CONFIG_DIR": "/tmp/.mc",
        },
    }


def _text(service: Mapping[str, Any]) -> str:
    parts: List[str] = []
    for key in ("entrypoint", "command"):
        value = service.get(key)
        parts += [value] if isinstance(value, str) else [str(word) for word in value or []]
    return " ".join(parts)

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's files inside its container: which changed since they were loaded, its TLS key and certificate, its pg_hba.conf."""

from __future__ import annotations

import datetime
import posixpath
import re
from typing import Any, Dict, List, Mapping

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.links import inside, root_of
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import pg_hba, x509

FACT = "postgres.files"
DATA = "/var/lib/postgresql/data"


def collect(host: Any, unit: Mapping[str, Any], sections: Mapping[str, Any]) -> Dict[str, Any]:
    """Return changed[] (files newer than what the server runs with), key {mode, uid} and certificate {first, last}."""
    settings, server = known(sections, "settings"), known(sections, "server")
    pid = str(unit["pid"])
    on = _value(settings, "ssl") == "on"
    return {
        "changed": attempt(lambda: _changed(host, pid, settings, sections, float(server["loaded"]))),
        "key": attempt(lambda: _key(host, pid, settings)) if on else None,
        "certificate": attempt(lambda: _certificate(host, pid, settings)) if on else None,
    }


def known(sections: Mapping[str, Any], name: str) -> Any:
    """Return a section's value. Raises Missing where it could not be read."""
    value = sections[name]
    if isinstance(value, Unread):
        raise Missing("postgres." + name, value.reason, value.detail)
    return value


def _value(settings: Mapping[str, Any], name: str) -> str:
    if name not in settings:
        raise Missing(FACT, Reason.NEEDS_ROOT, "POSTGRES_USER is no superuser, so PostgreSQL does not tell %s" % name)
    return str(settings[name]["value"])


def _changed(host: Any, pid: str, settings: Mapping[str, Any], sections: Mapping[str, Any], loaded: float) -> List[str]:
    paths = {_value(settings, name) for name in ("config_file", "hba_file", "ident_file")}
    paths.add(posixpath.join(_value(settings, "data_directory"), "postgresql.auto.conf"))
    paths.update(str(item["file"]) for item in known(sections, "file_settings") if item.get("file"))
    paths.update(str(item["file_name"]) for item in known(sections, "hba") if item.get("file_name"))
    return sorted(path for path in paths if _newer(host, inside(host, root_of(pid), path), loaded))


def _newer(host: Any, path: str, loaded: float) -> bool:
    try:
        return bool(host.stat(path).mtime > loaded)
    except NotFound:
        return False


def _tls_path(host: Any, pid: str, settings: Mapping[str, Any], name: str) -> str:
    return inside(host, root_of(pid), posixpath.join(_value(settings, "data_directory"), _value(settings, name)))


def _key(host: Any, pid: str, settings: Mapping[str, Any]) -> Dict[str, Any]:
    info = host.stat(_tls_path(host, pid, settings, "ssl_key_file"))
    return {"mode": info.mode, "uid": info.uid}


def _certificate(host: Any, pid: str, settings: Mapping[str, Any]) -> Dict[str, str]:
    text = host.read(_tls_path(host, pid, settings, "ssl_cert_file"))
    try:
        found = x509.certificates_of(text)
        certificate = x509.parse(found[0]) if found else None
        if certificate is None:
            raise ValueError("holds no certificate")
        return {"first": _day(certificate.not_before), "last": _day(certificate.not_after)}
    except (ValueError, OverflowError) as error:
        raise Missing(FACT, Reason.PARSE_ERROR, "PostgreSQL's certificate file: %s" % error) from None


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date().isoformat()


def hba(host: Any, unit: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return the rules of the server's pg_hba.conf, as the file has them."""
    pid, line = str(unit["pid"]), " ".join(str(part) for part in unit["argv"])
    folder = re.search(r"(?:^| )(?:-D *|--pgdata[= ])([^ ]+)", line)
    data = folder.group(1) if folder else unit["environment"].get("PGDATA") or DATA
    named = re.search(r"hba_file=([^ ]+)", line)
    path = posixpath.join(data, named.group(1) if named else "pg_hba.conf")

    def read(name: str) -> str:
        try:
            return str(host.read(inside(host, root_of(pid), name)))
        except NotFound:
            raise FileNotFoundError(name) from None

    try:
        return pg_hba.parse(path, read, lambda name: host.listdir(inside(host, root_of(pid), name)))
    except FileNotFoundError:
        raise Missing(FACT, Reason.ERROR, "PostgreSQL's pg_hba.conf is not where it is looked for") from None
    except pg_hba.HbaError as error:
        raise Missing(FACT, Reason.PARSE_ERROR, str(error)) from None

# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of TLS: the keys that nginx reads, seen from where it reads them, and certificates that lie about. Keys are never opened."""

from __future__ import annotations

import posixpath
from functools import partial
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.files import git_of
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.links import inside
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.certificate_renewers import LOCAL_ANCHORS, STORES
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, names_in
from ansible_collections.nself.prod.plugins.module_utils.parse import x509

NGINX_PREFIX = "/etc/nginx"
FOLDERS_LIMIT = 200  # of one store or folder of authorities


def resolve(host: Any, root: str, path: str) -> str:
    """Return a path below root without symbolic links, as the root itself names it. Raises HostError."""
    return inside(host, root, path)[len(root) :] or "/"


def keys(host: Any, sources: Iterable[Tuple[Any, Sequence[Mapping[str, Any]]]]) -> List[Dict[str, Any]]:
    """Return every private key that an nginx names, once. sources: (nginx, mounts of its container)."""
    out = []
    for nginx, mounts in sources:
        named = {site.key for site in nginx.sites if site.tls and site.key}
        # A site may have a second key beside its first, for ECDSA, and other blocks than http have keys too.
        named.update(_keys_in(nginx.config or ()))
        for path in sorted(named):
            file = attempt(partial(_key, host, nginx, path, mounts))
            out.append({"path": path, "service": nginx.service, "file": file})
    return out


def _keys_in(directives: Iterable[Any]) -> Iterator[str]:
    for item in directives:
        if item.name == "ssl_certificate_key":
            yield item.first
        yield from _keys_in(item.block or ())


def placed(path: str) -> str:
    """Return a path of nginx's configuration as nginx completes it."""
    return posixpath.join(NGINX_PREFIX, path)


def _key(host: Any, nginx: Any, path: str, mounts: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    if path.startswith(("data:", "engine:", "store:")) or "$" in path:
        raise Missing("tls.keys", Reason.ERROR, "nginx takes its key from no fixed file")
    root = nginx.root.rstrip("/")
    real = resolve(host, root, placed(path))
    info = host.stat(root + real, follow=False)
    outside = on_host(real, mounts) if nginx.service else real
    git = attempt(lambda: _git(host, outside)) if outside else "none"
    return {"mode": info.mode, "uid": info.uid, "host_path": outside, "git": git}


def on_host(path: str, mounts: Sequence[Mapping[str, Any]]) -> Optional[str]:
    """Return where on the host a file of a container lies, None where that is in no bind mount."""
    best: Optional[Mapping[str, Any]] = None
    for mount in mounts:
        target = str(mount["target"]).rstrip("/")
        if path == target or path.startswith(target + "/"):
            if best is None or len(target) > len(str(best["target"]).rstrip("/")):
                best = mount
    if best is None or not best["bind"] or not isinstance(best["source"], str):
        return None
    return posixpath.normpath(best["source"] + "/" + path[len(str(best["target"]).rstrip("/")) :].lstrip("/"))


def _git(host: Any, path: str) -> str:
    """Return none, ignored, not_ignored or tracked."""
    git = git_of(host, posixpath.dirname(path), [path])
    if git is None:
        return "none"
    return next((state for state in ("tracked", "not_ignored") if git[state]), "ignored")


def leaf_of_file(host: Any, root: str, path: str) -> x509.Certificate:
    """Return the first certificate of a PEM file. Raises Missing, HostError."""
    root = root.rstrip("/")
    try:
        found = x509.certificates_of(host.read(root + resolve(host, root, path)))
        if not found:
            raise ValueError("no certificate in it")
        return x509.parse(found[0])
    except ValueError as error:
        raise Missing("tls.names", Reason.PARSE_ERROR, "%s: %s" % (path, error)) from error


def stored(host: Any) -> List[Tuple[str, str, x509.Certificate]]:
    """Return (store, file, certificate) of what renewal clients keep on the host. What cannot be read is left out."""
    out = []
    for store, names in STORES.items():
        for folder in names_in(host, store)[:FOLDERS_LIMIT]:
            for name in names:
                path = "%s/%s/%s" % (store, folder, name)
                try:
                    out.append((store, path, leaf_of_file(host, "", path)))
                except (HostError, Missing):
                    continue
    return out


def local_authorities(host: Any) -> Dict[bytes, str]:
    """Return {subject (DER): name} of the authorities that an administrator added to the host's own. Raises HostError, Missing."""
    out = {}
    for top in LOCAL_ANCHORS:
        for path in _files(host, top):
            try:
                parsed = [x509.parse(data) for data in x509.certificates_of(host.read(path))]
            except ValueError as error:
                raise Missing("tls.names", Reason.PARSE_ERROR, "%s: %s" % (path, error)) from error
            out.update({item.subject_dn: item.subject or path for item in parsed})
    return out


def _files(host: Any, top: str) -> List[str]:
    """Return the files below a folder, two levels deep."""
    out = []
    for name in names_in(host, top)[:FOLDERS_LIMIT]:
        path = top + "/" + name
        try:
            kind = host.stat(path).kind
        except NotFound:
            continue  # a dangling link
        if kind == "file":
            out.append(path)
        elif kind == "dir":
            inner = [path + "/" + other for other in names_in(host, path)[:FOLDERS_LIMIT]]
            out += [other for other in inner if host.stat(other).kind == "file"]
    return out

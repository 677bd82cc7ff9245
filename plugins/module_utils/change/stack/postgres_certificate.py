# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate for PostgreSQL that somebody gives, by path or as text, or has given it before: judged before anything is changed."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Any, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change import certificates
from ansible_collections.nself.prod.plugins.module_utils.change.changes import text_of
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.tables.postgres_clients import MODES


@dataclass
class Given:
    """What the server shows. chain, key: PEM, "" where they stay where they are; authorities: PEM, "" where clients know them anyway.

    names: whom the certificate is for.
    """

    chain: str = ""
    key: str = ""
    authorities: str = ""
    names: Tuple[str, ...] = ()
    left: List[str] = field(default_factory=list)


def given(
    host: Any, certificate: str, key: str, authorities: str, wanted: Sequence[str], mode: str, what: str
) -> Given:
    """Return a certificate that was given, or that the server has of its own (key: ""). Raises Refused for one that would not work.

    certificate, key, authorities: paths on the host, or PEM text; wanted: names that clients use, the service's own first.
    """
    own = what != "certificate"
    if not own and not (certificate and key):
        raise Refused("certificate and key belong together: give both, or neither for one that is made")
    chain, secret, roots = _text(host, certificate, what), _text(host, key, "key"), _text(host, authorities, "ca")
    leaf = certificates.read(chain, what)[0]
    now = host.now()
    if leaf.not_after <= now or leaf.not_before > now:
        raise Refused("%s is not valid today; give a new one" % what)
    out = Given(chain, secret, roots, leaf.names)
    left = certificates.days_left(leaf, now)
    if left < certificates.RENEW_DAYS:
        out.left.append("%s ends in %d days; give a new one and run again" % (what, left))
    if not own and not certificates.OpenSsl(host).fit(certificates.Pair(chain, secret)):
        raise Refused("key is not the certificate's, or has a passphrase; PostgreSQL could not start with it")
    if roots:
        certificates.read(roots, "ca")
        if not certificates.OpenSsl(host).vouches(roots, chain):
            raise Refused("ca does not vouch for %s" % what)
    if mode == MODES[-1] and not certificates.covers(leaf, wanted[:1]):
        raise Refused(
            "%s is not for the name %s, by which the clients come: verify-full would refuse it" % (what, wanted[0])
        )
    return out


def own(host: Any, server: Any, ours: Sequence[str]) -> Tuple[Optional[str], str]:
    """Return (the certificate that somebody gave the server, why it cannot be kept), each None or "" where there is no such thing.

    ours: what the path of one that is nobody's own has in it. Who gave his server a certificate keeps it, also where TLS has been turned
    off since: clients may know it. But only what the server has started with is known to work, so then its key has to fit.
    """
    path = server.setting("ssl_cert_file")
    if not path or any(part in path for part in ours):
        return None, ""
    on = server.setting("ssl") == "on"
    folder = server.setting("data_directory")
    try:
        text = server.read(posixpath.join(folder, path))
        leaf = certificates.read(text, path)[0]
        if not on:
            key = server.read(posixpath.join(folder, server.setting("ssl_key_file")))
            if not certificates.OpenSsl(host).fit(certificates.Pair(text, key)):
                return None, "the server's own certificate cannot be kept: its key is not the certificate's"
    except (FileNotFoundError, Refused) as error:
        # PostgreSQL names a file by default, whether there is one or not.
        return None, "the server's own certificate cannot be kept: %s" % error if on else ""
    if leaf.not_before <= host.now() < leaf.not_after:
        return text, ""
    return None, "the server's own certificate %s is not valid today, so one that is made takes its place" % path


def _text(host: Any, value: str, what: str) -> str:
    """Return PEM text that was given as such or as a path."""
    if not value or "-----BEGIN " in value:
        return value.strip() + "\n" if value else ""
    text = text_of(host, value)
    if text is None:
        raise Refused("%s: %s is not there" % (what, value))
    return text
